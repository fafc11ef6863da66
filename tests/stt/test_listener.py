from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.messages import (
    Attending,
    AudioFrame,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
    VoiceOnset,
    VoiceRejected,
)
from core.turn_clock import TurnClock
from core.utils.config import EndpointConfig, VadConfig, WakeConfig
from core.utils.errors import InferenceError
from stt.attention import Attention
from stt.endpointing import Endpointing, TurnModel
from stt.interruptions import Interruptions
from stt.listener import Listener
from stt.pauses import Pauses
from stt.voice_activity_detection import VoiceActivityDetection
from tests.fakes import VirtualClock

FRAME_S = 0.032
ENDPOINT = EndpointConfig(provisional_ms=192, complete_ms=352, incomplete_ms=800)


class LoudnessEngine:
    """A voice is whatever is louder than 0.05; `resets` counts how often it was told to forget."""

    name = "loudness"
    chunk_samples = 512

    def __init__(self) -> None:
        self.resets = 0

    def probability(self, samples: NDArray[np.float32]) -> float:
        return float(np.abs(samples).max() > 0.05)

    def reset(self) -> None:
        self.resets += 1


@dataclass(frozen=True)
class Sound:
    samples: Samples
    captured_at: float
    far_end_active: bool
    echo_moved: bool = False


class PassThrough:
    """A front end that changes nothing; `far_end` says whether the assistant is audible."""

    far_end = False
    echo_moved = False

    def process(self, frame: AudioFrame) -> Sound:
        return Sound(frame.samples, frame.captured_at, self.far_end, self.echo_moved)


class Room:
    """A listener on virtual time: `hear(levels)` feeds one 32 ms frame a level and returns what it sent."""

    def __init__(self, vad: VadConfig | None = None, model: TurnModel | None = None) -> None:
        self.clock = TurnClock()
        self.pauses = Pauses()
        self.front_end = PassThrough()
        self.engine = LoudnessEngine()
        self.detection = VoiceActivityDetection(vad or VadConfig(), self.engine)
        self.endpointing = Endpointing(ENDPOINT, self.pauses, model)
        self.listener = Listener(Interruptions(self.detection), self.endpointing, self.front_end, self.clock)
        self.now = 100.0

    def hear(self, levels: Iterable[float]) -> list[Any]:
        sent: list[Any] = []
        for level in levels:
            sent += self.listener.process(AudioFrame(np.full(512, level, np.float32), 16_000, self.now))
            self.now += FRAME_S
        return sent


def frames(seconds: float, level: float = 0.3) -> list[float]:
    return [level] * round(seconds / FRAME_S)


def kinds(messages: Iterable[object]) -> list[type]:
    return [kind for kind, _ in itertools.groupby(type(message) for message in messages)]


def utterances(messages: Iterable[object]) -> list[Utterance]:
    return [message for message in messages if isinstance(message, Utterance)]


def complete(turn: int, revision: int) -> Transcript:
    return Transcript(turn, revision, "what time is it", 15, "en", False, complete=True)


def test_speech_and_a_long_pause_make_one_turn_with_a_provisional_and_a_final_utterance() -> None:
    room = Room()
    sent = room.hear(frames(0.3, 0.0) + frames(1.0) + frames(1.2, 0.0))
    assert kinds(sent) == [VoiceOnset, SpeechStarted, SpeechChunk, Utterance]
    provisional, final = utterances(sent)
    assert (provisional.final, final.final) == (False, True)
    assert np.array_equal(provisional.samples, final.samples)
    assert final.speech_ended_at == pytest.approx(100.0 + (9 + 31) * FRAME_S)
    chunks = np.concatenate([message.samples for message in sent if isinstance(message, SpeechChunk)])
    assert np.array_equal(chunks, final.samples)
    assert room.clock.current == final.turn == 1
    assert not room.listener.speaking


def test_the_onset_is_told_within_100_ms_of_the_first_voiced_sample() -> None:
    room = Room()
    room.hear(frames(0.3, 0.0))
    began = room.now
    while not (sent := room.hear([0.3])):
        continue
    assert sent == [VoiceOnset(pytest.approx(began))]
    assert room.now - began <= 0.1


def test_the_utterance_holds_the_pre_roll() -> None:
    room = Room(VadConfig(pre_roll_ms=320))
    final = utterances(room.hear(frames(1.0, 0.01) + frames(0.6) + frames(1.0, 0.0)))[-1]
    quiet = final.samples[final.samples == np.float32(0.01)]
    assert len(quiet) == 10 * 512


