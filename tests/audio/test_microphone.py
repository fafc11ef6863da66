"""The microphone as an inbox: rates, channels, bounds, times, silence, and a device that goes and comes."""

import queue
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fake_backend import HEADSET, MICROPHONE, SPEAKER, Events, FakeBackend, FakeClock

from audio.microphone import REST_BLOCKS, Microphone
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError

CONFIG = AudioConfig()


class Desk:
    """A microphone on a fake backend."""

    def __init__(self, backend: FakeBackend | None = None) -> None:
        self.backend = backend or FakeBackend()
        self.clock = FakeClock()
        self.events = Events()
        self.microphone = Microphone(CONFIG, self.backend, self.clock, self.events.append)
        self.microphone.recovery.run = lambda task: task()
        self.microphone.open()

    def give(self, level: float = 0.1, times: int = 1, ago_s: float | None = 0.03) -> None:
        """The device gives blocks of 20 ms in real time."""
        stream = self.backend.inputs[-1]
        for _ in range(times):
            self.clock.at += 0.02
            samples = np.linspace(-level, level, stream.options.block, dtype=np.float32)
            stream.capture(samples, ago_s)

    def take_all(self) -> int:
        count = 0
        while True:
            try:
                self.microphone.get(block=False)
            except queue.Empty:
                return count
            count += 1


def test_sixteen_kilohertz_mono_is_asked_for_first() -> None:
    desk = Desk()
    desk.give()
    frame = desk.microphone.get(block=False)
    assert frame.sample_rate_hz == 16_000
    assert frame.samples.shape == (320,)
    assert frame.samples.dtype == np.float32
    assert abs(frame.samples).max() == pytest.approx(0.1), "the device's buffer must be copied"


def test_a_device_of_48_khz_stereo_alone_is_opened_as_it_is() -> None:
    desk = Desk(FakeBackend(refused_rates=(16_000,), refused_channels=(1,)))
    desk.give()
    frame = desk.microphone.get(block=False)
    assert frame.sample_rate_hz == 48_000
    assert desk.backend.inputs[-1].options.channels == 2
    assert frame.samples.shape == (960,)


def test_a_device_that_refuses_the_rate_it_names_is_opened_at_48_khz() -> None:
    says_44_100 = replace(MICROPHONE, native_rate_hz=44_100)
    desk = Desk(FakeBackend(present=[says_44_100], refused_rates=(16_000, 44_100)))
    desk.give()
    assert desk.microphone.get(block=False).sample_rate_hz == 48_000


def test_a_refusal_of_everything_is_an_error() -> None:
    with pytest.raises(AudioDeviceError):
        Desk(FakeBackend(refused_rates=(16_000, 48_000)))


def test_nothing_captured_is_an_empty_inbox() -> None:
    with pytest.raises(queue.Empty):
        Desk().microphone.get(block=False)


def test_the_oldest_is_dropped_when_nobody_listens() -> None:
    desk = Desk()
    desk.give(times=130)
    assert desk.microphone.dropped == 30
    assert desk.take_all() == 100


def test_several_blocks_come_as_one_while_nobody_speaks_and_none_waits_once_somebody_does() -> None:
    desk, resting = Desk(), True
    desk.microphone.at_rest = lambda: resting
    desk.take_all()
    desk.give(times=REST_BLOCKS - 1)
    assert desk.take_all() == 0
    desk.give()
    frame = desk.microphone.get(block=False)
    assert len(frame.samples) == REST_BLOCKS * 320
    assert frame.captured_at == pytest.approx(desk.clock.at - 0.03 - (REST_BLOCKS - 1) * 0.02, abs=1e-6), "of the first"
    desk.give(times=REST_BLOCKS - 1)
    resting = False
    assert desk.take_all() == 0
    desk.give()
    assert len(desk.microphone.get(block=False).samples) == REST_BLOCKS * 320, "nothing is lost"
    desk.give()
    assert len(desk.microphone.get(block=False).samples) == 320


