"""The microphone, the speaker and the player on the virtual sound card, through both PortAudio bindings."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soxr
from fake_backend import Events

from audio.devices import AudioBackend, StreamOptions, choose_device
from audio.front_end import FrontEnd
from audio.player import Player
from audio.pyaudio_backend import PyAudioBackend
from audio.sounddevice_backend import SounddeviceBackend
from audio.system import AudioSystem
from core.messages import AudioFrame, DeviceEvent, Heard, PlaybackStarted, Samples, Speech
from core.utils.clock import SystemClock
from core.utils.config import AudioConfig, EchoConfig
from core.utils.errors import AudioDeviceError
from core.utils.voice import VoiceSettings
from tests.integration.sound_card import EchoSettings, SoundCard, spoken

pytestmark = pytest.mark.audio
ROOT = Path(__file__).resolve().parents[2]
ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
RATE_HZ = 48_000


class Desk:
    """Both devices open, and a thread that listens, as the listener's does."""

    def __init__(self, config: AudioConfig, canceller: str = "off") -> None:
        self.events = Events()
        self.arrived = threading.Condition()
        self.system = AudioSystem(config, SystemClock(), self._event, VoiceSettings())
        self.player = Player(self.system.speaker, SystemClock())
        echo = EchoConfig(canceller="auto" if canceller == "auto" else "off")
        self.front_end = FrontEnd(echo, self.system.speaker.far_end)
        self.frames: list[AudioFrame] = []
        self.processed: list[Samples] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Desk:
        self.system.open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.system.close()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        with self.arrived:
            return self.arrived.wait_for(condition, timeout)

    def captured(self) -> Samples:
        """All that was captured so far, at 48 kHz."""
        with self.arrived:
            frames = list(self.frames)
        sound = np.concatenate([np.zeros(0, np.float32), *(frame.samples for frame in frames)])
        return np.asarray(soxr.resample(sound, frames[0].sample_rate_hz, RATE_HZ), np.float32)

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                frame = self.system.microphone.get(True, 0.05)
            except queue.Empty:
                continue
            processed = self.front_end.process(frame)
            with self.arrived:
                self.frames.append(frame)
                self.processed.append(processed.samples)
                self.arrived.notify_all()

    def _event(self, event: DeviceEvent) -> None:
        with self.arrived:
            self.events.append(event)
            self.arrived.notify_all()


@pytest.fixture
def card(sound_card: SoundCard, monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    for name, value in sound_card.variables.items():
        monkeypatch.setenv(name, value)
    return sound_card


@pytest.fixture(params=["sounddevice", "pyaudio"])
def desk(card: SoundCard, request: pytest.FixtureRequest) -> Iterator[Desk]:
    if request.param == "pyaudio" and os.environ.get("MERLINE_REQUIRE_AUDIO") != "1":
        pytest.importorskip("pyaudio", reason="PyAudio is not installed")
    with Desk(AudioConfig(backend=request.param)) as opened:
        assert opened.wait(lambda: len(opened.frames) > 10, 5.0), "the microphone gives no sound"
        yield opened


def likeness(sound: Samples, original: Samples) -> float:
    """The highest normalised correlation of `original` with any part of `sound`."""
    size = len(sound) + len(original)
    correlation = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(original, size)), size)
    lag = int(np.argmax(correlation[: len(sound)]))
    part = sound[lag : lag + len(original)]
    return float(np.dot(part, original[: len(part)]) / (np.linalg.norm(part) * np.linalg.norm(original) + 1e-9))


def test_what_is_said_is_captured_with_its_time(card: SoundCard, desk: Desk) -> None:
    voice = spoken("what time is it", engine="flite")
    said = card.say(voice)
    until = card.monotonic(said.ends) + 0.2
    assert desk.wait(lambda: desk.frames[-1].captured_at > until, 10.0)
    assert likeness(desk.captured(), voice) > 0.95
    loud = next(frame for frame in desk.frames if np.abs(frame.samples).max() > 0.05)
    assert -0.1 < loud.captured_at - card.monotonic(said.starts) < 0.4
    assert not desk.system.microphone.dropped


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000])
def test_what_is_played_is_heard(card: SoundCard, desk: Desk, rate_hz: int) -> None:
    voice = spoken("it is twenty past four", engine="espeak-ng")
    since = card.now
    samples = np.asarray(soxr.resample(voice, RATE_HZ, rate_hz), np.float32)
    pieces = np.array_split(samples, 6)
    messages = [
        message
        for number, piece in enumerate(pieces)
        for message in desk.player.process(Speech(1, 0, 0, piece, rate_hz, last=number == len(pieces) - 1))
    ]
    heard_at = card.monotonic(card.wait_for_sound(5.0, since))
    card.wait_for_silence(5.0, quiet_s=0.3)
    assert likeness(card.recorded(since), voice) > 0.9
    started = [message for message in messages if isinstance(message, PlaybackStarted)]
    assert len(started) == 1
    assert abs(started[0].at - heard_at) < 0.3
    assert isinstance(messages[-1], Heard)
    assert messages[-1].finished


def test_an_interrupted_answer_is_silent_soon(
    card: SoundCard, desk: Desk, record_testsuite_property: Callable[[str, object], None]
) -> None:
    voice = np.tile(spoken("one two three four five six", engine="flite"), 3)
    since = card.now
    messages = desk.player.process(Speech(2, 0, 0, voice, RATE_HZ, last=True))
    while len(card.recorded(since)) < RATE_HZ:
        next(messages)
    messages.close()  # type: ignore[attr-defined]
    stopped_at = time.monotonic()
    silent_at = card.monotonic(card.wait_for_silence(5.0, quiet_s=0.5))
    record_testsuite_property("barge_in_ms", round(1000 * (silent_at - stopped_at)))
    assert silent_at - stopped_at < 1.0


