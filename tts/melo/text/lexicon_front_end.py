"""The front end of a language whose words sound as a lexicon says, each for itself: French and Spanish.

Its phones are the single characters of the lexicon's phonetic spelling; tones are all zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.melo.text.lexicon import Lexicon
from tts.melo.text.phonemes import UNKNOWN, Phonemes, Spelling, assemble, sayable
from tts.melo.text.wordpiece import Word, WordPiece

MARKS = frozenset(",.!?…¿¡")
"""punctuation that is a phone of its own"""
_UNSAID = frozenset("'-\"()[]{}<>«»„`’‘“”")
_RUN = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """What a language adds to its lexicon."""

    clean: Callable[[str], str]
    """makes a sentence ready"""
    number: Callable[[str], str]
    """decimal digits in words"""
    finish: Callable[[str], str] = str
    """mends a word's phones"""
    link: Callable[[str, str, str], str] = lambda word, phones, following: ""
    """what is heard between a number's word, with its phones, and the next word's phones"""


class LexiconFrontEnd:
    """Implements `tts.melo.text.phonemes.FrontEnd`."""

    def __init__(self, wordpiece: WordPiece, lexicon: Lexicon, rules: LanguageRules) -> None:
        self._wordpiece = wordpiece
        self._lexicon = lexicon
        self._rules = rules

    def normalise(self, text: str) -> str:
        """Abbreviations in full, punctuation down to , . ! ? and one full stop at the end."""
        return self._rules.clean(text)

    def process(self, text: str) -> Phonemes:
        """Phonemes of one sentence. Raises InferenceError for nothing to say or too much, MissingDependencyError."""
        normalized = self.normalise(sayable(text))
        return assemble(normalized, map(self._spelling, self._wordpiece.words(normalized)))

    def pronounce(self, word: str) -> str:
        """One word or mark in the lexicon's phonetic spelling; numbers in several words, apart by a space."""
        if word in MARKS:
            return word
        if word in _UNSAID:
            return ""
        if not word.isdecimal() and (found := self._lexicon.find(word)) is not None:
            return self._rules.finish(found)
        return self._rules.finish(" ".join(filter(None, map(self._run, _RUN.findall(word)))))

    def _run(self, run: str) -> str:
        """A run of letters, or of decimal digits."""
        if not run.isdecimal():
            return self._lexicon.sound(run)
        plain = "".join(str(int(digit)) for digit in run)
        words = re.split("[ -]", self._rules.number(plain))
        sounds = list(map(self._lexicon.sound, words))
        links = [self._rules.link(*both) for both in zip(words, sounds, sounds[1:], strict=False)]
        return " ".join(sound + link for sound, link in zip(sounds, [*links, ""], strict=True))

    def _spelling(self, word: Word) -> Spelling:
        phones = tuple(self.pronounce(word.text).replace(" ", ""))
        if not phones and word.text not in _UNSAID:
            phones = (UNKNOWN,)
        return Spelling(word.tokens, phones, (0,) * len(phones))


def tidy(text: str, silent: str, pauses: dict[str, str]) -> str:
    """Without the characters of `silent`, other punctuation by `pauses`; begins with a word and ends with a stop."""
    text = text.translate({ord(mark): said for mark, said in {**pauses, **dict.fromkeys(silent, "")}.items()})
    text = "".join(character for character in text if character.isprintable() or character.isspace())
    text = " ".join(re.sub(r"^[\s,.!?]+", "", text).split())
    return text if not text or text[-1] in ",.!?…" else f"{text}."
