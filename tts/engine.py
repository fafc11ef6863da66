"""What a speech engine is: speakable text in, a stream of short pieces of sound with marks out.

An engine knows nothing of turns, messages or written text; `tts.synthesizer` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from core.messages import Language, Mark, Samples


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """100 to 200 ms of a text's sound."""

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
    def languages(self) -> tuple[Language, ...]:
        """What it can speak; known after `load`, never empty."""
        ...

    def load(self) -> None:
        """Get ready. Raises ModelError, or ConfigError for a voice that does not exist."""
        ...

    def synthesize(self, text: str, language: Language, rate_factor: float) -> Iterator[SpeechPiece]:
        """Sound of `text`, piece by piece; the last piece, and only that, has `last` set. Raises InferenceError."""
        ...

    def close(self) -> None:
        """Stop work under way and give everything back."""
        ...
