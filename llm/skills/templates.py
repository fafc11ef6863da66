"""Changes hassil templates before they are parsed, and lists what a rule of them may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.messages import Language

if TYPE_CHECKING:
    from hassil import Intents


def phrases(intents: Intents, rule: str, language: Language) -> tuple[tuple[str, ...], ...]:
    """All word sequences that an expansion rule stands for, sorted; empty where it is missing."""
    from hassil import sample_expression

    sentence = intents.expansion_rules.get(rule)
    if sentence is None:
        return ()
    samples = sample_expression(
        sentence.expression, slot_lists={}, expansion_rules=intents.expansion_rules, language=language
    )
    return tuple(sorted({tuple(text.split()) for text in samples if text.strip()}))


def map_templates(values: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The same configuration with `change` applied to every template, list value and rule, but to no name."""
    mapped = dict(values)
    if "lists" in values:
        mapped["lists"] = {name: _map_list(entry, change) for name, entry in values["lists"].items()}
    if "expansion_rules" in values:
        mapped["expansion_rules"] = {name: change(rule) for name, rule in values["expansion_rules"].items()}
    if "sentences" in values:
        mapped["sentences"] = [change(sentence) for sentence in values["sentences"]]
    if "intents" in values:
        mapped["intents"] = {
            name: {"data": [map_templates(data, change) for data in block["data"]]}
            for name, block in values["intents"].items()
        }
    return mapped


def _map_list(entry: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A list with its values changed. Numbers reach it as digits only, so a range needs no words."""
    mapped = dict(entry)
    if "values" in entry:
        pairs = (value if isinstance(value, dict) else {"in": value, "out": value} for value in entry["values"])
        mapped["values"] = [{**pair, "in": change(str(pair["in"]))} for pair in pairs]
    if "range" in entry:
        mapped["range"] = {**entry["range"], "words": False}
    return mapped
