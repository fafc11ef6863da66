"""Compiles hassil sentence templates into one JSGF grammar of speakable words.

Range lists become composed number words; a wildcard becomes an open slot, a loop over phones whose words the n-gram
model supplies. What cannot be spoken or pronounced is left out, with a warning; it never widens the rest.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

from stt.numbers import DIGIT, number_rule, number_words

if TYPE_CHECKING:
    from hassil import Intents
    from hassil.expression import Expression, Sequence
    from hassil.intents import IntentData, SlotList

logger = logging.getLogger(__name__)

OPEN_PREFIX = "_"
"""Begins the words of an open slot: `_AH` is the phone AH heard there."""
PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
).split()

_EDGE = re.compile(r"[\w']")
_WORD = re.compile(r"[a-z][a-z']*|\d+|\S")
_MAX_JOINED = 64
"""More spellings than this of one glued word, as in `timer[s]`, are taken for a mistake in the template."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A JSGF grammar and the words it uses."""

    jsgf: str
    words: frozenset[str]
    has_open_slots: bool


def compile_grammar(intents: Intents, can_say: Callable[[str], bool], open_weight: float) -> Grammar:
    """Compile all sentences of `intents`.

    `can_say(word)` tells whether a pronunciation is known; `open_weight` (0..1) is the probability of each phone
    of an open slot against a word of the grammar.
    """
    compiler = _Compiler(intents.expansion_rules, intents.slot_lists, can_say)
    sentences: dict[str, None] = {}
    for name, intent in intents.intents.items():
        for data in intent.data:
            for template in data.sentences:
                rule = compiler.within(data).expression(template.expression)
                if rule:
                    sentences[rule] = None
                else:
                    logger.warning("%s: cannot be spoken, left out: %s", name, template.text)
    phones = " | ".join(f"/{open_weight:g}/ {OPEN_PREFIX}{phone}" for phone in PHONES)
    lines = ["#JSGF V1.0;", "grammar commands;"]
    lines.append("public <command> = " + " | ".join(f"({rule})" for rule in sentences) + ";")
    if compiler.uses_open:
        lines.append(f"<open> = ({phones})+;")
    lines += [f"<{name}> = {body};" for name, body in compiler.rules.items()]
    return Grammar("\n".join(lines) + "\n", frozenset(compiler.words), compiler.uses_open)


class _Compiler:
    """Expressions to JSGF text. None stands for what cannot be said, "" for nothing to say."""

    def __init__(
        self, expansions: Mapping[str, object], lists: Mapping[str, SlotList], can_say: Callable[[str], bool]
    ) -> None:
        self._globals = (expansions, lists)
        self._expansions, self._lists = dict(expansions), dict(lists)
        self._can_say = can_say
        self._scope = ""
        self._names: dict[str, str | None] = {}
        self._unsayable: set[str] = set()
        self.rules: dict[str, str] = {}
        self.words: set[str] = set()
        self.uses_open = False

    def within(self, data: IntentData) -> _Compiler:
        """Resolve names as a block of sentences does: its own first."""
        self._expansions = {**self._globals[0], **data.expansion_rules}
        self._lists = {**self._globals[1], **data.slot_lists}
        self._scope = f"{id(data)}_" if data.expansion_rules or data.slot_lists else ""
        return self

    def expression(self, expression: Expression) -> str | None:
        """JSGF of an expression."""
        from hassil.expression import Alternative, ListReference, Permutation, RuleReference, Sequence, TextChunk

        match expression:
            case TextChunk():
                return self._text(expression.text)
            case Alternative():
                return self._alternative(expression.items)
            case Permutation():
                orders = [self._sequence(order) for order in permutations(expression.items)]
                return _choice(orders)
            case Sequence():
                return self._sequence(_glue(expression.items))
            case ListReference():
                return self._list(expression)
            case RuleReference():
                return self._rule(expression.rule_name)
        raise ValueError(f"unknown hassil expression {expression!r}")

    def _sequence(self, items: Iterable[Expression]) -> str | None:
        parts = [self.expression(item) for item in items]
        if any(part is None for part in parts):
            return None
        return " ".join(part for part in parts if part)

    def _alternative(self, items: Iterable[Expression]) -> str | None:
        return _choice([self.expression(item) for item in items])

    def _text(self, text: str) -> str | None:
        words: list[str] = []
        for token in _WORD.findall(text.lower()):
            if token in ".,!?;:":
                continue
            words += number_words(int(token)).split() if token.isdigit() else [token]
        for word in words:
            if not self._can_say(word):
                if word not in self._unsayable:
                    self._unsayable.add(word)
                    logger.warning("no pronunciation for %r: its alternatives cannot be spoken", word)
                return None
        self.words.update(words)
        return " ".join(words)

    def _rule(self, name: str) -> str | None:
        body = self._expansions[name]
        return self._named(f"rule_{name}", lambda: self.expression(body.expression))  # type: ignore[attr-defined]

    def _list(self, reference: object) -> str | None:
        from hassil.expression import ListReference
        from hassil.intents import RangeSlotList, TextSlotList, WildcardSlotList

        assert isinstance(reference, ListReference)
        span = reference.get_inline_range()
        if span is not None:
            return self._named(f"range_{span[0]}_{span[1]}", lambda: self._number(number_rule(span[0], span[1])))
        name = reference.list_name
        slots = self._lists.get(name)
        match slots:
            case WildcardSlotList():
                self.uses_open = True
                return "<open>"
            case RangeSlotList():
                return self._named(f"list_{name}", lambda: self._number(_range(slots)))
            case TextSlotList():
                return self._named(f"list_{name}", lambda: self._alternative([v.text_in for v in slots.values]))
        logger.warning("list {%s} is not defined: its sentences cannot be spoken", name)
        return None

    def _number(self, rule: str) -> str:
        self.words.update(re.findall(r"[a-z]+", rule))
        return rule

    def _named(self, name: str, compile_body: Callable[[], str | None]) -> str | None:
        key = re.sub(r"\W", "_", self._scope + name)
        if key not in self._names:
            body = compile_body()
            self._names[key] = f"<{key}>" if body else body
            if body:
                self.rules[key] = body
        return self._names[key]


