"""What a speech engine is: speakable text in, a stream of short pieces of sound with marks out.

An engine knows nothing of turns, messages or written text; `tts.synthesizer` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from core.messages import Mark, Samples

SpokenLanguage = Literal["en", "fr", "es", "zh", "ja", "ko"]
"""that a voice may have; the assistant itself speaks the first two, a language model's reply may be in any"""


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """The next part of a text's sound: a fraction of a second."""

    samples: Samples
    """[n] float32 mono at the engine's rate"""
    marks: tuple[Mark, ...] = ()
    """samples counted from the start of this piece, characters in the text given to the engine"""
    last: bool = False
    """nothing of this text follows"""


class SpeechEngine(Protocol):
    """Speaks a text; one thread at a time uses it, and closing the generator stops its work."""

    @property
    def name(self) -> str:
        """As configuration and plan call it."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate of every piece; known after `load`."""
        ...

    @property
    def languages(self) -> tuple[SpokenLanguage, ...]:
        """What it can speak; known after `load`, never empty."""
        ...

    def pause_ms(self, text: str) -> int:
        """Silence that belongs between this text and the next."""
        ...

    def load(self) -> None:
        """Get ready. Raises ModelError, or ConfigError for a voice that does not exist."""
        ...

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text`, piece by piece; the last piece, and only that, has `last` set. Raises InferenceError."""
        ...

    def close(self) -> None:
        """Stop work under way and give everything back."""
        ...
