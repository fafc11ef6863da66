"""Speech in real time without waiting for it: a clock that jumps to the next sound, and words for random weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from benchmarks.corpora.commands import HELD_OUT
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.backend import Backend, WindowRequest
from core.utils.whisper.results import Decoded, Piece

_WORD_S, _GAP_S = 0.3, 0.1
"""150 words a minute"""
_BREATH_WORDS, _BREATH_S = 7, 0.3
"""after so many words a pause, which takes the time of the next gap and more"""
_LOUD, _QUIET = 0.1, 1e-4
_FIRST_TOKEN = 1000
_COMPARED = 32


class PacedClock:
    """The machine's clock, set forward to the arrival of the next sound whenever nothing is left to do."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return time.perf_counter() + self._ahead_s

    def now(self) -> datetime:
        """As far as anybody asks here, the same in another form."""
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def wait_until(self, at_s: float) -> None:
        """Nothing happens until then; it may be past."""
        self._ahead_s += max(at_s - self.monotonic(), 0.0)


@dataclass(frozen=True, slots=True)
class Script:
    """Bursts of noise, and the word that each stands for."""

    samples: Samples
    words: tuple[Piece, ...]


def script(seconds: float) -> Script:
    """Speech of this length. Four words in three are one token, as in English."""
    texts = " ".join(HELD_OUT).split()
    words: list[Piece] = []
    at, token = _GAP_S, _FIRST_TOKEN
    while at + _WORD_S <= seconds:
        tokens = (token, token + 1) if len(words) % 3 == 2 else (token,)
        words.append(Piece(f" {texts[len(words) % len(texts)]}", tokens, at, at + _WORD_S))
        token += len(tokens)
        at += _WORD_S + (_BREATH_S if len(words) % _BREATH_WORDS == 0 else _GAP_S)
    samples = np.random.default_rng(2).normal(0.0, _QUIET, round(seconds * SAMPLE_RATE_HZ)).astype(np.float32)
    for word in words:
        begin, end = (round((edge or 0.0) * SAMPLE_RATE_HZ) for edge in (word.start_s, word.end_s))
        samples[begin:end] *= _LOUD / _QUIET
    return Script(samples, tuple(words))


class ScriptedWords:
    """A Backend that lets the engine hear and generate as many tokens as the script has, and gives the script's words.

    So the time is the engine's and the words are not: they agree from one pass to the next as a perfect recogniser's.
    """

    def __init__(self, engine: Backend, script: Script) -> None:
        self._engine = engine
        self._script = script
        self.name, self.device, self.compute_type = engine.name, engine.device, engine.compute_type
        self.languages = engine.languages
        self.transcribe, self.detect_language = engine.transcribe, engine.detect_language

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        """See Backend. A sound that is not the script's, such as the warm-up, is the engine's alone."""
        begin = self._place(samples)
        if begin is None:
            return self._engine.decode_window(samples, request)
        pieces = self._heard(begin, begin + len(samples) / SAMPLE_RATE_HZ)
        tokens = tuple(token for piece in pieces for token in piece.tokens)
        # a draft is taken as a recogniser takes it that had said the same
        prefix = (*request.stream.prefix, *request.stream.draft)
        # and the end, which random weights never give
        generated = max(len(tokens) - len(prefix), 0) + 1
        stream = replace(request.stream, prefix=prefix, draft=())
        worked = replace(request, max_new_tokens=min(generated, request.max_new_tokens), stream=stream)
        decoded = self._engine.decode_window(samples, worked)
        text = "".join(piece.text for piece in pieces).strip()
        return Decoded(text, tokens, -0.2, 0.01, decoded.language, decoded.language_probability, pieces, ())

    def _heard(self, begin_s: float, end_s: float) -> tuple[Piece, ...]:
        """Words that lie wholly in the window, timed from its start."""
        return tuple(
            replace(word, start_s=word.start_s - begin_s, end_s=word.end_s - begin_s)
            for word in self._script.words
            if word.start_s is not None
            and word.end_s is not None
            and word.start_s >= begin_s - _GAP_S
            and word.end_s <= end_s
        )

    def _place(self, samples: Samples) -> float | None:
        """Where in the script the sound begins, in seconds, less the silence that is put before who speaks at once."""
        silent = int(np.flatnonzero(samples)[0]) if samples.any() else 0
        for before in (0, silent):
            begin = samples[before : before + _COMPARED]
            for index in np.flatnonzero(self._script.samples == begin[0]):
                if np.array_equal(self._script.samples[index : index + _COMPARED], begin):
                    return float(index - before) / SAMPLE_RATE_HZ
        return None
