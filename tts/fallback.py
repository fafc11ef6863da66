"""Several speech engines as one: each text is spoken by the first that can, and what that one leaves by the next.

The rate is that of the first engine that loads; others are brought to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from core.messages import Mark
from core.utils.errors import DeviceError, InferenceError, ModelError
from tts.engine import SpeechEngine, SpeechPiece, SpokenLanguage

logger = logging.getLogger(__name__)

_FAILURES = (ModelError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError)


class FallbackEngine:
    """Implements `tts.engine.SpeechEngine`. `tell` hears, once for each engine, why another speaks in its place.

    With `required`, the first engine has to load; else any that does will do.
    """

    def __init__(
        self, engines: Sequence[SpeechEngine], tell: Callable[[str], None] = lambda text: None, required: bool = False
    ) -> None:
        if not engines:
            raise ValueError("FallbackEngine: at least one engine is needed")
        self._engines = list(engines)
        self._tell = tell
        self._required = required
        self._loaded: list[SpeechEngine] = []
        self._told: set[str] = set()
        self._speaking: SpeechEngine = engines[0]

    @property
    def name(self) -> str:
        """Of the one that spoke last."""
        return self._speaking.name

    @property
    def sample_rate_hz(self) -> int:
        return self._first().sample_rate_hz

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        return tuple(dict.fromkeys(language for engine in self._loaded for language in engine.languages))

    def pause_ms(self, text: str) -> int:
        """Of the one that spoke last."""
        return self._speaking.pause_ms(text)

    def load(self) -> None:
        """Load all that can be. Raises what the first raises if it is required, or if none loads."""
        failures: list[ModelError | DeviceError] = []
        self._loaded = []
        for engine in self._engines:
            try:
                engine.load()
                self._loaded.append(engine)
            except (ModelError, DeviceError) as error:
                if self._required and engine is self._engines[0]:
                    raise
                failures.append(error)
        if not self._loaded:
            raise failures[0]
        self._speaking = self._loaded[0]
        for reason in failures:
            self._tell(f"{self._speaking.name} speaks instead: {reason}")

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """By the first engine that has the language; where it fails, the rest of the text by the next.

        Raises InferenceError where no engine can.
        """
        able = [engine for engine in self._loaded if language in engine.languages]
        if not able:
            raise InferenceError(f"no voice for {language!r}; there are {', '.join(self.languages)}")
        said = 0
        for number, engine in enumerate(able):
            self._speaking, begun = engine, said
            try:
                for piece in self._pieces(engine, text[begun:], language, rate_factor):
                    marks = tuple(Mark(mark.sample, begun + mark.characters) for mark in piece.marks)
                    said = marks[-1].characters if marks else said
                    yield SpeechPiece(piece.samples, marks, piece.last)
                return
            except _FAILURES as error:
                if number + 1 == len(able):
                    raise InferenceError(f"{engine.name} cannot say {text[:40]!r}: {error}") from error
                self._note(engine, able[number + 1], error)

    def close(self) -> None:
        """Close every engine."""
        for engine in self._engines:
            engine.close()

    def _pieces(
        self, engine: SpeechEngine, text: str, language: SpokenLanguage, rate_factor: float
    ) -> Iterator[SpeechPiece]:
        pieces = engine.synthesize(text, language, rate_factor)
        if engine.sample_rate_hz == self.sample_rate_hz:
            return pieces
        return _at_rate(pieces, engine.sample_rate_hz, self.sample_rate_hz)

    def _note(self, failed: SpeechEngine, spare: SpeechEngine, error: Exception) -> None:
        logger.warning("%s failed, %s speaks in its place: %s", failed.name, spare.name, error)
        if failed.name not in self._told:
            self._told.add(failed.name)
            self._tell(f"{spare.name} speaks where {failed.name} cannot: {error}")

    def _first(self) -> SpeechEngine:
        if not self._loaded:
            raise InferenceError("no speech engine is loaded; call load() first")
        return self._loaded[0]


def _at_rate(pieces: Iterator[SpeechPiece], from_hz: int, to_hz: int) -> Iterator[SpeechPiece]:
    """The pieces at another rate, in one stream."""
    import soxr

    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    ratio = to_hz / from_hz
    for piece in pieces:
        samples = np.asarray(stream.resample_chunk(piece.samples, last=piece.last), np.float32)
        marks = tuple(Mark(min(round(m.sample * ratio), len(samples)), m.characters) for m in piece.marks)
        yield SpeechPiece(samples, marks, piece.last)
