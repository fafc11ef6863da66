"""Everyday Japanese words that the dictionary reads otherwise than they are said, and counts written in kanji.

UniDic gives each word a reading of its own, お父さん that of オチチサン and 金曜日 of キンヨウヒ; these come before it.
"""

from __future__ import annotations

import re


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_EVERYDAY = _pairs("""
    お父さん オトウサン 父さん トウサン お母さん オカアサン 母さん カアサン
    お兄さん オニイサン 兄さん ニイサン お兄ちゃん オニイチャン 兄ちゃん ニイチャン
    お姉さん オネエサン 姉さん ネエサン お姉ちゃん オネエチャン 姉ちゃん ネエチャン
    月曜日 ゲツヨウビ 火曜日 カヨウビ 水曜日 スイヨウビ 木曜日 モクヨウビ 金曜日 キンヨウビ
    土曜日 ドヨウビ 日曜日 ニチヨウビ 何曜日 ナンヨウビ 誕生日 タンジョウビ 記念日 キネンビ
    日本人形 ニホンニンギョウ 日本人 ニホンジン
    iPhone アイフォーン iPad アイパッド YouTube ユーチューブ Google グーグル
    日本 ニホン 私達 ワタシタチ 一昨日 オトトイ 明後日 アサッテ 一人前 イチニンマエ
    今日中 キョウジュウ 一日中 イチニチジュウ 世界中 セカイジュウ
    何時 ナンジ 何分 ナンプン 何人 ナンニン 何本 ナンボン 何匹 ナンビキ 何杯 ナンバイ 何階 ナンカイ
""")
_WORDS = re.compile("|".join(sorted(_EVERYDAY, key=len, reverse=True)))
_WHAT = re.compile("何(?=[をがもにかやし、。?？!！]|$)")
"""which is ナニ there, and ナン before sounds of t, d and n, and before counters, as the dictionary has it"""
_VALUES = {**{sign: value for value, sign in enumerate("一二三四五六七八九", 1)}, "十": 10, "百": 100, "千": 1000}
_COUNTED = re.compile(
    "(?<![一二三四五六七八九十百千万億数何])([一二三四五六七八九十百千]+)"
    "(?=時間|週間|[ヶか]月|[人つ時月本個回年分匹杯歳冊階枚台])"
)
_DAY = re.compile("(?<=月)([一二三四五六七八九十]+)(?=日)|([二三四五六七八九十]+)(?=日)")


def everyday(text: str) -> str:
    """`text` with those words in katakana and counted kanji figures as digits, for `japanese_reading.read`."""
    text = _WHAT.sub("ナニ", _WORDS.sub(lambda match: _EVERYDAY[match[0]], text))
    text = _COUNTED.sub(lambda match: str(_value(match[1])), text)
    return _DAY.sub(lambda match: str(_value(match[0])), text)


def _value(kanji: str) -> int:
    """三百二十一 is 321; what are digits one after the other are read so, 二二 is 22."""
    total, digit = 0, 0
    for sign in kanji:
        value = _VALUES[sign]
        if value < 10:
            digit = 10 * digit + value
        else:
            total, digit = total + (digit or 1) * value, 0
    return total + digit
