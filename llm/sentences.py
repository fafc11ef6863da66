"""Cuts a reply into speakable units as it comes: the first is a clause, so that speech starts early, then sentences.

No character is lost: the units joined are the text, and they are the same however the text is cut into pieces.
Abbreviations, initials, decimals, times, addresses and ellipses do not end a sentence of English or French, and one of
Chinese or Japanese ends without a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llm.skills.numbers import words_of

MIN_CLAUSE = 16
"""A first clause shorter than this is not worth a unit of its own, in characters."""
MAX_UNIT = 240
"""A sentence longer than this is cut at a clause, in characters."""
_NEVER_ENDS = frozenset(
    words_of(
        "mr mrs ms dr st ste prof gen col capt lt sgt rev hon gov mt vs approx vol fig art chap p pp ca cf env ex mme "
        "mmes mlle mlles mm me pr av bd bld inc ltd co tel tél e.g i.e c.-à-d c.à.d"
    )
)
"""Abbreviations with more to come, whatever stands behind them."""
_BEFORE_NUMBERS = frozenset(
    words_of("no nos n jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil août déc")
)
"""Abbreviations only where a number follows; "no" and "mar" are words as well."""
_MAY_END = frozenset(("a.m", "p.m", "b.c", "a.d", "j.-c"))
"""Dotted ones that often stand last; others, as in U.S. Navy, seldom do."""
_DOTTED = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]")
_MARK = re.compile(r"([.!?…。！？]+)(?:\s?[»])?[\"'”’)\]」』）]*$")
_WIDE_MARKS = "。！？"
"""of Chinese and Japanese, which have no space behind them"""
_WIDE_CLOSERS = "”’」』）"
_LONGEST_END = 8
_WIDE_END = re.compile(rf"[{_WIDE_MARKS}]+[{_WIDE_CLOSERS}]*$")
_CLAUSE = re.compile(r"[,;:]\s+$|\s[–—]\s+$")
_WORD_BEFORE = re.compile(r"[\w.\-]*$")


class SentenceSplitter:
    """`push(text)` returns the units that are complete; `flush()` returns what is left."""

    def __init__(self, min_clause: int = MIN_CLAUSE) -> None:
        self._min_clause = min_clause
        self._buffer = ""
        self._clause = 0
        """where the last clause of the buffer ends"""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take more text in."""
        units = []
        for character in text:
            end = self._end(character)
            if end:
                units.append(self._buffer[:end])
                self._buffer = self._buffer[end:]
                self._clause = 0
                self._first = False
            self._buffer += character
        return units

    def flush(self) -> list[str]:
        """End of the text."""
        rest, self._buffer = self._buffer, ""
        self._first, self._clause = True, 0
        return [rest] if rest else []

    def _end(self, following: str) -> int:
        """How much of the buffer is a unit, now that it is known what follows; 0 for none."""
        buffer = self._buffer
        if _WIDE_END.search(buffer[-_LONGEST_END:]) and following not in _WIDE_MARKS + _WIDE_CLOSERS:
            return 0 if following.isspace() else len(buffer)
        if buffer[-1:].isspace() and not following.isspace() and buffer.strip():
            if _ends_sentence(buffer, following):
                return len(buffer)
            if _CLAUSE.search(buffer):
                self._clause = len(buffer)
                if self._first and len(buffer) >= self._min_clause:
                    return len(buffer)
        if len(buffer) < MAX_UNIT:
            return 0
        if self._clause >= MAX_UNIT // 2:
            return self._clause
        return max(buffer.rfind(" ") + 1, buffer.rfind("\n") + 1) or len(buffer)


def _ends_sentence(text: str, following: str) -> bool:
    """Whether a text that ends in a space is a whole sentence, before a character that is none."""
    body = text.rstrip()
    space = text[len(body) :]
    found = _MARK.search(body)
    if "\n" in space:
        return bool(found) or body[-1] == ":" or space.count("\n") > 1 or not following.islower()
    if not found or following == "»":
        return False
    mark = found[1]
    if mark[0] in _WIDE_MARKS:
        return True
    if mark[0] in "!?":
        return not (following.islower() and body[-1] not in mark)
    if following.islower():
        return False
    if mark != ".":
        return True
    before = _WORD_BEFORE.search(body[: found.start()])
    written = before.group() if before else ""
    word = written.casefold()
    if word in _BEFORE_NUMBERS:
        return not following.isdigit()
    if word in _MAY_END:
        return True
    # a small letter alone is a unit, as in "9 h.", and so is a large one behind a sign, as in "20°C."
    initial = len(written) == 1 and written.isupper() and not body[: found.start() - 1].endswith("°")
    return not (initial or word in _NEVER_ENDS or _DOTTED.fullmatch(word))


def split(pieces: Iterable[str]) -> Iterator[str]:
    """The units of a text that arrives in pieces."""
    splitter = SentenceSplitter()
    for piece in pieces:
        yield from splitter.push(piece)
    yield from splitter.flush()
