"""Two commands in one breath are both carried out, and one command with "and" in it stays one."""

from __future__ import annotations

import pytest
from skill_rig import SATURDAY, ZoneClock, make_responder, make_skills, recogniser

from core.messages import Language
from llm.responder import Responder
from llm.skills.several import SEVERAL, several


def parts(text: str, language: Language = "en") -> list[str]:
    """The names of the commands in a text."""
    whole = recogniser().recognise(text, language)
    found = several(text, whole, language, recogniser().recognise) or whole
    if found is None:
        return []
    return [part.name for part in found.parts] if found.name == SEVERAL else [found.name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add milk to my list and set a timer for ten minutes", ["AddItem", "SetTimer"]),
        ("buy bread and cheese and set a timer for five minutes", ["AddItem", "SetTimer"]),
        ("set a timer for six minutes and buy bread and cheese", ["SetTimer", "AddItem"]),
        ("What time is it? And what's the date?", ["TellTime", "TellDate"]),
        ("turn the volume up and then speak slower and add milk to my list", ["Louder", "Slower", "AddItem"]),
        ("cancel the alarm and the timer", ["CancelAlarm", "CancelTimer"]),
        ("set a timer for five minutes and another one for ten minutes", ["SetTimer", "SetTimer"]),
        ("set an alarm for seven and one for half past seven", ["SetAlarm", "SetAlarm"]),
        ("set an alarm for 7 and 7:30", ["SetAlarm", "SetAlarm"]),
        ("set a timer for 9 minutes for the rice and another one for the eggs for 6", ["SetTimer", "SetTimer"]),
        ("set alarms for 8, 8:30 and 9 am on saturday", ["SetAlarm", "SetAlarm", "SetAlarm"]),
        ("wake me at 6 and again at 6:15 tomorrow", ["SetAlarm", "SetAlarm"]),
        ("set an alarm for seven and a half hours", []),
        ("set a timer for five minutes, then remind me at six to call mum and dad", ["SetTimer", "SetReminder"]),
        ("remind me to call mum tomorrow at nine and dad at ten", ["SetReminder", "SetReminder"]),
        ("set timers for 5, 10 and 15 minutes", ["SetTimer", "SetTimer", "SetTimer"]),
        ("set two timers, one for 3 minutes and one for 7 minutes", ["SetTimer", "SetTimer"]),
        ("set a timer for an hour and three quarters", ["SetTimer"]),
        ("set a timer for half an hour and ten seconds", ["SetTimer"]),
        ("remind me tomorrow to call mum and dad at ten", ["SetReminder"]),
    ],
)
def test_several_commands_are_told_apart(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ajoute du lait à ma liste et mets un minuteur de dix minutes", ["AddItem", "SetTimer"]),
        ("quelle heure est-il et quel jour sommes-nous", ["TellTime", "TellWeekday"]),
        ("mets une alarme à 7 h et à 7 h 30", ["SetAlarm", "SetAlarm"]),
        ("réveille-moi à sept heures et demie et à huit heures demain", ["SetAlarm", "SetAlarm"]),
        ("réveille-moi à sept heures et demie", ["SetAlarm"]),
        ("annule l'alarme puis parle plus lentement", ["CancelAlarm", "Slower"]),
        ("mets un minuteur de cinq minutes et un autre de dix minutes", ["SetTimer", "SetTimer"]),
        ("mets trois minuteurs de 5, 10 et 15 minutes", ["SetTimer", "SetTimer", "SetTimer"]),
        ("mets deux minuteurs, un de 3 minutes et un de 7 minutes", ["SetTimer", "SetTimer"]),
    ],
)
def test_several_commands_are_told_apart_in_french(text: str, expected: list[str]) -> None:
    assert parts(text, "fr") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add salt and pepper and vinegar to the shopping list", "AddItem"),
        ("remind me at six to call mum and set the table", "SetReminder"),
        ("note that the timer rings at six and mum calls at seven", "AddNote"),
        ("remember that i set a timer for ten minutes and stop at nine", "RememberFact"),
        ("set a timer for one hour and thirty minutes", "SetTimer"),
        ("set a salt and pepper timer for ten minutes", "SetTimer"),
        ("what is two and three", "Calculate"),
        ("delete bread and butter", "RemoveItem"),
    ],
)
def test_one_command_with_and_in_it_stays_one(text: str, expected: str) -> None:
    assert parts(text) in ([expected], [] if expected == "Calculate" else [expected])


def test_a_story_is_no_list_of_commands() -> None:
    assert parts("stop and stop and stop and stop and stop and stop and stop and stop") == []
    assert parts("tell me about cats and dogs") == []
    assert parts("play some jazz and tell me about cats") == ["CannotDo"]


@pytest.mark.parametrize(
    ("hour", "text", "said"),
    [
        (19, "set an alarm for 7 and 7:30", "Alarm set: at 7:00 AM tomorrow. Alarm set: at 7:30 AM tomorrow."),
        (14, "set an alarm for 7 and 7:30", "Alarm set: at 7:00 PM. Alarm set: at 7:30 PM."),
        (14, "wake me at 6 and 6:15 tomorrow", "Alarm set: at 6:00 AM tomorrow. Alarm set: at 6:15 AM tomorrow."),
        (14, "set an alarm for 8 and 9 pm", "Alarm set: at 8:00 PM. Alarm set: at 9:00 PM."),
    ],
)
def test_two_alarms_are_on_one_day_and_in_one_half_of_it(hour: int, text: str, said: str) -> None:
    responder = Responder(make_skills(ZoneClock(SATURDAY.replace(hour=hour, minute=15))))
    assert responder.reply(text).text == said


