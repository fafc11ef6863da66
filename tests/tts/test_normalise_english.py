"""How English reads what is written in figures and signs."""

from __future__ import annotations

import pytest

from tts.normalise.speakable import normalise

CASES = [
    # clock times
    ("It's 7:05 PM.", "It's seven oh five p m."),
    ("7:30 pm", "seven thirty p m"),
    ("7:00 AM", "seven a m"),
    ("at 7 p.m. tomorrow", "at seven p m tomorrow"),
    ("at 7 p.m. Then", "at seven p m. Then"),
    ("19:05", "nineteen oh five"),
    ("19:00", "nineteen hundred"),
    ("3:00", "three o'clock"),
    ("00:00", "midnight"),
    ("0:30", "zero thirty"),
    ("7:05:30", "seven oh five and thirty seconds"),
    ("7:00-8:30 p.m.", "seven o'clock to eight thirty p m."),
    ("25:61", "twenty-five:sixty-one"),
    ("1h30", "one hour thirty minutes"),
    ("2 h 5 min", "two hours five minutes"),
    # dates
    ("2026-11-21", "November twenty-first, twenty twenty-six"),
    ("2026-11-21 19:05", "November twenty-first, twenty twenty-six, at nineteen oh five"),
    ("11/21/2026", "November twenty-first, twenty twenty-six"),
    ("21/11/2026", "November twenty-first, twenty twenty-six"),
    ("Nov. 21, 2026", "November twenty-first, twenty twenty-six"),
    ("November 1", "November first"),
    ("21 November 2026", "twenty-first of November, twenty twenty-six"),
    ("May 2005", "May two thousand five"),
    ("November 21-23", "November twenty-first to twenty-three"),
    ("Sat., Nov. 21", "Saturday, November twenty-first"),
    ("in 1984 and 1905", "in nineteen eighty-four and nineteen oh five"),
    ("since 2026", "since twenty twenty-six"),
    ("The answer is 1536.", "The answer is one thousand five hundred thirty-six."),
    ("the 1990s", "the nineteen nineties"),
    ("2026-02-31", "two thousand twenty-six to zero two to thirty-one"),
    # numbers
    ("1,234", "one thousand two hundred thirty-four"),
    ("1,234,567.89", "one million two hundred thirty-four thousand five hundred sixty-seven point eight nine"),
    ("12.05", "twelve point zero five"),
    (".5", "zero point five"),
    ("-3", "minus three"),
    ("−3.5", "minus three point five"),
    ("0", "zero"),
    ("007", "zero zero seven"),
    ("1st, 2nd, 3rd, 21st", "first, second, third, twenty-first"),
    ("12th", "twelfth"),
    ("1/2", "one half"),
    ("3/4", "three quarters"),
    ("2/3 cup", "two thirds cup"),
    ("1 1/2 cups", "one and one half cups"),
    ("2½ km", "two and one half kilometers"),
    ("17/3", "seventeen over three"),
    ("24/7", "twenty-four seven"),
    ("10k", "ten thousand"),
    ("٣", "three"),
    ("version 1.2.3", "version one point two point three"),
    ("call 555-1234", "call five five five, one two three four"),
    ("#3", "number three"),
    ("n° 3", "number three"),
    ("No. 5", "number five"),
    ("MP3, B2, 4K", "MP three, B two, four K"),
    ("COVID-19", "COVID-nineteen"),
    # units, money, signs
    ("12.5 km", "twelve point five kilometers"),
    ("1 km", "one kilometer"),
    ("5-10 km", "five to ten kilometers"),
    ("100 km/h", "one hundred kilometers per hour"),
    ("20 °C", "twenty degrees Celsius"),
    ("-5°F", "minus five degrees Fahrenheit"),
    ("1 °C", "one degree Celsius"),
    ("20–25 °C", "twenty to twenty-five degrees Celsius"),
    ("90°", "ninety degrees"),
    ("6 ft", "six feet"),
    ("30 m²", "thirty square meters"),
    ("1 min", "one minute"),
    ("in km/h", "in kilometers per hour"),
    ("50 %", "fifty percent"),
    ("12.5%", "twelve point five percent"),
    ("$5.20", "five dollars and twenty cents"),
    ("$1", "one dollar"),
    ("$0.50", "fifty cents"),
    ("$5–$10", "five dollars to ten dollars"),
    ("$1.5 million", "one point five million dollars"),
    ("€20", "twenty euros"),
    ("5 €", "five euros"),
    ("£3.01", "three pounds and one penny"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("10 - 3", "ten minus three"),
    ("3 x 4", "three times four"),
    ("6 ÷ 2", "six divided by two"),
    ("6 / 2", "six divided by two"),
    ("2^8", "two to the power of eight"),
    ("1920x1080", "one thousand nine hundred twenty by one thousand eighty"),
    # words
    ("Mr. Smith vs. Dr. Who", "Mister Smith versus Doctor Who"),
    ("bread, milk, etc.", "bread, milk, et cetera."),
    ("e.g. this, i.e. that", "for example this, that is that"),
    ("U.S. law", "U S law"),
    ("R&D", "R and D"),
    ("see https://merline.org/docs.", "see merline dot org slash docs."),
    ("me@example.org", "me at example dot org"),
    ("file.py", "file dot py"),
    ("cafe\u0301", "café"),
    ("😀 ok", "grinning face ok"),
    ("👍🏽", "thumbs up sign"),
    ("well-known, it's (so)", "well-known, it's (so)"),
]


@pytest.mark.parametrize(("written", "spoken"), CASES)
def test_reading(written: str, spoken: str) -> None:
    assert " ".join(normalise(written, "en").text.split()) == spoken


def test_markup_is_read_as_text() -> None:
    spoken = normalise("[[h@'loU]] <speak>hi</speak> **bold**", "en").text
    assert not set("[]<>*/") & set(spoken)
    assert spoken.split()[-1] == "bold"
    assert "speak" in spoken
