"""Whether words ask for a tool, and whether what a call holds was said."""

from __future__ import annotations

import json
from functools import cache

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.call_text import ToolCallRefusedError
from llm.grounding import claims, comes_from, forbids
from llm.skills.base import Slot
from llm.tool_calls import ToolBox, Words
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
        ("could the timers be stopped", "en", True),
        ("who painted the Mona Lisa", "en", False),
        ("which city is the capital of France", "en", False),
        ("combien de côtés a le premier carré", "fr", False),
        ("il faudra que tu me réveilles", "fr", True),
        ("je dois penser à racheter du lait pour ma liste", "fr", True),
        ("mes pâtes cuisent neuf minutes", "fr", True),
    ],
)
def test_words_that_ask_for_a_tool(text: str, language: Language, asks: bool) -> None:
    assert bool(box().may_be_called(text, language)) is asks


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("don't set an alarm", True),
        ("no, do not add milk", True),
        ("ne mets pas de minuteur", True),
        ("ne m'ajoute plus de lait", True),
        ("don't forget the milk", False),
        ("don't let me forget to call", False),
        ("n'oublie pas le lait", False),
        ("don't you think so", False),
        ("il ne reste pas de lait", False),
        ("je n'ai pas de lait, ajoutes-en", False),
    ],
)
def test_words_that_forbid(text: str, forbidden: bool) -> None:
    assert forbids(text) is forbidden


def test_a_list_of_something_is_no_list_of_alarms() -> None:
    assert "ListAlarms" not in box().may_be_called("donne-moi une recette en liste", "fr")
    assert "ListAlarms" in box().may_be_called("ce que j'ai comme alarmes", "fr")
    assert "ReadItems" in box().may_be_called("give me that list", "en")


@pytest.mark.parametrize(
    ("call", "text", "about"),
    [
        ('{"name": "SetAlarm", "arguments": {"hour": 30, "name": "Wake me at 30', "wake me in half an hour", True),
        ('{"name": "TellTime", "arguments": {}}', "who wrote Romeo and Juliet", False),
        ('{"name": "TellMeAJoke"}', "tell me a joke", False),
        ("{", "set a timer", False),
        ('{"name": "TimeLeft"}', "what is left of the Roman Empire", False),
        ('{"name": "TimeLeft"}', "so how much time is left", True),
        ('{"name": "TimeLeft"}', "what is left on my egg", True),
        ('{"name": "SetAlarm"}', "Who invented the alarm clock?", False),
        ('{"name": "SetAlarm"}', "how about an alarm", True),
        ('{"name": "SetAlarm"}', "pourquoi une alarme sonne-t-elle", False),
        ('{"name": "SetAlarm"}', "quand je dors trop, réveille-moi", True),
        ('{"name": "TimeLeft"}', "je viens de finir un marathon", False),
        ('{"name": "ListAlarms"}', "donne-moi une recette en liste", False),
        ('{"name": "ReadItems"}', "fais-moi une liste de villes", False),
    ],
)
def test_what_a_call_is_meant_by(call: str, text: str, about: bool) -> None:
    assert box().is_meant(call, text) is about


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


@pytest.mark.parametrize(
    ("text", "language", "among", "none_of"),
    [
        ("the cake needs forty minutes", "en", "SetTimer", {"TellTime", "ReadNotes", "AddItem"}),
        ("je dois partir à dix heures", "fr", "SetAlarm", {"TellTime", "ReadNotes", "AddItem"}),
        ("five miles, how far is that", "en", "Convert", {"TellTime"}),
        ("is a timer going", "en", "CancelTimer", {"SetReminder", "Convert"}),
    ],
)
def test_which_tools_words_may_ask_for(text: str, language: Language, among: str, none_of: set[str]) -> None:
    tools = box().may_be_called(text, language)
    assert among in tools
    assert not none_of & tools


