"""A sound library whose devices exist on paper and whose callbacks a test calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from audio.devices import Device, InputCallback, OutputCallback, StreamOptions
from core.messages import DeviceEvent, Samples
from core.utils.errors import AudioDeviceError

MICROPHONE = Device(0, "Desk Microphone", "ALSA", 2, 0, 48_000, default_input=True)
SPEAKER = Device(1, "Desk Speaker", "ALSA", 0, 2, 48_000, default_output=True)
HEADSET = Device(2, "USB Headset", "ALSA", 1, 2, 44_100)


class FakeClock:
    """Time that stands until a test moves it."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


@dataclass
class FakeStream:
    options: StreamOptions
    callback: Callable[..., bytes | None]
    latency_s: float = 0.03
    active: bool = False
    closed: bool = False
    lets_go: threading.Event | None = None
    """closing waits for it, as PortAudio does for a sound server that hangs"""

    def start(self) -> None:
        self.active = True

    def close(self) -> None:
        if self.lets_go is not None:
            assert self.lets_go.wait(20), "somebody waits for a sound server that hangs"
        self.active, self.closed = False, True

    def capture(self, samples: Samples, ago_s: float | None = None, overflow: bool = False) -> None:
        """Let the device give a block [n] (the same on all channels)."""
        buffer = bytearray(np.asarray(samples, np.float32).repeat(self.options.channels).tobytes())
        self.callback(memoryview(buffer), ago_s, overflow)
        buffer[:] = bytes(len(buffer))  # PortAudio reuses it

    def play(self, ahead_s: float | None = 0.05) -> Samples:
        """Let the device ask for a block; its first channel."""
        data = self.callback(self.options.block, ahead_s, False)
        if data is None:
            return np.zeros(self.options.block, np.float32)
        block = np.frombuffer(data, np.float32).reshape(self.options.block, self.options.channels)
        assert (block == block[:, :1]).all()
        return block[:, 0]


@dataclass
class FakeBackend:
    """`present` are the devices found at the next refresh; `refused_rates` those that no device opens at."""

    present: list[Device] = field(default_factory=lambda: [MICROPHONE, SPEAKER, HEADSET])
    refused_rates: tuple[int, ...] = ()
    refused_channels: tuple[int, ...] = ()
    name: str = "fake"
    inputs: list[FakeStream] = field(default_factory=list)
    outputs: list[FakeStream] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen = tuple(self.present)

    def devices(self) -> tuple[Device, ...]:
        return self._seen

    def refresh(self) -> None:
        assert not any(stream.active for stream in self.inputs + self.outputs), "PortAudio ended under an open stream"
        self._seen = tuple(self.present)

    def open_input(self, options: StreamOptions, callback: InputCallback) -> FakeStream:
        return self._open(self.inputs, options, callback)

    def open_output(self, options: StreamOptions, callback: OutputCallback) -> FakeStream:
        return self._open(self.outputs, options, callback)

    def close(self, hangs: bool = False) -> None:
        pass

    def _open(
        self, streams: list[FakeStream], options: StreamOptions, callback: InputCallback | OutputCallback
    ) -> FakeStream:
        refused = options.sample_rate_hz in self.refused_rates or options.channels in self.refused_channels
        if refused or options.device not in self.present:
            raise AudioDeviceError(f"{options.device.name}: refused")
        stream = FakeStream(options, callback)
        streams.append(stream)
        return stream


class Events(list[DeviceEvent]):
    """Collects device events."""

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(event.kind, event.state) for event in self]
