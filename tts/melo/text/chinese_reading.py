"""Chinese figures and signs in characters, before they are read."""

from __future__ import annotations

import re

_DIGITS = "零一二三四五六七八九"
_SCALES = ["", "万", "亿", "万亿"]
_MONEY = {"$": "美元", "¥": "元", "￥": "元", "€": "欧元", "£": "英镑"}
_SIGNS = {
    "+": "加",
    "=": "等于",
    "×": "乘",
    "÷": "除以",
    "<": "小于",
    ">": "大于",
    "&": "和",
    "@": "艾特",
    "#": "井号",
    "°": "度",
    "℃": "摄氏度",
    "±": "正负",
    "〇": "零",
}
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)", re.ASCII)
_PRICE = re.compile(r"([$¥￥€£])(\d[\d.]*)", re.ASCII)
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?!\d)", re.ASCII)
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)", re.ASCII)
_YEAR = re.compile(r"(?<!\d)(\d{4})(?=年)", re.ASCII)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%", re.ASCII)
_PHONE = re.compile(r"(?<![\d-])(?:0\d{2,3}-\d{7,8}|\d{3,4}-\d{3,4}-\d{4}|1[3-9]\d{9})(?![\d-])", re.ASCII)
_SPAN = re.compile(r"(?<=\d)[-~～](?=\d)", re.ASCII)
_TWO = re.compile(r"(?<![\d.])2(?=[个位只条本天年次件张块家杯])", re.ASCII)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?", re.ASCII)


def read(text: str) -> str:
    """`text` with its figures and signs in characters."""
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = _PHONE.sub(lambda match: "，".join(map(_spelled, match[0].split("-"))), text)
    text = _PRICE.sub(lambda match: match[2] + _MONEY[match[1]], text.replace("°C", "摄氏度"))
    text = _DATE.sub(lambda match: f"{match[1]}年{int(match[2])}月{int(match[3])}日", text)
    text = _CLOCK.sub(lambda match: f"{int(match[1])}点" + (f"{match[2]}分" if int(match[2]) else ""), text)
    text = _YEAR.sub(lambda match: _spelled(match[1]), text)
    text = _TWO.sub("两", _SPAN.sub("到", _PERCENT.sub(r"百分之\1", text)))
    text = _NUMBER.sub(lambda match: number(match[0]), text)
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def number(text: str) -> str:
    """-3.05 is 负三点零五; longer than sixteen digits, or with a zero before them, they are said one by one."""
    if text.startswith("-"):
        return "负" + number(text[1:])
    whole, _, fraction = text.partition(".")
    plain = len(whole) <= 4 * len(_SCALES) and (len(whole) == 1 or whole[0] != "0")
    said = cardinal(int(whole)) if plain else _spelled(whole)
    return f"{said}点{_spelled(fraction)}" if fraction else said


def cardinal(value: int) -> str:
    """In characters: 10050 is 一万零五十."""
    said, gap = "", False
    groups: list[int] = []
    while value or not groups:
        value, group = divmod(value, 10_000)
        groups.append(group)
    for scale in range(len(groups) - 1, -1, -1):
        group = groups[scale]
        if not group:
            gap = gap or bool(said)
            continue
        said += "零" if said and (gap or group < 1000) else ""
        said += _below_ten_thousand(group, first=not said) + _SCALES[scale]
        gap = False
    return said or "零"


def _below_ten_thousand(group: int, first: bool) -> str:
    said, gap = "", False
    for power, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, group = divmod(group, power)
        if digit:
            bare = digit == 1 and unit == "十" and first and not said
            said += ("零" if gap else "") + ("" if bare else _DIGITS[digit]) + unit
            gap = False
        else:
            gap = bool(said)
    return said


def _spelled(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits)
