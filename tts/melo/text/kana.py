"""Katakana to the phones of the Japanese voices, two signs at a time where the second is small."""

from __future__ import annotations

_ROWS = {
    "k": "カキクケコ",
    "g": "ガギグゲゴ",
    "s": "サ_スセソ",
    "z": "ザ_ズゼゾ",
    "t": "タ__テト",
    "d": "ダ__デド",
    "n": "ナニヌネノ",
    "h": "ハヒ_ヘホ",
    "b": "バビブベボ",
    "p": "パピプペポ",
    "m": "マミムメモ",
    "r": "ラリルレロ",
    "y": "ヤ_ユ_ヨ",
    "w": "ワ____",
}
_VOWELS = "aiueo"
_SMALL_VOWELS = "ァィゥェォ"
_SMALL_Y = {"ャ": "a", "ュ": "u", "ョ": "o"}
_IRREGULAR = {
    "シ": "sh i",
    "ジ": "j i",
    "チ": "ch i",
    "ヂ": "j i",
    "ツ": "ts u",
    "ヅ": "z u",
    "フ": "f u",
    "ヴ": "b u",
    "ヰ": "i",
    "ヱ": "e",
    "ヲ": "o",
    "ン": "N",
    "ッ": "q",
    "ヮ": "w a",
    "ー": ":",
    "ヶ": "k e",
    "ヵ": "k a",
}
_PALATAL = {
    **{"シ": "sh", "ジ": "j", "チ": "ch", "ヂ": "j", "ス": "sh", "ズ": "zy", "ツ": "ch", "ヅ": "zy", "フ": "hy"},
    **{"テ": "ty", "デ": "dy", "ト": "ty", "ド": "dy", "ヴ": "by", "キ": "ky", "ク": "ky", "ギ": "gy", "グ": "gy"},
    **{"ニ": "ny", "ヌ": "ny", "ヒ": "hy", "ビ": "by", "ブ": "by", "ピ": "py", "プ": "py", "ミ": "my", "ム": "my"},
    **{"リ": "ry", "ル": "ry", "ユ": "y", "イ": "y"},
}
"""what a sign is before a small ya, yu or yo"""
_BEFORE_SMALL_VOWEL = {
    **{"シ": "sh", "ジ": "j", "チ": "ch", "ヂ": "j", "ツ": "ts", "フ": "f", "ヴ": "b", "ウ": "w", "ス": "s", "ズ": "z"},
    **{"テ": "t", "デ": "d", "ト": "t", "ド": "d"},
}
"""what it is before another small vowel than its own: ファ is f a, ティ is t i"""
_PAIRS_OF_THEIR_OWN = {
    "アァ": "a a",
    "イィ": "i i",
    "エェ": "e e",
    "イェ": "i e",
    "ウァ": "u a",
    "ズァ": "z u a",
    "ドァ": "d o a",
}


def _single() -> dict[str, str]:
    singles = dict(zip("アイウエオ", _VOWELS, strict=True)) | dict(zip(_SMALL_VOWELS, _VOWELS, strict=True))
    for consonant, signs in _ROWS.items():
        for vowel, sign in zip(_VOWELS, signs, strict=True):
            if sign != "_":
                singles[sign] = f"{consonant} {vowel}"
    return singles | _IRREGULAR | {sign: f"y {vowel}" for sign, vowel in _SMALL_Y.items()}


_SINGLE = _single()


def _pairs() -> dict[str, str]:
    pairs = {first + sign: f"{sound} {vowel}" for first, sound in _PALATAL.items() for sign, vowel in _SMALL_Y.items()}
    for first, phones in _SINGLE.items():
        own = phones[-1]
        if own in _VOWELS and first not in _SMALL_VOWELS and first not in _SMALL_Y:
            pairs[first + _SMALL_VOWELS[_VOWELS.index(own)]] = f"{phones}:"
    for first, sound in _BEFORE_SMALL_VOWEL.items():
        own = _SINGLE[first][-1]
        for sign, vowel in zip(_SMALL_VOWELS, _VOWELS, strict=True):
            if vowel != own:
                pairs[first + sign] = f"{sound} {vowel}"
    return pairs | _PAIRS_OF_THEIR_OWN


_PAIR = _pairs()


def kana_phones(kana: str) -> tuple[str, ...]:
    """The phones of katakana; other characters have none."""
    phones: list[str] = []
    place = 0
    while place < len(kana):
        found = _PAIR.get(kana[place : place + 2])
        width = 2 if found else 1
        phones += (found or _SINGLE.get(kana[place], "")).split()
        place += width
    return tuple(phones)


def to_katakana(text: str) -> str:
    """With hiragana as katakana."""
    return "".join(chr(ord(sign) + 0x60) if "ぁ" <= sign <= "ゖ" else sign for sign in text)