@pytest.mark.parametrize("kind", ["input", "output"])
def test_a_device_unplugged_is_noticed_and_used_again(card: SoundCard, desk: Desk, kind: str) -> None:
    unplug, plug = {
        "input": (card.unplug_microphone, card.plug_microphone),
        "output": (card.unplug_speaker, card.plug_speaker),
    }[kind]
    unplug()
    try:
        assert desk.wait(lambda: (kind, "lost") in desk.events.states, 2.0), "the loss was not noticed within 2 s"
    finally:
        plug()
    assert desk.wait(lambda: (kind, "restored") in desk.events.states, 15.0)
    count = len(desk.frames)
    assert desk.wait(lambda: len(desk.frames) > count + 10, 5.0), "the microphone is not heard any more"
    since = card.now
    list(desk.player.process(Speech(3, 0, 0, spoken("I am back", engine="flite"), RATE_HZ, last=True)))
    card.wait_for_sound(3.0, since)


@pytest.mark.parametrize("name", ["sounddevice", "pyaudio"])
def test_a_device_that_is_gone_is_not_tried(card: SoundCard, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """On ALSA a trial that fails beside a stream that runs may crash in PortAudio."""
    opened: list[object] = []
    if name == "pyaudio":
        library = pytest.importorskip("pyaudio", reason="PyAudio is not installed")
        backend: AudioBackend = PyAudioBackend()
        monkeypatch.setattr(library.PyAudio, "open", lambda *_, **options: opened.append(options))
    else:
        backend = SounddeviceBackend()
        monkeypatch.setattr("sounddevice.InputStream", lambda **options: opened.append(options))
    options = StreamOptions(choose_device(backend.devices(), None, "input"), 16_000, 1, 320, 0.02)
    card.unplug_microphone()
    try:
        with pytest.raises(AudioDeviceError, match="cannot be opened"):
            backend.open_input(options, lambda *_: None)
    finally:
        card.plug_microphone()
        backend.close()
    assert not opened


def test_a_muted_microphone_is_reported(card: SoundCard) -> None:
    card.mute_microphone(True)
    try:
        with Desk(AudioConfig()) as desk:
            assert desk.wait(lambda: ("input", "silent") in desk.events.states, 8.0)
    finally:
        card.mute_microphone(False)


def test_a_stalled_microphone_is_noticed(card: SoundCard) -> None:
    with Desk(AudioConfig()) as desk:
        assert desk.wait(lambda: len(desk.frames) > 10, 5.0)
        card.freeze_microphone(True)
        try:
            assert desk.wait(lambda: ("input", "lost") in desk.events.states, 2.5)
        finally:
            card.freeze_microphone(False)
        assert desk.wait(lambda: ("input", "restored") in desk.events.states, 10.0)


def test_a_sound_server_that_hangs_is_told_and_used_again(card: SoundCard, desk: Desk) -> None:
    card.freeze(True)
    try:
        assert desk.wait(lambda: {("input", "lost"), ("output", "lost")} <= set(desk.events.states), 5.0)
        time.sleep(1.0)  # as it hangs, so do closing and opening
    finally:
        card.freeze(False)
    assert desk.wait(lambda: {("input", "restored"), ("output", "restored")} <= set(desk.events.states), 10.0)
    since = card.now
    list(desk.player.process(Speech(4, 0, 0, spoken("I am back", engine="flite"), RATE_HZ, last=True)))
    card.wait_for_sound(5.0, since)


@pytest.mark.parametrize("canceller", ["auto", "off"])
def test_its_own_voice_is_taken_out(
    card: SoundCard, canceller: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    pytest.importorskip("livekit.rtc.apm", reason="needs the livekit package")
    if not ASSETS.exists():
        pytest.skip(f"needs the room responses of {ASSETS}")
    settings = EchoSettings(response=ASSETS / "rir/rir2.wav", noise=ASSETS / "noise/noise2.wav")
    with Desk(AudioConfig(), canceller) as desk, card.echo(settings):
        desk.front_end.load()
        for turn in range(2 if canceller == "auto" else 1):  # it learns the room by the first one
            text = "your timer for ten minutes has been set and will ring at a quarter to nine"
            count = len(desk.processed)
            list(desk.player.process(Speech(turn, 0, 0, spoken(text, engine="flite"), RATE_HZ, last=True)))
        level_dbfs = 20 * np.log10(np.sqrt(np.mean(np.concatenate(desk.processed[count:]) ** 2)))
    record_testsuite_property(f"echo_left_dbfs_{canceller}", round(level_dbfs, 1))
    if canceller == "auto":
        assert level_dbfs < -42
    else:
        assert level_dbfs > -36, "the echo is there to be cancelled"


def test_nothing_stays_open(card: SoundCard) -> None:
    with Desk(AudioConfig()) as desk:
        assert desk.wait(lambda: len(desk.frames) > 5, 5.0)
        assert card.open_streams() == 2
    deadline = time.monotonic() + 5
    while card.open_streams() and time.monotonic() < deadline:
        continue
    assert card.open_streams() == 0


OWNER = """
import time
from tests.integration.sound_card import SoundCard
card = SoundCard()
card.start()
print("running", flush=True)
time.sleep(600)
"""


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_card_ends_with_its_owner_however_that_ends(card: SoundCard) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "running\n"
        parts = psutil.Process(owner.pid).children(recursive=True)
        assert {"pulseaudio", "parec", "pacat"} <= {part.name() for part in parts}
        owner.kill()
    deadline = time.monotonic() + 10
    while (left := [part for part in parts if not has_ended(part)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for part in left:
        part.kill()
    assert left == []
