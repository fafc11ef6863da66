"""A device whose callback stops, and a sound server that hangs: told at once, and the other device is heard on."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_backend import SPEAKER, Events, FakeBackend, FakeClock

from audio import closing as closing_module
from audio.closing import Closing, Starting
from audio.system import AudioSystem
from core.messages import DeviceEvent
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError
from core.utils.voice import VoiceSettings

BUSY_S = 60.0
"""longer than a machine is ever too busy for a thread to begin"""


class Desk:
    """Both ends on devices on paper, with the threads of real use."""

    def __init__(self) -> None:
        self.backend, self.clock, self.told = FakeBackend(), FakeClock(), threading.Condition()
        self.events = Events()
        self.system = AudioSystem(AudioConfig(), self.clock, self._tell, VoiceSettings(), self.backend)
        self.system.open()

    def _tell(self, event: DeviceEvent) -> None:
        with self.told:
            self.events.append(event)

    def listen(self, seconds: float) -> int:
        """The microphone gives sound for so long, the speaker asks for none; how many blocks were heard."""
        heard = 0
        for _ in range(round(seconds / 0.02)):
            self.clock.at += 0.02
            microphone = self.backend.inputs[-1]
            microphone.capture(np.linspace(-0.1, 0.1, microphone.options.block, dtype=np.float32), 0.03)
            heard += len(self.system.microphone.get(block=False).samples) > 0
        return heard


@pytest.fixture
def lets_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_speaker_that_asks_for_nothing_and_does_not_close_is_told_within_two_seconds(
    lets_go: threading.Event,
) -> None:
    desk = Desk()
    desk.backend.outputs[-1].lets_go = lets_go
    assert desk.listen(2.0) == 100, "while the speaker's closing hangs, the microphone is heard"
    assert desk.events.states == [("output", "lost")]


def test_a_speaker_that_is_forgotten_while_the_microphone_works_is_opened_anew_within_a_second() -> None:
    """On a busy machine a reply fell silent for longer than two seconds."""
    desk = Desk()
    for _ in range(20):
        desk.backend.outputs[-1].play()
        desk.listen(0.02)
    desk.listen(0.5)
    assert not desk.events
    desk.listen(0.5)
    assert desk.events.states == [("output", "lost")]


def test_a_speaker_is_given_longer_to_begin_and_where_the_microphone_gives_nothing_either() -> None:
    desk = Desk()
    desk.listen(1.2)
    assert not desk.events, "it has not played yet"
    for _ in range(20):
        desk.backend.outputs[-1].play()
        desk.listen(0.02)
    for _ in range(6):
        desk.clock.at += 0.2
        desk.system.microphone.recovery.look()
    assert not desk.events, "nothing has called back: the machine may be busy"


def test_it_is_used_again_once_the_server_goes_on(lets_go: threading.Event) -> None:
    desk = Desk()
    desk.backend.outputs[-1].lets_go = lets_go
    desk.listen(2.0)
    lets_go.set()
    opened = threading.Event()
    open_output = desk.backend.open_output

    def opens(*given: object) -> object:
        opened.set()
        return open_output(*given)  # type: ignore[arg-type]

    desk.backend.open_output = opens  # type: ignore[method-assign, assignment]
    while not opened.is_set():  # the thread that closes is the machine's to begin
        desk.listen(0.02)
    with desk.system.microphone.recovery.undisturbed():
        speaker = desk.backend.outputs[-1]
    assert speaker.active
    for _ in range(40):
        speaker.play()
        desk.listen(0.02)
    assert desk.events.states == [("output", "lost"), ("output", "restored")]


def test_the_end_does_not_come_while_a_device_is_being_opened(lets_go: threading.Event) -> None:
    """PortAudio, ended under it, aborted the program."""
    desk = Desk()
    opening, order = threading.Event(), list[str]()
    desk.backend.present.remove(SPEAKER)
    desk.backend.outputs[-1].active = False
    open_output = desk.backend.open_output

    def opens(*given: object) -> object:
        opening.set()
        lets_go.wait(BUSY_S)
        order.append("opened")
        return open_output(*given)  # type: ignore[arg-type]

    desk.backend.open_output = opens  # type: ignore[method-assign, assignment]
    desk.backend.close = lambda hangs=False: order.append("left" if hangs else "ended")  # type: ignore[method-assign]
    while not opening.is_set():
        desk.listen(0.02)
    desk.system.close()
    assert order == ["left"], "it hangs: all is left to the end of the process, PortAudio too"
    lets_go.set()
    while not desk.system.microphone.recovery.end():
        continue
    desk.system.close()
    assert order[-1] == "ended"
    assert order.count("opened") >= 1


def test_nobody_waits_for_a_stream_that_does_not_close(lets_go: threading.Event) -> None:
    closing = Closing(patience_s=0.01)
    closing.run(lambda: lets_go.wait(BUSY_S) and None)
    assert closing.stuck
    lets_go.set()
    for thread in threading.enumerate():
        if thread.name == "merline-closing":
            thread.join(BUSY_S)
    assert not closing.stuck


def test_a_stream_that_hangs_in_its_start_is_closed_when_it_has_started_and_no_sooner(
    lets_go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that goes between opening and starting kept PortAudio, and the recovery, waiting for ever."""
    monkeypatch.setattr(closing_module, "START_S", 0.01)
    order: list[str] = []
    closing = Closing(patience_s=BUSY_S)
    starting = Starting(closing, lambda: lets_go.wait(BUSY_S) and None, lambda: order.append("closed"), (OSError,))
    assert isinstance(starting.start(), TimeoutError)
    assert closing.stuck
    starting.close()
    assert order == []
    lets_go.set()
    for thread in threading.enumerate():
        if thread.name == "merline-closing":
            thread.join(BUSY_S)
    assert order == ["closed"]
    assert not closing.stuck


def test_a_stream_that_starts_just_as_it_is_given_up_is_closed_all_the_same() -> None:
    """It stayed open, and nobody knew of it."""

    class JustTooLate(Closing):
        def start(self, start: Callable[[], None]) -> bool:
            start()
            return False

    order: list[str] = []
    starting = Starting(
        JustTooLate(BUSY_S), lambda: order.append("started"), lambda: order.append("closed"), (OSError,)
    )
    assert starting.start() is None
    starting.close()
    assert order == ["started", "closed"]


def test_what_closes_is_closed_when_it_returns() -> None:
    closed = threading.Event()
    closing = Closing(patience_s=BUSY_S)
    closing.run(closed.set)
    assert closed.is_set()
    assert not closing.stuck


def test_all_that_is_missing_is_named() -> None:
    system = AudioSystem(AudioConfig(), FakeClock(), Events().append, VoiceSettings(), FakeBackend(present=[]))
    with pytest.raises(AudioDeviceError, match=r"no speaker.*\nand no microphone"):
        system.open()


def test_a_headset_that_has_become_one_for_telephoning_is_opened_at_its_rate() -> None:
    backend = FakeBackend(refused_rates=(44_100, 48_000), refused_channels=(2,))
    system = AudioSystem(AudioConfig(), FakeClock(), Events().append, VoiceSettings(), backend)
    system.open()
    assert (system.speaker.sample_rate_hz, system.microphone.sample_rate_hz) == (16_000, 16_000)


def test_without_a_microphone_the_speaker_does_not_stay_open() -> None:
    backend = FakeBackend(present=[SPEAKER])
    system = AudioSystem(AudioConfig(), FakeClock(), Events().append, VoiceSettings(), backend)
    with pytest.raises(AudioDeviceError, match=r"^no microphone"):
        system.open()
    assert not any(stream.active for stream in backend.outputs)
