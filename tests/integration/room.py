"""The air between the user, the speaker and the microphone: one thread reads and writes both on one clock.

Null sinks fall asleep and take about a second to wake, so both streams run from `start` to `stop`.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from audio.wav import read_wav

Samples = NDArray[np.float32]
RATE_HZ = 48_000
BLOCK = 480
LEAD_BLOCKS = 4
"""blocks of silence written ahead, so that a late thread does not leave the microphone without sound"""
QUIET = 5e-3
SOONEST_S, LATEST_S = 0.02, 1.5
"""between which the echo comes when it is moved"""
FLOOR = 10 ** (-75 / 20)
STREAM = (
    "--raw",
    "--format=float32le",
    f"--rate={RATE_HZ}",
    "--channels=1",
    "--latency-msec=20",
    "--process-time-msec=5",
)


@dataclass(frozen=True, slots=True)
class Said:
    """When, in card time, queued speech goes into the room."""

    starts: float
    ends: float


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """How the speaker reaches the microphone."""

    response: Path | None = None
    """WAV of a room's impulse response; None: the direct sound alone"""
    gain_db: float = -10.0
    drift_ppm: float = 100.0
    """how much slower the microphone's clock runs than the speaker's"""
    delay_ms: float = 20.0
    noise: Path | None = None
    noise_dbfs: float = -65.0


