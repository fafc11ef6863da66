"""Reads a streamed answer of OpenAI's chat protocol, line by line, into text; calls of tools come out between tags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from llm.hidden_text import CALL_CLOSES, CALL_OPENS

DONE = "[DONE]"


class WrongProtocolError(Exception):
    """What came is no such answer. Stays inside llm."""


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""


class ReplyEvents:
    """`take(line)` returns the text that a line brings; `ended` once the reply is whole. None: nothing more comes."""

    def __init__(self) -> None:
        self.ended = False
        self._calls: dict[int, _Call] = {}
        self._finished = False
        self._whole = ""
        """of an answer that is not streamed"""
        self._half = ""
        """of a character that came in two"""

    def take(self, line: bytes | None) -> list[str]:
        """Raises WrongProtocolError."""
        if line is None:
            return self._end()
        text = line.decode("utf-8", "replace").strip()
        if self._whole or (text.startswith("{") and not self._finished):
            self._whole += text
            return []
        name, colon, data = text.partition(":")
        if not text or not colon or name != "data":
            if text and name not in ("", "event", "id", "retry"):
                raise WrongProtocolError(
                    f"does not answer as such a server does, but {text[:60]!r}; check llm.base_url"
                )
            return []
        data = data.strip()
        if data == DONE:
            self.ended = True
            return self._written_calls()
        return self._chunk(_object(data), "delta")

    def _end(self) -> list[str]:
        """A server that forgets [DONE] has still ended once it gave a reason."""
        if self._whole:
            pieces = self._chunk(_object(self._whole), "message")
            self.ended = True
            return pieces + self._written_calls()
        self.ended = self._finished
        return self._written_calls() if self.ended else []

    def _chunk(self, chunk: dict[str, Any], part: str) -> list[str]:
        if "error" in chunk:
            error = chunk["error"]
            told = error.get("message", error) if isinstance(error, dict) else error
            raise WrongProtocolError(f"could not answer: {str(told)[:200]}")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise WrongProtocolError("does not answer as such a server does; check llm.base_url")
        pieces = []
        for choice in choices[:1]:
            if not isinstance(choice, dict):
                raise WrongProtocolError("does not answer as such a server does; check llm.base_url")
            delta = choice.get(part) or {}
            content = delta.get("content") if isinstance(delta, dict) else None
            if isinstance(content, str):
                pieces.append(self._characters(content))
            for position, call in enumerate(delta.get("tool_calls") or () if isinstance(delta, dict) else ()):
                self._add_call(call, position)
            self._finished = self._finished or choice.get("finish_reason") is not None
        return pieces

    def _characters(self, content: str) -> str:
        """JSON may cut a character outside the first 65,536, as an emoji, into two halves: they are put together, also
        across two pieces. One alone is shown as unreadable: no file or terminal would take it."""
        text = self._half + content
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text[: len(text) - len(self._half)]
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _add_call(self, plain: Any, position: int) -> None:
        """A call comes in parts too, told apart by their index."""
        if not isinstance(plain, dict) or not isinstance(plain.get("function"), dict):
            raise WrongProtocolError("asks for a tool in a form that is not known")
        function, index = plain["function"], plain.get("index")
        call = self._calls.setdefault(index if isinstance(index, int) else position, _Call())
        call.name += str(function.get("name") or "")
        arguments = function.get("arguments") or ""
        call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def _written_calls(self) -> list[str]:
        calls = [self._calls[index] for index in sorted(self._calls)]
        self._calls = {}
        return [
            f"{CALL_OPENS}\n{json.dumps({'name': call.name, 'arguments': call.arguments})}\n{CALL_CLOSES}"
            for call in calls
        ]


def _object(text: str) -> dict[str, Any]:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise WrongProtocolError(f"does not answer as such a server does, but {text[:60]!r}; check llm.base_url")
    return plain
