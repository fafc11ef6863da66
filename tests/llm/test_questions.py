"""A question of the assistant's takes its answer, once, and only an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from skill_rig import ZoneClock, make_responder, make_skills

from core.messages import Language
from llm.conversation import Exchange
from llm.responder import Responder

ANSWERED: tuple[tuple[Language, str, str], ...] = (
    ("en", "set a timer | ten minutes", "Timer set for 10 minutes."),
    ("en", "set a timer | for ten minutes please", "Timer set for 10 minutes."),
    ("en", "tea timer for 3 minutes | timer for an hour | cancel the timer | the tea timer", "Cancelled the 'tea'"),
    ("en", "tea timer for 3 minutes | timer for an hour | cancel the timer | both", "'tea' timer and the 1 hour"),
    ("en", "pasta timer for 5 minutes | pasta timer for 8 minutes | cancel the pasta timer | the five minute one"
     " | how long is left", "8 minutes left"),
    ("en", "tea timer for 3 minutes | timer for an hour | add ten minutes | tea", "Done: 13 minutes left."),
    ("en", "tea timer for 3 minutes | timer for 5 minutes | add a minute | the five minute timer", "Done: 6 minutes"),
    ("en", "set an alarm | seven thirty", "at 7:30 PM"),
    ("en", "set an alarm | tomorrow at noon", "at 12:00 PM tomorrow"),
    ("en", "wake me up at seven | wake me up at eight | cancel the alarm | the one at eight", "at 8:00 AM"),
    ("en", "wake me up at seven | wake me up at eight | cancel the alarm | all of them", "7:00 AM tomorrow and"),
    ("en", "take a note | call Bob", "Noted: call Bob."),
    ("en", "take a note | the door code is 99", "Noted: the door code is 99."),
    ("en", "take a note call Bob | take a note call Ann | delete the note about call | Ann", "deleted: call Ann"),
    ("en", "remind me to feed the cat | at six", "at 6:00 PM: feed the cat."),
    ("en", "remind me to feed the cat | tomorrow", "at 9:00 AM tomorrow: feed the cat."),
    ("en", "remind me to feed the cat | bananas", "I can't do that yet"),
    ("en", "set a timer | what time is it | ten minutes", "I can't do that yet"),
    ("en", "set a timer | what was that noise over there | ten minutes", "I can't do that yet"),
    ("fr", "mets un minuteur | de dix minutes", "Minuteur de 10 minutes lancé."),
    ("fr", "minuteur thé de 3 minutes | minuteur de 5 minutes | annule le minuteur | celui de 5 minutes", "de 5 min"),
    ("fr", "minuteur thé de 3 minutes | minuteur de 5 minutes | annule le minuteur | tous", "« thé » et le minuteur"),
    ("fr", "mets une alarme à 7 h | mets une alarme à 8 h | annule l'alarme | celle de sept heures", "demain à 7 h."),
    ("fr", "prends une note | appelle Bob", "C'est noté : appelle Bob."),
    ("fr", "rappelle-moi de nourrir le chat | à dix-huit heures", "à 18 h : nourrir le chat."),
)  # fmt: skip


def last_reply(responder: Responder, dialogue: str) -> str:
    return [responder.reply(text).text for text in dialogue.split(" | ")][-1]


@pytest.mark.parametrize(("language", "dialogue", "reply"), ANSWERED, ids=[line[1] for line in ANSWERED])
def test_a_question_takes_its_answer(language: Language, dialogue: str, reply: str) -> None:
    assert reply in last_reply(make_responder(language=language), dialogue)


def test_a_typed_line_is_noted_and_told_without_its_end() -> None:
    responder = make_responder()
    responder.reply("take a note\n")
    assert responder.reply("what time is it\n").text == "Noted: what time is it."
    assert responder.reply("what did i just ask you\n").text == 'You said "what time is it".'


def test_words_that_come_long_after_a_question_are_no_answer() -> None:
    clock = ZoneClock()
    responder = make_responder(clock)
    assert responder.reply("set a timer").text == "For how long?"
    clock.advance(300)
    assert not responder.reply("ten minutes").understood


@pytest.mark.parametrize(
    ("language", "asked", "told"),
    [
        ("en", "what did i ask", 'The last time, you said "how many legs has a spider".'),
        ("en", "say that again", 'The last time, I said "Eight."'),
        ("fr", "qu'est-ce que je t'ai demandé", "La dernière fois, vous avez dit : « how many legs has a spider »."),
        ("fr", "répète", "La dernière fois, j'ai dit : « Eight. »"),
    ],
)
def test_what_was_said_last_is_known_over_a_restart(tmp_path: Path, language: Language, asked: str, told: str) -> None:
    first = make_skills(path=tmp_path / "merline.db")
    first.context.conversation.add(Exchange(1, "how many legs has a spider", ("Eight.",), "en", (6,)))
    first.context.store.close()
    second = make_skills(language=language, path=tmp_path / "merline.db")
    assert Responder(second).reply(asked).text == told
    second.context.store.close()


@pytest.mark.parametrize(
    ("language", "text", "meant", "yes", "done"),
    [
        ("en", "set a tiemr fro 5 minutes", "set a timer for 5 minutes", "yes", "Timer set for 5 minutes."),
        ("fr", "mets un minuter de 5 minutes", "mets un minuteur de 5 minutes", "oui", "Minuteur de 5 minutes lancé."),
    ],
)
def test_a_mistyped_command_is_asked_about_and_done_only_when_it_was_meant(
    language: Language, text: str, meant: str, yes: str, done: str
) -> None:
    responder = make_responder(language=language)
    assert meant in responder.reply(text).text
    assert responder.reply(yes).text == done
    skills = make_skills(language=language)
    responder = Responder(skills)
    assert [responder.reply(said).text for said in (text, "no" if language == "en" else "non")]
    assert skills.context.schedule.items() == []


def test_yes_is_no_answer_to_which_one() -> None:
    responder = make_responder()
    for text in ("timer for 3 minutes", "timer for 5 minutes", "cancel the timer"):
        asked = responder.reply(text).text
    assert responder.reply("yes").text == asked
    assert "Cancelled the 5 minute" in responder.reply("the five minute one").text


def test_never_mind_takes_back_the_last_minute_or_the_last_that_was_said() -> None:
    clock = ZoneClock()
    responder = make_responder(clock)
    responder.reply("set a timer for ten minutes")
    clock.advance(120)
    assert responder.reply("never mind").text == "I cancelled the 10 minute timer."
    responder.reply("set a timer for ten minutes")
    clock.advance(30)
    responder.reply("what time is it")
    clock.advance(31)
    assert responder.reply("never mind").text == "OK."
    assert responder.reply("undo that").text == "I cancelled the 10 minute timer."
    assert responder.reply("undo that").text == "There is nothing to take back."


@pytest.mark.parametrize(
    ("language", "dialogue", "reply"),
    [
        ("en", "rice timer 9 minutes | timer for an hour | add a minute to the rice", "Done: 10 minutes left."),
        ("en", "rice timer 9 minutes | timer for an hour | pause the rice", "Paused with 9 minutes left."),
        ("en", "rice timer 9 minutes | timer for an hour | cancel the rice", "Cancelled the 'rice' timer."),
        ("en", "timer for an hour | cancel the rice", "can't do that yet"),
        ("fr", "minuteur riz 9 minutes | minuteur de 2 heures | annule le riz", "J'ai annulé le minuteur « riz »."),
        ("fr", "minuteur riz 9 minutes | minuteur de 2 heures | enlève une minute au riz", "il reste 8 minutes"),
    ],
)
def test_a_timer_is_meant_by_its_name_alone(language: Language, dialogue: str, reply: str) -> None:
    assert reply in last_reply(make_responder(language=language), dialogue)