def test_a_listener_at_rest_that_lags_still_has_two_seconds_at_most() -> None:
    desk = Desk()
    desk.microphone.at_rest = lambda: True
    desk.take_all()
    desk.give(times=200)
    assert 98 <= desk.take_all() <= 102, "in single blocks but for the first"


def test_overflows_are_counted() -> None:
    desk = Desk()
    desk.backend.inputs[-1].capture(np.zeros(320, np.float32), 0.03, overflow=True)
    assert desk.microphone.overflows == 1


def test_times_follow_the_samples_in_spite_of_jitter() -> None:
    desk = Desk()
    for late in (0.0, 0.013, 0.004, 0.02, 0.001):
        desk.clock.at += late
        desk.give()
        desk.clock.at -= late
    times = [desk.microphone.get(block=False).captured_at for _ in range(5)]
    assert times[0] == pytest.approx(1000.02 - 0.03)
    assert np.diff(times) == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("nonsense", [None, 0.0, -3.0, 1e9])
def test_nonsense_times_of_the_library_are_replaced_by_the_latency(nonsense: float | None) -> None:
    desk = Desk()
    desk.give(ago_s=nonsense)
    assert desk.microphone.get(block=False).captured_at == pytest.approx(1000.02 - 0.03)


def test_sound_lost_on_the_way_makes_the_time_jump() -> None:
    desk = Desk()
    desk.give(times=2)
    desk.clock.at += 0.5
    desk.give(times=6)
    times = [desk.microphone.get(block=False).captured_at for _ in range(8)]
    assert times[7] - times[1] == pytest.approx(0.62)
    assert max(later - time for time, later in pairwise(times)) == pytest.approx(0.52), "in one jump"


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_a_muted_microphone_is_reported_once(level: float) -> None:
    desk = Desk()
    for _ in range(300):
        desk.clock.at += 0.02
        desk.backend.inputs[-1].capture(np.full(320, level, np.float32), 0.03)
        desk.take_all()
    assert desk.events.states == [("input", "silent")]
    desk.give()
    desk.take_all()
    assert len(desk.events) == 1


@pytest.mark.parametrize(("blocks", "every_s"), [(25, 0.02), (3000, 1e-4)], ids=["warming up", "a minute at once"])
def test_a_microphone_that_slept_with_the_machine_is_not_called_muted(blocks: int, every_s: float) -> None:
    desk = Desk()

    def still(times: int, apart_s: float) -> None:
        for _ in range(times):
            desk.clock.at += apart_s
            desk.backend.inputs[-1].capture(np.zeros(320, np.float32), 0.03)
            desk.take_all()

    still(5, 0.02)
    desk.clock.at += 60.0
    still(blocks, every_s)
    desk.give(times=5)
    desk.take_all()
    assert not desk.events


def test_a_quiet_room_is_not_a_muted_microphone() -> None:
    desk = Desk()
    for _ in range(300):
        desk.give(level=1e-4)
        desk.take_all()
    assert not desk.events


def test_a_stalled_device_is_noticed_within_two_seconds_and_reopened() -> None:
    desk = Desk()
    desk.give(times=10)
    desk.take_all()
    desk.backend.present = [SPEAKER]
    since = desk.clock.at
    while not desk.events:
        desk.clock.at += 0.05
        desk.take_all()
    assert desk.clock.at - since < 2.0
    assert desk.events.states == [("input", "lost")]
    assert desk.backend.inputs[-1].closed
    for _ in range(100):
        desk.clock.at += 0.05
        desk.take_all()
    desk.backend.present = [MICROPHONE, SPEAKER]
    since = desk.clock.at
    while len(desk.backend.inputs) == 1:
        desk.clock.at += 0.05
        desk.take_all()
    assert len(desk.events) == 1, "it is back when it gives sound, not when it opens"
    while len(desk.events) == 1:
        desk.give()
        desk.take_all()
    assert desk.clock.at - since < 2.0
    assert desk.events.states[1] == ("input", "restored")
    desk.give()
    assert desk.take_all() == 1


