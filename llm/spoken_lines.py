"""Makes Markdown speech, character by character: headings, lists, quotes, tables and rules; code blocks are left out.

A line without a full stop whose layout says that it ends, such as a heading, gets one.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from core.messages import Language
from llm.spoken_inline import InlineSpeech

CODE_LEFT_OUT: dict[Language, str] = {"en": "I leave the code out.", "fr": "Je laisse le code de côté."}

_UNDECIDED = re.compile(r"\s*(?:#{1,6}\s*|[-+•]\s*|\d{1,3}(?:[.)]\s*)?|[`~]{1,2}|[-*_=\s]+|>)?")
_HEADING = re.compile(r"\s*#{1,6}\s+")
_ITEM = re.compile(r"\s*[-*+•]\s+")
_NUMBERED = re.compile(r"\s*(\d{1,3})[.)]\s+")
_RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}")
_SEPARATOR = re.compile(r"[\s:|\-]+")


class _Place(Enum):
    START = auto()
    """of a line, which may be a mark"""
    TEXT = auto()
    HELD = auto()
    """a line that is looked at once it is whole: a table's row, or a fence"""
    CODE = auto()


class LineSpeech:
    """`feed(character)` returns what can be spoken now; `flush()` what was held back."""

    def __init__(self, language: Language = "en") -> None:
        self._code_left_out = CODE_LEFT_OUT[language]
        self._inline = InlineSpeech()
        self._place = _Place.START
        self._line = ""
        """of the present line, what has not been handed on"""
        self._ends = False
        """the line's layout ends its sentence"""
        self._fence = ""
        self._code_told = False

    def feed(self, character: str) -> str:
        """Take one character in."""
        match self._place:
            case _Place.TEXT:
                return self._end_line() if character == "\n" else self._inline.feed(character)
            case _Place.START:
                return self._begin(character)
        if character != "\n":
            self._line += character
            return ""
        if self._place is _Place.CODE:
            return self._code_line()
        return self._whole_line()

    def flush(self) -> str:
        """End of the text."""
        match self._place:
            case _Place.CODE:
                said = ""
            case _Place.HELD:
                said = self._whole_line()
            case _Place.START:
                line = self._line
                said = "" if _RULE.fullmatch(line) or not line.strip(" \t>#+-*_=~`|•") else self._inline.speak(line)
                said += self._end_line()
            case _Place.TEXT:
                said = self._end_line()
        if self._place is _Place.CODE:
            said += self._tell_of_code()
        self._begin_line()
        return said.rstrip("\n")

    def _begin(self, character: str) -> str:
        """At a line's start: hold back what may still become a mark."""
        line = self._line + character
        if character == "\n":
            marks_only = _RULE.fullmatch(self._line) or not self._line.strip(" \t>#+-*_=~`|•")
            said = "" if marks_only else self._inline.speak(self._line)
            return said + self._end_line()
        stripped = line.lstrip()
        if stripped.startswith(("|", "```", "~~~")):
            self._line, self._place = line, _Place.HELD
            return ""
        if stripped == ">":
            self._line = ""
            return ""
        if _UNDECIDED.fullmatch(line):
            self._line = line
            return ""
        self._line, self._place = "", _Place.TEXT
        if (found := _NUMBERED.match(line)) is not None:
            self._ends = True
            return self._inline.speak(f"{found[1]}, {line[found.end() :]}")
        if (found := _HEADING.match(line) or _ITEM.match(line)) is not None:
            self._ends = True
            return self._inline.speak(line[found.end() :])
        return self._inline.speak(line)

    def _end_line(self) -> str:
        said = self._inline.flush()
        if self._ends and self._inline.last not in " .!?…:;,":
            said += "."
        fence = self._inline.fence
        said += self._begin_line()
        if fence:
            self._fence, self._place = fence, _Place.CODE
        return said

    def _begin_line(self) -> str:
        self._line, self._ends, self._place, self._inline = "", False, _Place.START, InlineSpeech()
        return "\n"

    def _whole_line(self) -> str:
        """A row of a table as one sentence; a fence begins a block of code."""
        line = self._line.strip()
        self._begin_line()
        if not line.startswith("|"):
            self._fence = line[: len(line) - len(line.lstrip(line[0]))]
            if line.count(self._fence[0]) > len(self._fence):  # it ends in its own line
                return self._inline.speak(line.strip(self._fence[0])) + self._inline.flush() + "\n"
            self._place = _Place.CODE
            return ""
        if _SEPARATOR.fullmatch(line):
            return ""
        cells = [cell for part in line.strip("|").split("|") if (cell := part.strip())]
        said = self._inline.speak(", ".join(cells)) + self._inline.flush()
        return f"{said}\n" if said.endswith((".", "!", "?")) else f"{said}.\n"

    def _code_line(self) -> str:
        line, self._line = self._line.strip(), ""
        if not line.endswith(self._fence):
            return ""
        self._begin_line()
        return self._tell_of_code()

    def _tell_of_code(self) -> str:
        """Once in a reply."""
        if self._code_told:
            return ""
        self._code_told = True
        return f"{self._code_left_out}\n"
