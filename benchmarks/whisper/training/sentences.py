"""Sentences drawn at random from the skills' templates, and other ones, as lower-case words without punctuation.

Numbers are written as words and hyphens as spaces. A hash of the text decides, once and for all, which sentences are
held out: those are never drawn for training.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.corpora.commands import HELD_OUT, OTHER_HELD_OUT
from core.messages import Language
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills

if TYPE_CHECKING:
    from hassil import Intents
    from hassil.expression import Expression, Sentence

_FOLDER = Path(__file__).parent
_HELD_OUT_SHARE = 10
"""one of so many sentences is held out"""
_NEVER = frozenset((*HELD_OUT, *OTHER_HELD_OUT))
_LONGEST_WORDS = 18
_RARE_OPTION = 0.3
"""how often an optional part is said"""
_POLITE = 0.12
_OTHER = 0.25
_WITH_NUMBERS = {"Calculate": 4, "SetTimer": 4, "SetAlarm": 3, "SetReminder": 2, "AddItem": 2, "Convert": 2}
"""intents that are drawn more often: most of what can be misheard is in them"""
_ABBREVIATED = re.compile(
    r"\b(km|kms|cm|mm|mi|yd|ft|kg|mg|lb|lbs|oz|ml|cl|tbsp|tsp|kph|kmh|mph|kb|mb|gb|tb|km2|m2|sms|[b-df-hj-np-z])\b(?!')"
)
_NOT_FRENCH = re.compile(
    r"\b[cdjlmnst]' ?[bcdfgjklmnpqrstvwxzç]"
    r"|\b(le|la|de|que|je|me|te|se|ne|ce|ma|ta|sa) (?!huit|onze|un\b|une\b|oui)[aeiouyéèêàâîôœ]"
)
_UNKNOWN = re.compile(r"[^a-zàâçéèêëîïôùûüœ' ]")


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence."""

    text: str
    language: Language


def is_held_out(text: str) -> bool:
    """Whether a sentence may never be trained on."""
    return text in _NEVER or zlib.crc32(text.encode()) % _HELD_OUT_SHARE == 0


class Sentences:
    """Draws sentences of one language. The same generator gives the same sentences."""

    def __init__(self, language: Language) -> None:
        from hassil import parse_sentence
        from yaml import safe_load

        self.language: Language = language
        self._intents: Intents = SkillRecogniser(RecogniserConfig(), load_skills()).intents(language)
        self._names = [name for name in sorted(self._intents.intents) for _ in range(_WITH_NUMBERS.get(name, 1))]
        words: dict[str, str] = safe_load((_FOLDER / f"words.{language}.yaml").read_text(encoding="utf-8"))
        self._words: dict[str, Sentence] = {name: parse_sentence(text) for name, text in words.items()}
        self._number = _number_words(language)

    def draw(self, rng: random.Random, held_out: bool = False) -> Line:
        """A sentence of the half asked for."""
        while True:
            text = self._any(rng)
            if text and is_held_out(text) == held_out:
                return Line(text, self.language)

    def word(self, rng: random.Random) -> Line:
        """One word of a sentence, for utterances of one word."""
        words = [word for word in self.draw(rng).text.split() if not word.endswith("'")]
        return Line(rng.choice(words or ["oui" if self.language == "fr" else "yes"]), self.language)

    def _any(self, rng: random.Random) -> str:
        if rng.random() < _OTHER:
            text = self._say(self._words["other"].expression, rng, self._words)
        else:
            text = self._command(rng)
        text = written(text)
        if not text or len(text.split()) > _LONGEST_WORDS or _ABBREVIATED.search(text) or _UNKNOWN.search(text):
            return ""
        return "" if self.language == "fr" and _NOT_FRENCH.search(text) else text

    def _command(self, rng: random.Random) -> str:
        data = [one for one in self._intents.intents[rng.choice(self._names)].data if one.sentences]
        chosen = rng.choice(data)
        rules = {**self._intents.expansion_rules, **self._words, **chosen.expansion_rules}
        lists = {**self._intents.slot_lists, **chosen.slot_lists}
        text = self._say(rng.choice(chosen.sentences).expression, rng, rules, lists)
        if rng.random() < _POLITE:
            text = f"{self._say(rules['polite_start'].expression, rng, rules, lists)} {text}"
        if rng.random() < _POLITE:
            text = f"{text} {self._say(rules['polite_end'].expression, rng, rules, lists)}"
        return text

    def _say(
        self,
        part: Expression,
        rng: random.Random,
        rules: dict[str, Sentence],
        lists: Mapping[str, object] | None = None,
    ) -> str:
        from hassil.expression import Alternative, ListReference, Permutation, RuleReference, Sequence, TextChunk
        from hassil.intents import RangeSlotList, TextSlotList

        def say(one: Expression) -> str:
            return self._say(one, rng, rules, lists)

        match part:
            case TextChunk():
                return part.original_text
            case Alternative():
                if part.is_optional:
                    spoken = [item for item in part.items if not (isinstance(item, TextChunk) and not item.text)]
                    return say(rng.choice(spoken)) if spoken and rng.random() < _RARE_OPTION else ""
                return say(rng.choice(part.items))
            case Permutation():
                return " ".join(say(item) for item in rng.sample(part.items, len(part.items)))
            case Sequence():
                return "".join(say(item) for item in part.items)
            case RuleReference():
                return say(rules[part.rule_name].expression)
            case ListReference():
                values = (lists or {}).get(part.list_name)
                if isinstance(values, TextSlotList):
                    return say(rng.choice(values.values).text_in)
                if isinstance(values, RangeSlotList):
                    return self._number(rng.randint(values.start, values.stop))
                return say(rules[part.list_name].expression)
        raise TypeError(f"hassil's {type(part).__name__} cannot be said: add it to Sentences")


def written(text: str) -> str:
    """A text as all targets are written: lower case, no punctuation, single spaces."""
    text = re.sub(r"[-,.!?;:]", " ", text.casefold().replace("’", "'"))
    return " ".join(re.sub(r"' +", "'", text).split())


def _number_words(language: Language) -> Callable[[int], str]:
    from num2words import num2words

    def words(number: int) -> str:
        spelled: str = num2words(number, lang=language)
        return written(spelled)

    return words
