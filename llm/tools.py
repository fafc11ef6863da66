"""Declares the skills to a language model as tools, from the same templates that recognise spoken sentences.

An action becomes a function, its slots the parameters. Where two slots of a sentence are alike, as in a sum, the one
parameter is a sentence. Slots that only shorten what others say, such as "half past", are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from core.messages import Language
from llm.assistant import SkillSet
from llm.engine import Tool
from llm.grounding import name_words, telling
from llm.skills.base import Slot
from llm.skills.normalise import fold

if TYPE_CHECKING:
    from hassil import Intents
    from hassil.expression import Expression, ListReference
    from hassil.intents import IntentData, SlotList

SENTENCE = "sentence"
IGNORED = "ignored"
"""the slot of words that a skill does not read"""
LANGUAGES: tuple[Language, ...] = get_args(Language)
_SLOT = re.compile(r"\{\w+\}")
_MOST_CHOICES = 16
"""A longer list of words is declared as free text, and checked against the list all the same."""
_MOST_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Parameter:
    """One slot as a model sees it, and how to read what it gives."""

    schema: Mapping[str, Any]
    choices: Mapping[str, Slot] = field(default_factory=dict)
    """folded words of a list to the slot's value; empty where any will do"""
    least: float | None = None
    """of a number; a model's 0 below it means that it was not given"""
    free: bool = False
    """holds the user's own words"""


@dataclass(frozen=True, slots=True)
class DeclaredTool:
    """A tool with its parameters."""

    tool: Tool
    parameters: Mapping[str, Parameter]
    required: frozenset[str]
    words: frozenset[str] = frozenset()
    """which of the user's, in any language, may ask for it"""


def declare(skills: SkillSet, language: Language) -> dict[str, DeclaredTool]:
    """A tool for each action that models may call, described in this language."""
    from hassil import Intents  # noqa: F401 - fails here, with its name, where the package is missing

    intents = skills.recogniser.intents(language)
    offered = {
        name
        for skill in skills.skills
        for name in skill.actions
        if skill.for_models is None or name in skill.for_models
    }
    everywhere = [intents, *(skills.recogniser.intents(other) for other in LANGUAGES if other != language)]
    return {
        name: replace(_declared(name, intents, language), words=_telling(name, everywhere))
        for name in intents.intents
        if name in offered
    }


def _telling(name: str, languages: Iterable[Intents]) -> frozenset[str]:
    """The words of a tool's name and of its plainest templates."""
    blocks = [(intents, block) for intents in languages if name in intents.intents for block in _usual(name, intents)]
    return telling([name_words(name), *(_SLOT.sub(" ", _example(*one)) for one in blocks)])


def _usual(name: str, intents: Intents) -> list[IntentData]:
    """The action's sentences but for the rare ones, whose slots would only make the prompt longer."""
    blocks = list(intents.intents[name].data)
    return [block for block in blocks if not (block.metadata or {}).get("rare")] or blocks


def _declared(name: str, intents: Intents, language: Language) -> DeclaredTool:
    blocks = _usual(name, intents)
    musts = [_musts(sentence.expression, intents, block) for block in blocks for sentence in block.sentences]
    if any(len({reference.list_name for reference in must}) < len(must) for must in musts):
        parameters = {SENTENCE: Parameter({"type": "string"}, free=True)}
        required = frozenset((SENTENCE,))
    else:
        parameters = _parameters(intents, blocks, language)
        slots = [frozenset(reference.slot_name for reference in must) for must in musts]
        required = frozenset.intersection(*slots) & parameters.keys()
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {slot: dict(parameter.schema) for slot, parameter in parameters.items()},
    }
    if required:
        schema["required"] = sorted(required)
    return DeclaredTool(Tool(name, _example(intents, blocks[0]), schema), parameters, required)


def _example(intents: Intents, block: IntentData) -> str:
    """The first template in its plainest form, its lists as {slots}."""
    from hassil import parse_sentence

    said = _plainest(parse_sentence(block.sentence_texts[0]).expression, intents, block)
    return " ".join(said.split())


