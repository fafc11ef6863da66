"""The engine as people hear it: front end, BERT, network, trimming and marks, from a text to its first sound.

The voice has the published size and random weights, so its loudness says that sentences are alike, not how a voice
sounds; each word of the sentences is one WordPiece.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure
from core.optimization import TorchOptimizer
from core.utils.config import OptimizationConfig
from tts.loudness import voiced_dbfs
from tts.melo.configuration import CONFIG_FILE
from tts.melo.text.wordpiece import END, START, UNKNOWN_TOKEN
from tts.melo.voice_files import VoiceFiles
from tts.melo.weights import CONVERTED_FILE
from tts.melo_engine import MeloEngine, MeloSettings

ROUNDS = 3
CLAUSE = "The timer is set now."
REPLIES = (
    CLAUSE,
    "It is five o'clock in the afternoon.",
    "Yes, of course I can do that for you.",
    "That is three hundred and twelve miles.",
    "There are no alarms today.",
    "Sorry, I did not hear what you said just now.",
)
PHONES = """
    aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw w y z zh V
    , . ! ? … ' - SP UNK
"""


def figures(voice: Path, bert: Path) -> list[Figure]:
    """About a quarter of a minute on two quiet cores; `voice` is converted."""
    files = VoiceFiles(speakable(voice), "en", with_vocabulary(bert, REPLIES))
    engine = MeloEngine(MeloSettings((files,)), optimizer=TorchOptimizer(OptimizationConfig(compile=False)))
    began = time.perf_counter()
    engine.load()
    load_s = time.perf_counter() - began
    fresh = min(_first_ms(engine, CLAUSE, 1.0 + round_ / 1000) for round_ in range(ROUNDS))
    list(engine.synthesize(CLAUSE, "en", 1.0))
    again = min(_first_ms(engine, CLAUSE, 1.0) for _ in range(ROUNDS))
    levels = []
    for text in REPLIES:
        samples = np.concatenate([piece.samples for piece in engine.synthesize(text, "en", 1.0)])
        levels.append(voiced_dbfs(samples, engine.sample_rate_hz))
    spare = min(_spare_ms(engine, REPLIES[-1], 1.0 + round_ / 1000) for round_ in range(ROUNDS))
    engine.close()
    return [
        Figure("melo engine, loading with a sentence said", load_s, "s", "lower"),
        Figure("melo engine, first sound of five words of text", fresh, "ms", "lower", 450.0),
        Figure("melo engine, first sound of a repeated phrase", again, "ms", "lower"),
        Figure("melo engine, each window ready before its turn by", spare, "ms", "higher", 0.0),
        Figure("melo engine, loudness of replies apart", max(levels) - min(levels), "dB", "lower", 1.0),
    ]


def _first_ms(engine: MeloEngine, text: str, speed: float) -> float:
    """Until the first piece; another speed is not in the cache."""
    began = time.perf_counter()
    pieces = engine.synthesize(text, "en", speed)
    next(pieces)
    first_ms = 1000 * (time.perf_counter() - began)
    pieces.close()
    return first_ms


def _spare_ms(engine: MeloEngine, text: str, speed: float) -> float:
    """How long before the sound ahead of it was over the latest window came; below 0 there was a silence."""
    began = time.perf_counter()
    first_s, played_s, spare_s = None, 0.0, float("inf")
    for piece in engine.synthesize(text, "en", speed):
        ready_s = time.perf_counter() - began
        if first_s is None:
            first_s = ready_s
        else:
            spare_s = min(spare_s, first_s + played_s - ready_s)
        played_s += len(piece.samples) / engine.sample_rate_hz
    return 1000 * spare_s


def speakable(voice: Path) -> Path:
    """The same weights under symbols that English has."""
    folder = voice.with_name("speakable")
    folder.mkdir()
    config = json.loads((voice / CONFIG_FILE).read_text(encoding="utf-8"))
    phones = ["_", *PHONES.split()]
    config["symbols"] = [*phones, *config["symbols"][len(phones) :]]
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
    (folder / CONVERTED_FILE).symlink_to(voice / CONVERTED_FILE)
    return folder


def with_vocabulary(bert: Path, texts: Iterable[str]) -> Path:
    """A vocab.txt of the words that are said and of all letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {word for text in texts for word in text.lower().translate(str.maketrans(",.'", "   ")).split()}
    tokens = [UNKNOWN_TOKEN, START, END, *words, *letters, *(f"##{letter}" for letter in letters), *",.!?'-"]
    (bert / "vocab.txt").write_text("\n".join(dict.fromkeys(tokens)) + "\n", encoding="utf-8")
    return bert