def test_what_sounded_like_a_voice_until_the_echo_was_found_elsewhere_opens_no_turn() -> None:
    room = Room()
    heard = room.hear(frames(0.3, 0.0) + frames(0.128))
    room.front_end.echo_moved = True
    heard += room.hear(frames(0.032))
    room.front_end.echo_moved = False
    assert kinds(heard + room.hear(frames(0.096, 0.0))) == [VoiceOnset, VoiceRejected]


def test_a_turn_that_is_open_when_the_echo_is_found_elsewhere_stays_the_user_s() -> None:
    room = Room()
    room.hear(frames(0.3, 0.0) + frames(1.0))
    room.front_end.echo_moved = True
    room.hear(frames(0.032))
    room.front_end.echo_moved = False
    assert utterances(room.hear(frames(1.2, 0.0)))[-1].final


def test_a_click_is_an_onset_that_is_rejected_and_opens_no_turn() -> None:
    room = Room()
    sent = room.hear(frames(0.3, 0.0) + frames(0.064) + frames(0.5, 0.0))
    assert kinds(sent) == [VoiceOnset, VoiceRejected]
    assert room.clock.current == 0


def test_a_complete_command_ends_the_turn_earlier() -> None:
    room = Room()
    sent = room.hear(frames(1.0) + frames(0.224, 0.0))
    assert [u.final for u in utterances(sent)] == [False]
    room.listener.transcribed(complete(1, 0))
    sent = room.hear(frames(0.16, 0.0))
    assert [u.final for u in utterances(sent)] == [True]


def test_a_sentence_that_sounds_ended_ends_the_turn_earlier_than_one_that_does_not() -> None:
    ended = []
    for sure in (0.9, 0.3):
        room = Room()
        room.hear(frames(1.0) + frames(0.224, 0.0))
        said = Transcript(1, 0, "It is time.", 0, "en", False, paused=True, sentence_end=sure)
        room.listener.transcribed(said)
        ended.append(bool(utterances(room.hear(frames(0.32, 0.0)))))
    assert ended == [True, False]


@pytest.mark.parametrize("transcript", [complete(7, 0), complete(1, 3), Transcript(1, 0, "set a", 5, "en", False)])
def test_an_unfinished_or_foreign_transcript_does_not_end_the_turn_early(transcript: Transcript) -> None:
    room = Room()
    room.hear(frames(1.0) + frames(0.224, 0.0))
    room.listener.transcribed(transcript)
    assert utterances(room.hear(frames(0.4, 0.0))) == []


def test_completeness_heard_before_the_pause_does_not_count_for_it() -> None:
    room = Room()
    room.hear(frames(1.0))
    room.listener.transcribed(complete(1, 0))
    sent = room.hear(frames(0.6, 0.0))
    assert [u.final for u in utterances(sent)] == [False]


def test_going_on_after_a_provisional_pause_revises_the_same_turn_and_loses_no_sound() -> None:
    room = Room()
    first = room.hear(frames(0.8) + frames(0.4, 0.0))
    second = room.hear(frames(0.5, 0.2) + frames(1.0, 0.0))
    assert [(u.turn, u.revision, u.final) for u in utterances(first + second)] == [
        (1, 0, False),
        (1, 1, False),
        (1, 1, True),
    ]
    assert SpeechStarted(1, 1, pytest.approx(100.0)) in second
    chunks = np.concatenate([message.samples for message in first + second if isinstance(message, SpeechChunk)])
    final = utterances(second)[-1]
    assert np.array_equal(chunks, final.samples)
    silence_inside = (
        np.flatnonzero(final.samples == np.float32(0.2))[0] - np.flatnonzero(final.samples == np.float32(0.3))[-1]
    )
    assert silence_inside == pytest.approx(len(frames(0.4, 0.0)) * 512, abs=1)


def test_a_turn_superseded_while_the_user_speaks_is_opened_again_with_all_the_sound() -> None:
    room = Room()
    room.hear(frames(0.6))
    announcement = room.clock.open()
    sent = room.hear(frames(0.3) + frames(1.0, 0.0))
    assert room.clock.current == announcement + 1
    final = utterances(sent)[-1]
    assert final.turn == announcement + 1
    own = [message.samples for message in sent if isinstance(message, SpeechChunk) and message.turn == final.turn]
    assert np.array_equal(np.concatenate(own), final.samples)


def test_a_turn_superseded_in_the_pause_is_opened_again_but_a_cancelled_one_is_not() -> None:
    superseded, cancelled = Room(), Room()
    for room in (superseded, cancelled):
        room.hear(frames(0.6) + frames(0.3, 0.0))
    superseded.clock.open()
    cancelled.clock.cancel(1)
    final = utterances(superseded.hear(frames(1.0, 0.0)))
    assert [(u.turn, u.final) for u in final] == [(3, True)]
    assert utterances(cancelled.hear(frames(1.0, 0.0))) == []
    assert not cancelled.listener.speaking


