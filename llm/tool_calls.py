"""Reads what a language model wrote as a call of a tool into an intent: repaired where that is plain, else refused.

Nothing is carried out here, and nothing half read gets through: the intent is whole, or there is none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from core.messages import Language
from llm.engine import Tool
from llm.grounding import asks_for, comes_from, gives_numbers, is_about, promises, shares_number
from llm.skill_answers import HARMLESS
from llm.skills.base import Intent, Slot
from llm.skills.normalise import fold, normalise
from llm.skills.recognise import SkillRecogniser
from llm.tools import SENTENCE, DeclaredTool, Parameter

LONGEST_CALL = 1200
LONGEST_TEXT = 300
"""characters; nobody dictates more to a timer"""
LARGEST = 1e9
_FENCE = re.compile(r"^```\w*\s*|\s*```$")
_NAME = re.compile(r"[\"']name[\"']\s*:\s*[\"'](\w+)")
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_PYTHON = re.compile(r"""\"(?:[^\"\\]|\\.)*\"|'(?P<inner>(?:[^'\\]|\\.)*)'|\b(?:True|False|None)\b""")
_WORDS = {"True": "true", "False": "false", "None": "null"}
_AND: dict[Language, str] = {"en": " and ", "fr": " et "}


class ToolCallRefusedError(Exception):
    """Why a call is not carried out. Stays inside llm."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the call is about."""

    text: str
    """the user's"""
    language: Language
    before: str = ""
    """what was said just before, on both sides, which "that" and "it" may mean"""

    @property
    def all(self) -> str:
        """What a call may take its values from."""
        return f"{self.before}\n{self.text}"


class ToolBox:
    """The declared tools, and the recogniser that reads those which take a sentence."""

    def __init__(self, declared: Mapping[str, DeclaredTool], recogniser: SkillRecogniser) -> None:
        self._declared = dict(declared)
        self._by_fold = {_key(name): name for name in declared}
        self._recogniser = recogniser

    @property
    def tools(self) -> tuple[Tool, ...]:
        """For the prompt."""
        return tuple(one.tool for one in self._declared.values())

    def read(self, call: str, words: Words) -> Intent:
        """The intent of one call. Raises ToolCallRefusedError."""
        plain = _loaded(call)
        name, arguments = _named(plain)
        known = self._by_fold.get(_key(name))
        if known is None:
            raise ToolCallRefusedError(f"there is no tool {name!r}")
        declared = self._declared[known]
        slots = _slots(arguments, declared, words.language)
        if SENTENCE in declared.parameters:
            return self._by_sentence(known, str(slots[SENTENCE]), words)
        free = frozenset(slot for slot in slots if declared.parameters[slot].free)
        said = normalise(words.text, words.language)
        return Intent(known, said, words.language, MappingProxyType(slots), free)

    def grounded(self, intent: Intent, words: Words) -> Intent:
        """The intent without numbers where the user gave none: the skill asks for what it needs.

        Raises ToolCallRefusedError where its text, or a sum, is not about anything that was said.
        """
        declared, slots = self._declared[intent.name], dict(intent.slots)
        if SENTENCE in declared.parameters:
            if not shares_number(intent.text, words.all, words.language):
                raise ToolCallRefusedError(f"{intent.name}: nobody has said {intent.text!r}")
            return intent
        given = gives_numbers(words.all, words.language)
        for slot, value in intent.slots.items():
            parameter = declared.parameters[slot]
            if parameter.free and not comes_from(str(value), words.all, words.language):
                raise ToolCallRefusedError(f"{intent.name}: nobody has said {value!r}")
            if parameter.schema["type"] == "number" and not given:
                del slots[slot]
        return replace(intent, slots=MappingProxyType(slots))

    def asked_for(self, text: str, language: Language) -> bool:
        """Whether words may ask for any tool; a model that calls one for others has lost its way."""
        return asks_for(text, language, (declared.words for declared in self._declared.values()))

    def is_about(self, call: str, text: str) -> bool:
        """Whether words ask for the very tool of a call, however wrong the call is."""
        try:
            declared = self._declared.get(self._by_fold.get(_key(_named(_loaded(call))[0]), ""))
        except ToolCallRefusedError:
            found = _NAME.search(call)
            declared = self._declared.get(self._by_fold.get(_key(found[1]), "")) if found else None
        return declared is not None and is_about(text, declared.words)

    def promised(self, unit: str, text: str) -> bool:
        """Whether a reply in words claims what only a tool could have done, and the user's words ask for."""
        acting = (one.words for name, one in self._declared.items() if name not in HARMLESS)
        return any(is_about(text, words) and promises(unit, words) for words in acting)

    def written(self, intent: Intent) -> str:
        """What a model would have to write for this intent; empty where no tool does the same."""
        declared = self._declared.get(intent.name)
        if declared is None:
            return ""
        if SENTENCE in declared.parameters:
            return _call(intent.name, {SENTENCE: intent.text})
        arguments: dict[str, Any] = {}
        for slot, value in intent.slots.items():
            parameter = declared.parameters.get(slot)
            if parameter is None:
                return ""
            arguments[slot] = _argument(value, parameter)
        return _call(intent.name, arguments)

    def _by_sentence(self, name: str, sentence: str, words: Words) -> Intent:
        intent = self._recogniser.recognise_any(sentence, words.language)
        if intent is None or intent.name != name:
            raise ToolCallRefusedError(f"{name}: {sentence!r} is not understood")
        return intent


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _argument(value: Slot, parameter: Parameter) -> Any:
    if parameter.schema["type"] == "boolean":
        return True
    if parameter.choices:
        shown = parameter.schema.get("enum", ())
        words = [word for word, slot in parameter.choices.items() if slot == value]
        return next((word for word in shown if fold(word) in words), words[0] if words else value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _key(name: str) -> str:
    return fold(name).replace("_", "").replace("-", "").replace(" ", "")


def _loaded(call: str) -> dict[str, Any]:
    """The object written in a call: JSON, JSON with a comma too many, a missing last brace, or Python's notation."""
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
            return json.loads(attempt)
        except (ValueError, RecursionError):
            continue
    return None


def _as_json(text: str) -> str:
    """Python's notation of the same: single quotes, True, False, None. What stands in double quotes is left alone."""
    return _PYTHON.sub(lambda found: _WORDS.get(found[0]) or _quoted(found), text)


def _quoted(found: re.Match[str]) -> str:
    inner = found["inner"]
    return found[0] if inner is None else json.dumps(inner.replace("\\'", "'"))


def _named(plain: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The function and its arguments, in the spellings that models are known to use."""
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


def _slots(arguments: Mapping[str, Any], declared: DeclaredTool, language: Language) -> dict[str, Slot]:
    by_fold = {_key(slot): slot for slot in declared.parameters}
    slots: dict[str, Slot] = {}
    for given, value in arguments.items():
        slot = by_fold.get(_key(str(given)))
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
