"""The speaker's ring and the play stage, driven block by block by a device that exists on paper."""

from collections.abc import Iterator

import numpy as np
import pytest
from fake_backend import SPEAKER, Events, FakeBackend, FakeClock

from audio.files import FileMicrophone, FileSpeaker
from audio.player import AHEAD_S, GIVE_UP_S, HELD_S, Player
from audio.recovery import Recovery
from audio.speaker import RAMP_S, Speaker
from audio.wav import Recording
from core.messages import Heard, Mark, PlaybackStarted, Samples, Speech, Working
from core.utils.config import AudioConfig
from core.utils.errors import InferenceError
from core.utils.voice import VoiceSettings

RATE_HZ = 48_000
BLOCK_S = 0.02
DELAY_S = 0.05


class Desk:
    """A player on a fake device that takes a block whenever the player waits."""

    def __init__(self) -> None:
        self.backend = FakeBackend()
        self.clock = FakeClock()
        self.voice = VoiceSettings()
        self.speaker = Speaker(AudioConfig(), self.backend, self.clock, self.voice)
        self.speaker.open()
        self.speaker.watch = self.pass_time
        self.player = Player(self.speaker, self.clock)
        self.heard: list[Samples] = []
        self.alive = True
        self.speaker.wait = lambda timeout: self.speaker.watch()  # type: ignore[method-assign]

    def pass_time(self) -> None:
        self.clock.at += BLOCK_S
        if self.alive:
            self.heard.append(self.backend.outputs[-1].play(DELAY_S))

    @property
    def sound(self) -> Samples:
        return np.concatenate([np.zeros(0, np.float32), *self.heard])


def speech(
    samples: Samples, turn: int = 1, rate_hz: int = RATE_HZ, last: bool = True, marks: tuple[Mark, ...] = ()
) -> Speech:
    return Speech(turn, 0, 0, samples, rate_hz, marks, ends_sentence=last, last=last)


