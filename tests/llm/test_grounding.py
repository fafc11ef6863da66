"""Whether words ask for a tool, and whether what a call holds was said."""

from __future__ import annotations

from functools import cache

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.grounding import comes_from, gives_numbers
from llm.tool_calls import ToolBox
from llm.tools import declare


@cache
def box() -> ToolBox:
    skills = make_skills()
    return ToolBox(declare(skills, "en"), skills.recogniser)


@pytest.mark.parametrize(
    ("text", "language", "asks"),
    [
        ("what is the capital of France", "en", False),
        ("who wrote Romeo and Juliet", "en", False),
        ("tell me about the Eiffel Tower", "en", False),
        ("how do I make an omelette", "en", False),
        ("quelle est la capitale de l'Italie", "fr", False),
        ("explique-moi la photosynthèse", "fr", False),
        ("my pasta needs nine", "en", True),
        ("wake me around noon or so", "en", True),
        ("I must not forget the dentist", "en", True),
        ("could the timers be stopped", "en", True),
        ("il faudra que tu me réveilles", "fr", True),
        ("je dois penser à racheter du lait pour ma liste", "fr", True),
        ("mes pâtes cuisent neuf minutes", "fr", True),
    ],
)
def test_words_that_ask_for_a_tool(text: str, language: Language, asks: bool) -> None:
    assert box().asked_for(text, language) is asks


@pytest.mark.parametrize(
    ("call", "text", "about"),
    [
        ('{"name": "SetAlarm", "arguments": {"hour": 30, "name": "Wake me at 30', "wake me in half an hour", True),
        ('{"name": "TellTime", "arguments": {}}', "who wrote Romeo and Juliet", False),
        ('{"name": "TellMeAJoke"}', "tell me a joke", False),
        ("{", "set a timer", False),
    ],
)
def test_what_a_call_is_about(call: str, text: str, about: bool) -> None:
    assert box().is_about(call, text) is about


@pytest.mark.parametrize(
    ("written", "said", "holds"),
    [
        ("milk", "the fridge lacks milk and tea", True),
        ("buy eggs", "we need an egg", True),
        ("Add 10 to 10", "write a function that adds two numbers", False),
        ("call Bob", "what is the capital of France", False),
        ("call 555", "I should call five hundred fifty five", True),
        ("42", "the answer is forty two", True),
        ("1", "nothing", False),
    ],
)
def test_what_is_written_was_said(written: str, said: str, holds: bool) -> None:
    assert comes_from(written, said, "en") is holds


def test_numbers_are_given_in_many_ways() -> None:
    assert all(gives_numbers(text, "en") for text in ("at 5", "in nine", "half an hour", "at noon", "in a minute"))
    assert all(gives_numbers(text, "fr") for text in ("à midi", "dans une demi-heure", "dans un quart d'heure"))
    assert not gives_numbers("look after my egg", "en")
