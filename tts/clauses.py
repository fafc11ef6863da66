"""Cuts speakable text into short units with the pause that follows each, lazily and without losing a character.

Units end at sentences, in Chinese and Japanese without a space behind; only a sentence longer than `MAX_CHARACTERS` is
cut at a clause, else at a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 220
SENTENCE_PAUSE_MS = 180
CLAUSE_PAUSE_MS = 100

_CLOSERS = r"[\"'”’»)\]」』）]"
_SENTENCE_END = re.compile(rf"[.!?…。！？]+{_CLOSERS}*(?=\s)|[。！？]+{_CLOSERS}*|\n")
_CLAUSE_END = re.compile(rf"[,;:—–]{_CLOSERS}*(?=\s)|[，、；：]{_CLOSERS}*|\)(?=\s)")
_ENDS_SENTENCE = re.compile(rf"[.!?…。！？](?:{_CLOSERS}|\s)*$|\n\s*$")
_ENDS_CLAUSE = re.compile(rf"[,;:—–)，、；：](?:{_CLOSERS}|\s)*$")
_LONGEST_ENDING = 16


@dataclass(frozen=True, slots=True)
class Unit:
    """A run of text that is synthesised in one go; `start` counts characters of the whole text."""

    text: str
    start: int

    @property
    def pause_ms(self) -> int:
        """Silence that belongs after it."""
        return pause_after_ms(self.text)


def pause_after_ms(text: str) -> int:
    """How long a reader pauses after this text, by its last punctuation mark."""
    ending = text[-_LONGEST_ENDING:]
    if _ENDS_SENTENCE.search(ending):
        return SENTENCE_PAUSE_MS
    return CLAUSE_PAUSE_MS if _ENDS_CLAUSE.search(ending) else 0


def split_units(text: str) -> Iterator[Unit]:
    """The units of `text` in order; joined they give `text` again."""
    start = 0
    while start < len(text):
        end = _unit_end(text, start)
        yield Unit(text[start:end], start)
        start = end


def _unit_end(text: str, start: int) -> int:
    limit = min(start + MAX_CHARACTERS, len(text))
    sentence = _SENTENCE_END.search(text, start, min(limit + 1, len(text)))
    if sentence is not None:
        return sentence.end()
    if limit == len(text):
        return limit
    half = start + MAX_CHARACTERS // 2
    clauses = list(_CLAUSE_END.finditer(text, half, limit + 1))
    if clauses:
        return clauses[-1].end()
    space = text.rfind(" ", half, limit)
    return space + 1 if space > start else limit
