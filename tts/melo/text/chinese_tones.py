"""The tones of Mandarin in running speech: 不 and 一 by what follows, light syllables, third tones before third tones.

After the usual descriptions (Chao 1968; Duanmu 2007). Words come from jieba with their part of speech; light syllables
that only a dictionary knows (东西) are pypinyin's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LIGHT = 5
_ALWAYS_LIGHT = frozenset("吧呢啊呐嘛吗的了着")
_LIGHT_PARTICLES = frozenset("吖嗨哦哒滴哩哟喽啰耶喔诶地得过")
"""light as words of their own kind, u or y, alone"""
_SUFFIXES = frozenset("们子")
_FULL_ZI = frozenset({"男子", "女子", "分子", "原子", "量子", "莲子", "石子", "瓜子", "电子", "王子", "孔子", "老子"})
_PLACES = frozenset("上下里")
_GOING = frozenset("来去")
_WAYS = frozenset("上下进出回过起开")
_BEFORE_GE = frozenset("几有两半多各整每做是这那零一二三四五六七八九十百千")
_NUMERALS = frozenset("零一二三四五六七八九十百千万亿点")
_FULL_YI = frozenset("月号楼")
_FOOT = 3
"""syllables of neighbours whose third tones change together"""


@dataclass(frozen=True, slots=True)
class TonedWord:
    """A word, its part of speech in jieba's letters, and a dictionary tone 1 to 5 for each character."""

    text: str
    kind: str
    tones: tuple[int, ...]
    head: int = 2
    """characters of its first part: 2 of 展览|馆, 1 of 小|老虎"""


def spoken_tones(words: Iterable[TonedWord]) -> list[int]:
    """The tones as they are said, one a character."""
    spoken: list[int] = []
    for word in _in_feet(_merged(words)):
        tones = list(word.tones)
        _say_bu(word.text, tones)
        _say_yi(word.text, tones)
        _say_light(word, tones)
        _say_third(tones, word.head)
        spoken += tones
    return spoken


def _merged(words: Iterable[TonedWord]) -> list[TonedWord]:
    """不 and 一 with the word behind them, a word with its double, 儿 with the word before."""
    merged: list[TonedWord] = []
    for word in words:
        last = merged[-1] if merged else None
        if last is not None and (last.text in ("不", "一") or word.text in ("儿", last.text)):
            merged[-1] = _joined(last, word)
        else:
            merged.append(word)
    return merged


def _in_feet(words: Iterable[TonedWord]) -> list[TonedWord]:
    """A short word that ends in a third tone with a short one that begins with one."""
    feet: list[TonedWord] = []
    whole = False
    for word in words:
        last = feet[-1] if feet else None
        fits = last is not None and len(last.text) + len(word.text) <= _FOOT and last.text[0] != last.text[-1:]
        if last is not None and (fits or len(last.text) == 1 == len(word.text)) and not whole and _meet(last, word):
            feet[-1], whole = _joined(last, word), True
        else:
            feet.append(word)
            whole = False
    return feet


def _meet(one: TonedWord, two: TonedWord) -> bool:
    return one.tones[-1] == two.tones[0] == 3


def _joined(one: TonedWord, two: TonedWord) -> TonedWord:
    kind = two.kind if one.text in ("不", "一") else one.kind
    return TonedWord(one.text + two.text, kind, one.tones + two.tones, len(one.text))


def _say_bu(text: str, tones: list[int]) -> None:
    if len(text) == 3 and text[1] == "不":
        tones[1] = LIGHT  # 好不好, 来不及
        return
    for index, character in enumerate(text[:-1]):
        if character == "不" and tones[index + 1] == 4:
            tones[index] = 2


def _say_yi(text: str, tones: list[int]) -> None:
    if "一" not in text or _NUMERALS.issuperset(text):
        return
    if len(text) == 3 and text[1] == "一" and text[0] == text[2]:
        tones[1] = LIGHT  # 看一看
        return
    for index, character in enumerate(text[:-1]):
        counted = text[index + 1] in _FULL_YI | _NUMERALS or text[max(index - 1, 0)] in _NUMERALS - {"一"}
        if character == "一" and not counted and text[max(index - 1, 0)] != "第":
            tones[index] = 2 if tones[index + 1] == 4 else 4


def _say_light(word: TonedWord, tones: list[int]) -> None:
    text, kind = word.text, word.kind[:1]
    for index in range(1, len(text)):
        if text[index] == text[index - 1] and kind in "nva" and text not in ("人人", "天天", "年年", "常常"):
            tones[index] = LIGHT
    last, before = text[-1], text[-2:-1]
    light = last in _ALWAYS_LIGHT or (not before and last in _LIGHT_PARTICLES and kind in "uy")
    if before:
        light = light or (
            (last in _SUFFIXES and kind in "nr" and text[-2:] not in _FULL_ZI)
            or (last in _PLACES and kind in "slf")
            or (last in _GOING and before in _WAYS)
            or (last == "个" and before in _BEFORE_GE)
        )
    if light:
        tones[-1] = LIGHT


def _say_third(tones: list[int], head: int) -> None:
    """Third tones before third tones rise; in three of them the first part of one character stays."""
    length = len(tones)
    if length == _FOOT and tones == [3, 3, 3] and head == 1:
        tones[1] = 2
        return
    if length > _FOOT:
        for begin in range(0, length - 1, 2):
            if tones[begin] == tones[begin + 1] == 3:
                tones[begin] = 2
        return
    original = list(tones)
    for index in range(length - 1):
        if original[index] == original[index + 1] == 3:
            tones[index] = 2
