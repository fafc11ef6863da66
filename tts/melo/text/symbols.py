"""Phonemes to the numbers of a voice's own symbol list, with the tone and language numbers that all voices share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.utils.errors import InferenceError
from tts.melo.text.phonemes import UNKNOWN, Phonemes

BLANK = 0
"""the number between any two phones"""


@dataclass(frozen=True, slots=True)
class LanguageNumbers:
    """Where a language's tones begin and which number it has."""

    first_tone: int
    language: int


_NUMBERS = {
    "zh": LanguageNumbers(0, 0),
    "zh-en": LanguageNumbers(0, 3),
    "ja": LanguageNumbers(6, 1),
    "en": LanguageNumbers(7, 2),
    "ko": LanguageNumbers(11, 4),
    "es": LanguageNumbers(12, 5),
    "fr": LanguageNumbers(13, 6),
}
_MELO_CODES = {"jp": "ja", "kr": "ko", "sp": "es", "zh_mix_en": "zh-en"}
LANGUAGES = tuple(_NUMBERS)


class NetworkInput(NamedTuple):
    """What the network's text encoder takes, one number a position, and where the words are."""

    ids: tuple[int, ...]
    """[t] phones by the voice's symbol list"""
    tones: tuple[int, ...]
    """[t]"""
    languages: tuple[int, ...]
    """[t]"""
    word2ph: tuple[int, ...]
    """[tokens + 2] positions of each WordPiece token; adds up to t"""


def language_code(name: str) -> str:
    """Our code (`en`, `fr`, `ja` ...) for ours or MeloTTS's (`EN`, `JP`, `ZH_MIX_EN`). Raises ValueError."""
    code = _MELO_CODES.get(name.lower(), name.lower())
    if code not in _NUMBERS:
        raise ValueError(f"{name!r} is no language of MeloTTS; choose one of {', '.join(LANGUAGES)}")
    return code


def to_ids(phonemes: Phonemes, symbols: Sequence[str], language: str, add_blank: bool) -> NetworkInput:
    """The network's input. A phone that the voice has no symbol for becomes its `UNK`.

    `add_blank` puts a zero around and between all positions, so each word has twice as many, the first one more.
    Raises InferenceError when the voice has no `UNK` either.
    """
    numbers = _NUMBERS[language_code(language)]
    index = {symbol: number for number, symbol in enumerate(symbols)}
    missing = next((phone for phone in phonemes.phones if phone not in index), None)
    if missing is not None and UNKNOWN not in index:
        raise InferenceError(f"the voice has no symbol for the phone {missing!r}; is its config.json the right one?")
    ids = [index[phone] if phone in index else index[UNKNOWN] for phone in phonemes.phones]
    tones = [numbers.first_tone + tone for tone in phonemes.tones]
    languages = [numbers.language] * len(ids)
    word2ph = phonemes.word2ph
    if add_blank:
        ids, tones, languages = _interspersed(ids), _interspersed(tones), _interspersed(languages)
        word2ph = (2 * word2ph[0] + 1, *(2 * count for count in word2ph[1:]))
    return NetworkInput(tuple(ids), tuple(tones), tuple(languages), word2ph)


def _interspersed(numbers: list[int]) -> list[int]:
    spread = [BLANK] * (2 * len(numbers) + 1)
    spread[1::2] = numbers
    return spread
