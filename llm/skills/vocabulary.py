"""The words that some intents' templates hold: a text with another one is none of theirs, which costs no matching."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from llm.skills.normalise import Utterance

if TYPE_CHECKING:
    from hassil import Intents
    from hassil.expression import Expression, Sentence
    from hassil.intents import SlotList


_SHORTEST_NEAR = 3
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Vocabulary:
    """Built from folded templates, and from words that may stand around any sentence.

    Templates write parts of words, "minute[s]", so that any word that the parts make up is one. Free words are not.
    """

    def __init__(self, intents: Intents, names: Collection[str], around: Iterable[str]) -> None:
        self._parts = frozenset(around).union(*(_parts(intents, name) for name in names if name in intents.intents))
        self._longest = max(map(len, self._parts), default=0)
        self._known: dict[str, bool] = {}

    def holds(self, said: Utterance) -> bool:
        """Whether all words are the templates'; numbers are."""
        return all(token.value is not None or self._holds(token.text) for token in said.tokens)

    def near(self, word: str) -> tuple[str, ...]:
        """The templates' words that one letter more, less, other or in the wrong place makes of `word`, folded."""
        forms = _one_letter_away(word)
        return tuple(sorted(part for part in self._parts if len(part) >= _SHORTEST_NEAR and part in forms))

    def _holds(self, word: str) -> bool:
        known = self._known.get(word)
        if known is None:
            ends = {0}
            for end in range(1, len(word) + 1):
                if any(
                    word[start:end] in self._parts for start in range(max(end - self._longest, 0), end) if start in ends
                ):
                    ends.add(end)
            known = self._known[word] = len(word) in ends
        return known


def _one_letter_away(word: str) -> set[str]:
    """All that a single slip of a finger makes of a word."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return (
        {left + right[1:] for left, right in cuts if right}
        | {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
        | {left + letter + right[1:] for left, right in cuts if right for letter in _LETTERS}
        | {left + letter + right for left, right in cuts for letter in _LETTERS}
    )


def _parts(intents: Intents, name: str) -> Iterator[str]:
    """What the templates of one intent write, between blanks and brackets."""
    for block in intents.intents[name].data:
        rules, lists = {**intents.expansion_rules, **block.expansion_rules}, {**intents.slot_lists, **block.slot_lists}
        seen: set[str] = set()
        for sentence in block.sentences:
            yield from _written(sentence.expression, rules, lists, seen)


def _written(
    expression: Expression, rules: Mapping[str, Sentence], lists: Mapping[str, SlotList], seen: set[str]
) -> Iterator[str]:
    from hassil.expression import Group, ListReference, RuleReference, TextChunk
    from hassil.intents import TextSlotList

    inner: list[Expression] = []
    if isinstance(expression, TextChunk):
        yield from expression.text.casefold().split()
    elif isinstance(expression, Group):
        inner = list(expression.items)
    elif isinstance(expression, RuleReference) and f"<{expression.rule_name}>" not in seen:
        seen.add(f"<{expression.rule_name}>")
        inner = [rules[expression.rule_name].expression]
    elif isinstance(expression, ListReference) and f"{{{expression.list_name}}}" not in seen:
        seen.add(f"{{{expression.list_name}}}")
        values = lists.get(expression.list_name)
        if isinstance(values, TextSlotList):
            inner = [value.text_in for value in values.values]
    for item in inner:
        yield from _written(item, rules, lists, seen)
