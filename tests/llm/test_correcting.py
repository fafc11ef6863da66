"""A timer, an alarm or a reminder is put right by what is said after it; nothing else is."""

from __future__ import annotations

import pytest
from skill_rig import ZoneClock, make_responder, make_skills

from core.messages import Language
from llm.responder import Responder

PUT_RIGHT: tuple[tuple[Language, str, str], ...] = (
    ("en", "set a timer for ten minutes | no, fifteen minutes", "Changed. Timer set for 15 minutes."),
    ("en", "set a tea timer for ten minutes | make it half an hour", "Changed. 'tea' timer set for 30 minutes."),
    ("en", "set a timer for ten minutes | sorry I meant twenty minutes please", "Timer set for 20 minutes."),
    ("en", "set a timer for an hour | no, two", "Changed. Timer set for 2 hours."),
    ("en", "set a timer for half an hour | no, twenty", "Changed. Timer set for 20 minutes."),
    ("en", "set a timer for two hours | no, three", "Changed. Timer set for 3 hours."),
    ("en", "set a timer for two hours | no, thirty", "Changed. Timer set for 30 minutes."),
    ("en", "set a timer for 90 seconds | make it 60", "Changed. Timer set for 1 minute."),
    ("en", "remind me in ten minutes to call bob | make that twenty", "in 20 minutes: call bob."),
    ("en", "remind me to call bob | in ten minutes | make that twenty", "in 20 minutes: call bob."),
    ("fr", "rappelle-moi dans dix minutes d'appeler Paul | plutôt vingt", "dans 20 minutes : appeler Paul."),
    ("fr", "réveille-moi à sept heures | non, plutôt huit", "C'est changé. Alarme réglée : demain à 8 h."),
    ("en", "wake me up at half past six | actually make that seven", "at 7:00 AM tomorrow."),
    ("en", "set an alarm for 7 pm tomorrow | no, eight", "at 8:00 PM tomorrow."),
    ("en", "set an alarm for 7 am tomorrow | no, on Monday", "at 7:00 AM on Monday."),
    ("en", "remind me to call mum at six | no, at seven", "at 7:00 PM: call mum."),
    ("en", "remind me to call mum at six | no, tomorrow", "at 6:00 PM tomorrow: call mum."),
    ("fr", "mets un minuteur de dix minutes | non, quinze minutes", "C'est changé. Minuteur de 15 minutes lancé."),
    ("fr", "un minuteur d'un quart d'heure | plutôt une demi-heure", "Minuteur de 30 minutes lancé."),
    ("fr", "réveille-moi à six heures et demie | en fait plutôt sept heures", "demain à 7 h."),
    ("fr", "rappelle-moi demain à 9 h d'appeler maman | non, à dix heures", "demain à 10 h : appeler maman."),
    ("en", "remind me on the third of december to pay the rent | actually make that the fourth", "December 4"),
    ("fr", "rappelle-moi le 5 décembre de payer | non, le sept", "le lundi 7 décembre à 9 h : payer."),
    ("fr", "rappelle-moi le 24 décembre de payer | non, le 25", "le vendredi 25 décembre à 9 h : payer."),
    ("fr", "rappelle-moi le 5 décembre de payer | no, the seventh", "on Monday, December 7: payer."),
    ("en", "remind me on december 5 to pay | non, le sept", "le lundi 7 décembre à 9 h : pay."),
)


@pytest.mark.parametrize(("language", "dialogue", "reply"), PUT_RIGHT, ids=[line[1] for line in PUT_RIGHT])
def test_what_is_put_right_takes_the_place_of_what_was_said(language: Language, dialogue: str, reply: str) -> None:
    skills = make_skills(language=language)
    responder = Responder(skills)
    assert reply in [responder.reply(text).text for text in dialogue.split(" | ")][-1]
    assert len(skills.context.schedule.items()) == 1


