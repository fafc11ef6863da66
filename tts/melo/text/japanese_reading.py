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


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_IRREGULAR = {
    "人": {1: "ヒトリ", 2: "フタリ"},
    "つ": dict(enumerate(_words("ヒトツ フタツ ミッツ ヨッツ イツツ ムッツ ナナツ ヤッツ ココノツ"), 1)),
    "日": {
        **dict(enumerate(_words("ツイタチ フツカ ミッカ ヨッカ イツカ ムイカ ナノカ ヨウカ ココノカ トオカ"), 1)),
        **{14: "ジュウヨッカ", 20: "ハツカ", 24: "ニジュウヨッカ"},
    },
}
"""counts that are not the sum of their parts"""
_COUNTERS = {
    **{
        "人": "ニン",
        "年": "ネン",
        "月": "ガツ",
        "時": "ジ",
        "時間": "ジカン",
        "枚": "マイ",
        "台": "ダイ",
        "日": "ニチ",
    },
    **{
        "個": "コ",
        "回": "カイ",
        "階": "カイ",
        "ヶ月": "カゲツ",
        "か月": "カゲツ",
        "本": "ホン",
        "匹": "ヒキ",
        "杯": "ハイ",
    },
    **{"歳": "サイ", "冊": "サツ", "週間": "シュウカン"},
}
_LAST_DIGITS = {
    **{"人": {4: "ヨ"}, "年": {4: "ヨ"}, "時": {4: "ヨ", 7: "シチ", 9: "ク"}, "時間": {4: "ヨ", 7: "シチ", 9: "ク"}},
    "月": {4: "シ", 7: "シチ", 9: "ク"},
}
_DOUBLING = {"カ": {1: "イッ", 6: "ロッ", 8: "ハッ"}, "サ": {1: "イッ", 8: "ハッ"}}
"""a last digit before a counter in k or h, and in s"""
_HARD, _SOFT = str.maketrans("ハヒホ", "パピポ"), str.maketrans("ハヒホ", "バビボ")
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
_PHONE = re.compile(r"(?<![\d-])0\d{1,4}-\d{1,4}-\d{3,4}(?![\d-])", re.ASCII)
_MINUS = re.compile(r"(?<![A-Za-z\d-])[-−](?=\d)", re.ASCII)
_SPAN = re.compile(r"(?<=\d)[-~](?=\d)", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)", re.ASCII)
_COUNT = re.compile(
    rf"(?<![\d.])([1-9]\d{{0,11}})({'|'.join(sorted({*_COUNTERS, *_IRREGULAR, '日間'}, key=len, reverse=True))})",
    re.ASCII,
)
_PRICE = re.compile(r"([$¥£€])(\d[\d.]*)", re.ASCII)
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?!\d)", re.ASCII)
_MINUTE = re.compile(r"(?<![\d.])(\d{1,3})分", re.ASCII)
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)


def read(text: str) -> str:
    """`text`, in compatibility form, with figures, Latin letters and signs as they are said."""
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _PHONE.sub(lambda match: "ノ".join(map(_spelled, match[0].split("-"))), text)
    text = _SPAN.sub("カラ", _MINUS.sub("マイナス", text))
    text = _PRICE.sub(lambda match: match[2] + _MONEY[match[1]], text)
    text = _CLOCK.sub(lambda match: f"{int(match[1])}時" + (f"{int(match[2])}分" if int(match[2]) else ""), text)
    text = _COUNT.sub(lambda match: counted(int(match[1]), match[2]), text)
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


def counted(number: int, counter: str) -> str:
    """A number with what it counts: 8 and 本 are ハッポン."""
    if number in _IRREGULAR.get(counter, {}):
        return _IRREGULAR[counter][number]
    if counter == "日間":
        return counted(number, "日") + "カン"
    said, unit = cardinal(number), _COUNTERS.get(counter, counter)
    tens, ones = number // 10 * 10, number % 10
    last = _LAST_DIGITS.get(counter, {}).get(ones)
    if last:
        return (cardinal(tens) if tens else "") + last + unit
    breathed = unit[0] in "ハヒホ"
    row = "カ" if breathed or unit[0] in "カコ" else "サ" if unit[0] in "サシ" else ""
    doubled = _DOUBLING.get(row, {}).get(ones)
    if doubled:
        said = (cardinal(tens) if tens else "") + doubled
    elif row and not ones and said.endswith("ジュウ"):
        said = said.removesuffix("ウ") + "ッ"
    elif row == "カ" and not ones and said.endswith(("ヒャク", "ビャク", "ピャク")):
        said = said.removesuffix("ク") + "ッ"
    if breathed:
        unit = unit.translate(_HARD) if said.endswith("ッ") else unit.translate(_SOFT) if ones == 3 else unit
    return said + unit


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


def _spelled(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits)


def _number(match: re.Match[str]) -> str:
    whole, fraction = match[1], match[2]
    plain = len(whole) <= 4 * len(_SCALES) and (len(whole) == 1 or int(whole[0]) > 0)
    said = cardinal(int(whole)) if plain else _spelled(whole)
    return said + ("テン" + "".join(_DIGITS[int(digit)] for digit in fraction) if fraction else "")
