"""Japanese figures, letters and signs in katakana, before the dictionary reads the rest."""

from __future__ import annotations

import re

_DIGITS = ["ゼロ", "イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュウ"]
_HUNDREDS = {3: "サンビャク", 6: "ロッピャク", 8: "ハッピャク"}
_THOUSANDS = {3: "サンゼン", 8: "ハッセン"}
_SCALES = ["", "マン", "オク", "チョウ", "ケイ"]
_LETTERS = {
    **dict(zip("abcdefgh", ["エー", "ビー", "シー", "ディー", "イー", "エフ", "ジー", "エイチ"], strict=True)),
    **dict(zip("ijklmnop", ["アイ", "ジェー", "ケー", "エル", "エム", "エヌ", "オー", "ピー"], strict=True)),
    **dict(
        zip("qrstuvwx", ["キュー", "アール", "エス", "ティー", "ユー", "ブイ", "ダブリュー", "エックス"], strict=True)
    ),
    **dict(zip("yz", ["ワイ", "ゼット"], strict=True)),
}
_SIGNS = {
    "%": "パーセント",
    "&": "アンド",
    "+": "プラス",
    "=": "イコール",
    "@": "アット",
    "#": "シャープ",
    "°": "ド",
    "×": "カケル",
    "÷": "ワル",
    "<": "ショウナリ",
    ">": "ダイナリ",
}
_MONEY = {"$": "ドル", "¥": "エン", "£": "ポンド", "€": "ユーロ"}
_COUNTED = {
    **{
        "1人": "ヒトリ",
        "2人": "フタリ",
        "1つ": "ヒトツ",
        "2つ": "フタツ",
        "3つ": "ミッツ",
        "4つ": "ヨッツ",
        "5つ": "イツツ",
    },
    **{
        "6つ": "ムッツ",
        "7つ": "ナナツ",
        "8つ": "ヤッツ",
        "9つ": "ココノツ",
        "1日": "ツイタチ",
        "2日": "フツカ",
        "3日": "ミッカ",
    },
    **{
        "4日": "ヨッカ",
        "5日": "イツカ",
        "6日": "ムイカ",
        "7日": "ナノカ",
        "8日": "ヨウカ",
        "9日": "ココノカ",
        "10日": "トオカ",
    },
    **{
        "20日": "ハツカ",
        "4時": "ヨジ",
        "7時": "シチジ",
        "9時": "クジ",
        "4月": "シガツ",
        "7月": "シチガツ",
        "9月": "クガツ",
    },
    **{
        "1本": "イッポン",
        "3本": "サンボン",
        "6本": "ロッポン",
        "1個": "イッコ",
        "6個": "ロッコ",
        "8個": "ハッコ",
        "10個": "ジュッコ",
    },
    **{"1回": "イッカイ", "6回": "ロッカイ", "10回": "ジュッカイ", "4人": "ヨニン", "4年": "ヨネン"},
}
"""counts that are not the sum of their parts"""
_MINUTES = [
    "プン",
    "イップン",
    "ニフン",
    "サンプン",
    "ヨンプン",
    "ゴフン",
    "ロップン",
    "ナナフン",
    "ハップン",
    "キュウフン",
]
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)", re.ASCII)
_COUNT = re.compile(rf"(?<![\d.])(?:{'|'.join(sorted(_COUNTED, key=len, reverse=True))})", re.ASCII)
_PRICE = re.compile(r"([$¥£€])(\d[\d.]*)", re.ASCII)
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?!\d)", re.ASCII)
_MINUTE = re.compile(r"(?<![\d.])(\d{1,3})分", re.ASCII)
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)


def read(text: str) -> str:
    """`text`, in compatibility form, with figures, Latin letters and signs as they are said."""
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _PRICE.sub(lambda match: match[2] + _MONEY[match[1]], text)
    text = _CLOCK.sub(lambda match: f"{int(match[1])}時" + (f"{int(match[2])}分" if int(match[2]) else ""), text)
    text = _COUNT.sub(lambda match: _COUNTED[match[0]], text)
    text = _NUMBER.sub(_number, _MINUTE.sub(_minutes, text.replace("°C", "°")))
    return "".join(_LETTERS.get(sign.lower(), _SIGNS.get(sign, sign)) for sign in text)


def cardinal(number: int) -> str:
    """In katakana: 3600 is サンゼンロッピャク."""
    if not number:
        return _DIGITS[0]
    parts = []
    for scale in _SCALES:
        number, group = divmod(number, 10_000)
        if group:
            parts.append(_below_ten_thousand(group) + scale)
    return "".join(reversed(parts))


def _below_ten_thousand(number: int) -> str:
    thousands, rest = divmod(number, 1000)
    hundreds, rest = divmod(rest, 100)
    tens, ones = divmod(rest, 10)
    said = [_times(thousands, "セン", _THOUSANDS), _times(hundreds, "ヒャク", _HUNDREDS), _times(tens, "ジュウ", {})]
    return "".join(said) + (_DIGITS[ones] if ones else "")


def _times(count: int, unit: str, irregular: dict[int, str]) -> str:
    if not count:
        return ""
    return irregular.get(count, ("" if count == 1 else _DIGITS[count]) + unit)


def _minutes(match: re.Match[str]) -> str:
    tens, ones = divmod(int(match[1]), 10)
    before = cardinal(10 * tens) if tens else "" if ones else _DIGITS[0]
    return (before if ones else before.removesuffix("ウ") + "ッ" * before.endswith("ウ")) + _MINUTES[ones]


def _number(match: re.Match[str]) -> str:
    whole, fraction = match[1], match[2]
    digits = "".join(_DIGITS[int(digit)] for digit in whole)
    plain = len(whole) <= 4 * len(_SCALES) and (len(whole) == 1 or int(whole[0]) > 0)
    said = cardinal(int(whole)) if plain else digits
    return said + ("テン" + "".join(_DIGITS[int(digit)] for digit in fraction) if fraction else "")