@pytest.mark.parametrize(
    "dialogue",
    [
        "set a timer for ten minutes | fifteen minutes",
        "set a timer for ten minutes | no, bananas",
        "set a timer for ten minutes | no, tomorrow",
        "set a timer for an hour and thirty minutes | no, two",
        "set a timer for ten minutes | cancel the timer | no, fifteen minutes",
        "no, fifteen minutes",
    ],
)
def test_what_puts_nothing_right_is_not_taken_for_it(dialogue: str) -> None:
    responder = make_responder()
    assert not [responder.reply(text) for text in dialogue.split(" | ")][-1].understood


WITHIN: tuple[tuple[Language, str, str], ...] = (
    ("en", "Set timer for nine minutes. No 11 minutes.", "Timer set for 11 minutes."),
    ("en", "set an alarm for six, sorry, I meant half past seven", "at 7:30"),
    ("fr", "Mets une alarme à six heures, non, sept heures.", "demain à 7 h."),
    ("en", "Set a timer for ten, no, fifteen minutes.", "Timer set for 15 minutes."),
    ("en", "set a timer for ten sorry I meant fifteen minutes", "Timer set for 15 minutes."),
    ("en", "remind me at six to feed the cat, no, seven", "at 7:00 PM: feed the cat."),
    ("en", "remind me to feed the cat at six no seven thirty", "at 7:30 PM: feed the cat."),
    ("en", "remind me at six to tell him no, seven is too late", "at 6:00 PM: tell him no, seven is too late."),
    ("en", "remind me at six to say no at seven", "at 6:00 PM: say no at seven."),
    ("en", "remind me at nine to set it to ten", "at 9:00 PM: set it to ten."),
    ("fr", "rappelle-moi à six heures de nourrir le chat non sept heures", "à 19 h : nourrir le chat."),
    ("fr", "rappelle-moi à dix-huit heures de dire non à Paul", "à 18 h : dire non à Paul."),
    ("fr", "mets un minuteur de huit minutes, enfin plutôt douze minutes", "Minuteur de 12 minutes lancé."),
)


@pytest.mark.parametrize(("language", "text", "reply"), WITHIN, ids=[line[1] for line in WITHIN])
def test_a_command_is_put_right_by_its_own_end(language: Language, text: str, reply: str) -> None:
    skills = make_skills(language=language)
    assert reply in Responder(skills).reply(text).text
    assert len(skills.context.schedule.items()) == 1


@pytest.mark.parametrize(
    "text", ["what is the date, no, eleven minutes", "no, set it for nine, no", "set a timer, no, bananas"]
)
def test_an_end_that_puts_nothing_right_is_not_taken_for_it(text: str) -> None:
    skills = make_skills()
    Responder(skills).reply(text)
    assert not skills.context.schedule.items()


def test_a_mistyped_command_puts_nothing_right() -> None:
    skills = make_skills(language="fr")
    responder = Responder(skills)
    responder.reply("mets un minuteur de dix minutes")
    responder.reply("mets un minuter de cinq minutes")
    assert [item.duration_s for item in skills.context.schedule.items()] == [600.0]


def test_an_impossible_time_leaves_what_was_set() -> None:
    skills = make_skills()
    responder = Responder(skills)
    responder.reply("set a timer for ten minutes")
    assert "from 1 second to 7 days" in responder.reply("no, 400 hours").text
    assert [item.duration_s for item in skills.context.schedule.items()] == [600.0]


def test_what_was_said_long_ago_is_put_right_no_more() -> None:
    clock = ZoneClock()
    responder = make_responder(clock)
    responder.reply("set a timer for ten minutes")
    clock.advance(61.0)
    assert not responder.reply("no, fifteen minutes").understood


@pytest.mark.parametrize(
    "words", ["undo that", "no wait, leave it", "No way, leave it.", "put it back the way it was", "never mind"]
)
def test_a_change_taken_back_gives_what_it_replaced_with_the_time_it_has_left(words: str) -> None:
    clock = ZoneClock()
    skills = make_skills(clock)
    responder = Responder(skills)
    assert responder.reply("set a pasta timer for ten minutes").understood
    clock.advance(20.0)
    assert responder.reply("no, fifteen").text == "Changed. 'pasta' timer set for 15 minutes."
    clock.advance(10.0)
    assert responder.reply(words).text == "It is as it was: the 'pasta' timer."
    (timer,) = skills.context.schedule.items()
    assert timer.due_at - skills.context.schedule.now == pytest.approx(570.0)


