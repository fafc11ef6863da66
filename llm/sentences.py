"""Cuts a reply into speakable units as it comes: the first is a clause, so that speech starts early, then sentences.

No character is lost: the units joined are the text. English and French; abbreviations, decimals, times and
ellipses do not end a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MIN_CLAUSE = 16
"""A first clause shorter than this is not worth a unit of its own, in characters."""
MAX_UNIT = 240
"""A sentence longer than this is cut at a clause, in characters."""
_ABBREVIATION = re.compile(
    r"(mrs?|ms|dr|st|prof|[js]r|vs|etc|e\.g|i\.e|approx|vol|fig|inc|ltd|co|mme|mlle|ex|c\.-à-d|cf|env|av|bd|[^\W\d_])$"
)
_SENTENCE_END = re.compile(r"(?:[.!?…]+|\n)[\"'»”’)\]]*(?=\s)[\s]*|\n+", re.DOTALL)
_CLAUSE_END = re.compile(r"[,;:]\s+|\s[–—]\s+")


class SentenceSplitter:
    """`push(text)` returns the units that are complete; `flush()` returns what is left."""

    def __init__(self, min_clause: int = MIN_CLAUSE, max_unit: int = MAX_UNIT) -> None:
        self._min_clause = min_clause
        self._max_unit = max_unit
        self._buffer = ""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take more text in."""
        self._buffer += text
        units = []
        while (end := self._end()) is not None:
            units.append(self._buffer[:end])
            self._buffer = self._buffer[end:]
            self._first = False
        return units

    def flush(self) -> list[str]:
        """End of the text."""
        rest, self._buffer = self._buffer, ""
        self._first = True
        return [rest] if rest else []

    def _end(self) -> int | None:
        """Where the first unit of the buffer ends, or None while that is not certain."""
        sentence = self._sentence_end()
        if self._first:
            clause = self._clause_end(self._min_clause, sentence or len(self._buffer))
            if clause is not None:
                return clause
        if sentence is not None and sentence <= self._max_unit:
            return sentence
        if len(self._buffer) > self._max_unit:
            cut = self._clause_end(self._max_unit // 2, len(self._buffer)) or self._buffer.rfind(" ", 1, self._max_unit)
            return cut if cut > 0 else self._max_unit
        return sentence

    def _sentence_end(self) -> int | None:
        for match in _SENTENCE_END.finditer(self._buffer):
            if (
                match.end() == len(self._buffer)
                and match.group().isspace() is False
                and not match.group()[-1].isspace()
            ):
                continue
            if self._ends_sentence(match.start(), match.group()) and match.end() < len(self._buffer):
                return match.end()
        return None

    def _ends_sentence(self, position: int, mark: str) -> bool:
        if not mark.startswith(".") or mark.startswith(".."):
            following = self._buffer[position + len(mark) : position + len(mark) + 1]
            return not (mark.startswith(("…", "..")) and following.islower())
        before = re.search(r"[\w.\-]*$", self._buffer[:position])
        word = before.group().casefold() if before else ""
        if word == "no":
            return not self._buffer[position + 1 :].lstrip()[:1].isdigit()
        return not (word and _ABBREVIATION.match(word))

    def _clause_end(self, at_least: int, at_most: int) -> int | None:
        for match in _CLAUSE_END.finditer(self._buffer, 0, at_most):
            if match.end() >= at_least and match.end() < len(self._buffer):
                return match.end()
        return None


def split(pieces: Iterable[str]) -> Iterator[str]:
    """The units of a text that arrives in pieces."""
    splitter = SentenceSplitter()
    for piece in pieces:
        yield from splitter.push(piece)
    yield from splitter.flush()