def test_a_machine_that_slept_has_lost_no_device_unless_it_stays_silent() -> None:
    desk = Desk()
    desk.give(times=10)
    desk.take_all()
    desk.clock.at += 30.0
    for _ in range(25):  # whoever listens wakes before the device does
        desk.clock.at += 0.02
        desk.take_all()
    for _ in range(200):
        desk.give()
        desk.take_all()
    assert not desk.events
    assert len(desk.backend.inputs) == 1
    desk.clock.at += 30.0
    since = desk.clock.at
    while not desk.events and desk.clock.at - since < 5.0:
        desk.clock.at += 0.05
        desk.take_all()
    assert desk.events.states == [("input", "lost")]
    assert desk.clock.at - since < 2.5


def test_a_device_that_opens_and_gives_nothing_is_not_announced_as_back() -> None:
    desk = Desk()
    for _ in range(400):
        desk.clock.at += 0.05
        desk.take_all()
    assert desk.events.states == [("input", "lost")]
    assert len(desk.backend.inputs) > 3, "it is tried again and again"
    assert all(stream.closed for stream in desk.backend.inputs[:-1])


def test_a_stopped_stream_is_noticed_at_once_and_another_device_taken() -> None:
    desk = Desk()
    desk.backend.inputs[-1].active = False
    desk.backend.present = [HEADSET]
    for _ in range(60):
        desk.clock.at += 0.05
        if not desk.backend.inputs[-1].closed and desk.backend.inputs[-1].active:
            desk.give()
        desk.take_all()
        if len(desk.events) > 1:
            break
    assert desk.events.states == [("input", "lost"), ("input", "restored")]
    assert desk.events[1].device == "USB Headset"


def test_muted_it_is_closed_keeps_nothing_and_is_not_taken_as_lost() -> None:
    desk = Desk()
    desk.give(times=5)
    desk.microphone.mute(True)
    assert desk.backend.inputs[-1].closed
    assert desk.take_all() == 0
    for _ in range(400):
        desk.clock.at += 0.05
        desk.take_all()
    assert len(desk.backend.inputs) == 1
    assert not desk.events
    desk.microphone.mute(False)
    desk.give()
    assert desk.take_all() == 1
    assert not desk.events


def test_muted_it_stays_closed_when_it_was_lost_and_comes_back() -> None:
    desk = Desk()
    desk.backend.inputs[-1].active = False
    desk.backend.present = [SPEAKER]
    desk.take_all()
    assert desk.events.states == [("input", "lost")]
    desk.microphone.mute(True)
    desk.backend.present = [MICROPHONE, SPEAKER]
    for _ in range(400):
        desk.clock.at += 0.05
        desk.take_all()
    assert len(desk.backend.inputs) == 1
    desk.microphone.mute(False)
    for _ in range(100):
        desk.clock.at += 0.05
        if not desk.backend.inputs[-1].closed:
            desk.give()
        desk.take_all()
    assert desk.events.states == [("input", "lost"), ("input", "restored")]
    assert [stream.closed for stream in desk.backend.inputs] == [True, False]


def test_one_that_is_gone_when_it_is_no_longer_muted_is_told_and_used_when_it_is_back() -> None:
    desk = Desk()
    desk.microphone.mute(True)
    desk.backend.present = [SPEAKER]
    desk.backend.refresh()
    desk.microphone.mute(False)
    desk.clock.at += 1.0
    desk.take_all()
    assert desk.events.states == [("input", "lost")]
    desk.backend.present = [MICROPHONE, SPEAKER]
    for _ in range(100):
        desk.clock.at += 0.05
        if not desk.backend.inputs[-1].closed:
            desk.give()
        desk.take_all()
    assert desk.events.states == [("input", "lost"), ("input", "restored")]
