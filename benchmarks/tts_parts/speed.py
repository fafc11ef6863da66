"""Whole sentences and first sounds, all engines in turn in one run; the quietest round of each counts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.figures import Figure
from benchmarks.tts_parts.engines import FASTER, REDUCED, Engine, Ours, Plain
from benchmarks.tts_parts.spectra import signal_db, spectral_db
from benchmarks.tts_parts.voice import sentence
from tts.melo.network import Sounds

ROUNDS = 3
THREADS = 2
SENTENCE = (20, 97)
"""WordPieces and phones, with the blanks between phones, of a dozen words: about 3.7 s"""
CLAUSE = (7, 41)
"""of five words"""
REPLY = 3
"""sentences of a reply"""

Text = tuple[Tensor, Sounds]


def text(size: tuple[int, int], seed: int = 0) -> Text:
    """Random tokens and phones."""
    tokens = torch.randint(1000, 30000, (size[0],), generator=torch.Generator().manual_seed(seed))
    return tokens, sentence(size[1], seed)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One reply's sound and when it came."""

    samples: Tensor
    first_s: float
    whole_s: float


def speak(engine: Engine, reply: Sequence[Text], first_only: bool = False) -> Spoken:
    """All sentences of a reply, or up to its first piece of sound."""
    began = time.perf_counter()
    pieces, first_s = [], 0.0
    for one in reply:
        for piece in engine.speak(*one):
            first_s = first_s or time.perf_counter() - began
            pieces.append(piece)
            if first_only:
                return Spoken(piece, first_s, first_s)
    return Spoken(torch.cat(pieces), first_s, time.perf_counter() - began)


def figures(voice: Path, bert: Path) -> list[Figure]:
    """About half a minute on two quiet cores."""
    torch.set_num_threads(THREADS)
    engines: dict[str, Engine] = {
        "plain": Plain(voice, bert),
        "ours": Ours(voice, bert),
        "reduced": Ours(voice, bert, decoder="reduced"),
        "fast": Ours(voice, bert, "int8", "reduced"),
    }
    replies = {
        "sentence": [text(SENTENCE)],
        "clause": [text(CLAUSE)],
        "reply": [text(SENTENCE, n) for n in range(REPLY)],
    }
    best: dict[tuple[str, str], Spoken] = {}
    first: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS):
        for what, reply in replies.items():
            for name, engine in engines.items():
                if (name, what) == ("plain", "clause"):
                    continue
                spoken = speak(engine, reply, first_only=what != "sentence" and name != "plain")
                at = (name, what)
                first[at] = min(first.get(at, spoken.first_s), spoken.first_s)
                if at not in best or spoken.whole_s < best[at].whole_s:
                    best[at] = spoken
    return _figures(best, first)


def _figures(best: dict[tuple[str, str], Spoken], first: dict[tuple[str, str], float]) -> list[Figure]:
    plain, ours, reduced, fast = (best[name, "sentence"] for name in ("plain", "ours", "reduced", "fast"))
    whole = best["plain", "reply"].whole_s
    audio_s = len(plain.samples) / 44100
    error = float((plain.samples - ours.samples).abs().max())
    return [
        Figure("melo sentence, time of the plain way", plain.whole_s, "s", "lower"),
        Figure("melo sentence / plain way", ours.whole_s / plain.whole_s, "", "lower", 0.85, 1.0),
        Figure("melo sentence, largest difference", error, "", "lower", 1e-4),
        Figure("melo sentence, real-time factor", ours.whole_s / audio_s, "", "lower", None, plain.whole_s / audio_s),
        Figure(
            f"melo sentence with {REDUCED} / plain way",
            reduced.whole_s / plain.whole_s,
            "",
            "lower",
            None,
            1.0,
        ),
        Figure(f"melo sentence, {FASTER} / plain way", fast.whole_s / plain.whole_s, "", "lower", 0.5, 1.0),
        Figure(
            f"melo with {REDUCED}, spectral difference",
            spectral_db(ours.samples, reduced.samples),
            "dB",
            "lower",
        ),
        Figure(
            f"melo with {REDUCED}, signal to error",
            signal_db(ours.samples, reduced.samples),
            "dB",
            "higher",
        ),
        Figure(f"melo, {FASTER}, spectral difference", spectral_db(ours.samples, fast.samples), "dB", "lower"),
        Figure(
            "melo first sound of three sentences / plain whole", first["ours", "reply"] / whole, "", "lower", 0.12, 1.0
        ),
        Figure("melo first sound of five words", 1000 * first["ours", "clause"], "ms", "lower", 450.0),
        Figure(f"melo first sound of five words, {FASTER}", 1000 * first["fast", "clause"], "ms", "lower", 450.0),
    ]
