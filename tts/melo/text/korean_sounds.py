"""How written Korean sounds within a word: the rules of the standard pronunciation, over the letters of each syllable.

From the Standard Pronunciation of Korean (1988), articles 8 to 25; what needs a word's part of speech or origin is in
`korean_words`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tts.melo.text.korean_words import is_passive, joined_places, tense_places

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
_FIRST_SYLLABLE, _LAST_SYLLABLE = 0xAC00, 0xD7A3
_FIRST_INITIAL, _FIRST_VOWEL, _BEFORE_FIRST_FINAL = 0x1100, 0x1161, 0x11A7

_PARTS = {
    **{"ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ"},
    **{"ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ"},
}
_AT_END = {
    **dict.fromkeys("ㄲㅋㄳㄺ", "ㄱ"),
    **dict.fromkeys("ㅅㅆㅈㅊㅌㅎ", "ㄷ"),
    **dict.fromkeys("ㅍㄿㅄ", "ㅂ"),
    **dict.fromkeys("ㄵㄶ", "ㄴ"),
    **dict.fromkeys("ㄼㄽㄾㅀ", "ㄹ"),
    "ㄻ": "ㅁ",
}
_ASPIRATED = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅂ": "ㅍ", "ㅈ": "ㅊ"}
_TENSE = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
_NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_HARDENING = frozenset("ㄵㄼㄾ")
"""finals that end in no stop, and harden what follows all the same"""
_AFTER_N = frozenset("ㅣㅑㅕㅛㅠㅒㅖ")
"""vowels that an ㄴ comes before, where a part of a word begins with one"""
_NOUNS = frozenset("흙닭칡")
"""of which ㄺ sounds as ㄱ before ㄱ too, where a verb's sounds as ㄹ"""
_SINO_ENDINGS = frozenset("란량력례로론료류")
"""third or later in a Chinese word, where their ㄹ gives way to an ㄴ before it: 생산량"""


@dataclass(slots=True)
class _Syllable:
    initial: str
    vowel: str
    final: str

    def jamo(self) -> str:
        """Conjoining letters, as the voices have them."""
        letters = chr(_FIRST_INITIAL + INITIALS.index(self.initial)) + chr(_FIRST_VOWEL + VOWELS.index(self.vowel))
        return letters + (chr(_BEFORE_FIRST_FINAL + FINALS.index(self.final)) if self.final else "")


def is_hangul(character: str) -> bool:
    """Whether it is a whole syllable."""
    return _FIRST_SYLLABLE <= ord(character) <= _LAST_SYLLABLE


def sounds(word: str) -> str:
    """The letters that are heard of a word of whole syllables: initials, vowels and finals of their own kinds."""
    syllables = [_taken_apart(character) for character in word]
    tense, joined = tense_places(word), joined_places(word)
    for number, (one, two) in enumerate(itertools.pairwise(syllables)):
        if number + 1 in joined and one.final and two.initial == "ㅇ" and two.vowel in _AFTER_N:
            one.final, two.initial = _AT_END.get(one.final, one.final), "ㄴ"
        _join(one, two, word[number], is_passive(word, number))
        if number + 1 in tense:
            two.initial = _TENSE.get(two.initial, two.initial)
        if number and word[number + 1] in _SINO_ENDINGS and one.final == "ㄹ" and _final_of(word[number]) == "ㄴ":
            one.final, two.initial = "ㄴ", "ㄴ"
    if syllables:
        last = syllables[-1]
        last.final = _AT_END.get(last.final, last.final)
    for one in syllables:
        _settle_vowel(one)
    return "".join(one.jamo() for one in syllables)


def _final_of(character: str) -> str:
    return _taken_apart(character).final


def _taken_apart(character: str) -> _Syllable:
    number, final = divmod(ord(character) - _FIRST_SYLLABLE, len(FINALS))
    initial, vowel = divmod(number, len(VOWELS))
    return _Syllable(INITIALS[initial], VOWELS[vowel], FINALS[final])


