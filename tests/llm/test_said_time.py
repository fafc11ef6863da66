"""The time in somebody's words, whatever stands around it."""

from __future__ import annotations

from functools import cache

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.said_time import AT, FROM_NOW, SaidTimes
from llm.skills.base import Intent
from llm.skills.normalise import normalise
from llm.skills.recognise import SkillRecogniser


@cache
def times() -> SaidTimes:
    return SaidTimes(make_skills().recogniser, {"hour", "heure", "tomorrow", "evening", "monday", "midi", "the"})


@pytest.mark.parametrize(
    ("text", "language", "words", "from_now"),
    [
        ("my pasta needs nine minutes, can you tell me when", "en", "nine minutes", True),
        (
            "could I get woken at half past six on Monday, if it is no trouble",
            "en",
            "at half past six on Monday",
            False,
        ),
        ("come back in a quarter of an hour or so", "en", "a quarter of an hour", True),
        ("the plants want water this evening", "en", "this evening", False),
        ("fais en sorte que je me lève à sept heures et demie", "fr", "à sept heures et demie", False),
        ("dans un quart d'heure le gâteau est prêt", "fr", "dans un quart d'heure", True),
    ],
)
def test_it_is_found(text: str, language: Language, words: str, from_now: bool) -> None:
    found = times().find(text, language)
    assert found is not None
    assert (found.words, found.from_now) == (words, from_now)


@pytest.mark.parametrize("text", ["how far is five miles", "who painted the Mona Lisa", ""])
def test_where_there_is_none(text: str) -> None:
    assert times().find(text, "en") is None


def test_what_may_hold_one_is_seen_by_a_word() -> None:
    assert times().may_hold("at seven", "en")
    assert times().may_hold("tomorrow", "en")
    assert not times().may_hold("the sky is blue", "en")


def test_half_past_six_as_a_recogniser_writes_it() -> None:
    found = times().find("I need to be up by 6.30.", "en")
    assert found is not None
    assert (found.slots["hour"], found.slots["minute"]) == (6, 30)
    assert times().find("it costs 6.50 euros", "en") is None


@pytest.mark.parametrize(
    ("text", "language", "holds"),
    [
        ("remind me tomorrow at seven thirty please to something", "en", True),
        ("on the side of the road", "en", False),
        ("wake me in forty two minutes", "en", True),
        ("wake me after the train", "en", False),
        ("réveille-moi après-demain à midi s'il te plaît", "fr", True),
        ("réveille-moi au gâteau", "fr", False),
    ],
)
def test_which_words_the_templates_of_times_hold(text: str, language: Language, holds: bool) -> None:
    vocabulary = make_skills().recogniser.vocabulary((FROM_NOW, AT, "SetReminder"), "something", language)
    assert vocabulary.holds(normalise(text, language)) is holds


def test_what_cannot_be_a_time_is_not_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    recognise = SkillRecogniser.recognise

    def counted(self: SkillRecogniser, text: str, language: Language) -> Intent | None:
        tried.append(text)
        return recognise(self, text, language)

    monkeypatch.setattr(SkillRecogniser, "recognise", counted)
    assert times().find("how far is five miles from here on foot", "en") is None
    assert {text.removeprefix("wake me in ") for text in tried if text.startswith("wake me in ")} == {"is five", "five"}
    assert len(tried) == 6