def asked(call: str, text: str, language: Language = "en") -> tuple[str, dict[str, Slot]]:
    intent = box().asked(call, Words(text, language))
    return intent.name, dict(intent.slots)


@pytest.mark.parametrize(
    ("call", "text", "language", "name", "slots"),
    [
        ('{"name": "SetTimer", "arguments": {"hours": 9, "name": "SetTimer", "all": false}}',
         "my pasta needs nine minutes, can you tell me when", "en", "SetTimer", {"minutes": 9.0}),
        ('{"name": "SetTimer", "arguments": {"minutes": 7}}', "see to it that I get up at seven", "en",
         "SetAlarm", {"hour": 7.0, "wake": "yes"}),
        ('{"name": "SetReminder", "arguments": {"text": "take out the bread in an hour", "day": "forty"}}',
         "I have to take out the bread in an hour", "en",
         "SetReminder", {"fixed_duration": 3600.0, "text": "take out the bread"}),
        ('{"name": "SetTimer", "arguments": {"minutes": 5, "name": "egg"}}', "a timer for my egg", "en",
         "SetTimer", {"name": "egg"}),
        ('{"name": "SetTimer", "arguments": {"minutes": 9}}', "the pasta needs 9", "en", "SetTimer", {"minutes": 9.0}),
        ('{"name": "CancelTimer", "arguments": {"all": true, "minutes": 3}}', "the timer can go", "en",
         "CancelTimer", {}),
    ],
)  # fmt: skip
def test_a_call_says_nothing_that_the_user_has_not_said(
    call: str, text: str, language: Language, name: str, slots: dict[str, Slot]
) -> None:
    assert asked(call, text, language) == (name, slots)


def test_a_reminder_of_what_nobody_has_said_is_refused() -> None:
    with pytest.raises(ToolCallRefusedError, match="nobody has said"):
        asked('{"name": "SetReminder", "arguments": {"text": "feed the dog"}}', "I must leave in an hour")


@pytest.mark.parametrize(
    ("text", "fact", "language", "kept"),
    [
        ("comment s'appelle ma sœur", "ma sœur", "fr", False),
        ("quel est le code du garage", "le code du garage", "fr", False),
        ("what is my sister called", "sister", "en", False),
        ("my sister is called Lea", "my sister is called Lea", "en", True),
        ("why don't you remember that I live in Lyon", "I live in Lyon", "en", True),
    ],
)
def test_a_question_is_no_fact_to_remember(text: str, fact: str, language: Language, kept: bool) -> None:
    call = json.dumps({"name": "RememberFact", "arguments": {"text": fact}})
    if kept:
        assert asked(call, text, language) == ("RememberFact", {"text": fact})
    else:
        with pytest.raises(ToolCallRefusedError, match="is a question"):
            asked(call, text, language)


@pytest.mark.parametrize(
    ("unit", "claim"),
    [
        ("Timer set for 10 minutes.", True),
        ("'Pasta' timer set for 9 minutes.", True),
        ("Added to your shopping list:", True),
        ("Minuteur « pâtes » de 9 minutes lancé.", True),
        ("Alarme réglée : demain à 7 heures.", True),
        ("C'est noté : la clé est là.", True),
        ("A chess set has 32 pieces.", False),
        ("She noted the time of the eclipse.", False),
        ("Un minuteur est une horloge.", False),
        ("Okay, your timer is set for 9 minutes.", True),
        ("Le minuteur est lancé.", True),
        ("The alarm set in the tower rang at noon.", False),
        ("A timer set on the table ticks away.", False),
        ("Alarm set off by smoke is loud.", False),
        ("Noted writers include Hugo.", False),
        ("Noted by sailors in 1890, the bird sings.", False),
        ("Added to your sense of wonder is the moon.", False),
        ("Alarme incendie : elle se lance seule.", False),
    ],
)
def test_a_skills_own_words_for_what_is_done(unit: str, claim: bool) -> None:
    assert claims(unit) is claim