def _choice(options: list[str | None]) -> str | None:
    """One of the options that can be said; optional if one of them is silence."""
    said = list(dict.fromkeys(option for option in options if option))
    empty = any(option == "" for option in options)
    if not said:
        return "" if empty else None
    inner = " | ".join(said)
    if empty:
        return f"[{inner}]"
    return inner if len(said) == 1 else f"({inner})"


def _range(slots: object) -> str:
    from hassil.intents import RangeFractionType, RangeSlotList

    assert isinstance(slots, RangeSlotList)
    values = range(slots.start, slots.stop + 1, slots.step)
    if slots.step > 1 and slots.start >= 0 and len(values) <= 60:
        rule = " | ".join(number_words(value) for value in values)
    else:
        rule = number_rule(slots.start, slots.stop)
    match slots.fraction_type:
        case RangeFractionType.TENTHS:
            return f"({rule}) [point {DIGIT}]"
        case RangeFractionType.HALVES:
            return f"({rule}) [point five | and a half]"
    return rule


def _glue(items: list[Expression]) -> list[Expression]:
    """Join neighbours that touch without a space, as in `timer[s]`, into alternatives of whole words."""
    from hassil.expression import Alternative, Sequence, TextChunk

    glued: list[Expression] = []
    for item in items:
        before = _spellings(glued[-1]) if glued else None
        after = _spellings(item)
        if before is None or after is None or not _touch(before, after):
            glued.append(item)
            continue
        joined = list(dict.fromkeys(left + right for left, right in product(before, after)))
        if len(joined) > _MAX_JOINED:
            raise ValueError(f"more than {_MAX_JOINED} spellings of one word in a template: {joined[0]!r}...")
        glued[-1] = Alternative(items=[Sequence(items=[TextChunk(text)]) for text in joined])
    return glued


def _touch(before: list[str], after: list[str]) -> bool:
    return any(_EDGE.match(text[-1:]) for text in before) and any(_EDGE.match(text[:1]) for text in after)


def _spellings(expression: Expression) -> list[str] | None:
    """All texts of a small expression with their outer spaces, or None if it holds names or is not small."""
    from hassil.expression import Alternative, Sequence, TextChunk

    match expression:
        case TextChunk():
            return [expression.text]
        case Alternative():
            several = [_spellings(item) for item in expression.items]
            flat = [text for texts in several if texts is not None for text in texts]
            return flat if None not in several and len(flat) <= _MAX_JOINED else None
        case Sequence():
            texts = [""]
            for item in expression.items:
                more = _spellings(item)
                if more is None or len(texts) * len(more) > _MAX_JOINED:
                    return None
                texts = [left + right for left, right in product(texts, more)]
            return texts
    return None
