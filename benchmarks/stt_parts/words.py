"""Word error rates: two texts made comparable, and the edits between them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tts.normalise.speakable import normalise


@dataclass(frozen=True, slots=True)
class WordCount:
    """Words that were said, and edits that what was heard is away from them."""

    said: int = 0
    errors: int = 0

    @property
    def wer(self) -> float:
        """Errors for each word that was said; invented words can take it beyond 1."""
        return self.errors / max(self.said, 1)

    def __add__(self, other: WordCount) -> WordCount:
        return WordCount(self.said + other.said, self.errors + other.errors)


def count(said: str, heard: str) -> WordCount:
    """Two English texts compared as `comparable` words."""
    reference = comparable(said)
    return WordCount(len(reference), distance(reference, comparable(heard)))


def comparable(text: str) -> list[str]:
    """English words in lower case, figures and signs as tts.normalise says them, without punctuation."""
    return plain(normalise(text, "en").text)


def plain(text: str) -> list[str]:
    """Lower-case words without punctuation; figures stay."""
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.lower().replace("’", "'")).split()


def distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Words replaced, left out and put in (Levenshtein 1966)."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
