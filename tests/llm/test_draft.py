"""What is known of a reply on its way: circles are seen, and what only repeats a little is none."""

from __future__ import annotations

import pytest

from llm.draft import Draft
from llm.speakable import SpeakableText
from llm.tool_calls import Words


def draft(text: str) -> Draft:
    made = Draft(1, Words("hello", "en"), SpeakableText(), "en")
    made.speakable.push(text)
    return made


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("No, no, no, no, no, thank you. Ha ha ha ha ha!", False),
        ("Row, row, row your boat. Row, row, row your boat. Row, row, row your boat.", False),
        ("It is blue. It is red. It is green. It is white.", False),
        ("ha " * 12, True),
        ("It is what it is. " * 4, True),
        ("A long beginning that is fine. " + "one, two, three, " * 5, True),
        ('<tool_call>{"name": "SetAlarm", "arguments": {"name": "' + "wake me, and this and that; " * 20, False),
        ('<tool_call>{"name": "SetAlarm", "arguments": {"name": "' + "wake me, and this and that; " * 50, True),
    ],
)
def test_circles(text: str, lost: bool) -> None:
    assert draft(text).is_lost is lost


@pytest.mark.parametrize(
    ("text", "cut", "ending"),
    [
        ("It is so. And th", True, ["And th"]),
        ("It is so. And that. ", True, ["And that."]),
        ("It is so", True, ["It is so"]),
        ("It is so, is it", False, ["It is so, is it"]),
    ],
)
def test_a_half_sentence_is_left_out_only_behind_others(text: str, cut: bool, ending: list[str]) -> None:
    made = draft(text)
    made.end(cut)
    assert made.ending == ending
    made = draft(text)
    made.begun = True
    made.end(cut)
    assert made.ending == ([] if cut and not text.rstrip().endswith(".") else ending)