def test_of_two_changes_the_last_is_taken_back_alone() -> None:
    skills = make_skills()
    responder = Responder(skills)
    for text in ("set a timer for ten minutes", "no, fifteen", "no, twenty"):
        assert responder.reply(text).understood
    assert [item.duration_s for item in skills.context.schedule.items()] == [1200.0]
    assert responder.reply("undo that").text == "It is as it was: the 15 minute timer."
    assert [item.duration_s for item in skills.context.schedule.items()] == [900.0]


@pytest.mark.parametrize("words", ["annule ça", "non attends, laisse", "non, laisse comme avant"])
def test_a_french_change_is_taken_back_too(words: str) -> None:
    skills = make_skills(language="fr")
    responder = Responder(skills)
    for text in ("réveille-moi demain à six heures et demie", "non, plutôt sept heures"):
        assert responder.reply(text).understood
    assert responder.reply(words).text == "C'est comme avant : demain à 6 h 30."
    assert len(skills.context.schedule.items()) == 1


@pytest.mark.parametrize(
    ("language", "set_it", "words", "said"),
    [
        ("en", "set a timer for ten minutes", "leave it", "OK."),
        ("fr", "mets un minuteur de dix minutes", "laisse-le", "D'accord."),
        ("fr", "mets un minuteur de dix minutes", "non attends, laisse", "D'accord."),
        ("fr", "mets un minuteur de dix minutes", "laisse comme c'était", "D'accord."),
    ],
)
def test_leave_it_takes_nothing_back_that_was_no_change(language: Language, set_it: str, words: str, said: str) -> None:
    skills = make_skills(language=language)
    responder = Responder(skills)
    responder.reply(set_it)
    assert responder.reply(words).text == said
    assert len(skills.context.schedule.items()) == 1


@pytest.mark.parametrize(
    ("language", "said", "named"),
    [
        ("en", "set a timer for ten minutes | no, fifteen | no, leave it at ten", "It is as it was: the 10"),
        ("en", "set a timer for ten minutes | no, fifteen | keep it at ten minutes", "It is as it was: the 10"),
        ("en", "set a timer for ten minutes | leave it at ten", "It is as it was: the 10 minute timer."),
        ("fr", "mets un minuteur de dix minutes | non, quinze | non, laisse-le à dix", "C'est comme avant : le"),
        ("fr", "mets un minuteur de dix minutes | non, quinze | laisse à dix minutes", "C'est comme avant : le"),
    ],
)
def test_who_leaves_it_at_what_was_said_first_has_that_with_the_time_it_has_left(
    language: Language, said: str, named: str
) -> None:
    clock = ZoneClock()
    skills = make_skills(clock, language=language)
    responder = Responder(skills)
    for text in said.split(" | "):
        answer = responder.reply(text).text
        clock.advance(10.0)
    assert answer.startswith(named)
    (timer,) = skills.context.schedule.items()
    assert timer.left(skills.context.schedule.now) == pytest.approx(600.0 - 10.0 * (1 + said.count("|")))


def test_what_came_back_is_taken_back_too() -> None:
    skills = make_skills()
    responder = Responder(skills)
    for text in ("wake me up at half past six", "no, seven", "no, leave it at half past six"):
        answer = responder.reply(text).text
    assert answer == "It is as it was: at 6:30 AM tomorrow."
    assert responder.reply("undo that").text == "It is as it was: at 7:00 AM tomorrow."
    assert len(skills.context.schedule.items()) == 1
    responder.reply("set a timer for ten minutes")
    responder.reply("leave it at ten")
    assert responder.reply("undo that").understood
    assert skills.context.schedule.items("timer") == []


def test_leave_it_at_another_length_is_a_change() -> None:
    skills = make_skills()
    responder = Responder(skills)
    for text in ("set a timer for ten minutes", "no, fifteen", "no, leave it at twelve"):
        answer = responder.reply(text).text
    assert answer == "Changed. Timer set for 12 minutes."
    assert [item.duration_s for item in skills.context.schedule.items()] == [720.0]
