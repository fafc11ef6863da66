"""The sound devices, looked at in a process of their own: what aborts within a driver or ALSA ends that one alone."""

from __future__ import annotations

import multiprocessing
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType

import numpy as np

from core.messages import DeviceEvent, Samples
from core.selfcheck import HANGS, Check, Finding, look
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import AudioDeviceError
from core.utils.voice import VoiceSettings

CAPTURE_S = 1.0
TONE_S = 0.2
TONE_HZ = 440.0
QUIET_DBFS = -75.0
"""a real microphone in a silent room is louder than this"""
ENDED = "the sound system ended the process that looked at it (code {code})"


class DeviceChecks:
    """PortAudio, the microphone and the speaker. The child process begins with the first check and ends with this
    context; one that hangs or dies is replaced for the next check.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._context = multiprocessing.get_context("spawn")
        self._child: tuple[SpawnProcess, Connection] | None = None
        self._asked = ""
        """whose answer has not come"""

    def __enter__(self) -> DeviceChecks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def checks(self) -> list[Check]:
        """In the order in which they make sense; the first one starts the child process, too."""
        limits_s = {"PortAudio": 5.0, "microphone": 4.0, "speaker": 3.0}
        return [Check(name, partial(self._ask, name), limit, device=True) for name, limit in limits_s.items()]

    def _ask(self, name: str) -> Finding:
        if self._asked == "PortAudio":  # which hangs before any device
            return Finding("fail", "was not looked at, as PortAudio gave no answer", HANGS)
        if self._asked:  # nobody waits for that answer any more
            self._end()
        if self._child is None:
            self._child = self._start()
        process, pipe = self._child
        self._asked = name
        try:
            pipe.send(name)
            finding: Finding = pipe.recv()
        except (EOFError, OSError):
            process.join(1.0)
            if self._child is not None and self._child[0] is process:
                self._end()
            cure = "restart the sound service and check ALSA's configuration (~/.asoundrc, ALSA_CONFIG_PATH)"
            return Finding("fail", ENDED.format(code=process.exitcode), cure)
        self._asked = ""
        return finding

    def _start(self) -> tuple[SpawnProcess, Connection]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._config, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def _end(self) -> None:
        child, self._child, self._asked = self._child, None, ""
        if child is not None:
            process, pipe = child
            process.kill()
            process.join(1.0)
            pipe.close()


def _serve(config: Config, pipe: Connection) -> None:
    """The child: answers each name with what was found, until nobody asks any more."""
    looks = {"PortAudio": _portaudio, "microphone": _microphone, "speaker": _speaker}
    while True:
        try:
            name: str = pipe.recv()
        except EOFError:
            return
        pipe.send(look(Check(name, partial(looks[name], config))))


def _portaudio(config: Config) -> Finding:
    from audio.devices import open_backend

    backend = open_backend(config.audio)
    try:
        devices = backend.devices()
    finally:
        backend.close()
    inputs = sum(device.input_channels > 0 for device in devices)
    outputs = sum(device.output_channels > 0 for device in devices)
    return Finding("pass", f"{backend.name}: {inputs} inputs, {outputs} outputs")


def _microphone(config: Config) -> Finding:
    """A real capture of one second."""
    from audio.devices import open_backend
    from audio.microphone import Microphone

    backend = open_backend(config.audio)
    events: list[DeviceEvent] = []
    microphone = Microphone(config.audio, backend, SystemClock(), events.append)
    try:
        microphone.open()
        frames: list[Samples] = []
        while sum(len(frame) for frame in frames) < CAPTURE_S * microphone.sample_rate_hz:
            frames.append(microphone.get(timeout=2.0).samples)
    finally:
        microphone.close()
        backend.close()
    return judge_capture(np.concatenate(frames), microphone.device_name)


def judge_capture(samples: Samples, device: str) -> Finding:
    """What a second of the microphone's sound says about it."""
    if samples.max() == samples.min():
        return Finding(
            "warn",
            f"{device} gives pure silence",
            "unmute it in the sound settings or on the headset; allow this program to use the microphone",
        )
    level = 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if level < QUIET_DBFS:
        return Finding("warn", f"{device} is very quiet ({level:.0f} dBFS)", "raise its volume in the sound settings")
    if np.mean(np.abs(samples) > 0.99) > 0.01:
        return Finding("warn", f"{device} is overdriven", "lower its volume in the sound settings")
    return Finding("pass", f"{device}, {level:.0f} dBFS")


def _speaker(config: Config) -> Finding:
    """A real tone of a fifth of a second."""
    from audio.system import SpeakerAlone

    alone = SpeakerAlone(config.audio, SystemClock(), lambda event: None, VoiceSettings())
    try:
        alone.open()
        speaker = alone.speaker
        time_s = np.arange(int(TONE_S * speaker.sample_rate_hz)) / speaker.sample_rate_hz
        envelope = np.minimum(1.0, np.minimum(time_s, TONE_S - time_s) / 0.02)
        speaker.write((0.1 * envelope * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.float32))
        speaker.pause()
        waited = 0.0
        while speaker.queued and waited < 1.0:
            speaker.wait(0.05)
            waited += 0.05
        if speaker.queued:
            raise AudioDeviceError(f"{speaker.device_name} takes no sound; choose another with audio.output_device")
        return Finding("pass", f"{speaker.device_name}, {speaker.sample_rate_hz} Hz, tone played")
    finally:
        alone.close()
