"""Reads what a language model gave to a tool, value by value: repaired where that is plain, else refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from core.messages import Language
from llm.call_text import ToolCallRefusedError
from llm.skills.base import Slot
from llm.skills.normalise import fold
from llm.tools import DeclaredTool, Parameter

LONGEST_TEXT = 300
"""characters; nobody dictates more to a timer"""
LARGEST = 1e9
LABEL = "name"
"""the slot of what a timer or an alarm is for; a model that has nothing to put there puts anything"""
LABEL_WORDS = 3
_AND: dict[Language, str] = {"en": " and ", "fr": " et "}


def is_label(text: str) -> bool:
    """Whether somebody would call a timer that."""
    return 0 < len(text.split()) <= LABEL_WORDS and not any(character.isdigit() for character in text)


def call_of(name: str, arguments: Mapping[str, Any]) -> str:
    """As a model is to write it."""
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def argument_of(value: Slot, parameter: Parameter) -> Any:
    """What a model would have to write for a value."""
    if parameter.schema["type"] == "boolean":
        return True
    if parameter.choices:
        shown = parameter.schema.get("enum", ())
        words = [word for word, slot in parameter.choices.items() if slot == value]
        return next((word for word in shown if fold(word) in words), words[0] if words else value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def key(name: str) -> str:
    """The same for all spellings of a name."""
    return fold(name).replace("_", "").replace("-", "").replace(" ", "")


def slots_of(arguments: Mapping[str, Any], declared: DeclaredTool, language: Language) -> dict[str, Slot]:
    """The values that were given. Raises ToolCallRefusedError."""
    by_fold = {key(slot): slot for slot in declared.parameters}
    slots: dict[str, Slot] = {}
    for given, value in arguments.items():
        slot = by_fold.get(key(str(given)))
        if slot is None:
            raise ToolCallRefusedError(f"{declared.tool.name}: there is no parameter {given!r}")
        read = _value(slot, value, declared.parameters[slot], language)
        if read is not None:
            slots[slot] = read
    missing = declared.required - slots.keys()
    if missing:
        raise ToolCallRefusedError(f"{declared.tool.name}: {', '.join(sorted(missing))} is missing")
    return slots


def _value(slot: str, value: Any, parameter: Parameter, language: Language) -> Slot | None:
    """None where it means that nothing was given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    kind = parameter.schema["type"]
    if kind == "boolean":
        given = value if isinstance(value, bool) else fold(str(value)) in ("true", "yes", "oui", "1", "all")
        return parameter.choices["true"] if given else None
    if kind == "number":
        number = _number(value)
        if number is None:
            raise ToolCallRefusedError(f"{slot}: {value!r} is no number")
        return None if number == 0 and parameter.least is not None and parameter.least > 0 else number
    if isinstance(value, list) and parameter.free and all(isinstance(item, str) for item in value):
        value = _AND[language].join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ToolCallRefusedError(f"{slot}: {value!r} is no text")
    text = " ".join(str(value).split())
    if parameter.choices:
        chosen = parameter.choices.get(fold(text).strip(" ."))
        if chosen is None:
            raise ToolCallRefusedError(f"{slot}: {text!r} is none of its values")
        return chosen
    if len(text) > LONGEST_TEXT:
        raise ToolCallRefusedError(f"{slot}: its text has {len(text)} characters")
    return text


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.strip().replace(",", "."))
        except ValueError:
            return None
    if not isinstance(value, int | float) or abs(value) > LARGEST or not math.isfinite(value):
        return None
    return float(value)