def test_speech_ends_at_the_maximum_length() -> None:
    room = Room(VadConfig(max_speech_s=2.0))
    sent = room.hear(frames(5.0))
    finals = utterances(sent)
    assert [u.final for u in finals] == [True]
    assert len(finals[0].samples) == pytest.approx(2.0 * 16_000, abs=1024)


def test_while_the_assistant_is_audible_short_sounds_do_not_interrupt_and_speech_is_marked() -> None:
    room = Room()
    room.front_end.far_end = True
    assert kinds(room.hear(frames(0.19) + frames(0.5, 0.0))) == [VoiceOnset, VoiceRejected]
    sent = room.hear(frames(0.6) + frames(1.0, 0.0))
    assert utterances(sent)[-1].echo_suspected
    room.front_end.far_end = False
    assert not utterances(room.hear(frames(0.6) + frames(1.0, 0.0)))[-1].echo_suspected


def test_a_hole_in_the_input_ends_the_utterance_and_clears_the_detector() -> None:
    room = Room()
    room.hear(frames(0.6))
    room.now += 3.0
    sent = room.hear([0.0])
    assert [u.final for u in utterances(sent)] == [True]
    assert room.engine.resets == 1


def test_level_is_that_of_the_latest_sound_in_dbfs() -> None:
    room = Room()
    room.hear([0.1])
    assert room.listener.level == pytest.approx(-20.0, abs=0.01)
    room.hear([0.0])
    assert room.listener.level == -100.0


def said(text: str) -> Transcript:
    return Transcript(1, 0, text, len(text), "en", False)


def silence_before_the_end(room: Room, transcript: Transcript | None) -> float:
    """Seconds of silence after which the turn ended."""
    room.hear(frames(1.0) + frames(0.224, 0.0))
    if transcript is not None:
        room.listener.transcribed(transcript)
    frames_heard = 7
    while not utterances(room.hear([0.0])):
        frames_heard += 1
        assert frames_heard < 100
    return (frames_heard + 1) * FRAME_S


def test_the_words_decide_how_long_a_pause_may_be() -> None:
    texts = ("What time is it?", None, "what time is it in the")
    waits = [silence_before_the_end(Room(), said(text) if text else None) for text in texts]
    assert waits[0] < waits[1] < waits[2]
    assert waits[1] == pytest.approx(0.8, abs=FRAME_S)


class Judge:
    """A model that gives one answer, or none."""

    def __init__(self, rating: float | None) -> None:
        self._rating = rating
        self.heard: list[Samples] = []

    def probability(self, samples: Samples) -> float:
        self.heard.append(samples)
        if self._rating is None:
            raise InferenceError("no answer")
        return self._rating


def test_the_sound_is_judged_once_a_pause_and_decides_with_the_words() -> None:
    done, going_on = Judge(0.95), Judge(0.05)
    assert silence_before_the_end(Room(model=done), None) < 0.4
    assert 0.85 < silence_before_the_end(Room(model=going_on), None) < 1.3
    assert len(done.heard) == len(going_on.heard) == 1
    voiced = np.flatnonzero(done.heard[0] == np.float32(0.3))
    assert len(voiced) >= 31 * 512
    assert len(done.heard[0]) - voiced[-1] == pytest.approx(1600, abs=1)


def test_a_model_that_is_brought_judges_from_the_next_turn_on() -> None:
    brought, room = Judge(0.95), Room()
    room.hear(frames(0.8))
    assert room.endpointing.offer(brought)
    room.hear(frames(0.4, 0.0) + frames(0.5))
    assert not room.endpointing.close_retired(), "in the middle of a turn"
    room.hear(frames(2.0, 0.0))
    assert room.endpointing.close_retired()
    assert brought.heard == []
    assert silence_before_the_end(room, None) < 0.4
    assert len(brought.heard) == 1


def test_a_model_that_fails_leaves_the_words_to_decide() -> None:
    assert silence_before_the_end(Room(model=Judge(None)), None) == pytest.approx(0.8, abs=FRAME_S)


def test_pauses_are_learnt_from_who_goes_on_and_from_who_was_cut_off() -> None:
    room = Room()
    room.hear(frames(0.8) + frames(0.4, 0.0) + frames(0.5) + frames(1.2, 0.0))
    assert room.pauses.learnt == 1
    assert room.clock.current == 1
    room.hear(frames(0.8))
    assert room.clock.current == 2
    assert room.pauses.learnt == 2
    room.hear(frames(3.0, 0.0) + frames(0.8))
    assert room.pauses.learnt == 2


