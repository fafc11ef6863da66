"""A call of a tool as a language model wrote it: read as an object with a name and arguments, whatever the notation."""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST_CALL = 1200
"""characters"""
_FENCE = re.compile(r"^```\w*\s*|\s*```$")
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_PYTHON = re.compile(r"""\"(?:[^\"\\]|\\.)*\"|'(?P<inner>(?:[^'\\]|\\.)*)'|\b(?:True|False|None)\b""")
_WORDS = {"True": "true", "False": "false", "None": "null"}


class ToolCallRefusedError(Exception):
    """Why a call is not carried out. Stays inside llm."""


def loaded(call: str) -> dict[str, Any]:
    """The object written in a call: JSON, JSON with a comma too many, a missing last brace, or Python's notation.

    Raises ToolCallRefusedError.
    """
    if len(call) > LONGEST_CALL:
        raise ToolCallRefusedError(f"it has {len(call)} characters")
    text = _FENCE.sub("", call.strip()).strip()
    text = _TRAILING_COMMA.sub(r"\1", text[max(text.find("{"), 0) :])
    last = text.rfind("}") + 1
    for attempt in (text, text[:last], text[:last] + "}"):
        plain = _parsed(attempt)
        if isinstance(plain, dict):
            return plain
    raise ToolCallRefusedError(f"it cannot be read: {call[:80]!r}")


def _parsed(text: str) -> Any:
    for attempt in (text, _as_json(text)):
        try:
            plain = json.loads(attempt)
            json.dumps(plain, ensure_ascii=False).encode()  # half of a character can be kept nowhere: a ValueError
        except (ValueError, RecursionError):
            continue
        return plain
    return None


def _as_json(text: str) -> str:
    """Python's notation of the same: single quotes, True, False, None. What stands in double quotes is left alone."""
    return _PYTHON.sub(lambda found: _WORDS.get(found[0]) or _quoted(found), text)


def _quoted(found: re.Match[str]) -> str:
    inner = found["inner"]
    return found[0] if inner is None else json.dumps(inner.replace("\\'", "'"))


def named(plain: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The function and its arguments, in the spellings that models are known to use. Raises ToolCallRefusedError."""
    inner = plain.get("function")
    if isinstance(inner, dict):
        plain = inner
    name = plain.get("name", inner)
    arguments = plain.get("arguments", plain.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = _parsed(arguments) if arguments.strip() else {}
    if not isinstance(name, str) or not isinstance(arguments or {}, dict):
        raise ToolCallRefusedError("it lacks a name, or its arguments are no object")
    return name, dict(arguments or {})
