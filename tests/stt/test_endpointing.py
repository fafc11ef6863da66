"""The wait in a pause, by words, sound, habits and wish."""

from __future__ import annotations

import pytest

from core.messages import Language
from core.utils.config import EndpointConfig
from core.utils.errors import DataError
from stt.endpointing import PATIENT, Endpoint, Endpointing, Evidence
from stt.pauses import Pauses

CONFIG = EndpointConfig(provisional_ms=200, complete_ms=350, incomplete_ms=800, open_ms=1500)


def wait(evidence: Evidence, pauses: Pauses | None = None) -> float:
    return Endpointing(CONFIG, pauses).pause_ms(evidence)


@pytest.mark.parametrize(
    ("silence_s", "complete", "verdict"),
    [
        (0.0, True, Endpoint.NONE),
        (0.199, False, Endpoint.NONE),
        (0.2, False, Endpoint.PROVISIONAL),
        (0.349, True, Endpoint.PROVISIONAL),
        (0.35, True, Endpoint.FINAL),
        (0.799, False, Endpoint.PROVISIONAL),
        (0.8, False, Endpoint.FINAL),
    ],
)
def test_a_pause_means(silence_s: float, complete: bool, verdict: Endpoint) -> None:
    assert Endpointing(CONFIG).decide(silence_s, Evidence(complete)) is verdict


def test_the_more_open_the_words_the_longer_the_wait() -> None:
    texts = ("Is it time?", "is it time", "is it twenty", "is it because", "is it um")
    waits = [wait(Evidence(text=text)) for text in texts]
    assert waits == sorted(waits)
    assert len(set(waits)) == len(waits)
    assert waits[1] == pytest.approx(800)


def test_the_sound_counts_as_the_words_do() -> None:
    ended = [wait(Evidence(text="is it time", ended=rating)) for rating in (0.99, 0.7, 0.5, 0.3, 0.01)]
    assert ended == sorted(ended)
    assert ended[0] == CONFIG.complete_ms
    assert len(set(ended)) >= 4
    assert 800 < ended[4] < 1300
    for extreme in (0.0, 1.0):
        assert CONFIG.complete_ms <= wait(Evidence(ended=extreme)) <= CONFIG.open_ms


def test_a_full_stop_counts_by_how_sure_the_recogniser_was_of_it() -> None:
    ends = [wait(Evidence(text="It is time.", sentence_end=sure)) for sure in (0.95, 0.9, 0.7, 0.5, 0.3)]
    assert ends == sorted(ends)
    assert ends[0] == CONFIG.complete_ms
    assert ends[1] < wait(Evidence(text="it is time")) < ends[2] < ends[4] <= CONFIG.open_ms
    for extreme in (0.0, 1.0):
        assert CONFIG.complete_ms <= wait(Evidence(text="It is time.", sentence_end=extreme)) <= CONFIG.open_ms


def test_the_marks_count_for_less_where_the_sound_was_judged_too() -> None:
    says_nothing = 0.25
    assert wait(Evidence(text="it is time", ended=says_nothing)) == pytest.approx(wait(Evidence(text="it is time")))
    for sure in (0.9, 0.7):
        beside = wait(Evidence(text="It is time.", sentence_end=sure, ended=says_nothing))
        assert beside > wait(Evidence(text="It is time.", sentence_end=sure))


def test_how_the_words_were_spoken_counts_more_than_the_mark_that_was_written() -> None:
    written = {wait(Evidence(text=f"Is it time{mark}", sentence_end=0.8)) for mark in ("", ".", "?", " !", ",")}
    assert len(written) == 1


@pytest.mark.parametrize("text", ["Is it because.", "Is it um...", "Set it to twenty."])
def test_dangling_words_are_waited_for_however_sure_the_full_stop(text: str) -> None:
    for sure in (0.95, 0.8, 0.4):
        plain = wait(Evidence(text="It is time.", sentence_end=sure))
        assert wait(Evidence(text=text, sentence_end=sure)) > plain or plain == CONFIG.open_ms


@pytest.mark.parametrize(
    ("text", "language"),
    [("What is nineteen times?", "en"), ("Remind me to.", "en"), ("Combien font six fois ?", "fr")],
)
def test_no_mark_outweighs_words_that_dangle(text: str, language: Language) -> None:
    for sure in (0.6, 0.97):
        waited = wait(Evidence(text=text, language=language, sentence_end=sure))
        assert waited >= wait(Evidence(text=text.rstrip(" .?"), language=language)) > CONFIG.incomplete_ms


def test_a_whole_command_is_one_whatever_the_full_stop() -> None:
    assert wait(Evidence(True, "Set a timer for ten minutes.", sentence_end=0.1)) == CONFIG.complete_ms


def test_words_that_need_another_are_waited_for_however_they_sound() -> None:
    open_words = "is it because"
    assert wait(Evidence(text=open_words, ended=0.5)) > 800 > wait(Evidence(text="is it time", ended=0.5))
    assert wait(Evidence(True, ended=0.01)) == CONFIG.complete_ms


def test_habits_move_the_wait() -> None:
    slow, quick = Pauses([900.0] * 40), Pauses([250.0] * 40)
    plain = Evidence(text="is it time")
    assert wait(plain, quick) < wait(plain) < wait(plain, slow)


def test_who_asks_for_time_gets_it_at_once() -> None:
    asked = [False]
    endpointing = Endpointing(CONFIG, patient=lambda: asked[0])
    usual = endpointing.pause_ms(Evidence())
    asked[0] = True
    assert endpointing.pause_ms(Evidence()) == PATIENT * usual
    patient = CONFIG.model_copy(update={"mode": "patient"})
    assert Endpointing(patient).pause_ms(Evidence(True)) == PATIENT * CONFIG.complete_ms


def test_nothing_is_learnt_where_that_is_switched_off() -> None:
    pauses = Pauses()
    Endpointing(CONFIG.model_copy(update={"learn": False}), pauses).learn(500.0)
    assert pauses.learnt == 0
    Endpointing(CONFIG, pauses).learn(500.0)
    assert pauses.learnt == 1


def test_pauses_that_cannot_be_kept_cost_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def full(text: str) -> None:
        raise DataError("merline.db: could not be written, the disk is full")

    pauses = Pauses(keep=full)
    endpointing = Endpointing(CONFIG, pauses)
    endpointing.learn(500.0)
    endpointing.close()
    assert "not remembered" in caplog.text
