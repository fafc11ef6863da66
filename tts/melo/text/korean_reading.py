"""Korean figures, Latin letters and signs in Hangul."""

from __future__ import annotations

import re
import unicodedata

_DIGITS = list("영일이삼사오육칠팔구")
_NATIVE_ONES = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
_NATIVE_TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
_COUNTERS = "개 명 살 마리 번째 장 잔 병 권 시간 시 송이 켤레 대 그루 채 벌 가지 사람 달(?!러)"
_SCALES = ["", "만", "억", "조", "경"]
_LETTERS = {
    **dict(zip("abcdefgh", ["에이", "비", "씨", "디", "이", "에프", "지", "에이치"], strict=True)),
    **dict(zip("ijklmnop", ["아이", "제이", "케이", "엘", "엠", "엔", "오", "피"], strict=True)),
    **dict(zip("qrstuvwx", ["큐", "알", "에스", "티", "유", "브이", "더블유", "엑스"], strict=True)),
    **dict(zip("yz", ["와이", "제트"], strict=True)),
}
_SIGNS = {
    "%": "퍼센트",
    "&": "앤드",
    "+": "더하기",
    "=": "는",
    "@": "골뱅이",
    "#": "샵",
    "°": "도",
    "℃": "도",
    "×": "곱하기",
}
_MONEY = {"$": "달러", "₩": "원", "¥": "엔", "£": "파운드", "€": "유로"}
_PHONE = re.compile(r"(?<![\d-])0\d{1,2}-\d{3,4}-\d{4}(?![\d-])|(?<![\d-])1\d{3}-\d{4}(?![\d-])", re.ASCII)
_COLD = re.compile(r"(?:영하 ?)?(?<![A-Za-z\d-])[-−](?=\d+(?:\.\d+)?[°도℃])", re.ASCII)
_MINUS = re.compile(r"(?<![A-Za-z\d-])[-−](?=\d)", re.ASCII)
_SPAN = re.compile(r"(?<=\d)[-~～](?=\d)", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)", re.ASCII)
_PRICE = re.compile(r"([$₩¥£€])(\d[\d.]*)", re.ASCII)
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})(?!\d)", re.ASCII)
_COUNT = re.compile(rf"(?<![\d.])([1-9]\d?) ?(?={'|'.join(_COUNTERS.split())})", re.ASCII)
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)


def read(text: str) -> str:
    """`text` with its figures, Latin letters and signs as they are said."""
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), unicodedata.normalize("NFC", text))
    text = _PHONE.sub(lambda match: ", ".join(map(_spelled, match[0].split("-"))), text.replace("°C", "°"))
    text = _MINUS.sub("마이너스 ", _COLD.sub("영하 ", text))
    text = _PRICE.sub(lambda match: match[2] + _MONEY[match[1]], _SPAN.sub("에서 ", text))
    text = _CLOCK.sub(lambda match: f"{int(match[1])}시" + (f" {int(match[2])}분" if int(match[2]) else ""), text)
    text = _COUNT.sub(lambda match: native(int(match[1])), text)
    text = _NUMBER.sub(_number, text)
    return "".join(_LETTERS.get(sign.lower(), _SIGNS.get(sign, sign)) for sign in text)


def native(number: int) -> str:
    """1 to 99 as they stand before a counter: 스물 is 스무 there."""
    tens, ones = divmod(number, 10)
    return "스무" if number == 20 else _NATIVE_TENS[tens] + _NATIVE_ONES[ones]


def cardinal(number: int) -> str:
    """In Hangul: 3600 is 삼천육백."""
    if not number:
        return _DIGITS[0]
    parts = []
    for scale in _SCALES:
        number, group = divmod(number, 10_000)
        if group:
            parts.append(("" if group == 1 and scale == "만" and not number else _below_ten_thousand(group)) + scale)
    return "".join(reversed(parts))


def _below_ten_thousand(number: int) -> str:
    said = ""
    for power, unit in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        count, number = divmod(number, power)
        if count:
            said += ("" if count == 1 and unit else _DIGITS[count]) + unit
    return said


def _spelled(digits: str) -> str:
    return "".join("공" if digit == "0" else _DIGITS[int(digit)] for digit in digits)


def _number(match: re.Match[str]) -> str:
    whole, fraction = match[1], match[2]
    plain = len(whole) <= 4 * len(_SCALES) and (len(whole) == 1 or int(whole[0]) > 0)
    said = cardinal(int(whole)) if plain else _spelled(whole)
    if not fraction:
        return said
    return f"{said}점" + "".join(_DIGITS[int(digit)] for digit in fraction)