def _plainest(expression: Expression, intents: Intents, block: IntentData) -> str:
    """Without what is optional, and of choices the first; hassil's own samples go through all of them."""
    from hassil.expression import Alternative, Group, ListReference, RuleReference, TextChunk

    if isinstance(expression, TextChunk):
        return expression.text
    if isinstance(expression, ListReference):
        return f"{{{expression.slot_name}}}"
    if isinstance(expression, RuleReference):
        rule = {**intents.expansion_rules, **block.expansion_rules}.get(expression.rule_name)
        return _plainest(rule.expression, intents, block) if rule else ""
    if not isinstance(expression, Group):
        return ""
    if isinstance(expression, Alternative):
        return "" if expression.is_optional else _plainest(expression.items[0], intents, block)
    return "".join(_plainest(item, intents, block) for item in expression.items)


def _parameters(intents: Intents, blocks: Iterable[IntentData], language: Language) -> dict[str, Parameter]:
    from hassil.intents import RangeSlotList, TextSlotList

    found: dict[str, tuple[ListReference, SlotList | None]] = {}
    fixed: dict[str, Slot] = {}
    for block in blocks:
        lists = {**intents.slot_lists, **block.slot_lists}
        for sentence in block.sentences:
            for reference in _references(sentence.expression, intents, block):
                found.setdefault(reference.slot_name, (reference, lists.get(reference.list_name)))
        fixed.update(block.slots)
    has_numbers = any(isinstance(values, RangeSlotList) for _, values in found.values())
    parameters: dict[str, Parameter] = {}
    for slot, (reference, values) in found.items():
        if slot == IGNORED:
            continue
        if isinstance(values, RangeSlotList):
            if slot == reference.list_name or reference.list_name not in found:
                parameters[slot] = Parameter({"type": "number"}, least=values.start)
        elif isinstance(values, TextSlotList):
            of_numbers = all(isinstance(value.value_out, int | float) for value in values.values)
            if not (of_numbers and has_numbers):
                parameters[slot] = _choice(values, intents, language)
        else:
            parameters[slot] = Parameter({"type": "string"}, free=True)
    for slot, value in fixed.items():
        if slot not in parameters:
            parameters[slot] = Parameter({"type": "boolean"}, {"true": value})
    return parameters


def _references(expression: Expression, intents: Intents, block: IntentData) -> Iterable[ListReference]:
    from hassil.expression import Group, ListReference

    if isinstance(expression, ListReference):
        return [expression]
    if isinstance(expression, Group):
        return expression.list_references({**intents.expansion_rules, **block.expansion_rules})
    return []


def _choice(values: Any, intents: Intents, language: Language) -> Parameter:
    """The words of a list. What is declared of each value are its shortest words."""
    from itertools import islice

    from hassil import sample_expression

    choices: dict[str, Slot] = {}
    shown: list[str] = []
    for value in values.values:
        samples = sample_expression(value.text_in, {}, intents.expansion_rules, language)
        spoken = [" ".join(text.split()) for text in islice(samples, _MOST_SAMPLES)]
        out = value.value_out if isinstance(value.value_out, int | float) else str(value.value_out)
        for words in (*spoken, str(out)):
            choices.setdefault(fold(words), out)
        shown.append(min(spoken, key=len))
    if len(shown) > _MOST_CHOICES:
        return Parameter({"type": "string"}, choices)
    return Parameter({"type": "string", "enum": shown}, choices)


def _musts(expression: Expression, intents: Intents, block: IntentData) -> list[ListReference]:
    """What stands in every sentence of a template, with repetitions."""
    from hassil.expression import Alternative, Group, ListReference, RuleReference

    if isinstance(expression, ListReference):
        return [expression]
    if isinstance(expression, RuleReference):
        rule = {**intents.expansion_rules, **block.expansion_rules}.get(expression.rule_name)
        return _musts(rule.expression, intents, block) if rule else []
    if not isinstance(expression, Group):
        return []
    parts = [_musts(item, intents, block) for item in expression.items]
    if not isinstance(expression, Alternative):
        return [reference for part in parts for reference in part]
    if expression.is_optional or not parts:
        return []
    shared = frozenset.intersection(*(frozenset(reference.slot_name for reference in part) for part in parts))
    return [reference for reference in parts[0] if reference.slot_name in shared]