def tone(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def run(messages: Iterator[PlaybackStarted | Heard]) -> list[PlaybackStarted | Heard]:
    return list(messages)


def test_what_is_played_is_what_was_given() -> None:
    desk = Desk()
    run(desk.player.process(speech(tone(0.5))))
    sound = desk.sound
    assert sound[: round(0.5 * RATE_HZ)] == pytest.approx(tone(0.5))
    assert not sound[round(0.5 * RATE_HZ) :].any()
    assert desk.speaker.underflows == 0


def test_chunks_of_one_turn_join_without_a_gap_at_any_rate() -> None:
    desk = Desk()
    whole = tone(0.6, 22_050)
    for start in range(0, len(whole), 2205):
        run(desk.player.process(speech(whole[start : start + 2205], rate_hz=22_050, last=start + 2205 >= len(whole))))
    sound = desk.sound[: round(0.6 * RATE_HZ)]
    assert sound[480:-480] == pytest.approx(tone(0.6)[480:-480], abs=0.01)
    assert desk.speaker.underflows == 0


def test_the_start_is_told_with_the_time_of_the_first_voiced_sample() -> None:
    desk = Desk()
    silence = np.zeros(round(0.1 * RATE_HZ), np.float32)
    messages = run(desk.player.process(speech(np.concatenate([silence, tone(0.2)]))))
    started = [message for message in messages if isinstance(message, PlaybackStarted)]
    assert len(started) == 1
    first_block_at = 1000.0 + BLOCK_S
    assert started[0].at == pytest.approx(first_block_at + DELAY_S + 0.1, abs=0.002)


def test_marks_are_heard_when_they_pass_the_speaker_and_not_before() -> None:
    desk = Desk()
    marks = (Mark(0, 5), Mark(round(0.3 * RATE_HZ), 12), Mark(round(0.6 * RATE_HZ), 20))
    seen: dict[int, float] = {}
    last = None
    for message in desk.player.process(speech(tone(0.6), marks=marks)):
        if isinstance(message, Heard):
            seen.setdefault(message.characters, desk.clock.at)
            last = message
    begin = 1000.0 + BLOCK_S + DELAY_S
    assert seen[5] - begin == pytest.approx(0.0, abs=0.03)
    assert seen[12] - begin == pytest.approx(0.3, abs=0.03)
    assert last == Heard(1, 0, 0, 20, finished=True)
    assert not desk.player.playing


def test_it_is_never_far_ahead_and_hands_control_back_every_piece() -> None:
    desk = Desk()
    for _ in desk.player.process(speech(tone(1.0))):
        assert desk.speaker.queued <= (AHEAD_S + 0.02) * RATE_HZ
        assert desk.speaker.position - len(desk.heard) * BLOCK_S * RATE_HZ <= (AHEAD_S + 0.04) * RATE_HZ


def test_closing_the_generator_ends_the_sound_within_one_block() -> None:
    desk = Desk()
    messages = desk.player.process(speech(tone(5.0)))
    while len(desk.heard) < 20:
        next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert not desk.player.playing
    desk.pass_time()
    desk.pass_time()
    fading, silent = desk.heard[-2:]
    assert fading[:100].any(), "a fade, not a click"
    assert not fading[240:].any()
    assert not silent.any()


def test_silence_from_another_thread_stops_a_stage_at_work_and_between_messages() -> None:
    desk = Desk()
    messages = desk.player.process(speech(tone(5.0), last=False))
    for _ in range(30):
        next(messages)
    desk.player.silence()
    position = desk.speaker.position
    assert run(messages) == []
    assert desk.speaker.position == position
    run(desk.player.process(speech(tone(0.05), turn=2, last=False)))
    assert desk.player.playing
    desk.player.silence()
    desk.pass_time()
    desk.pass_time()
    assert not desk.heard[-1].any()


def test_a_new_turn_does_not_wait_for_the_old_one() -> None:
    desk = Desk()
    run(desk.player.process(speech(tone(0.07), turn=1, last=False)))
    before = len(desk.heard)
    messages = run(desk.player.process(speech(tone(0.1), turn=2)))
    assert messages[-1] == Heard(2, 0, 0, 0, finished=True)
    assert len(desk.heard) - before < 15


def test_holding_is_a_ramp_and_volume_a_gain() -> None:
    desk = Desk()
    desk.speaker.write(np.full(RATE_HZ, 0.5, np.float32))
    desk.pass_time()
    desk.speaker.hold(True)
    desk.pass_time()
    desk.pass_time()
    assert desk.heard[0][-1] == pytest.approx(0.5)
    assert desk.heard[1][round(RAMP_S * RATE_HZ) + 1 :].max() == 0.0
    assert desk.heard[2].max() == 0.0
    assert abs(np.diff(np.concatenate(desk.heard))).max() < 0.002
    desk.speaker.hold(False)
    desk.voice.change(volume_factor=0.5)
    desk.pass_time()
    desk.pass_time()
    assert desk.heard[-1][-1] == pytest.approx(0.25)


def test_an_empty_ring_is_an_underflow_only_within_a_turn() -> None:
    desk = Desk()
    desk.pass_time()
    assert desk.speaker.underflows == 0
    desk.speaker.write(tone(0.01))
    desk.pass_time()
    assert desk.speaker.underflows == 1
    desk.speaker.pause()
    desk.pass_time()
    assert desk.speaker.underflows == 1


def test_the_far_end_is_what_went_out_with_its_time() -> None:
    desk = Desk()
    desk.voice.change(volume_factor=0.5)
    desk.pass_time()
    desk.speaker.write(tone(0.02))
    desk.pass_time()
    desk.pass_time()
    played = desk.speaker.far_end.take()
    assert played is not None
    assert played.samples == pytest.approx(tone(0.02) * 0.5)
    assert played.leaves_at == pytest.approx(desk.clock.at - BLOCK_S + DELAY_S, abs=1e-3)
    assert desk.speaker.far_end.take() is None, "silence is not handed over"


def test_an_empty_reply_ends_at_once() -> None:
    desk = Desk()
    messages = run(desk.player.process(speech(np.zeros(0, np.float32))))
    assert messages[-1] == Heard(1, 0, 0, 0, finished=True)
    assert not any(isinstance(message, PlaybackStarted) for message in messages)


def test_a_speaker_that_returns_in_time_loses_no_turn() -> None:
    desk = Desk()
    events = Events()
    recovery = Recovery(desk.backend, desk.clock, events.append)
    recovery.run = lambda task: task()
    recovery.add(desk.speaker)

    def wait() -> None:
        desk.pass_time()
        recovery.look()

    desk.speaker.watch = wait
    messages = desk.player.process(speech(tone(1.0)))
    while len(desk.heard) < 10:
        next(messages)
    desk.alive = False
    desk.backend.present = []
    gone_at = desk.clock.at
    played = []
    for message in messages:
        played.append(message)
        if desk.clock.at - gone_at > 2.5:
            desk.backend.present = [SPEAKER]
            desk.alive = not desk.backend.outputs[-1].closed
    assert events.states == [("output", "lost"), ("output", "restored")]
    assert played[-1] == Heard(1, 0, 0, 0, finished=True)
    assert desk.sound[: RATE_HZ - 480] == pytest.approx(tone(1.0)[: RATE_HZ - 480])


def test_what_a_device_took_and_did_not_play_is_said_when_it_plays_again() -> None:
    desk = Desk()
    recovery = Recovery(desk.backend, desk.clock, Events().append)
    recovery.run = lambda task: task()
    recovery.add(desk.speaker)

    def wait() -> None:
        desk.pass_time()
        recovery.look()

    desk.speaker.watch = wait
    whole = np.linspace(0.1, 0.9, RATE_HZ, dtype=np.float32)
    messages = desk.player.process(speech(whole))
    while len(desk.heard) < 10:
        next(messages)
    desk.alive = False
    for blocks in range(3):  # its buffer fills, and then it asks for no more
        next(messages)
        desk.clock.at += 1e-3
        desk.backend.outputs[-1].play(DELAY_S + BLOCK_S * blocks)
    while len(desk.backend.outputs) == 1:
        next(messages)
    desk.alive = True
    assert run(messages)[-1] == Heard(1, 0, 0, 0, finished=True)
    before, after = np.split(desk.sound, [round(10 * BLOCK_S * RATE_HZ)])
    assert before == pytest.approx(whole[: len(before)])
    again = int(np.argmin(np.abs(whole - after[0])))
    assert len(before) - 0.1 * RATE_HZ < again <= len(before), "none of it is lost, and little is said twice"
    assert after[: RATE_HZ - again - 480] == pytest.approx(whole[again : RATE_HZ - 480], abs=1e-4)


def test_a_speaker_that_stays_away_costs_the_turn() -> None:
    desk = Desk()
    desk.alive = False
    with pytest.raises(InferenceError, match="took no sound"):
        run(desk.player.process(speech(tone(1.0))))
    assert desk.clock.at - 1000.0 == pytest.approx(GIVE_UP_S, abs=0.5)
    assert not desk.player.playing


def test_a_machine_that_sleeps_in_mid_word_says_the_rest_when_it_wakes() -> None:
    desk = Desk()
    messages = desk.player.process(speech(tone(1.0)))
    while len(desk.heard) < 10:
        next(messages)
    desk.alive, woke = False, desk.clock.at + 3600.0
    desk.clock.at = woke
    while desk.clock.at < woke + 0.3:  # the player wakes before the device does
        next(messages)
    desk.alive = True
    played = run(messages)
    assert played[-1] == Heard(1, 0, 0, 0, finished=True)
    assert desk.sound[: RATE_HZ - 480] == pytest.approx(tone(1.0)[: RATE_HZ - 480])


def test_from_file_to_file_nothing_waits() -> None:
    clock = FakeClock()
    microphone = FileMicrophone(Recording(tone(0.1, 16_000), 16_000), silence_s=0.05, starts_at=7.0)
    frames = []
    while not microphone.finished:
        frames.append(microphone.get())
    assert frames[1].captured_at == pytest.approx(7.02)
    assert np.concatenate([frame.samples for frame in frames])[:1600] == pytest.approx(tone(0.1, 16_000))
    speaker = FileSpeaker(clock, 24_000)
    messages = run(Player(speaker, clock).process(speech(tone(1.0, 24_000), rate_hz=24_000, marks=(Mark(12_000, 4),))))
    assert messages[-1] == Heard(1, 0, 0, 4, finished=True)
    assert speaker.recording.samples == pytest.approx(tone(1.0, 24_000))
    assert clock.at == 1000.0


def test_a_held_reply_that_is_stopped_does_not_rise_again() -> None:
    desk = Desk()
    desk.speaker.write(np.full(RATE_HZ, 0.5, np.float32))
    desk.speaker.hold(True)
    desk.pass_time()
    desk.pass_time()
    desk.speaker.stop()
    desk.speaker.hold(False)
    desk.pass_time()
    assert not desk.heard[-1].any()


def test_a_tone_that_says_it_takes_long_is_no_answer() -> None:
    desk = Desk()
    desk.player.sound(Working(1, tone(0.1), RATE_HZ))
    assert not desk.player.playing
    for _ in range(20):
        desk.pass_time()
    assert np.abs(desk.sound).max() > 0.3
    messages = run(desk.player.process(speech(tone(0.2))))
    started = [message for message in messages if isinstance(message, PlaybackStarted)]
    assert len(started) == 1
    assert started[0].at > desk.clock.at - 0.5, "the answer's own first sample"


def test_a_tone_that_comes_too_late_is_not_heard() -> None:
    desk = Desk()
    under_way = desk.player.process(speech(tone(0.2), last=False))
    next(under_way)
    position = desk.speaker.position
    desk.player.sound(Working(1, tone(0.1), RATE_HZ))
    assert desk.speaker.position == position


def test_a_speaker_that_is_stuck_does_not_gather_tones() -> None:
    desk = Desk()
    desk.player.sound(Working(1, tone(0.1), RATE_HZ))
    position = desk.speaker.position
    desk.player.sound(Working(1, tone(0.1), RATE_HZ))
    assert desk.speaker.position == position
    for _ in range(20):
        desk.pass_time()
    desk.player.sound(Working(1, tone(0.1), RATE_HZ))
    assert desk.speaker.position == 2 * position


def word_tones() -> tuple[Samples, tuple[Mark, ...]]:
    """Five words of 0.2 s, each as loud as its number / 10, marked at their ends."""
    size = round(0.2 * RATE_HZ)
    words = [np.full(size, (number + 1) / 10, np.float32) for number in range(5)]
    return np.concatenate(words), tuple(Mark((number + 1) * size - 1, 2 * number + 1) for number in range(5))


def levels(sound: Samples) -> list[tuple[float, float]]:
    """(loudness, seconds) of what was heard, ramps and silence left out."""
    rounded = np.round(sound * 10) / 10
    found: list[tuple[float, float]] = []
    for level in sorted(set(rounded[rounded > 0.05].tolist())):
        found.append((round(level, 1), round(np.count_nonzero(np.abs(sound - level) < 1e-3) / RATE_HZ, 2)))
    return found


def test_a_held_reply_goes_on_with_the_word_it_was_held_in() -> None:
    desk = Desk()
    sound, marks = word_tones()
    messages = desk.player.process(speech(sound, marks=marks))
    while len(desk.heard) < 25:
        next(messages)
    desk.player.hold()
    for _ in range(10):
        next(messages)
    assert not np.concatenate(desk.heard[-8:]).any()
    heard = [message.characters for message in (next(messages), next(messages)) if isinstance(message, Heard)]
    assert heard[-1] == 3, "two words were heard, and while it is held no more"
    desk.player.resume()
    rest = run(messages)
    assert rest[-1] == Heard(1, 0, 0, 9, finished=True)
    assert [level for level, _ in levels(desk.sound)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [seconds for level, seconds in levels(desk.sound) if level != 0.3] == pytest.approx([0.2] * 4, abs=0.012)
    again = dict(levels(desk.sound))[0.3]
    assert 0.25 < again < 0.35, "the third word from its beginning, after some of it had been heard"
    assert desk.speaker.underflows == 0


def test_a_word_held_twice_goes_on_in_its_middle() -> None:
    desk = Desk()
    sound, marks = word_tones()
    messages = desk.player.process(speech(sound, marks=marks))
    while len(desk.heard) < 25:
        next(messages)
    for _ in range(2):
        desk.player.hold()
        for _ in range(5):
            next(messages)
        desk.player.resume()
        for _ in range(4):
            next(messages)
    run(messages)
    assert dict(levels(desk.sound))[0.3] < 0.4


def test_what_is_held_is_no_fault_of_the_speaker_and_goes_on_by_itself() -> None:
    desk = Desk()
    sound, marks = word_tones()
    messages = desk.player.process(speech(sound, marks=marks))
    while len(desk.heard) < 15:
        next(messages)
    desk.player.hold()
    held_at = desk.clock.at
    assert run(messages)[-1] == Heard(1, 0, 0, 9, finished=True)
    assert HELD_S < desk.clock.at - held_at < HELD_S + 1.5


def test_a_held_reply_that_is_silenced_leaves_the_next_one_loud() -> None:
    desk = Desk()
    run(desk.player.process(speech(tone(0.07), last=False)))
    desk.player.hold()
    desk.pass_time()
    desk.player.silence()
    desk.player.resume()
    heard = len(desk.heard)
    run(desk.player.process(speech(tone(0.3), turn=2)))
    sound = np.concatenate(desk.heard[heard:])
    assert np.abs(sound).max() > 0.4


def test_what_was_dropped_or_played_long_ago_is_not_played_again() -> None:
    desk = Desk()
    desk.speaker.write(tone(3.0))
    for _ in range(140):
        desk.pass_time()
    desk.speaker.rewind(0)
    assert desk.speaker.queued == round(0.2 * RATE_HZ)
    desk.speaker.rewind(round(2.5 * RATE_HZ))
    assert desk.speaker.queued == round(0.5 * RATE_HZ)
    desk.speaker.stop()
    desk.speaker.rewind(0)
    assert desk.speaker.queued == 0
