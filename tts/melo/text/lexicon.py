"""How French and Spanish words sound: the lexicon of a gruut language package, its letter-to-sound model for the rest.

Only the packages' data files are read (espeak's phoneme set, a stress mark before the stressed vowel). A lexicon is one
SQLite table in dictionary order without an index; a word is found by bisection over its rows.
"""

from __future__ import annotations

import base64
import re
import sqlite3
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import ModuleType

from tts.melo.text.packages import data_file, missing

_NEIGHBOURS = 3
"""letters on either side that the letter-to-sound model looks at"""
_JOINED_PHONES = "|"
_NO_PHONE = "_"
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "º": "o"})
_NOT_IN_WORDS = re.compile(r"\W")


class Lexicon:
    """One language's words; files are opened at the first word. Raises MissingDependencyError then."""

    def __init__(self, package: str, alphabet: str, extra: str, respelt: Mapping[str, str] | None = None) -> None:
        """`respelt` has words in lower case that the lexicon lacks, as the language would write their sound."""
        self._package = package
        self._alphabet = frozenset(alphabet)
        self._extra = extra
        self._respelt = respelt or {}
        self._table: sqlite3.Connection | None = None
        self._rows = 0
        self._model: _LetterModel | None = None
        self.sound = lru_cache(maxsize=8192)(self._sound)

    def find(self, word: str) -> str | None:
        """The word's phones as the lexicon has them, in any case; None when it has not."""
        lower = word.lower()
        for form in dict.fromkeys((word, lower, _NOT_IN_WORDS.sub("", word), _NOT_IN_WORDS.sub("", lower))):
            phones = self._row(form) if form else None
            if phones is not None:
                return phones.replace(" ", "").replace("g", "ɡ")
        return None

    def guess(self, word: str) -> str:
        """What the letters say. One that the language lacks counts as the plain one below its accent, or not at all."""
        letters = "".join(map(self._letters, unicodedata.normalize("NFC", word.lower())))
        if not letters:
            return ""
        if self._model is None:
            path = data_file(self._package, "espeak", "g2p", "model.crf", extra=self._extra)
            self._model = _LetterModel(str(path), self._extra)
        return self._model.phones(letters).replace("g", "ɡ")

    def _sound(self, word: str) -> str:
        """Phones of a word without figures: as found, else part by part, else guessed."""
        found = self.find(word)
        if found is not None:
            return found
        if word.lower() in self._respelt:
            return self.guess(self._respelt[word.lower()])
        parts = re.split("[-_]", word)
        return "".join(map(self.sound, parts)) if len(parts) > 1 else self.guess(word)

    def _letters(self, character: str) -> str:
        if character in self._alphabet:
            return character
        return "".join(letter for letter in unicodedata.normalize("NFKD", character) if letter in self._alphabet)

    def _row(self, word: str) -> str | None:
        if self._table is None:
            path = data_file(self._package, "espeak", "lexicon.db", extra=self._extra)
            self._table = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self._rows = self._table.execute("SELECT max(id) FROM word_phonemes").fetchone()[0]
        key, first, last = _order(word), 1, self._rows + 1
        while first < last:
            middle = (first + last) // 2
            if _order(self._at(middle)[0]) < key:
                first = middle + 1
            else:
                last = middle
        while first <= self._rows:
            found, phones = self._at(first)
            if found == word:
                return phones
            if _order(found) != key:
                return None
            first += 1
        return None

    def _at(self, row: int) -> tuple[str, str]:
        assert self._table is not None
        word, phones = self._table.execute("SELECT word, phonemes FROM word_phonemes WHERE id = ?", (row,)).fetchone()
        return word, phones


class _LetterModel:
    """A conditional random field that labels each letter with its phones (python-crfsuite)."""

    def __init__(self, path: str, extra: str) -> None:
        self._tagger = _crfsuite(extra).Tagger()
        self._tagger.open(path)

    def phones(self, letters: str) -> str:
        labels = self._tagger.tag([_features(letters, index) for index in range(len(letters))])
        decoded = (base64.b64decode(label).decode() for label in labels)
        return "".join(phone for label in decoded for phone in label.split(_JOINED_PHONES) if phone != _NO_PHONE)


def _crfsuite(extra: str) -> ModuleType:
    try:
        return import_module("pycrfsuite")
    except ImportError as error:
        raise missing("python-crfsuite", extra) from error


def _features(letters: str, index: int) -> dict[str, str | bool | float]:
    """What the model was taught to look at: the letter, its neighbours, and whether the word begins or ends here."""
    features: dict[str, str | bool | float] = {"bias": 1.0, "grapheme": _coded(letters[index])}
    if index == 0:
        features["begin"] = True
    if index == len(letters) - 1:
        features["end"] = True
    for distance in range(1, _NEIGHBOURS + 1):
        if index >= distance:
            features[f"grapheme-{distance}"] = _coded(letters[index - distance])
        if index + distance < len(letters):
            features[f"grapheme+{distance}"] = _coded(letters[index + distance])
    return features


def _coded(letter: str) -> str:
    return base64.b64encode(letter.encode()).decode("ascii")


def _order(word: str) -> str:
    """What the table's rows are in order by: letters without their accents, and figures."""
    plain = unicodedata.normalize("NFD", word.translate(_LIGATURES))
    return "".join(character for character in plain if character < "\u0300" and character.isalnum())
