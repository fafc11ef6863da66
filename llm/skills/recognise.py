"""Finds the intent of a sentence by hassil templates from sentences/<language>*.yaml. Caches nothing on disk.

The best match is the one with the fewest free words, then the most literal ones. A sentence's metadata may say that it
is the start of a longer one (`may_go_on`), that a language model may know better (`unsure`), and which words its free
ones never hold, because they are talk (`talk`). Numbers are matched by place and
read by `normalise`, so a template's range bounds what may be spoken, not what may be typed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.messages import Language
from core.utils.errors import ConfigError
from llm.skills.base import Intent, Parser, Skill, Slot
from llm.skills.blocks import yaml_blocks
from llm.skills.hesitations import without_hesitations
from llm.skills.normalise import NUMBER_MARK, Utterance, fold_template, normalise
from llm.skills.numbers import words_of
from llm.skills.templates import map_templates, phrases
from llm.skills.vocabulary import Vocabulary

if TYPE_CHECKING:
    from hassil import Intents, RecognizeResult

logger = logging.getLogger(__name__)

SENTENCES_FOLDER = Path(__file__).resolve().parent / "sentences"
POLITE_RULES = ("polite_start", "polite_end")
"""Expansion rules of a language that may stand before and after any sentence."""
MOST_FREE_WORDS = 20
"""A sentence with more that no template knows may only begin like a command."""
TEXTS_KNOWN = 64
"""the words of a turn are looked at as they come, for whether they are whole, and to be answered"""
_NAME = "name"
"""the slot of what a timer or alarm is called"""
MOST_WORDS_OF_A_NAME = 4
_OWN_LIST = "list_of"
"""the slot of what a list of the user's own is called"""
MOST_WORDS_OF_A_LIST = 3
_IN_NO_LIST = frozenset(words_of("and then list et puis liste with avec"))
_IN_NO_NAME = frozenset(words_of("set setting make making until till jusqu jusque mets mettre minuteur timer"))
"""words that show that the rest of a sentence was taken for a name"""
_LENGTH = frozenset(words_of("hour hours long minute minutes heure heures half demi demie"))
"""what a new timer is not called; one that runs may be told by them"""
_ENDS_NO_NAME = frozenset(
    words_of("and et for pour de or ou to no wait sorry mean meant actually rather non pardon attends plutot enfin")
)
_GOES_ON = frozenset(words_of("and is are was starts begins tomorrow et est sont commence demain"))
"""last words of a thing that says when it is: "that the meeting is at three" """
_OPEN_NUMBER_ENDS = frozenset(
    words_of(
        "twenty thirty forty fifty sixty seventy eighty ninety hundred thousand point and plus minus times "
        "vingt trente quarante cinquante soixante quatre cent mille virgule et moins fois"
    )
)
"""Last words after which more of the same number or sum often follows."""
_JOINS = frozenset(words_of("and then et puis"))
_OTHER: dict[Language, Language] = {"en": "fr", "fr": "en"}


@dataclass(frozen=True, slots=True)
class RecogniserConfig:
    """Where templates lie: files named <language>*.yaml in these folders, merged in order."""

    folders: tuple[Path, ...] = (SENTENCES_FOLDER,)


@dataclass(frozen=True, slots=True)
class _Grammar:
    matched: Intents
    """folded, for matching"""
    polite: tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]


