"""Text ready to be spoken, and which part of the written text each part of it stands for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """`text[spoken_start:spoken_end]` is how `written[start:end]` is said; `kept` when the two are equal."""

    spoken_start: int
    spoken_end: int
    start: int
    end: int
    kept: bool


@dataclass(frozen=True, slots=True)
class SpokenText:
    """The spoken words and their alignment. Spans follow each other without a gap in both texts."""

    written: str
    text: str
    spans: tuple[Span, ...]

    def written_length(self, spoken_length: int) -> int:
        """How many written characters have been said once this many spoken ones have.

        A part that was rewritten counts only when all its words have been said.
        """
        if spoken_length >= len(self.text):
            return len(self.written)
        index = bisect_right(self.spans, spoken_length, key=lambda span: span.spoken_start) - 1
        if index < 0:
            return 0
        span = self.spans[index]
        if span.kept:
            return span.start + spoken_length - span.spoken_start
        return span.end if spoken_length >= span.spoken_end else span.start


class SpokenTextBuilder:
    """Collects the parts in order; keeps rewritten words apart from their neighbours by a space."""

    def __init__(self, written: str) -> None:
        self._written = written
        self._parts: list[str] = []
        self._spans: list[Span] = []
        self._length = 0
        self._last_character = " "
        self._rewritten_last = False

    def keep(self, start: int, end: int) -> None:
        """Say written[start:end] as it is."""
        text = self._written[start:end]
        if text and self._rewritten_last and text[0].isalnum() and self._last_character.isalnum():
            self._append(" ", start, start, kept=False)
        self._append(text, start, end, kept=True)
        self._rewritten_last = False

    def say(self, words: str, start: int, end: int, joined: bool = False) -> None:
        """Say `words` for written[start:end]; none leave that part unsaid, `joined` ones belong to the word around."""
        if not joined and words and words[0].isalnum() and self._last_character.isalnum():
            words = " " + words
        self._append(words, start, end, kept=False)
        self._rewritten_last = not joined

    def build(self) -> SpokenText:
        return SpokenText(self._written, "".join(self._parts), tuple(self._spans))

    def _append(self, text: str, start: int, end: int, kept: bool) -> None:
        if not text and start == end:
            return
        self._parts.append(text)
        self._spans.append(Span(self._length, self._length + len(text), start, end, kept))
        self._length += len(text)
        if text:
            self._last_character = text[-1]
