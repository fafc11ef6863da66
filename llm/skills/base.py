"""What a skill is made of: an Intent goes in, a Reply comes out, and a Context holds all that it may use.

A module of this folder that defines `SKILL` is a skill; nothing else needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from types import MappingProxyType
from typing import Literal

from core.messages import Language
from core.utils.clock import Clock
from core.utils.voice import VoiceSettings
from core.utils.waterfall import Wait
from llm.conversation import Conversation
from llm.schedule import Schedule
from llm.skills.normalise import Utterance
from llm.store import Store

Slot = float | str
"""A slot's value: a number, the name a list gives it, or the user's own words."""

ANSWER = "{}"
"""where an answer goes in a sentence of `Reply.asks`"""
ANSWER_WITHIN_S = 60.0
"""of a question; words that come later are no answer to it"""
NO_SLOTS: Mapping[str, Slot] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user wants, read out of a sentence."""

    name: str
    said: Utterance
    """the user's words, without the polite ones around them"""
    language: Language
    slots: Mapping[str, Slot] = field(default_factory=lambda: NO_SLOTS)
    open_slots: frozenset[str] = frozenset()
    """slots that hold free words"""
    may_go_on: bool = False
    """the sentence is often the start of a longer one"""
    unsure: bool = False
    """a language model, where there is one, may know better what is meant"""
    heard_in: Language | None = None
    """the language of the user's words, where they are answered in another; see `words_language`"""
    corrects: bool = False
    """it takes the place of the last action, which is taken back; see `llm.correcting`"""
    parts: tuple[Intent, ...] = ()
    """the commands of which it is made, where several came in one breath; see `llm.skills.several`"""
    rest: str = ""
    """what the words ask for besides, which no skill does; see `llm.skills.beside`"""

    @property
    def text(self) -> str:
        """The user's words as they came."""
        return self.said.original

    @property
    def words_language(self) -> Language:
        """Of the user's own words; `language` is that of the answer."""
        return self.heard_in or self.language

    def number(self, slot: str) -> float | None:
        """The slot's number, or None."""
        value = self.slots.get(slot)
        return float(value) if isinstance(value, int | float) else None

    def word(self, slot: str) -> str:
        """The slot's text, or an empty string."""
        value = self.slots.get(slot, "")
        return value if isinstance(value, str) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take an action back, and what to say when that is done."""

    action: Callable[[], None]
    said: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say; empty text when the action has no words."""

    text: str
    language: Language
    undo: Undo | None = None
    result: float | None = None
    """a number that "and plus five" can go on from"""
    measured: tuple[float, str] | None = None
    """a quantity and its unit that "and in miles" can go on from"""
    understood: bool = True
    repeatable: bool = True
    """whether "repeat that" may say it again"""
    asks: tuple[str, ...] = ()
    """it is a question: sentences that its answer completes, in the place of `ANSWER`"""
    any_words: bool = False
    """whatever is said next is the answer, a command too: it is a text to be kept"""
    offers: str = ""
    """it is a question: the command that "yes" asks for"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that was asked last: what an answer completes, and when it was asked."""

    sentences: tuple[str, ...]
    language: Language
    at: float
    """monotonic seconds"""
    any_words: bool = False
    meant: str = ""
    """what "yes" asks for, where the question was whether that was meant"""

    def open_at(self, monotonic_s: float) -> bool:
        """Whether what is said now may be its answer."""
        return monotonic_s - self.at <= ANSWER_WITHIN_S


@dataclass(frozen=True, slots=True)
class Undoable:
    """The last action that can be taken back, and when it was done."""

    undo: Undo
    at: float
    """monotonic seconds"""
    intent: Intent | None = None
    """what was done, where one command did it"""
    followed: bool = False
    """something else was said since"""


@dataclass(slots=True)
class Session:
    """What one dialogue remembers between two turns; used by one thread at a time."""

    language: Language = "en"
    speaks: Language | None = None
    """the language that the user has asked for, whatever their words are in"""
    result: float | None = None
    measured: tuple[float, str] | None = None
    """what was converted last, and its unit, so that "and in miles" can go on from it"""
    last: str = ""
    """the name of the last intent"""
    last_list: str = ""
    """the name of the user's own list that it was about"""
    told: int = 0
    """the timer of which was told last how long it has"""
    undoable: Undoable | None = None
    asked: Asked | None = None
    model: Literal["none", "here", "elsewhere"] = "none"
    """where the language model runs that answers what no skill does"""
    patient: bool = False
    """the user has asked to be given time to speak"""
    can_mute: bool = False
    """there is a key that would switch the microphone on again"""
    mute_wanted: bool = False
    """the user has asked for the microphone to be switched off, once the reply is heard"""
    last_wait: Callable[[], Wait | None] | None = None
    """what the user waited for before the last answer; None where nobody takes the time"""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a skill may use."""

    store: Store
    schedule: Schedule
    clock: Clock
    voice: VoiceSettings
    conversation: Conversation
    session: Session = field(default_factory=Session)
    snooze_min: int = 5
    chance: Random = field(default_factory=SystemRandom)
    """what coins and dice are drawn from"""


Action = Callable[[Intent, Context], Reply]
Parser = Callable[[Utterance, Language], Intent | None]


@dataclass(frozen=True, slots=True)
class Skill:
    """A named group of intents, each with the function that carries it out."""

    name: str
    actions: Mapping[str, Action]
    parse: Parser | None = None
    """reads what templates cannot, such as free sums; asked when no template fits"""
    for_models: tuple[str, ...] | None = None
    """the actions that a language model may call, None: all; each costs room in its context, and what deletes or
    cancels many things is the user's alone to ask for"""


def reply(intent: Intent, en: str, fr: str, undo: Undo | None = None, result: float | None = None) -> Reply:
    """The reply in the language of the intent."""
    return Reply(choose(intent.language, en, fr), intent.language, undo, result)


def ask(intent: Intent, en: tuple[str, ...], fr: tuple[str, ...]) -> Reply:
    """A question, the first of the texts, and the sentences that its answer completes, in the intent's language."""
    text, *sentences = fr if intent.language == "fr" else en
    return Reply(text, intent.language, asks=tuple(sentences))


def choose(language: Language, en: str, fr: str) -> str:
    """The text of the two that is in this language."""
    return fr if language == "fr" else en