def test_both_are_carried_out_and_taken_back() -> None:
    skills = make_skills()
    responder = Responder(skills)
    assert responder.reply("set a timer for five minutes and add milk to my list").text == (
        "Timer set for 5 minutes. Added to your shopping list: milk."
    )
    assert len(skills.context.schedule.items("timer")) == 1
    said = responder.reply("never mind").text
    assert "5 minute timer" in said
    assert "milk" in said
    assert not skills.context.schedule.items("timer")
    assert "empty" in responder.reply("what's on my list").text


def test_the_question_of_one_comes_last_and_is_answered() -> None:
    skills = make_skills()
    responder = Responder(skills)
    assert responder.reply("set a timer and add milk to my list").text.endswith("milk. For how long?")
    assert responder.reply("ten minutes").text == "Timer set for 10 minutes."


def test_with_a_language_model_what_is_sure_in_one_part_is_sure_in_all() -> None:
    skills = Responder(make_skills()).skills
    found = skills.find("add milk and set a timer for ten minutes", "en")
    assert found is not None
    assert found.name == SEVERAL
    assert not found.unsure


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "5 minutes for tea and 10 for eggs", "'tea' timer set for 5 minutes. 'eggs' timer set for 10 minutes."),
        ("en", "timer for tea 4 minutes and eggs 7", "'tea' timer set for 4 minutes. 'eggs' timer set for 7 minutes."),
        (
            "en",
            "set a 5 minute timer for tea and a 10 minute timer for eggs",
            "'tea' timer set for 5 minutes. 'eggs' timer set for 10 minutes.",
        ),
        (
            "fr",
            "mets un minuteur de cinq minutes pour le thé et de dix minutes pour les œufs",
            "Minuteur « thé » de 5 minutes lancé. Minuteur « œufs » de 10 minutes lancé.",
        ),
        (
            "fr",
            "deux minuteurs cinq minutes pour le thé et dix pour les œufs",
            "Minuteur « thé » de 5 minutes lancé. Minuteur « œufs » de 10 minutes lancé.",
        ),
        (
            "fr",
            "mets deux minuteurs un de cinq minutes et un de dix",
            "Minuteur de 5 minutes lancé. Minuteur de 10 minutes lancé.",
        ),
    ],
)
def test_timers_are_told_by_what_they_are_for(language: str, text: str, said: str) -> None:
    assert make_responder(language=language).reply(text).text == said


@pytest.mark.parametrize("text", ["5 minutes and 30 seconds", "cinq minutes et trente secondes"])
def test_a_length_alone_is_no_two_timers(text: str) -> None:
    assert parts(text, "fr" if "cinq" in text else "en") == []


@pytest.mark.parametrize(
    ("language", "text", "kept"),
    [
        ("en", "remind me to call mum at nine and dad at ten", ["call mum", "call dad"]),
        ("en", "remind me call mum at nine and dad at ten", ["call mum", "call dad"]),
        ("en", "remind me to call mum at nine and leave at ten", ["call mum", "leave"]),
        ("en", "remind me to pay the rent at six and feed the cat at seven", ["pay the rent", "feed the cat"]),
        (
            "en",
            "remind me to take out the bins on tuesday and the recycling on thursday",
            ["take out the bins", "take out the recycling"],
        ),
        ("en", "remind me to ring dave in 20 minutes and in 40 minutes", ["ring dave", "ring dave"]),
        ("en", "remind me to ring dave in 20 minutes and anna in 40 minutes", ["ring dave", "ring anna"]),
        ("en", "remind me to water the plants on tuesday and friday", ["water the plants", "water the plants"]),
        ("en", "remind me to put the pie in the oven at 4 and at 5", ["put the pie in the oven"] * 2),
        ("en", "remind me to buy bread and butter on friday", ["buy bread and butter"]),
        ("en", "remind me about the dentist on monday at 9 and the vet on tuesday at 11", ["the dentist", "the vet"]),
        ("fr", "rappelle-moi d'appeler maman à 21 heures et papa à 22 heures", ["appeler maman", "appeler papa"]),
        (
            "fr",
            "rappelle-moi de sortir les poubelles mardi et le recyclage jeudi",
            ["sortir les poubelles", "sortir le recyclage"],
        ),
        (
            "fr",
            "rappelle-moi d'appeler david dans vingt minutes et dans quarante minutes",
            ["appeler david", "appeler david"],
        ),
        ("fr", "rappelle-moi d'arroser les plantes à 18 heures et nourrir le chat à 19 heures",
         ["arroser les plantes", "nourrir le chat"]),
        ("fr", "rappelle-moi de réserver une table pour vendredi et samedi", []),
    ],
)  # fmt: skip
def test_two_things_to_be_reminded_of(language: str, text: str, kept: list[str]) -> None:
    responder = make_responder(language=language)
    responder.reply(text)
    assert [item.text for item in responder.skills.context.schedule.items("reminder")] == kept


def test_the_second_reminder_is_on_the_date_of_the_first() -> None:
    responder = make_responder()
    said = responder.reply("remind me on the 5th at nine to call mum and dad at ten").text
    assert said.endswith("I'll remind you at 10:00 AM on Saturday, December 5: call dad.")
