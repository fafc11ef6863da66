"""Keeps from a model's text what is not meant to be heard: its thoughts, and its calls of tools, which are collected.

Works on any pieces, also where a tag is split over several; what only looks like the start of a tag comes out.
"""

from __future__ import annotations

CALL_OPENS = "<tool_call>"
CALL_CLOSES = "</tool_call>"
_OPENS = {"<think>": "</think>", "<thinking>": "</thinking>", CALL_OPENS: CALL_CLOSES}
_TAGS = (*_OPENS, *_OPENS.values())


class HiddenText:
    """`feed(character)` returns what is for the ear; `calls` are the bodies of the calls so far.

    `thinking`: the text begins within a thought, as with models whose template opens one.
    """

    def __init__(self, thinking: bool = False) -> None:
        self._held = ""
        self._tag = "<think>" if thinking else ""
        """the one that is open"""
        self._calls: list[str] = []

    @property
    def calls(self) -> tuple[str, ...]:
        """Of tools, complete ones."""
        return tuple(self._calls)

    @property
    def hiding(self) -> bool:
        """Whether a thought or a call is under way."""
        return bool(self._tag)

    def feed(self, character: str) -> str:
        """Take one character in."""
        self._held += character
        if self._tag:
            self._hide()
            return ""
        said = ""
        while self._held:
            if self._held in _TAGS:
                self._tag = self._held if self._held in _OPENS else ""
                self._held = ""
            elif any(tag.startswith(self._held) for tag in _TAGS):
                break
            else:
                said, self._held = said + self._held[0], self._held[1:]
        return said

    def flush(self) -> str:
        """End of the text. A call that was never closed is collected too: whether it is whole, its reader decides."""
        held, tag = self._held, self._tag
        self._held = self._tag = ""
        if tag == CALL_OPENS and held.strip():
            self._calls.append(held)
        return "" if tag else held

    def _hide(self) -> None:
        close = _OPENS[self._tag]
        if not self._held.endswith(close):
            return
        if self._tag == CALL_OPENS:
            self._calls.append(self._held[: -len(close)])
        self._held = self._tag = ""
