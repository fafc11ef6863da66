"""Reads what a language model wrote as a call of a tool into an intent: repaired where that is plain, else refused.

Nothing is carried out here, and nothing half read gets through: the intent is whole, or there is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from core.messages import Language
from llm.call_text import ToolCallRefusedError, loaded, named
from llm.call_values import LABEL, argument_of, call_of, is_label, key, slots_of
from llm.deeds import tells_of_a_deed
from llm.engine import Tool
from llm.grounding import (
    asks,
    claims,
    comes_from,
    forbids,
    is_about,
    is_mostly_of,
    is_question,
    name_words,
    numbers_in,
    promises,
    shares_number,
    telling,
    wants_to_hear,
    words_about,
)
from llm.hidden_text import CALL_CLOSES, CALL_OPENS
from llm.said_time import AT, FROM_NOW, TIMED, SaidTime, SaidTimes
from llm.skill_answers import HARMLESS
from llm.skills.base import Intent, Slot
from llm.skills.normalise import fold, normalise
from llm.skills.recognise import SkillRecogniser
from llm.tools import SENTENCE, DeclaredTool

DAY = "day"
"""the slot of a day, which alone is when something happens sooner than when an alarm is to ring"""
REMEMBERING = "RememberFact"
"""the tool whose `text` is a fact that is to be remembered"""
MANY_TOOLS = 3
"""that share a word: it tells none of them"""
CALL_BETWEEN = f"\n{CALL_CLOSES}\n{CALL_OPENS}\n"
_WORDS = re.compile(r"\w+")
_NAME = re.compile(r"[\"']name[\"']\s*:\s*[\"'](\w+)")
_NAMED = re.compile(_NAME.pattern + r"[\"']")


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
        self._declared = {name: _without_verb(one, declared.values()) for name, one in declared.items()}
        self._by_fold = {key(name): name for name in declared}
        self._recogniser = recogniser
        timed = [one for name, one in declared.items() if name in TIMED]
        self._of_times = _shared_words(timed)
        self._times = SaidTimes(recogniser, _near_times(timed))

    @property
    def tools(self) -> tuple[Tool, ...]:
        """For the prompt."""
        return tuple(one.tool for one in self._declared.values())

    def read(self, call: str, words: Words) -> Intent:
        """The intent of one call. Raises ToolCallRefusedError."""
        plain = loaded(call)
        name, arguments = named(plain)
        known = self._by_fold.get(key(name))
        if known is None:
            raise ToolCallRefusedError(f"there is no tool {name!r}")
        declared = self._declared[known]
        slots = slots_of(arguments, declared, words.language)
        if SENTENCE in declared.parameters:
            return self._by_sentence(known, str(slots[SENTENCE]), words)
        free = frozenset(slot for slot in slots if declared.parameters[slot].free)
        said = normalise(words.text, words.language)
        return Intent(known, said, words.language, MappingProxyType(slots), free)

    def asked(self, call: str, words: Words) -> Intent:
        """The intent of one call, with nothing in it that the user has not said. Raises ToolCallRefusedError.

        A time is the user's own wherever they have said one, whatever the call makes of it.
        """
        name, arguments = named(loaded(call))
        known = self._by_fold.get(key(name))
        if known not in HARMLESS and forbids(words.text):
            raise ToolCallRefusedError(f"{known}: {words.text!r} forbids it")
        time = self._times.find(words.text, words.language) if known in TIMED else None
        if known in TIMED and time is None and not self._may_mean(known, words):
            raise ToolCallRefusedError(f"{known}: nobody has said a time, or asked for it")
        if known is None or time is None:
            return self._grounded(self.read(call, words), words)
        return self._at(time, known, arguments, words)

    def enough(self, call: str, words: Words) -> str:
        """A whole call for one that is still being written, once the rest of it is of no use; empty before.

        Of a tool that takes a time which the user has said, its name and its texts are of use; of any, no label, which
        small models fill with whatever comes.
        """
        found = _NAMED.search(call)
        name = self._by_fold.get(key(found[1])) if found is not None else None
        if name is None or name not in TIMED or self._times.find(words.text, words.language) is None:
            return ""
        texts: dict[str, str] = {}
        for slot, parameter in self._declared[name].parameters.items():
            if parameter.free and slot != LABEL:
                value = re.search(rf'"{slot}"\s*:\s*"([^"\\]*)"', call)
                if value is None:
                    return ""
                texts[slot] = value[1]
        return call_of(name, texts)

    def _at(self, time: SaidTime, name: str, arguments: Mapping[str, Any], words: Words) -> Intent:
        """A timer, an alarm or a reminder at the time that was said."""
        texts: dict[str, Slot] = {}
        for slot, parameter in self._declared[name].parameters.items():
            text = _without(time.words, str(arguments.get(slot) or ""))
            if not parameter.free or not text or (slot == LABEL and not is_label(text)):
                continue
            if comes_from(text, words.all, words.language):
                texts[slot] = text
            elif slot != LABEL:
                raise ToolCallRefusedError(f"{name}: nobody has said {text!r}")
        if name in (FROM_NOW, AT):
            if time.slots.keys() == {DAY} and not is_about(words.text, self._declared[name].words):
                raise ToolCallRefusedError(f"{name}: {time.words!r} is a day alone")
            name = FROM_NOW if time.from_now else AT
        said = normalise(words.text, words.language)
        return Intent(name, said, words.language, MappingProxyType({**time.slots, **texts}), frozenset(texts))

    def _grounded(self, intent: Intent, words: Words) -> Intent:
        """Without what the user did not say: the skill asks for what it needs.

        Raises ToolCallRefusedError where its text, or a sum, is not about anything that was said, and where a question
        is to be remembered.
        """
        declared, slots = self._declared[intent.name], dict(intent.slots)
        if intent.name == REMEMBERING and asks(words.text) and not is_about(words.text, declared.words):
            raise ToolCallRefusedError(f"{intent.name}: {words.text!r} is a question")
        if intent.name == REMEMBERING and not is_mostly_of(str(slots.get("text", "")), words.all):
            raise ToolCallRefusedError(f"{intent.name}: nobody has said {slots.get('text')!r}")
        if SENTENCE in declared.parameters:
            if not shares_number(intent.text, words.all, words.language):
                raise ToolCallRefusedError(f"{intent.name}: nobody has said {intent.text!r}")
            return intent
        numbers, text = numbers_in(words.text, words.language), fold(words.text)
        for slot, value in intent.slots.items():
            parameter = declared.parameters[slot]
            if parameter.free and not comes_from(str(value), words.all, words.language):
                raise ToolCallRefusedError(f"{intent.name}: nobody has said {value!r}")
            chosen = [said for said, choice in parameter.choices.items() if choice == value]
            if not parameter.free and value not in numbers and not any(said in text for said in chosen):
                del slots[slot]
        return replace(intent, slots=MappingProxyType(slots))

    def _may_mean(self, name: str, words: Words) -> bool:
        """Whether words without a time may still mean one of these tools: by a number, or a word of its own."""
        return bool(numbers_in(words.text, words.language)) or is_about(words.text, self._declared[name].words)

    def may_be_called(self, text: str, language: Language) -> frozenset[str]:
        """The tools that words may ask for; a model that calls another has lost its way.

        With a number or a time in the words, those that take one.
        """
        if forbids(text):
            return frozenset()
        about = {name for name, one in self._declared.items() if is_about(text, one.words)}
        if self._times.may_hold(text, language):
            about = {name for name in about if self._declared[name].parameters} | TIMED
            about |= {name for name, one in self._declared.items() if SENTENCE in one.parameters}
        return frozenset(about & self._declared.keys())

    def is_meant(self, call: str, text: str) -> bool:
        """Whether words ask for the very tool of a call, however wrong the call is.

        A question about the world does not, whatever word it has in common with one, nor does a plain sentence with
        one word of what only tells something: "je viens de finir" is no question after a timer. "Time left" are two.
        """
        try:
            declared = self._declared.get(self._by_fold.get(key(named(loaded(call))[0]), ""))
        except ToolCallRefusedError:
            found = _NAME.search(call)
            declared = self._declared.get(self._by_fold.get(key(found[1]), "")) if found else None
        if declared is None or not is_about(text, declared.words):
            return False
        if forbids(text) or (declared.tool.name == REMEMBERING and wants_to_hear(text)):
            return False
        harmless = declared.tool.name in HARMLESS
        if not is_question(text) and (not harmless or asks(text)):
            return True
        return harmless and words_about(text, declared.words) > 1

    def promised(self, unit: str, words: Words) -> bool:
        """Whether a reply in words claims what only a tool could have done: what the user asks for, or in its words."""
        if claims(unit):
            return True
        text, language = words.text, words.language
        acting = {name: one.words for name, one in self._declared.items() if name not in HARMLESS}
        if any(is_about(text, tool) and promises(unit, tool) for tool in acting.values()):
            return True
        if is_question(text):
            return False
        meant = [acting[name] - self._of_times for name in self.may_be_called(text, language) & acting.keys()]
        return bool(meant) and tells_of_a_deed(unit, text, meant, language)

    def is_named(self, unit: str) -> bool:
        """Whether a sentence speaks of a tool by its name, `SetTimer`, which is for no ear."""
        return not self._declared.keys().isdisjoint(_WORDS.findall(unit))

    def written(self, intent: Intent) -> str:
        """What a model would have to write for this intent; empty where no tool does the same."""
        if intent.parts:
            parts = [self.written(part) for part in intent.parts]
            return CALL_BETWEEN.join(parts) if all(parts) else ""
        declared = self._declared.get(intent.name)
        if declared is None:
            return ""
        if SENTENCE in declared.parameters:
            return call_of(intent.name, {SENTENCE: intent.text})
        arguments: dict[str, Any] = {}
        for slot, value in intent.slots.items():
            parameter = declared.parameters.get(slot)
            if parameter is None:
                return ""
            arguments[slot] = argument_of(value, parameter)
        return call_of(intent.name, arguments)

    def _by_sentence(self, name: str, sentence: str, words: Words) -> Intent:
        intent = self._recogniser.recognise_any(sentence, words.language)
        if intent is None or intent.name != name:
            raise ToolCallRefusedError(f"{name}: {sentence!r} is not understood")
        return intent


def _without_verb(one: DeclaredTool, tools: Iterable[DeclaredTool]) -> DeclaredTool:
    """A tool that tells something, without the verb of its name where others have that as a noun: "list" of alarms."""
    verb = name_words(one.tool.name).split()[0].casefold()
    if one.tool.name not in HARMLESS or sum(verb in other.words for other in tools) < MANY_TOOLS:
        return one
    return replace(one, words=frozenset(word for word in one.words if not word.startswith(verb)))


def _near_times(timed: Sequence[DeclaredTool]) -> frozenset[str]:
    """Words that stand in times: their lists', and those that the templates of several such tools share."""
    choices = {words for one in timed for parameter in one.parameters.values() for words in parameter.choices}
    return frozenset(word for words in choices for word in words.split()) | _shared_words(timed)


def _shared_words(tools: Sequence[DeclaredTool]) -> frozenset[str]:
    """Those of several tools, their names' left out."""
    shared = Counter(word for one in tools for word in one.words - telling([name_words(one.tool.name)]))
    return frozenset(word for word in shared if shared[word] > 1)


def _without(time: str, text: str) -> str:
    """A text in which a model may have written the time out again, "at eight AM"."""
    return " ".join(re.sub(rf"{re.escape(time)}(?: ?[ap]\.?m\b\.?)?", " ", text, flags=re.IGNORECASE).split())
