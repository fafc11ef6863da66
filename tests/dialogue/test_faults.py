"""What goes wrong beside the conversation: each stage hung, fed garbage or crashed, a full disk, a suspended machine.

Stated behaviour (docs/turns.md): what the user was told is saved is saved, the next question is answered within 2 s of
recovery, and a crash ends the pipeline with its cause.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.app.brain import Brain
from core.messages import AudioFrame, DeviceEvent, SpeechStarted, Transcript, Utterance
from core.optimization.memory import Movement
from core.optimization.resident import Resident, Tenant
from core.pipeline import Pipeline
from core.stage import Stage
from core.utils.config import Config
from core.utils.errors import DataError, StageCrashedError
from tests.dialogue.rig import FRAME, RATE_HZ, TICK_S, Conversation, Ear, Mouth
from tests.llm.skill_rig import ZoneClock

STAGES = ("listen", "stt", "llm", "announce", "tts", "play")
HANG_S = 10.0
RECOVERY_S = 2.0


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    with Conversation(tmp_path) as conversation:
        yield conversation


def stage_thread(pipeline: Pipeline, name: str) -> Any:
    return next(thread for thread in pipeline.threads if thread.name == name)


def is_answered(talk: Conversation, words: str = "what is twelve times seven", reply: str = "That's 84.") -> None:
    """The question is answered aloud within `RECOVERY_S` of its end, whole, and nothing else is said."""
    talk.say(words)
    assert talk.until(lambda: talk.speaker.audible, RECOVERY_S)
    talk.until_quiet()
    assert talk.outcome().said[-1] == (words, reply)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_hangs_for_10_s_costs_at_most_its_turn(talk: Conversation, name: str) -> None:
    thread = stage_thread(talk.pipeline, name)
    step, until = thread.step, talk.clock.monotonic() + HANG_S
    thread.step = lambda wait_s=0.0: talk.clock.monotonic() >= until and step(wait_s)
    talk.say("what time is it")
    talk.wait(HANG_S - 2.0)
    assert all(reply == "" for _, reply in talk.outcome().said) or name == "announce"
    talk.wait(until - talk.clock.monotonic() + RECOVERY_S)
    is_answered(talk)
    assert not talk.speaker.held
    assert all(size <= 1 for size in talk.pipeline.queue_sizes().values())


def test_who_waits_for_the_recogniser_hears_the_tone_meanwhile(talk: Conversation) -> None:
    """What is prepared is held until the last words are there; the tone is not."""
    talk.start_saying("what time is it")
    talk.until(lambda: talk.assistant.listener.speaking)
    thread = stage_thread(talk.pipeline, "stt")
    step, until = thread.step, talk.clock.monotonic() + HANG_S
    thread.step = lambda wait_s=0.0: talk.clock.monotonic() >= until and step(wait_s)
    assert talk.until(lambda: talk.speaker.audible, 3.0)
    talk.wait(until - talk.clock.monotonic() + RECOVERY_S)
    talk.until_quiet()
    assert talk.outcome().said == [("what time is it", "It's 2:30 PM.")]


def test_who_waits_for_the_last_words_alone_hears_the_tone_before_the_prepared_reply(talk: Conversation) -> None:
    """The reply's sound is at the speaker already, held, and stands in no tone's way."""
    talk.start_saying("what time is it")
    assert talk.until(lambda: talk.mouth.early == 1), "a reply is prepared"
    thread = stage_thread(talk.pipeline, "stt")
    step, until = thread.step, talk.clock.monotonic() + HANG_S
    thread.step = lambda wait_s=0.0: talk.clock.monotonic() >= until and step(wait_s)
    assert talk.until(lambda: talk.speaker.audible, 3.0)
    assert talk.outcome().said == []
    talk.wait(until - talk.clock.monotonic() + RECOVERY_S)
    talk.until_quiet()
    assert talk.outcome().said == [("what time is it", "It's 2:30 PM.")]


@pytest.mark.parametrize(
    "samples",
    [
        np.full(FRAME, np.nan, np.float32),
        np.full(FRAME, np.inf, np.float32),
        np.full(FRAME, 1e30, np.float32),
        np.zeros(0, np.float32),
        np.full(3 * FRAME + 1, -1.0, np.float32),
    ],
    ids=["NaN", "infinite", "huge", "empty", "odd length"],
)
def test_damaged_sound_is_no_question_and_the_next_one_is_answered(talk: Conversation, samples: np.ndarray) -> None:
    for _ in range(20):
        talk.microphone._frames.append(AudioFrame(samples, RATE_HZ, talk.clock.monotonic()))
        talk.wait(TICK_S)
    talk.wait(4.0)
    assert all(user == "" for user, _ in talk.outcome().said)
    is_answered(talk)


@pytest.mark.parametrize("text", ["\x00\x01\ufffd", "x " * 5000, "<|im_end|>", "'; DROP TABLE entries; --", "﷽" * 40])
def test_garbage_from_the_recogniser_is_answered_or_not_and_the_next_question_is(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ear, "understand", lambda self, samples: text)
        talk.say("anything")
        talk.until_quiet()
    is_answered(talk)


def test_turns_and_revisions_of_nobody_are_dropped(talk: Conversation) -> None:
    for message in (
        Utterance(999, 0, np.zeros(16, np.float32), True, 0.0),
        Transcript(-1, 7, "what time is it", 15, "en", True),
        SpeechStarted(0, 3, 0.0),
    ):
        talk.pipeline._deliver(message, 0.0)
    talk.wait(2.0)
    assert talk.outcome().said == []
    is_answered(talk)


def test_a_hundred_turns_at_once_leave_the_last_one(talk: Conversation) -> None:
    level = talk.ear.level_of("what time is it")
    samples = np.full(8000, level, np.float32)
    for _ in range(100):
        turn = talk.assistant.turns.open()
        for message in (SpeechStarted(turn, 0, talk.clock.monotonic()),
                        Utterance(turn, 0, samples, True, talk.clock.monotonic())):  # fmt: skip
            while not talk.pipeline._deliver(message, 0.0):
                talk.pipeline.step()
    assert talk.until(lambda: talk.speaker.audible, RECOVERY_S)
    talk.until_quiet()
    assert talk.outcome().said == [("what time is it", "It's 2:30 PM.")]
    assert not any(talk.pipeline.queue_sizes().values())
    assert len(talk.assistant.recorder._open) <= 1
    is_answered(talk)


def test_half_a_command_is_not_answered_when_the_microphone_is_back(talk: Conversation) -> None:
    """'cancel the alarm | for tomorrow': what was heard of it may be another command."""
    talk.start_saying("set a timer for twenty minutes")
    talk.wait(0.8)
    talk.microphone.plugged = False
    talk.pipeline.publish(DeviceEvent("input", "lost", "x"))
    talk.wait(4.0)
    talk.microphone.plugged = True
    talk.pipeline.publish(DeviceEvent("input", "restored", "x"))
    talk.until_quiet()
    assert [user for user, _ in talk.outcome().said if user] == []
    assert talk.brain.responder.skills.context.schedule.items() == []
    is_answered(talk)


def test_what_was_being_said_when_the_microphone_was_switched_off_is_not_answered_later(talk: Conversation) -> None:
    """Though a timer rang meanwhile, which is a turn of its own."""
    talk.say("set a timer for one minute")
    talk.until_quiet()
    talk.wait(50.0)
    talk.start_saying("what time is it")
    talk.wait(0.6)
    talk.assistant.drop_utterance()
    talk.microphone.plugged = False
    talk.wait(20.0)
    assert [user for user, _ in talk.outcome().said].count("") == 1, "it rang"
    talk.microphone.plugged = True
    talk.until_quiet()
    assert "what time is it" not in [user for user, _ in talk.outcome().said]
    is_answered(talk)


@pytest.mark.parametrize("asleep_s", [5.0, 3600.0, 86_400.0])
def test_a_machine_suspended_in_the_middle_of_a_word_goes_on(talk: Conversation, asleep_s: float) -> None:
    talk.say("set a timer for one minute")
    talk.until_quiet()
    talk.start_saying("add milk to my shopping list")
    talk.wait(0.6)
    talk.clock.advance(asleep_s)
    talk.wait(6.0)
    talk.until_quiet()
    is_answered(talk)
    talk.wait(62.0)
    talk.until_quiet()
    assert talk.brain.responder.skills.context.schedule.items() == []


def test_a_wall_clock_set_back_rings_no_timer_twice(talk: Conversation) -> None:
    talk.say("set a timer for one minute")
    talk.until_quiet()
    talk.wait(62.0)
    talk.until_quiet()
    talk.clock.suspend(-1800.0)
    talk.wait(65.0)
    assert [user for user, _ in talk.outcome().said].count("") == 1
    is_answered(talk)


def test_a_microphone_at_another_rate_is_heard(tmp_path: Path) -> None:
    """The device comes back at 48 kHz: the front end resamples, as the real one does."""
    from audio.far_end import FarEnd
    from audio.front_end import FrontEnd
    from core.utils.config import EchoConfig

    front_end = FrontEnd(EchoConfig(canceller="off"), FarEnd())
    front_end.load()
    at, lengths = 0.0, []
    for rate_hz in (16_000, 48_000, 44_100, 8_000, 16_000):
        sound = 0
        for _ in range(50):
            tone = np.sin(2 * np.pi * 440 * np.arange(rate_hz // 50) / rate_hz).astype(np.float32)
            processed = front_end.process(AudioFrame(tone, rate_hz, at))
            sound += len(processed.samples)
            at += 0.02
        lengths.append(sound)
    assert all(abs(length - RATE_HZ) < 0.07 * RATE_HZ for length in lengths), lengths


def fill_disk(talk: Conversation) -> None:
    """SQLite itself says that there is no room: the file may grow by no page, and every page is full."""
    store = talk.brain.store
    pages = store.query("PRAGMA page_count")[0][0]
    store.query(f"PRAGMA max_page_count = {pages}")
    for size in (1500, 300, 60):
        with contextlib.suppress(DataError):
            for _ in range(100):
                store.add_entry("filler", "x" * size)
    with pytest.raises(DataError, match="disk is full"):
        store.add_entry("filler", "x" * 60)


def test_a_full_disk_is_said_and_nothing_is_promised(talk: Conversation, tmp_path: Path) -> None:
    talk.say("add milk to my shopping list")
    talk.until_quiet()
    fill_disk(talk)
    talk.say("note call the dentist about the appointment of next thursday afternoon at a quarter past four")
    talk.until_quiet()
    assert "full" in talk.outcome().said[-1][1]
    is_answered(talk)
    talk.brain.store.query("PRAGMA max_page_count = 100000")
    talk.say("add bread to my shopping list")
    talk.until_quiet()
    talk.pipeline.close()
    with Brain(Config(), ZoneClock(), tmp_path, "en") as later:
        assert [entry.text for entry in later.store.entries("shopping")] == ["milk", "bread"]
        assert later.store.entries("notes") == []


@pytest.mark.parametrize("name", ["stt", "llm", "tts", "play"])
def test_a_crashed_stage_ends_the_conversation_and_loses_nothing_that_was_saved(tmp_path: Path, name: str) -> None:
    """In threads, as in use: the pipeline stops within moments, with the cause, and gives everything back."""
    gc.collect()
    threads, files = threading.active_count(), psutil.Process().num_fds()
    with Conversation(tmp_path) as talk:
        talk.say("note call the dentist")
        talk.until_quiet()
        talk.say("set a timer for ten minutes")
        talk.until_quiet()

        def crash(message: Any) -> Iterator[Any]:
            raise ZeroDivisionError("a bug")
            yield

        stage_thread(talk.pipeline, name).stage.process = crash
        talk.pipeline.start()
        turn = talk.assistant.turns.open()
        sound = np.full(8000, talk.ear.level_of("what time is it"), np.float32)
        talk.pipeline._deliver(Utterance(turn, 0, sound, True, talk.clock.monotonic()), 1.0)
        with pytest.raises(StageCrashedError, match=f"the {name} stage crashed: a bug") as caught:
            talk.pipeline.wait(10.0)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not any(thread.name.startswith("merline-") for thread in threading.enumerate())
    assert threading.active_count() == threads
    with Brain(Config(), ZoneClock(), tmp_path, "en") as later:
        assert [entry.text for entry in later.store.entries("notes")] == ["call the dentist"]
        assert later.store.query("SELECT count(*) FROM schedule")[0][0] == 1
    gc.collect()
    assert psutil.Process().num_fds() <= files


def test_who_waits_for_a_model_that_was_put_away_hears_the_tone_at_once(talk: Conversation) -> None:
    turn, tone = talk.assistant.turns.open(), talk.assistant.working
    assert tone is not None
    talk.brain.memory.put_away("Whisper base", "stt", 1, lambda: None)
    talk.brain.memory.tell(Movement("Whisper base", "stt", True, 3.0))
    talk.pipeline.publish(Utterance(turn, 0, np.zeros(0, np.float32), True, talk.clock.monotonic()))
    due = tone.due()
    assert due is not None
    assert due.turn == turn


def test_a_model_that_was_put_away_comes_back_with_the_first_words_and_with_no_cough(talk: Conversation) -> None:
    came = threading.Event()
    talk.brain.memory.put_away("a language model", "llm", 1, came.set)
    talk.noise(0.1)
    talk.wait(1.0)
    assert not came.is_set()
    talk.start_saying("what time is it")
    talk.until(lambda: talk.assistant.listener.speaking)
    assert came.wait(10), "before the words are understood"


class Lent(Stage):
    """A stage whose work needs a model that may be put away, as the engines' do."""

    def __init__(self, stage: Stage, model: Resident[object]) -> None:
        self._stage, self._model = stage, model

    def load(self) -> None:
        self._model.load()

    def process(self, message: Any) -> Iterator[Any]:
        with self._model.use():
            yield from self._stage.process(message)

    def close(self) -> None:
        self._model.close()