class EchoPath:
    """Turns blocks of speaker sound into blocks of microphone sound, in real time.

    Partitioned overlap-save convolution (Stockham 1966); drift by linear interpolation at a slowly growing delay.
    """

    def __init__(self, settings: EchoSettings) -> None:
        self._settings = settings
        self._spectra = _partitions(_response(settings))
        self._history = np.zeros_like(self._spectra)
        self._last = np.zeros(BLOCK, np.float32)
        self._delay = self._nominal = max(1.0, settings.delay_ms * RATE_HZ / 1000)
        self._line = np.zeros(RATE_HZ, np.float32)
        self._noise = _noise(settings)
        self._noise_at = 0

    def shift(self, seconds: float) -> None:
        """From now on the echo comes so much later, or sooner, as far as it can."""
        self._delay = self._nominal = RATE_HZ * min(max(SOONEST_S, self._delay / RATE_HZ + seconds), LATEST_S)
        longer = max(0, round(self._delay) + RATE_HZ // 2 - len(self._line))
        self._line = np.concatenate([np.zeros(longer, np.float32), self._line])

    def process(self, block: Samples) -> Samples:
        """One block of `BLOCK` samples in, one out."""
        self._history = np.roll(self._history, 1, axis=0)
        self._history[0] = np.fft.rfft(np.concatenate([self._last, block]))
        self._last = block
        wet = np.fft.irfft(np.einsum("pf,pf->f", self._history, self._spectra))[BLOCK:]
        self._line = np.concatenate([self._line[BLOCK:], wet.astype(np.float32)])
        delays = self._delay + np.arange(BLOCK) * self._settings.drift_ppm * 1e-6
        self._delay = float(delays[-1]) + self._settings.drift_ppm * 1e-6
        self._skip_when_quiet(block)
        positions = len(self._line) - BLOCK + np.arange(BLOCK) - delays
        whole = positions.astype(np.int64)
        part = (positions - whole).astype(np.float32)
        heard = self._line[whole] * (1 - part) + self._line[whole + 1] * part
        if len(self._noise):
            heard = heard + np.take(self._noise, range(self._noise_at, self._noise_at + BLOCK), mode="wrap")
            self._noise_at = (self._noise_at + BLOCK) % len(self._noise)
        return np.asarray(heard, np.float32)

    def _skip_when_quiet(self, block: Samples) -> None:
        # as a driver does: once drift has eaten half a buffer it skips, here only where nobody hears it
        if self._delay > self._nominal + RATE_HZ // 25 and not block.any() and not self._line.any():
            self._delay = self._nominal


class Room(threading.Thread):
    """Keeps the microphone fed and the speaker recorded, block by block; all times in seconds of its own clock."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(name="room", daemon=True)
        # the variable would override what STREAM asks for
        self._environment = {name: value for name, value in environment.items() if name != "PULSE_LATENCY_MSEC"}
        self._condition = threading.Condition()
        self._queued: deque[Samples] = deque()
        self._blocks: list[Samples] = []
        self._offset = float("inf")
        self._ending = False
        self.echo: EchoPath | None = None
        self.muted = False
        """the microphone gives digital zeros between words; else a faint hiss, as every real one does"""
        self._floor = (FLOOR * np.random.default_rng(1).standard_normal(BLOCK)).astype(np.float32)
        self.late_blocks = 0
        """blocks by which this thread came too late: the harness's own failures, to be reported"""

    def start(self) -> None:
        self._reader = subprocess.Popen(
            ["parec", "-d", "cone.monitor", *STREAM],
            env=self._environment, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
        )  # fmt: skip
        self._writer = subprocess.Popen(
            ["pacat", "-d", "room", *STREAM],
            env=self._environment, stdin=subprocess.PIPE, bufsize=0, start_new_session=True,
        )  # fmt: skip
        super().start()
        with self._condition:
            if not self._condition.wait_for(lambda: len(self._blocks) > 20, timeout=15):
                raise RuntimeError("the virtual sound card gives no sound: parec read nothing for 15 s")

    def stop(self) -> None:
        self._ending = True
        self.join(5.0)
        for process in (self._reader, self._writer):
            process.terminate()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def run(self) -> None:
        assert self._reader.stdout is not None
        assert self._writer.stdin is not None
        source, sink = self._reader.stdout.fileno(), self._writer.stdin.fileno()
        prefer(threading.get_native_id(), self._reader.pid, self._writer.pid)
        _write_all(sink, np.zeros(BLOCK * LEAD_BLOCKS, np.float32).tobytes())
        last = float("inf")
        while not self._ending:
            data = _read_all(source, BLOCK * 4)
            if data is None:
                return
            now = time.monotonic()
            self.late_blocks += max(0, int(max(0.0, now - last) * RATE_HZ) // BLOCK - LEAD_BLOCKS)
            last = now
            emitted = np.frombuffer(data, np.float32)
            echo = self.echo
            heard = echo.process(emitted) if echo is not None else np.zeros(BLOCK, np.float32)
            with self._condition:
                self._blocks.append(emitted)
                self._offset = min(self._offset, now - len(self._blocks) * BLOCK / RATE_HZ)
                said = len(self._queued) > 0
                if said:
                    heard = heard + self._queued.popleft()
                self._condition.notify_all()
            if not said and np.abs(heard).max() < QUIET and self.behind_s > BLOCK / RATE_HZ:
                continue
            if not self.muted:
                heard = heard + self._floor
            _write_all(sink, np.clip(heard, -1, 1).astype(np.float32).tobytes())

    @property
    def behind_s(self) -> float:
        """By how much later than usual the microphone gives what enters the room now.

        PulseAudio plays silence while it waits for us or for pacat, and what was written meanwhile stays in the pipe:
        silent blocks are left out until it is gone.
        """
        assert self._writer.stdin is not None
        waiting = struct.unpack("i", fcntl.ioctl(self._writer.stdin.fileno(), termios.FIONREAD, bytes(4)))[0]
        return max(0.0, waiting / (4 * RATE_HZ) - LEAD_BLOCKS * BLOCK / RATE_HZ)

    @property
    def now(self) -> float:
        with self._condition:
            return len(self._blocks) * BLOCK / RATE_HZ

    def monotonic(self, at: float) -> float:
        with self._condition:
            return at + self._offset

    def say(self, samples: Samples, sample_rate_hz: int) -> Said:
        voice = samples if sample_rate_hz == RATE_HZ else soxr.resample(samples, sample_rate_hz, RATE_HZ)
        voice = np.asarray(voice, np.float32)
        padded = np.concatenate([voice, np.zeros(-len(voice) % BLOCK, np.float32)])
        with self._condition:
            starts = (len(self._blocks) + len(self._queued)) * BLOCK / RATE_HZ
            self._queued.extend(padded.reshape(-1, BLOCK))
        return Said(starts, starts + len(voice) / RATE_HZ)

    def hush(self) -> None:
        with self._condition:
            self._queued.clear()

    def recorded(self, since: float, until: float | None = None) -> Samples:
        first = max(0, round(since * RATE_HZ))
        with self._condition:
            blocks = self._blocks[first // BLOCK :]
        sound = np.concatenate([*blocks, np.zeros(0, np.float32)])[first % BLOCK :]
        return sound if until is None else sound[: max(0, round(until * RATE_HZ) - first)]

    def wait_until(self, at: float) -> None:
        with self._condition:
            missing = at - len(self._blocks) * BLOCK / RATE_HZ
            if not self._condition.wait_for(lambda: len(self._blocks) * BLOCK / RATE_HZ >= at, timeout=missing + 15):
                raise TimeoutError("the virtual sound card has stopped")

    def wait_for_sound(self, timeout: float, since: float, level: float) -> float:
        deadline = time.monotonic() + timeout
        seen = max(0, int(since * RATE_HZ) // BLOCK)
        first = round(since * RATE_HZ)
        with self._condition:
            while True:
                for index in range(seen, len(self._blocks)):
                    loud = np.flatnonzero(np.abs(self._blocks[index]) > level) + index * BLOCK
                    loud = loud[loud >= first]
                    if len(loud):
                        return float(loud[0]) / RATE_HZ
                seen = max(seen, len(self._blocks))
                if not self._condition.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"the speaker emitted nothing louder than {level} within {timeout} s")

    def wait_for_silence(self, timeout: float, quiet_s: float, level: float) -> float:
        deadline = time.monotonic() + timeout
        quiet, needed = 0, int(quiet_s * RATE_HZ / BLOCK)
        with self._condition:
            seen = len(self._blocks)
            while quiet < needed:
                if not self._condition.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"the speaker was not quiet for {quiet_s} s within {timeout} s")
                for block in self._blocks[seen:]:
                    quiet = 0 if np.abs(block).max() > level else quiet + 1
                seen = len(self._blocks)
            for index in range(seen - 1, -1, -1):
                loud = np.flatnonzero(np.abs(self._blocks[index]) > level)
                if len(loud):
                    return (index * BLOCK + float(loud[-1])) / RATE_HZ
            return 0.0


def prefer(*tasks: int) -> None:
    """Let these processes or threads go before others, where that is allowed: a sound card is never late."""
    for task in tasks:
        try:
            os.setpriority(os.PRIO_PROCESS, task, -15)
        except PermissionError:
            return


def _response(settings: EchoSettings) -> Samples:
    if settings.response is None:
        return np.array([10 ** (settings.gain_db / 20)], np.float32)
    recording = read_wav(settings.response, max_s=60)
    taps = soxr.resample(recording.samples, recording.sample_rate_hz, RATE_HZ)
    start = max(0, int(np.argmax(np.abs(taps))) - BLOCK // 10)
    taps = taps[start : start + RATE_HZ]
    return np.asarray(taps * 10 ** (settings.gain_db / 20) / np.sqrt(np.sum(taps**2)), np.float32)


def _partitions(taps: Samples) -> NDArray[np.complex128]:
    padded = np.concatenate([taps, np.zeros(-len(taps) % BLOCK, np.float32)]).reshape(-1, BLOCK)
    return np.asarray(np.fft.rfft(padded, 2 * BLOCK, axis=1))


def _noise(settings: EchoSettings) -> Samples:
    if settings.noise is None:
        return np.zeros(0, np.float32)
    recording = read_wav(settings.noise, max_s=600)
    noise = soxr.resample(recording.samples, recording.sample_rate_hz, RATE_HZ)
    return np.asarray(noise * 10 ** (settings.noise_dbfs / 20) / np.sqrt(np.mean(noise**2)), np.float32)


def _read_all(source: int, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        piece = os.read(source, count - len(data))
        if not piece:
            return None
        data += piece
    return data


def _write_all(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]
