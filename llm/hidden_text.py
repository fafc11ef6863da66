"""Keeps from a model's text what is not meant to be heard: its thoughts, and its calls of tools, which are collected.

Works on any pieces, also where a tag is split over several; what only looks like the start of a tag comes out.
Models often leave the tags of a call out: a text that begins as the object of one is a call as well, and so is such
an object behind words.
"""

from __future__ import annotations

import re

CALL_OPENS = "<tool_call>"
CALL_CLOSES = "</tool_call>"
_OPENS = {"<think>": "</think>", "<thinking>": "</thinking>", CALL_OPENS: CALL_CLOSES, "<tools>": "</tools>"}
_CALLS = (CALL_OPENS, "<tools>")
"""what calls stand between; the second opens their declarations, and is mistaken for the first"""
_TAGS = (*_OPENS, *_OPENS.values())
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»")
"""a thought's tag that stands alone between two of them is spoken of, by its name, and opens none"""
_BARE = "{"
"""what is open once a text has begun with a call without tags"""
_MAY_BE_BARE = re.compile(r"\s*(?:`{1,2}|```\w*\s*)?(?:(?<!`)(?<!\w)\[?\s*(?:\{\s*(?:[\"']\w*(?:[\"']\s*)?)?)?)?")
_IS_BARE = re.compile(r"\s*(?:```\w*\s+)?\[?\s*\{\s*[\"'](?:name|function|arguments|type)[\"']\s*:")
_MAY_BE_BEHIND = re.compile(
    r"\{\s*(?:[\"']\w*(?:[\"']\s*(?::\s*(?:[\"']\w*(?:[\"']\s*(?:,\s*(?:[\"']\w*(?:[\"'])?)?)?)?)?)?)?)?"
)
_IS_BEHIND = re.compile(r"\{\s*[\"']name[\"']\s*:\s*[\"']\w+[\"']\s*,\s*[\"'](?:arguments|parameters)[\"']")
"""a call without tags behind words, which has to be seen in full: "{" there may begin anything"""
_NEXT_BARE = re.compile(r"(?<=\})\s*,?\s*(?=\{\s*[\"'](?:name|function)[\"'])")


class HiddenText:
    """`feed(character)` returns what is for the ear; `calls` are the bodies of the calls so far.

    `thinking`: the text begins within a thought, as with models whose template opens one.
    """

    def __init__(self, thinking: bool = False) -> None:
        self._held = ""
        self._tag = "<think>" if thinking else ""
        """the one that is open"""
        self._calls: list[str] = []
        self._begins = True
        """nothing has come out yet"""
        self._last = ""
        """what came out last"""

    @property
    def calls(self) -> tuple[str, ...]:
        """Of tools, complete ones."""
        return tuple(self._calls)

    @property
    def open_call(self) -> str:
        """The call that is being written, as far as it goes; empty where there is none."""
        return self._held if self._tag in (*_CALLS, _BARE) else ""

    def end(self, call: str) -> None:
        """The call that is being written is this one, and the text is at its end."""
        self._calls.append(call)
        self._held = self._tag = ""

    def feed(self, character: str) -> str:
        """Take one character in."""
        self._held += character
        if self._tag:
            return self._hide()
        said = ""
        while self._held:
            if self._held in _TAGS:
                self._tag = self._held if self._held in _OPENS else ""
                self._held = ""
            elif (self._begins and _IS_BARE.fullmatch(self._held)) or _IS_BEHIND.fullmatch(self._held):
                self._tag = _BARE
                break
            elif self._may_go_on():
                break
            else:
                self._begins = False
                self._last, self._held = self._held[0], self._held[1:]
                said += self._last
        return said

    def flush(self) -> str:
        """End of the text. A call that was never closed is collected too: whether it is whole, its reader decides."""
        held, tag = self._held, self._tag
        self._held = self._tag = ""
        if tag == _BARE:
            self._calls += _NEXT_BARE.split(held)
        elif tag in _CALLS and held.strip():
            self._calls.append(held)
        return "" if tag else held

    def _may_go_on(self) -> bool:
        """Whether what is held may still become a tag, or a call without."""
        if any(tag.startswith(self._held) for tag in _TAGS):
            return True
        may_be = _MAY_BE_BARE if self._begins else _MAY_BE_BEHIND
        return may_be.fullmatch(self._held) is not None

    def _hide(self) -> str:
        """What is for the ear all the same, with the last character."""
        close = _OPENS.get(self._tag)
        if self._tag not in (*_CALLS, _BARE) and self._last + self._held in _QUOTES:
            said, self._last = self._tag.strip("<>") + self._held, self._held
            self._held = self._tag = ""
            return said
        if close is None or not self._held.endswith(close):
            return ""
        if self._tag in _CALLS:
            self._calls.append(self._held[: -len(close)])
        self._held = self._tag = ""
        return ""