@pytest.mark.parametrize("at_s", [0.0, 0.1, 0.3, 0.6, 1.2, 1.4])
def test_a_question_during_which_the_models_are_put_away_is_answered_all_the_same(
    talk: Conversation, at_s: float
) -> None:
    """Before its first word, within it and in the pause behind it: `idle.unload_minutes` has just passed for both."""
    memory, moved = talk.brain.memory, list[Movement]()
    memory.watch(moved.append)
    for name in ("stt", "tts"):
        thread = stage_thread(talk.pipeline, name)
        thread.stage = Lent(thread.stage, Resident(Tenant(name, name, memory), object, size_of=lambda model: 1))
        thread.stage.load()
    talk.start_saying("what is twelve times seven")
    talk.wait(at_s)
    memory.unload_idle(0.0)
    talk.until_quiet()
    assert {movement.back for movement in moved} == {False, True}
    assert talk.outcome().said == [("what is twelve times seven", "That's 84.")]
    assert talk.outcome().failed == []


def test_a_stage_that_does_not_stop_is_left_alone_and_the_others_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing an engine under a thread that still computes is how processes crash."""
    from core.pipeline import Part
    from core.turn_clock import TurnClock
    from tests.fakes import FakeStage, ListInbox

    begun, go_on = threading.Event(), threading.Event()

    def computes(message: Any) -> Iterator[Any]:
        begun.set()
        go_on.wait(60)
        yield from ()

    busy, idle = FakeStage(computes), FakeStage(lambda message: iter(()))
    pipeline = Pipeline([Part("listen", busy, ListInbox([1])), Part("stt", idle)], TurnClock())
    pipeline.load()
    pipeline.start()
    assert begun.wait(60)
    monkeypatch.setattr("core.pipeline.JOIN_S", 60.0)  # a machine may be busy
    computing = stage_thread(pipeline, "listen")
    with monkeypatch.context() as patch:
        patch.setattr(computing, "join", lambda timeout: False)
        pipeline.close()
    assert (busy.closed, idle.closed) == (0, 1)
    go_on.set()
    assert computing.join(60)


def test_a_voice_that_makes_damaged_sound_costs_one_turn_at_most(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Mouth.process

    def damaged(self: Mouth, sentence: Any) -> Iterator[Any]:
        from dataclasses import replace

        for speech in process(self, sentence):
            yield replace(speech, samples=np.full(len(speech.samples), np.nan, np.float32))

    with monkeypatch.context() as patch:
        patch.setattr(Mouth, "process", damaged)
        talk.say("what time is it")
        talk.wait(5.0)
    is_answered(talk)
