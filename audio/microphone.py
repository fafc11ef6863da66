"""The microphone as an inbox of AudioFrames, mono at the rate the device gives. The callback only copies.

While nobody speaks five blocks come as one: waking the listener costs seven times what it then does with a block.
Never raises once open: a device that goes away is reported and opened again when it is back (`Recovery`).
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from audio.devices import (
    SAMPLE_BYTES,
    STANDARD_RATE_HZ,
    AudioBackend,
    Device,
    Kind,
    Stream,
    StreamOptions,
    choose_device,
    start_in_first,
)
from audio.recovery import Recovery
from audio.stream_time import StreamTime, plausible
from core.messages import SAMPLE_RATE_HZ, AudioFrame, DeviceEvent, Samples
from core.utils.clock import Clock
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError

logger = logging.getLogger(__name__)

BUFFER_S = 2.0
"""how far the listener may lag before the oldest sound is dropped"""
REST_BLOCKS = 5
"""how many blocks are handed on at a time while nobody speaks and nothing is played"""
SILENT_S = 3.0
"""a real microphone never gives the same value for so long"""


@dataclass(frozen=True, slots=True)
class _Block:
    data: bytes
    """float32 [n, channels]"""
    channels: int
    captured_at: float
    sample_rate_hz: int

    def mono(self) -> Samples:
        """[n]"""
        samples = np.frombuffer(self.data, np.float32)
        return samples if self.channels == 1 else samples.reshape(-1, self.channels).mean(axis=1)


class Microphone:
    """Give it to the listener as its inbox. `dropped` counts blocks the listener was too late for, `overflows` those
    the device lost.
    """

    kind: Kind = "input"

    def __init__(
        self, config: AudioConfig, backend: AudioBackend, clock: Clock, events: Callable[[DeviceEvent], None]
    ) -> None:
        self.dropped = 0
        self.overflows = 0
        self.at_rest: Callable[[], bool] = lambda: False
        """whether nobody speaks and nothing is played, so that sound may come somewhat later"""
        self.recovery = Recovery(backend, clock, events)
        self.recovery.add(self)
        self._config = config
        self._backend = backend
        self._clock = clock
        self._events = events
        self._blocks: queue.SimpleQueue[_Block] = queue.SimpleQueue()
        self._limit = max(1, round(BUFFER_S * 1000 / config.block_ms))
        self._together = 1
        self._told_lost = 0
        self._stream: Stream | None = None
        self._device: Device | None = None
        self._alive_at = 0.0
        self._called = False
        self._still_s = 0.0
        """for how long it has given the same value"""
        self._looked_at = 0.0
        self._still_told = False
        self._muted = False
        self._gone = False
        """it could not be opened when it was no longer muted"""
        self.sample_rate_hz = SAMPLE_RATE_HZ

    @property
    def device_name(self) -> str:
        return self._device.name if self._device else "none"

    def open(self) -> None:
        """Open the device at 16 kHz, its own rate or 48 kHz; does nothing while muted. Raises AudioDeviceError."""
        if self._muted or self._stream is not None:
            return
        device = choose_device(self._backend.devices(), self._config.input_device, "input")
        rate_hz, channels = start_in_first(device, _attempts(device), self._start)
        logger.info("microphone: %s at %d Hz, %d channel(s)", device.name, rate_hz, channels)

    def release(self) -> None:
        """Close the device; what it gave stays in the queue."""
        stream, self._stream = self._stream, None
        self._gone = False
        if stream is not None:
            stream.close()

    def mute(self, on: bool) -> None:
        """Close the device and drop what it gave, or open it again; from any thread.

        While muted nothing opens it: not its return after a loss, nor a new default device. One that cannot be opened
        again counts as gone, and is used when it is back.
        """
        with self.recovery.undisturbed():
            self._muted = on
            if on:
                self.release()
                self._forget()
                return
            try:
                self.open()
            except AudioDeviceError as error:
                logger.warning("%s", error)
                self._gone = True

    def close(self) -> None:
        """Close the device for good."""
        self.release()

    @property
    def delivering(self) -> bool:
        """Whether the device has called back since it was opened."""
        return self._called

    @property
    def alive_at(self) -> float:
        return self._alive_at

    def stalled(self, now: float, alone: bool) -> bool:
        """Whether the device has given nothing for `audio.stall_s`, or has stopped; never while it is muted."""
        if self._stream is None:
            return self._gone
        return now - self._alive_at > self._config.stall_s or not self._stream.active

    def get(self, block: bool = True, timeout: float | None = None) -> AudioFrame:
        """The next piece of sound; raises queue.Empty after `timeout` seconds without one."""
        self.recovery.look()
        self._together = REST_BLOCKS if self.at_rest() else 1
        taken = self._blocks.get(block, timeout)
        if self.overflows + self.dropped != self._told_lost:
            self._told_lost = self.overflows + self.dropped
            logger.debug("sound was lost: %d overflows, %d blocks dropped so far", self.overflows, self.dropped)
        samples = taken.mono()
        self._watch_for_silence(samples)
        return AudioFrame(samples, taken.sample_rate_hz, taken.captured_at)

    def _start(self, device: Device, rate_hz: int, channels: int) -> None:
        options = StreamOptions(
            device, rate_hz, channels, rate_hz * self._config.block_ms // 1000, self._config.block_ms / 1000
        )
        times = StreamTime(rate_hz)
        latency_s = self._config.block_ms / 1000
        sample_bytes = channels * SAMPLE_BYTES
        gathered: list[bytes] = []
        first_at = 0.0

        def captured(data: bytes | memoryview, ago_s: float | None, overflow: bool) -> None:
            nonlocal first_at
            now = self._clock.monotonic()
            self._alive_at = now
            self._called = True
            self.overflows += overflow
            count = len(data) // sample_bytes
            at = times.block(now - plausible(ago_s, latency_s), count, at_most=now - count / rate_hz)
            if not gathered:
                first_at = at
            gathered.append(bytes(data))
            if len(gathered) < self._together and self._blocks.empty():
                return
            if self._blocks.qsize() >= self._limit:
                self._drop_oldest()
            self._blocks.put(_Block(b"".join(gathered), channels, first_at, rate_hz))
            gathered.clear()

        stream = self._backend.open_input(options, captured)
        latency_s = max(latency_s, stream.latency_s)
        self._alive_at = self._clock.monotonic()
        self._called = False
        try:
            stream.start()
        except AudioDeviceError:
            stream.close()
            raise
        self._device, self._stream, self.sample_rate_hz = device, stream, rate_hz

    def _forget(self) -> None:
        try:
            while True:
                self._blocks.get_nowait()
        except queue.Empty:
            return

    def _drop_oldest(self) -> None:
        try:
            self._blocks.get_nowait()
            self.dropped += 1
        except queue.Empty:  # the listener was faster
            return

    def _watch_for_silence(self, samples: Samples) -> None:
        now = self._clock.monotonic()
        since_s, self._looked_at = now - self._looked_at, now
        if len(samples) and (samples[0] != samples[-1] or samples.max() != samples.min()):
            self._still_s, self._still_told = 0.0, False
            return
        # neither what a machine slept through counts, nor a minute of silence that comes at once when it wakes
        self._still_s += min(len(samples) / self.sample_rate_hz, since_s)
        if not self._still_told and self._still_s > SILENT_S:
            self._still_told = True
            logger.warning("microphone (%s): silent; it may be muted, or forbidden to this program", self.device_name)
            self._events(DeviceEvent("input", "silent", self.device_name))


def _attempts(device: Device) -> Iterator[tuple[int, int]]:
    """Rates and channel counts to try, the cheapest first."""
    counts = sorted({1, min(2, device.input_channels), device.input_channels})
    for rate_hz in dict.fromkeys((SAMPLE_RATE_HZ, device.native_rate_hz, STANDARD_RATE_HZ)):
        for channels in counts:
            yield rate_hz, channels
