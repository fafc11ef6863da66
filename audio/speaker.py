"""The speaker: a short ring of sound that the output callback reads without waiting, padded with zeros.

The stream stays open all the time. `stop` drops what is queued, `hold` keeps it; volume and holding are ramps, never
steps.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from audio.devices import (
    STANDARD_RATE_HZ,
    AudioBackend,
    Device,
    Kind,
    Stream,
    StreamOptions,
    choose_device,
    start_in_first,
)
from audio.far_end import FarEnd, Played
from audio.stream_time import StreamTime, plausible
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.clock import Clock
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError
from core.utils.voice import VoiceSettings

logger = logging.getLogger(__name__)

FADE_S = 0.005
RAMP_S = 0.010
"""from full volume to silence when held"""
PAST_S = 2.0
"""how much of what was played can be played again"""
FORGOTTEN_S = 0.6
"""On a busy machine ALSA's plugin for PulseAudio may miss that the server's buffer has run dry: neither asks the other
again, until the device is opened anew."""
FILLED_S = 0.3
"""a device that asks for sound for so long plays it: a suspended one asks until its buffer is full"""


class Speaker:
    """One output device. `position` counts the samples written, for `leaves_at`."""

    kind: Kind = "output"

    def __init__(self, config: AudioConfig, backend: AudioBackend, clock: Clock, voice: VoiceSettings) -> None:
        self.far_end = FarEnd()
        self.underflows = 0
        self.watch: Callable[[], None] = lambda: None
        """called while the player waits; set where no microphone watches over the devices"""
        self._config = config
        self._backend = backend
        self._clock = clock
        self._voice = voice
        self._changed = threading.Condition()
        self._stream: Stream | None = None
        self._device: Device | None = None
        self._alive_at = 0.0
        self._called = False
        self.sample_rate_hz = STANDARD_RATE_HZ
        self._ring = np.zeros(0, np.float32)
        self._fade = np.zeros(0, np.float32)
        self._written = 0
        self._played = 0
        self._played_leaves_at: float | None = None
        self._turn_playing = False
        self._held = False
        self._past: deque[Samples] = deque()
        """what was taken last, at most `PAST_S` of it and a block"""
        self._past_samples = 0
        self._gain = voice.current.volume

    @property
    def device_name(self) -> str:
        return self._device.name if self._device else "none"

    @property
    def latency_s(self) -> float:
        """What the device itself delays, as PortAudio states it."""
        return self._stream.latency_s if self._stream else 0.0

    def open(self) -> None:
        """Open the device at its native rate, 48 kHz, or the 16 kHz of a headset that is telephoned with.

        Raises AudioDeviceError.
        """
        device = choose_device(self._backend.devices(), self._config.output_device, "output")
        counts = sorted({1, min(2, device.output_channels), device.output_channels})
        rates = dict.fromkeys((device.native_rate_hz, STANDARD_RATE_HZ, SAMPLE_RATE_HZ))
        rate_hz, channels = start_in_first(device, itertools.product(rates, counts), self._start)
        logger.info("speaker: %s at %d Hz, %d channel(s)", device.name, rate_hz, channels)

    def release(self) -> None:
        """Close the device; what is queued, and what it had taken and not emitted, waits for it to be opened again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._take_back()

    def close(self) -> None:
        """Close the device for good and drop what is queued."""
        self.stop()
        self.release()

    @property
    def delivering(self) -> bool:
        """Whether the device plays: it goes on asking when its buffer must be full."""
        return self._called

    @property
    def alive_at(self) -> float:
        return self._alive_at

    def stalled(self, now: float, alone: bool) -> bool:
        """Whether the device has asked for nothing for `audio.stall_s`, or has stopped.

        Where it has played and it alone asks no more, `FORGOTTEN_S` is enough.
        """
        stall_s = min(FORGOTTEN_S, self._config.stall_s) if alone and self._called else self._config.stall_s
        return self._stream is not None and (now - self._alive_at > stall_s or not self._stream.active)

    # Written by the player

    @property
    def position(self) -> int:
        """Samples written so far."""
        with self._changed:
            return self._written

    @property
    def queued(self) -> int:
        """Samples that the callback has not taken yet."""
        with self._changed:
            return len(self._ring)

    def write(self, samples: Samples) -> int:
        """Queue sound at `sample_rate_hz`, [n]; returns its position. Never waits."""
        with self._changed:
            at = self._written
            self._ring = np.concatenate([self._ring, samples])
            self._written += len(samples)
            self._turn_playing = True
            return at

    def pause(self) -> None:
        """Nothing follows for now: an empty ring is no underflow."""
        with self._changed:
            self._turn_playing = False

    def stop(self) -> None:
        """Drop what is queued, with a fade of 5 ms; what is written from now on is played."""
        with self._changed:
            count = min(len(self._ring), round(FADE_S * self.sample_rate_hz))
            if count:
                # as loud as it is now: what is held must not rise again to fade
                self._fade = self._ring[:count] * np.linspace(self._gain, 0, count, dtype=np.float32)
            self._ring = np.zeros(0, np.float32)
            self._played = self._written
            self._forget_past()
            self._turn_playing = False
            self._changed.notify_all()

    def hold(self, on: bool) -> None:
        """Fall silent within a ramp and keep what is queued, or go on with it."""
        self._held = on

    def rewind(self, position: int) -> None:
        """Play again from a sample that has been played; nothing happens where that is too long ago."""
        with self._changed:
            count = self._played - position
            if not 0 < count <= self._past_samples:
                return
            past = np.concatenate(self._past)
            self._ring = np.concatenate([past[len(past) - count :], self._ring])
            self._past, self._past_samples = deque([past[: len(past) - count]]), len(past) - count
            self._played = position
            if self._played_leaves_at is not None:
                self._played_leaves_at -= count / self.sample_rate_hz

    def wait(self, timeout: float) -> None:
        """Until the callback has taken something, at most `timeout` seconds."""
        self.watch()
        with self._changed:
            self._changed.wait(timeout)

    def leaves_at(self, position: int) -> float | None:
        """The monotonic time at which a written sample leaves the speaker; None while it is queued."""
        with self._changed:
            if position >= self._played:
                return None
            if self._played_leaves_at is None:
                return self._clock.monotonic()
            return self._played_leaves_at - (self._played - position) / self.sample_rate_hz

    # Read by the device

    def _start(self, device: Device, rate_hz: int, channels: int) -> None:
        latency_s = self._config.output_latency_ms / 1000
        options = StreamOptions(device, rate_hz, channels, rate_hz * self._config.block_ms // 1000, latency_s)
        times = StreamTime(rate_hz)

        def wanted(count: int, ahead_s: float | None, underflow: bool) -> bytes | None:
            now = self._clock.monotonic()
            self._alive_at = now
            self._called = now - opened_at > FILLED_S
            leaves_at = times.block(now + plausible(ahead_s, latency_s), count, at_least=now)
            block = self._next(count, leaves_at, underflow)
            if block is None:
                return None
            self.far_end.put(Played(block, rate_hz, leaves_at))
            return block.tobytes() if channels == 1 else block.repeat(channels).tobytes()

        stream = self._backend.open_output(options, wanted)
        latency_s = max(latency_s, stream.latency_s)
        self._alive_at = opened_at = self._clock.monotonic()
        self._called = False
        with self._changed:
            if rate_hz != self.sample_rate_hz:
                self._ring = np.zeros(0, np.float32)
                self._played = self._written
                self._forget_past()
            self.sample_rate_hz = rate_hz
        try:
            stream.start()
        except AudioDeviceError:
            stream.close()
            raise
        self._device, self._stream = device, stream

    def _next(self, count: int, leaves_at: float, underflow: bool) -> Samples | None:
        """The next block [count]; None for silence."""
        with self._changed:
            held = self._held
            if not len(self._ring) and not len(self._fade):
                self.underflows += self._turn_playing and not held
                self._gain = 0.0 if held else self._voice.current.volume
                return None
            most = min(count, math.ceil(self._gain * RAMP_S * self.sample_rate_hz)) if held else count
            taken, self._ring = self._ring[:most], self._ring[most:]
            self._played += len(taken)
            if len(taken):
                self._played_leaves_at = leaves_at + len(taken) / self.sample_rate_hz
                self._remember(taken)
            fade, self._fade = self._fade[:count], self._fade[count:]
            self.underflows += self._turn_playing and not held and (underflow or len(taken) < count)
            self._changed.notify_all()
        target = 0.0 if held else self._voice.current.volume
        if not len(taken) and not len(fade):
            self._gain = target
            return None
        block: Samples = np.zeros(count, np.float32)
        block[: len(taken)] = taken
        block *= self._ramp(target, count)
        block[: len(fade)] += fade
        return block

    def _take_back(self) -> None:
        with self._changed:
            if self._played_leaves_at is not None:
                inside_s = max(0.0, self._played_leaves_at - self._alive_at)
                self.rewind(self._played - min(round(inside_s * self.sample_rate_hz), self._past_samples))

    def _remember(self, taken: Samples) -> None:
        """For `rewind`. The lock is held."""
        self._past.append(taken)
        self._past_samples += len(taken)
        while self._past_samples - len(self._past[0]) > PAST_S * self.sample_rate_hz:
            self._past_samples -= len(self._past.popleft())

    def _forget_past(self) -> None:
        self._past.clear()
        self._past_samples = 0

    def _ramp(self, target: float, count: int) -> Samples:
        """Gains [count] from the present one to `target`, no faster than `RAMP_S` for the whole range."""
        if self._gain == target:
            return np.full(count, target, np.float32)
        steps = self._gain + np.sign(target - self._gain) * np.arange(1, count + 1) / (RAMP_S * self.sample_rate_hz)
        low, high = min(self._gain, target), max(self._gain, target)
        gains: Samples = np.clip(steps, low, high).astype(np.float32)
        self._gain = target if gains[-1] == np.float32(target) else float(gains[-1])
        return gains