class SkillRecogniser:
    """Text to Intent. Safe from any thread; the first use of a language loads its templates."""

    def __init__(self, config: RecogniserConfig, skills: Iterable[Skill]) -> None:
        self._config = config
        skills = tuple(skills)
        self._known = frozenset(name for skill in skills for name in skill.actions)
        self._parsers: tuple[Parser, ...] = tuple(skill.parse for skill in skills if skill.parse)
        self._grammars: dict[Language, _Grammar] = {}
        self._lock = threading.Lock()
        """held while templates are read"""
        self._recognised = lru_cache(TEXTS_KNOWN)(self._recognise)

    def load(self, language: Language | None = None) -> None:
        """Read one language now, or both, instead of at its first use."""
        for one in _OTHER if language is None else (language,):
            self.recognise("what", one)

    def intents(self, language: Language) -> Intents:
        """The templates as they are written, for who compiles a speech grammar from them.

        Any sentence may have `<polite_start>` before it and `<polite_end>` after it.
        """
        from hassil import Intents

        return Intents.from_dict(self._read(language))

    def source(self, language: Language) -> bytes:
        """All that `intents` is made of, the code that reads it with it: equal texts give equal templates."""
        here = Path(__file__)
        texts = (file.read_bytes() for file in (*self._files(language), here, here.with_name("blocks.py")))
        return b"\0".join((" ".join(sorted(self._known)).encode(), *texts))

    def vocabulary(self, names: Collection[str], free: str, language: Language) -> Vocabulary:
        """What the templates of these intents are made of, with the polite words around them, and `free` for others."""
        grammar = self._grammar(language)
        polite = (word for phrases in grammar.polite for phrase in phrases for word in phrase)
        return Vocabulary(grammar.matched, names, (free, *polite))

    def recognise(self, text: str, language: Language) -> Intent | None:
        """The intent of a text, or None when no template and no parser fits."""
        return self._recognised(without_hesitations(text), language)

    def _recognise(self, text: str, language: Language) -> Intent | None:
        said = normalise(text, language)
        if not said.tokens:
            return None
        grammar = self._grammar(language)
        for form in self._forms(said, grammar):
            intent = self._match(form, grammar, language)
            if intent is None or intent.unsure:
                intent = self._parse(form, language) or intent
            if intent is not None:
                logger.debug("%r is %s %s", text, intent.name, dict(intent.slots))
                return intent
        return None

    def recognise_any(self, text: str, first: Language) -> Intent | None:
        """The intent in the language `first`, else in the other."""
        return self.recognise(text, first) or self.recognise(text, _OTHER[first])

    def is_complete(self, text: str, language: Language) -> bool:
        """Whether the text is a whole command that seldom goes on, so that its turn may end early."""
        words = text.casefold().replace("-", " ").split()
        if not words or words[-1] in _OPEN_NUMBER_ENDS:
            return False
        intent = self.recognise(text, language)
        return intent is not None and not intent.open_slots and not intent.may_go_on

    def _forms(self, said: Utterance, grammar: _Grammar) -> Iterable[Utterance]:
        """The utterance without its polite words, then as it is, then without the "and" that joins it on."""
        starts, ends = grammar.polite
        first = _leading(said.words, starts)
        last = _leading(tuple(reversed(said.words[first:])), ends)
        if first or last:
            yield said.without(first, last)
        if first and last:
            yield said.without(first, 0)
        yield said
        if len(said.words) > 1 and said.words[0] in _JOINS:
            yield from self._forms(said.without(1, 0), grammar)

    def _parse(self, said: Utterance, language: Language) -> Intent | None:
        for parse in self._parsers:
            intent = parse(said, language)
            if intent is not None:
                return intent
        return None

    def _match(self, said: Utterance, grammar: _Grammar, language: Language) -> Intent | None:
        from hassil import recognize_all

        text = said.matching
        best, best_rank = None, (1 << 30, 0)
        for result in recognize_all(text, grammar.matched, language=language):
            if _is_talk(result, language) or _is_no_name(result) or _is_cut_short(result):
                continue
            rank = _rank(result)
            if rank < best_rank:
                best, best_rank = result, rank
        return None if best is None else _to_intent(best, said, language)

    def _grammar(self, language: Language) -> _Grammar:
        grammar = self._grammars.get(language)
        if grammar is None:
            with self._lock:
                grammar = self._grammars.get(language) or self._load(language)
                self._grammars[language] = grammar
        return grammar

    def _load(self, language: Language) -> _Grammar:
        from hassil import Intents
        from hassil.parser import ParseError

        values = self._read(language)
        try:
            matched = Intents.from_dict(map_templates(values, lambda text: fold_template(text, language)))
            for intent in matched.intents.values():
                for data in intent.data:
                    _ = data.sentences
        except (ParseError, KeyError, ValueError) as error:
            raise ConfigError(f"sentences/{language}.yaml: a template cannot be read ({error}); correct it") from error
        starts, ends = (phrases(matched, rule, language) for rule in POLITE_RULES)
        return _Grammar(matched, (starts, tuple(tuple(reversed(phrase)) for phrase in ends)))

    def _files(self, language: Language) -> Iterator[Path]:
        for folder in self._config.folders:
            yield from sorted(folder.glob(f"{language}*.yaml"))

    def _read(self, language: Language) -> dict[str, Any]:
        import yaml
        from hassil import merge_dict

        values: dict[str, Any] = {"language": language, "intents": {}, "lists": {}, "expansion_rules": {}}
        for file in self._files(language):
            try:
                for block in yaml_blocks(file.read_text(encoding="utf-8")):
                    merge_dict(values, block)
            except yaml.YAMLError as error:
                raise ConfigError(f"{file}: is not valid YAML ({error}); correct it") from error
        values["language"] = language
        values["intents"] = {name: block for name, block in values["intents"].items() if name in self._known}
        return values


