"""Compiles hassil sentence templates into one automaton of speakable words.

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

from stt.automaton import NOTHING, OPEN, Automaton, Chain, Choice, Node, Token, build, choice, optional, phrase
from stt.numbers import CLASSES, DIGIT, number_phrases, number_words
from stt.openness import too_open

if TYPE_CHECKING:
    from hassil import Intents
    from hassil.expression import Expression, ListReference
    from hassil.expression import Sentence as Template
    from hassil.intents import IntentData, RangeSlotList, SlotList

logger = logging.getLogger(__name__)

_EDGE = re.compile(r"[\w']")
_WORD = re.compile(r"[a-z][a-z']*|\d+|\S")
_MAX_JOINED = 64
"""More spellings than this of one glued word, as in `timer[s]`, are a mistake in the template."""
_WRITTEN_ONLY = re.compile("[ckm]?m|kms|mi|yd|ft|m?g|kg|t|lbs?|oz|[cm]?l|tbsp|tsp|kph|kmh|mph|[kmgt]b|1")
"""Typed, but said in full: abbreviations, which as sounds are easily heard in anything, and the mark of any number."""
_COURTESY = ("polite_start", "polite_end")
"""Expansion rules that, where the templates define them, may come before and after every sentence."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The sentences, what may come before and after each of them, and the words of all three."""

    sentences: Automaton
    before: Automaton
    after: Automaton
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Templates as phrases, whichever of their words can be pronounced."""

    sentences: tuple[tuple[str, Node | None], ...]
    """each with its intent and its text; None where it cannot be spoken at all"""
    before: Node
    after: Node
    words: frozenset[str]
    """of the templates; those of numbers, which `stt.numbers` names, do not count"""


def read_templates(intents: Intents) -> Spoken:
    """All sentences of `intents` but those whose metadata says that they are rare, as an arc takes 4 KB."""
    compiler = _Compiler(intents.expansion_rules, intents.slot_lists)
    sentences = tuple(
        (f"{name}: {template.text}", compiler.within(data).expression(template.expression))
        for name, intent in intents.intents.items()
        for data in intent.data
        if not (data.metadata or {}).get("rare")
        for template in data.sentences
    )
    before, after = (compiler.courtesy(rule) for rule in _COURTESY)
    return Spoken(sentences, before, after, frozenset(compiler.words))


def compile_grammar(spoken: Spoken, can_say: Callable[[str], bool]) -> Grammar:
    """Compile the sentences; `can_say(word)` tells whether a pronunciation is known.

    A sentence that begins with an open slot, or has almost nothing beside one, is left out: it would fit any speech.
    The n-gram model's words serve for it, and for a rare one.
    """
    sayable = _Sayable(word for word in spoken.words if not can_say(word))
    named = [(name, sayable.part(node) if node is not None else None) for name, node in spoken.sentences]
    for name in (name for name, node in named if node is None):
        logger.warning("cannot be spoken, left out: %s", name)
    known = [(name, node) for name, node in named if node is not None]
    sentences = []
    for (name, node), is_too_open in zip(known, too_open(node for _, node in known), strict=True):
        if is_too_open:
            logger.debug("open speech with too few fixed words, left out: %s", name)
        else:
            sentences.append(node)
    before, after = (sayable.part(node) or NOTHING for node in (spoken.before, spoken.after))
    parts = (build(choice(sentences)), build(before), build(after))
    tokens = {arc.word for part in parts for arc in part.arcs} - {OPEN}
    return Grammar(*parts, frozenset(word for token in tokens for word in CLASSES.get(token, (token,))))


class _Sayable:
    """Nodes without the phrases that hold a word nobody can pronounce."""

    def __init__(self, silent: Iterable[str]) -> None:
        self._silent = frozenset(silent)
        self._known: dict[Node, Node | None] = {}
        for word in sorted(self._silent):
            logger.info("no pronunciation for %r: its alternatives cannot be spoken", word)

    def part(self, node: Node) -> Node | None:
        """What is left of it, the node itself where all is; None where nothing is."""
        if not self._silent:
            return node
        if node not in self._known:
            self._known[node] = self._left(node)
        return self._known[node]

    def _left(self, node: Node) -> Node | None:
        match node:  # without values, as in Token(word): see stt.automaton
            case Token():
                return None if node.word in self._silent else node
            case Chain():
                parts = tuple(self.part(part) for part in node.parts)
                said = tuple(part for part in parts if part is not None)
                return None if len(said) < len(parts) else node if said == node.parts else Chain(said)
            case Choice():
                left = tuple(part for option in node.options if (part := self.part(option)) is not None)
                return node if left == node.options else choice(left) if left else None
        raise ValueError(f"unknown node {node!r}")


class _Compiler:
    """Expressions to nodes, `words` being all of theirs. None stands for what cannot be said."""

    def __init__(self, rules: Mapping[str, Template], lists: Mapping[str, SlotList]) -> None:
        self._shared = (rules, lists)
        self._rules, self._lists = dict(rules), dict(lists)
        self._scope = ""
        self._nodes: dict[tuple[str, str], Node | None] = {}
        self.words: set[str] = set()

    def within(self, data: IntentData) -> _Compiler:
        """Resolve names as a block of sentences does: its own first."""
        self._rules = {**self._shared[0], **data.expansion_rules}
        self._lists = {**self._shared[1], **data.slot_lists}
        self._scope = str(id(data)) if data.expansion_rules or data.slot_lists else ""
        return self

    def courtesy(self, rule: str) -> Node:
        """An optional phrase, if there is such a rule."""
        self._rules, self._lists, self._scope = dict(self._shared[0]), dict(self._shared[1]), ""
        node = self._rule(rule) if rule in self._rules else None
        return optional(node) if node is not None else NOTHING

    def expression(self, expression: Expression) -> Node | None:
        """The phrases of an expression."""
        from hassil.expression import Alternative, ListReference, Permutation, RuleReference, Sequence, TextChunk

        match expression:
            case TextChunk():
                return self._text(expression.text)
            case Alternative():
                return self._alternative(expression.items)
            case Permutation():
                return _options(self._sequence(order) for order in permutations(expression.items))
            case Sequence():
                return self._sequence(_glue(expression.items))
            case ListReference():
                return self._list(expression)
            case RuleReference():
                return self._rule(expression.rule_name)
        raise ValueError(f"unknown hassil expression {expression!r}")

    def _sequence(self, items: Iterable[Expression]) -> Node | None:
        parts = [self.expression(item) for item in items]
        said = tuple(part for part in parts if part is not None)
        return Chain(said) if len(said) == len(parts) else None

    def _alternative(self, items: Iterable[Expression]) -> Node | None:
        return _options(self.expression(item) for item in items if not _is_written_only(item))

    def _text(self, text: str) -> Node:
        words: list[str] = []
        for token in _WORD.findall(text.lower()):
            if token not in ".,!?;:":
                words += number_words(int(token)).split() if token.isdigit() else [token]
        self.words.update(words)
        return phrase(" ".join(words))

    def _rule(self, name: str) -> Node | None:
        return self._named("rule", name, lambda: self.expression(self._rules[name].expression))

    def _list(self, reference: ListReference) -> Node | None:
        from hassil.intents import RangeSlotList, TextSlotList, WildcardSlotList

        span = reference.get_inline_range()
        if span is not None:
            return self._named("range", f"{span[0]}..{span[1]}", lambda: number_phrases(span[0], span[1]))
        name = reference.list_name
        slots = self._lists.get(name)
        match slots:
            case WildcardSlotList():
                return self._named("open", "", lambda: Token(OPEN))
            case RangeSlotList():
                return self._named("list", name, lambda: _range(slots))
            case TextSlotList():
                return self._named("list", name, lambda: self._alternative([v.text_in for v in slots.values]))
        logger.warning("list {%s} is not defined: its sentences cannot be spoken", name)
        return None

    def _named(self, kind: str, name: str, compile_body: Callable[[], Node | None]) -> Node | None:
        key = (kind, self._scope + "/" + name)
        if key not in self._nodes:
            self._nodes[key] = compile_body()
        return self._nodes[key]


def _is_written_only(expression: Expression) -> bool:
    texts = _spellings(expression)
    return bool(texts) and all(_WRITTEN_ONLY.fullmatch(text.strip().lower()) for text in texts or ())


def _options(options: Iterable[Node | None]) -> Node | None:
    """One of the options that can be said."""
    said = [option for option in options if option is not None]
    return choice(said) if said else None


def _range(slots: RangeSlotList) -> Node:
    from hassil.intents import RangeFractionType

    values = range(slots.start, slots.stop + 1, slots.step)
    if slots.step > 1 and slots.start >= 0 and len(values) <= 100:
        number = choice([phrase(number_words(value)) for value in values])
    else:
        number = number_phrases(slots.start, slots.stop)
    match slots.fraction_type:
        case RangeFractionType.TENTHS:
            return Chain((number, optional(Chain((Token("point"), DIGIT)))))
        case RangeFractionType.HALVES:
            return Chain((number, optional(choice([phrase("point five"), phrase("and a half")]))))
    return number


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
