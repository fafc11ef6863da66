"""Which words will stay: those on which two consecutive passes agree (LocalAgreement-2, Macháček et al. 2023).

Guarantees: the stable words only ever grow until they are cut off or revised. Knows neither sound nor time.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.utils.whisper.results import Piece


class LocalAgreement:
    """Takes the pieces of one pass after the other; each pass begins with the words that are stable already."""

    def __init__(self) -> None:
        self._stable: tuple[Piece, ...] = ()
        self._previous: tuple[str, ...] = ()

    @property
    def stable(self) -> tuple[Piece, ...]:
        """Words that every later pass begins with. Never ends in punctuation, which the next word may change, nor in
        figures when they become stable, as "14" is the beginning of 1455."""
        return self._stable

    def hear(self, pieces: Sequence[Piece]) -> int:
        """One more pass; returns how many pieces have become stable by it.

        A pass that does not begin with the stable words says nothing, and the next one has nothing to agree with.
        """
        words = tuple(comparable(piece.text) for piece in pieces)
        known = len(self._stable)
        if words[:known] != tuple(comparable(piece.text) for piece in self._stable):
            self._previous = ()
            return 0
        agreed = _common(words, self._previous)
        while agreed > known and not _is_finished(pieces[agreed - 1].text):
            agreed -= 1
        self._previous = words
        if agreed <= known:
            return 0
        self._stable = (*self._stable, *pieces[known:agreed])
        return agreed - known

    def revise(self, pieces: Sequence[Piece]) -> None:
        """The words up to a pause, heard anew: what is stable and is not among them so was misheard."""
        words = tuple(comparable(piece.text) for piece in pieces)
        kept = _common(words, tuple(comparable(piece.text) for piece in self._stable))
        if kept < len(self._stable):
            self._stable, self._previous = self._stable[:kept], ()

    def cut(self, count: int) -> None:
        """The first `count` pieces were cut off with their sound."""
        self._stable = self._stable[count:]
        self._previous = self._previous[count:]


def comparable(text: str) -> str:
    """A piece as passes are compared by: a capital letter is no other word."""
    return text.strip().casefold()


def is_word(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(character.isalnum() for character in text)


def _is_finished(text: str) -> bool:
    return is_word(text) and not text.strip().isdigit()


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