def _leading(words: tuple[str, ...], phrases: tuple[tuple[str, ...], ...]) -> int:
    """How many leading words are phrases of the list, leaving at least one word."""
    taken = 0
    while True:
        fitting = (len(p) for p in phrases if len(p) + taken < len(words) and words[taken : taken + len(p)] == p)
        length = max(fitting, default=0)
        if not length:
            return taken
        taken += length


def _rank(result: RecognizeResult) -> tuple[int, int]:
    free = sum(len(entity.text) for entity in result.entities_list if entity.is_wildcard)
    return free, -len([entity for entity in result.entities_list if not entity.is_wildcard])


def _to_intent(result: RecognizeResult, said: Utterance, language: Language) -> Intent:
    slots: dict[str, Slot] = {}
    open_slots = set()
    for entity in result.entities_list:
        span = entity.text_span
        if entity.is_wildcard and span is not None:
            slots[entity.name] = said.source(*span)
            open_slots.add(entity.name)
            continue
        if isinstance(entity.value, int | float):
            ranged = span is not None and entity.text.strip() == NUMBER_MARK
            numbers = [token.value for token in said.between(*span)] if span and ranged else []
            slots[entity.name] = numbers[0] if numbers and numbers[0] is not None else float(entity.value)
        else:
            slots[entity.name] = str(entity.value)
    metadata = result.intent_metadata or {}
    return Intent(
        result.intent.name,
        said,
        language,
        MappingProxyType(slots),
        frozenset(open_slots),
        bool(metadata.get("may_go_on", False)),
        bool(metadata.get("unsure", False)) or _many(slots, open_slots),
    )


def _is_talk(result: RecognizeResult, language: Language) -> bool:
    """Whether the free words hold one of those that the sentence's metadata excludes."""
    excluded = str((result.intent_metadata or {}).get("talk", ""))
    if not excluded:
        return False
    words = set(fold_template(excluded, language).split())
    return any(words & set(entity.text.split()) for entity in result.entities_list if entity.is_wildcard)


def _is_cut_short(result: RecognizeResult) -> bool:
    """Whether free words within a sentence end in "and" or "is": what follows is no time but belongs to them."""
    spans = [(entity.text_span[1], entity) for entity in result.entities_list if entity.text_span is not None]
    last = max((end for end, _ in spans), default=0)
    return any(
        entity.is_wildcard and end < last and not _GOES_ON.isdisjoint(entity.text.split()[-1:]) for end, entity in spans
    )


def _is_no_name(result: RecognizeResult) -> bool:
    """Whether what stands for a name is a sentence: "'add milk and set a' timer"."""
    excluded = _IN_NO_NAME | (_LENGTH if result.intent.name == "SetTimer" else set())
    names = [entity.text.split() for entity in result.entities_list if entity.is_wildcard and entity.name == _NAME]
    lists = [set(entity.text.split()) for entity in result.entities_list if entity.name == _OWN_LIST]
    if any(len(words) > MOST_WORDS_OF_A_LIST or words & _IN_NO_LIST for words in lists):
        return True
    if result.intent.name == "SetTimer" and len(names) == len(result.entities_list):
        excluded |= {NUMBER_MARK}  # without a length, a number is one that lacks its unit: "a timer for ten"
    if result.intent.name == "SetTimer" and any({NUMBER_MARK} == set(words) - {"de", "d", "of"} for words in names):
        return True  # "for twenty to thirty minutes" is no timer called twenty
    return any(
        len(words) > MOST_WORDS_OF_A_NAME or not excluded.isdisjoint(words) or not _ENDS_NO_NAME.isdisjoint(words[-1:])
        for words in names
    )


def _many(slots: Mapping[str, Slot], open_slots: Collection[str]) -> bool:
    """Whether more words are free than anybody dictates in one go."""
    return sum(len(str(slots[slot]).split()) for slot in open_slots) > MOST_FREE_WORDS
