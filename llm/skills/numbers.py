"""Number words of English and French, read from a list of words without accents. Guarantees longest match.

`read_number(words, start, language)` gives the value and how many words it took, or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.messages import Language


def words_of(text: str) -> tuple[str, ...]:
    """A list of words written as one text."""
    return tuple(text.split())


EN_SMALL = {
    word: value
    for value, word in enumerate(
        words_of(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen"
        )
    )
}
EN_TENS = {
    word: 10 * value
    for value, word in enumerate(words_of("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
} | {"fourty": 40}
EN_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
EN_UNITS = {word: value for word, value in EN_SMALL.items() if value < 10}

FR_SMALL = {
    word: value
    for value, word in enumerate(
        words_of("zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize")
    )
} | {"une": 1}
FR_TENS = {
    "vingt": 20,
    "trente": 30,
    "quarante": 40,
    "cinquante": 50,
    "soixante": 60,
    "septante": 70,
    "huitante": 80,
    "octante": 80,
    "nonante": 90,
}
FR_SCALES = {"mille": 1_000, "million": 1_000_000, "millions": 1_000_000, "milliard": 10**9, "milliards": 10**9}


@dataclass(frozen=True, slots=True)
class NumberWords:
    """A number and how many words it was said in."""

    value: float
    length: int


def read_number(words: Sequence[str], start: int, language: Language) -> NumberWords | None:
    """The number that begins at `start`, decimals and a half included, or None."""
    whole = (_french if language == "fr" else _english)(words, start)
    point = ("virgule", "point") if language == "fr" else ("point",)
    end = start + (whole.length if whole else 0)
    if end < len(words) and words[end] in point:
        decimals = _decimals(words, end + 1, language)
        if decimals:
            value = (whole.value if whole else 0.0) + float(f"0.{decimals[0]}")
            scale = scale_of(words, end + 1 + decimals[1], language)
            return NumberWords(value * scale, end + 1 + decimals[1] + (scale > 1) - start)
    if whole is None:
        return None
    return _with_half(words, whole, end, language)


def _with_half(words: Sequence[str], whole: NumberWords, end: int, language: Language) -> NumberWords:
    halves = (("et", "demi"), ("et", "demie")) if language == "fr" else (("and", "a", "half"),)
    for half in halves:
        if tuple(words[end : end + len(half)]) == half:
            return NumberWords(whole.value + 0.5 * scale_of(words, end - 1, language), whole.length + len(half))
    return whole


def scale_of(words: Sequence[str], position: int, language: Language) -> int:
    """What a number before this word is multiplied by, "2.5 million"; 1 where it is none. "5 mille" are miles."""
    scales = FR_SCALES if language == "fr" else EN_SCALES
    word = words[position] if position < len(words) else ""
    return scales[word] if word in scales and word != "mille" else 1


def _decimals(words: Sequence[str], start: int, language: Language) -> tuple[str, int] | None:
    """The digits after the point, and how many words they took: "two five" and "vingt cinq" are both 25."""
    digits, position = "", start
    end = next((at for at in range(start, len(words)) if scale_of(words, at, language) > 1), len(words))
    words = words[:end]
    while position < len(words):
        number = (_french if language == "fr" else _english)(words, position)
        if number is None or (language == "fr" and digits.strip("0")):
            break
        digits += f"{number.value:.0f}"
        position += number.length
    return (digits, position - start) if digits else None


def _english(words: Sequence[str], start: int) -> NumberWords | None:
    total, group, position = 0, None, start
    if words[start : start + 1] == ["a"] and start + 1 < len(words) and words[start + 1] in {"hundred", *EN_SCALES}:
        group, position = 1, start + 1
    previous_scale = 10**12
    while position < len(words):
        word = words[position]
        if word == "hundred" and group is not None and 0 < group < 100:
            group *= 100
            position += 1
        elif word in EN_SCALES and group is not None and EN_SCALES[word] < previous_scale:
            previous_scale = EN_SCALES[word]
            total, group = total + group * previous_scale, None
            position += 1
        else:
            skip = int(word == "and" and (total > 0 or (group or 0) >= 100))
            small = _english_below_100(words, position + skip)
            open_group = group is None and (position == start or total > 0)
            if small is None or not (open_group or (group is not None and group >= 100 and group % 100 == 0)):
                break
            group = (group or 0) + int(small.value)
            position += skip + small.length
    if position == start or (group is None and total == 0):
        return None
    return NumberWords(total + (group or 0), position - start)


def _english_below_100(words: Sequence[str], start: int) -> NumberWords | None:
    if start >= len(words):
        return None
    word = words[start]
    if word in EN_SMALL:
        return NumberWords(EN_SMALL[word], 1)
    if word not in EN_TENS:
        return None
    following = words[start + 1] if start + 1 < len(words) else ""
    if EN_UNITS.get(following, 0) > 0:
        return NumberWords(EN_TENS[word] + EN_UNITS[following], 2)
    return NumberWords(EN_TENS[word], 1)


def _french(words: Sequence[str], start: int) -> NumberWords | None:
    total, group, position = 0, None, start
    previous_scale = 10**12
    while position < len(words):
        word = words[position]
        if word in ("cent", "cents") and (group is None or 1 < group < 10):
            group = (group or 1) * 100
            position += 1
        elif word in FR_SCALES and FR_SCALES[word] < previous_scale and (group is not None or word == "mille"):
            previous_scale = FR_SCALES[word]
            total, group = total + (group or 1) * previous_scale, None
            position += 1
        else:
            small = _french_below_100(words, position)
            open_group = group is None and (position == start or total > 0)
            if small is None or not (open_group or (group is not None and group >= 100 and group % 100 == 0)):
                break
            group = (group or 0) + int(small.value)
            position += small.length
    if position == start:
        return None
    return NumberWords(total + (group or 0), position - start)


def _french_below_100(words: Sequence[str], start: int) -> NumberWords | None:
    word = words[start] if start < len(words) else ""
    following = words[start + 1] if start + 1 < len(words) else ""
    if word == "quatre" and following in ("vingt", "vingts"):
        rest = _french_below_20(words, start + 2)
        return NumberWords(80 + (rest.value if rest else 0), 2 + (rest.length if rest else 0))
    if word not in FR_TENS:
        return _french_below_20(words, start)
    tens = FR_TENS[word]
    joined = 1 if following == "et" else 0
    rest = _french_below_20(words, start + 1 + joined)
    highest = 19 if tens == 60 else 9
    if rest is None or not 0 < rest.value <= highest or (joined and rest.value not in (1, 11)):
        return NumberWords(tens, 1)
    return NumberWords(tens + rest.value, 1 + joined + rest.length)


def _french_below_20(words: Sequence[str], start: int) -> NumberWords | None:
    word = words[start] if start < len(words) else ""
    if word not in FR_SMALL:
        return None
    following = words[start + 1] if start + 1 < len(words) else ""
    if word == "dix" and following in ("sept", "huit", "neuf"):
        return NumberWords(10 + FR_SMALL[following], 2)
    return NumberWords(FR_SMALL[word], 1)