def test_who_goes_on_before_anything_is_heard_goes_on_with_the_same_words() -> None:
    room = Room()
    room.listener.continuation.unheard = lambda turn, at, far_end: True
    (first,) = [one for one in utterances(room.hear(frames(0.8) + frames(0.6, 0.0))) if not one.final]
    room.listener.transcribed(complete(1, 0))
    room.hear(frames(0.1, 0.0))
    sent = room.hear(frames(0.5) + frames(1.0, 0.0))
    started = next(message for message in sent if isinstance(message, SpeechStarted))
    assert (started.turn, started.supersedes, started.at) == (2, 1, pytest.approx(100.0))
    whole = utterances(sent)[-1]
    assert whole.final
    assert np.array_equal(whole.samples[: len(first.samples)], first.samples)
    assert np.count_nonzero(whole.samples > 0.2) == pytest.approx((0.8 + 0.5) * 16_000, abs=1024)


@pytest.mark.parametrize("why", ["heard", "late", "cancelled", "over the reply", "long"])
def test_else_who_speaks_again_begins_anew(why: str) -> None:
    room = Room()
    room.listener.continuation.unheard = lambda turn, at, far_end: why != "heard" and not far_end
    room.hear(frames(16.0 if why == "long" else 0.8) + frames(0.35, 0.0))
    room.listener.transcribed(complete(1, 0))
    room.hear(frames(0.1, 0.0) + (frames(0.5, 0.0) if why == "late" else []))
    if why == "cancelled":
        room.clock.cancel(1)
    room.front_end.far_end = why == "over the reply"
    sent = room.hear(frames(0.5) + frames(1.0, 0.0))
    assert [message.supersedes for message in sent if isinstance(message, SpeechStarted)] == [None]


def test_who_has_asked_for_time_may_take_twice_as_long_to_go_on() -> None:
    supersedes = []
    for mode in ("normal", "patient"):
        room = Room()
        room.endpointing = Endpointing(ENDPOINT.model_copy(update={"mode": mode}), room.pauses)
        room.listener = Listener(room.detection, room.endpointing, room.front_end, room.clock)
        room.listener.continuation.unheard = lambda turn, at, far_end: True
        room.hear(frames(0.8) + frames(0.25, 0.0))
        room.listener.transcribed(complete(1, 0))
        sent = room.hear(frames(1.0, 0.0) + frames(0.5))
        supersedes += [message.supersedes for message in sent if isinstance(message, SpeechStarted)]
    assert supersedes == [None, 1]


def test_what_is_said_over_the_assistant_is_no_pause() -> None:
    room = Room()
    room.hear(frames(0.8) + frames(1.2, 0.0))
    room.front_end.far_end = True
    room.hear(frames(0.8))
    assert room.pauses.learnt == 0


class ScriptedWakeWord:
    """Is said in the next sound when told to."""

    phrase = "hello"
    says = False

    def load(self) -> None:
        return

    def heard(self, samples: Samples) -> bool:
        said, self.says = self.says, False
        return said

    def reset(self) -> None:
        return


def called_room() -> tuple[Room, ScriptedWakeWord]:
    """It was called and attends."""
    room, word = Room(), ScriptedWakeWord()
    clock = VirtualClock()
    attention = Attention(WakeConfig(mode="word", window_s=60), clock, word)
    room.listener = Listener(room.detection, room.endpointing, room.front_end, room.clock, attention)
    attention.call(room.now)
    return room, word


def test_the_wake_word_where_none_was_needed_begins_the_question_anew() -> None:
    room, word = called_room()
    before = room.hear(frames(0.3, 0.0) + frames(0.8))
    word.says = True
    again = room.hear(frames(FRAME_S))
    after = room.hear(frames(0.7, 0.2) + frames(1.2, 0.0))
    assert [(message.on, message.again) for message in again if isinstance(message, Attending)] == [(True, True)]
    (question,) = [message for message in utterances(after) if message.final]
    first = next(message for message in before if isinstance(message, SpeechStarted))
    assert question.turn > first.turn
    assert not (question.samples == np.float32(0.3)).any(), "what was said before the word is no part of it"
    assert not utterances(again)


def test_the_wake_word_that_was_needed_calls_once() -> None:
    room, word = called_room()
    room.now += 100.0  # the window is over
    assert kinds(room.hear(frames(0.3, 0.0))) == [Attending]
    word.says = True
    heard = room.hear(frames(0.3, 0.0))
    assert [(message.on, message.again) for message in heard] == [(True, False)]
