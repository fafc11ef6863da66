"""A stopwatch that runs on across a restart, and the last timer set again."""

from __future__ import annotations

from pathlib import Path

from skill_rig import ZoneClock, make_responder, make_skills

from llm.responder import Responder


def test_it_counts_stops_and_goes_on() -> None:
    clock = ZoneClock()
    responder = make_responder(clock)
    assert responder.reply("start a stopwatch").text == "Stopwatch started."
    clock.advance(83)
    assert responder.reply("how long has it been running").text == "1 minute and 23 seconds."
    assert responder.reply("start the stopwatch").text == "It is running already: 1 minute and 23 seconds."
    assert responder.reply("stop the stopwatch").text == "Stopped at 1 minute and 23 seconds."
    clock.advance(3600)
    assert responder.reply("what does the stopwatch say").text == "It was stopped at 1 minute and 23 seconds."
    responder.reply("resume the stopwatch")
    clock.advance(7)
    assert responder.reply("how long has the stopwatch been running").text == "1 minute and 30 seconds."
    responder.reply("reset the stopwatch")
    clock.advance(5)
    assert responder.reply("how long on the stopwatch").text == "5 seconds."
    assert responder.reply("never mind").text == "The stopwatch is as it was."
    assert responder.reply("how long on the stopwatch").text == "1 minute and 35 seconds."


def test_it_runs_on_and_the_last_timer_is_known_after_a_restart(tmp_path: Path) -> None:
    clock, path = ZoneClock(), tmp_path / "data.db"
    before = make_skills(clock, path=path)
    Responder(before).reply("start a stopwatch")
    Responder(before).reply("set a pasta timer for nine minutes")
    before.context.store.close()
    clock.suspend(600)
    responder = Responder(make_skills(clock, path=path))
    assert responder.reply("how long on the stopwatch").text == "10 minutes."
    assert responder.reply("set the same timer again").text == "'pasta' timer set for 9 minutes."


def test_a_timer_is_not_taken_for_the_stopwatch() -> None:
    responder = make_responder()
    responder.reply("set a timer for ten minutes")
    assert responder.reply("stop the stopwatch").text == "No stopwatch is running."
    assert len(responder.skills.context.schedule.items("timer")) == 1


def test_a_french_chrono_is_either() -> None:
    responder = make_responder(language="fr")
    responder.reply("lance le chrono")
    responder.reply("arrête le chrono")
    responder.reply("mets un chrono de dix minutes")
    assert responder.reply("arrête le chrono").text == "J'ai annulé le minuteur de 10 minutes."