def _join(one: _Syllable, two: _Syllable, written: str, passive: bool) -> None:
    """What a final and the next initial do to each other; in a passive ㄻ hardens nothing."""
    if not one.final:
        return
    if two.initial == "ㅇ":
        _link(one, two)
        return
    if two.initial == "ㅎ":
        _aspirate_before(one, two)
    elif one.final in "ㅎㄶㅀ":
        _aspirate_after(one, two)
    if not one.final:
        return
    hardening = one.final in _HARDENING or (one.final == "ㄻ" and written != "삶" and not passive)
    if one.final == "ㄺ" and two.initial == "ㄱ" and written not in _NOUNS:
        one.final, two.initial = "ㄹ", "ㄲ"
    if written == "밟" or (written == "넓" and two.initial in "ㅈㄷ" and two.vowel == "ㅜ"):  # 넓죽하다, 넓둥글다
        one.final = "ㅂ"
    one.final = _AT_END.get(one.final, one.final)
    if hardening or one.final in _NASAL:
        two.initial = _TENSE.get(two.initial, two.initial)
    _assimilate(one, two)


def _link(one: _Syllable, two: _Syllable) -> None:
    """A final, or the second of its two letters, begins a syllable that has nothing to begin with."""
    if one.final == "ㅇ":
        return
    if two.vowel == "ㅣ" and one.final in "ㄷㅌㄾ":
        two.initial = "ㅈ" if one.final == "ㄷ" else "ㅊ"
        one.final = "ㄹ" if one.final == "ㄾ" else ""
        return
    if one.final not in _PARTS:
        two.initial = "ㅇ" if one.final == "ㅎ" else one.final
        one.final = ""
        return
    stays, moves = tuple(_PARTS[one.final])
    one.final, two.initial = stays, "ㅆ" if moves == "ㅅ" else moves
    if moves == "ㅎ":
        one.final, two.initial = "", stays


def _aspirate_before(one: _Syllable, two: _Syllable) -> None:
    """A stop before ㅎ joins it."""
    stays, stop = tuple(_PARTS[one.final]) if one.final in _PARTS else ("", one.final)
    if one.final in "ㄷㅌㄾ" and two.vowel == "ㅣ":
        one.final, two.initial = "ㄹ" if one.final == "ㄾ" else "", "ㅊ"
        return
    if stop not in _ASPIRATED:
        stays, stop = "", _AT_END.get(one.final, one.final)
    if stop in _ASPIRATED:
        one.final, two.initial = stays, _ASPIRATED[stop]


def _aspirate_after(one: _Syllable, two: _Syllable) -> None:
    """ㅎ at the end joins a stop, hardens ㅅ, and is gone before the rest."""
    stays = _PARTS.get(one.final, " ")[0].strip()
    if two.initial in _ASPIRATED and two.initial != "ㅂ":
        one.final, two.initial = stays, _ASPIRATED[two.initial]
    elif two.initial == "ㅅ":
        one.final, two.initial = stays, "ㅆ"
    elif stays:
        one.final = stays


def _assimilate(one: _Syllable, two: _Syllable) -> None:
    """Stops become nasal before nasals; ㄴ and ㄹ become alike."""
    if two.initial == "ㄹ":
        if one.final == "ㄴ":
            one.final = "ㄹ"
        elif one.final != "ㄹ":
            two.initial = "ㄴ"
    elif two.initial == "ㄴ" and one.final == "ㄹ":
        two.initial = "ㄹ"
    if two.initial in "ㄴㅁ":
        one.final = _NASAL.get(one.final, one.final)


def _settle_vowel(one: _Syllable) -> None:
    if one.initial in "ㅈㅉㅊ" and one.vowel == "ㅕ":
        one.vowel = "ㅓ"
    if one.vowel == "ㅢ" and one.initial != "ㅇ":
        one.vowel = "ㅣ"
