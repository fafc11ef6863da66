"""What sound devices there are and which one is meant; the one interface behind which sounddevice and PyAudio stand.

Opens nothing by itself: `open_backend` gives the library, a backend opens streams.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError, DeviceError, MissingDependencyError, ModelError

logger = logging.getLogger(__name__)

Kind = Literal["input", "output"]

THINGS: dict[Kind, str] = {"input": "microphone", "output": "speaker"}
CHECK_FIRST = sys.platform == "linux"
"""PortAudio is asked whether it can open a device before it is let try: on ALSA a trial that fails while another stream
runs now and then counts as a success without a stream, on which it crashes, as all its threads keep the error in one
variable (`paUtilErr_` in pa_unix_util.h; a device gone for minutes is tried hundreds of times)."""
SAMPLE_BYTES = 4
"""of float32, the one format that is asked for"""
STANDARD_RATE_HZ = 48_000
"""what a device takes that refuses the rate it names"""


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone, a speaker, or both."""

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    native_rate_hz: int
    default_input: bool = False
    default_output: bool = False

    def channels(self, kind: Kind) -> int:
        return self.input_channels if kind == "input" else self.output_channels

    def is_default(self, kind: Kind) -> bool:
        return self.default_input if kind == "input" else self.default_output


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a device is opened."""

    device: Device
    sample_rate_hz: int
    channels: int
    block: int
    """samples per callback"""
    latency_s: float


# Bytes, as to make an array of each block is much of what a callback would cost while nobody speaks.
InputCallback = Callable[[bytes | memoryview, float | None, bool], None]
"""(float32 [n, channels] valid only during the call, seconds since the first sample was captured if known, overflow)"""
OutputCallback = Callable[[int, float | None, bool], bytes | None]
"""(n, seconds until the first sample leaves the speaker if known, underflow) to float32 [n, channels], None: silence"""


class Stream(Protocol):
    """An open device. It runs from `start` to `close`, which discards what is buffered and never waits for long."""

    @property
    def latency_s(self) -> float: ...
    @property
    def active(self) -> bool: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


class AudioBackend(Protocol):
    """A binding of PortAudio. All errors are AudioDeviceError."""

    name: str

    def devices(self) -> tuple[Device, ...]:
        """What was there at the last `refresh`."""
        ...

    def refresh(self) -> None:
        """Look for devices again. Every stream must be closed before: PortAudio is ended and started anew.

        While a stream hangs in its closing, the devices stay those that were there.
        """
        ...

    def open_input(self, options: StreamOptions, callback: InputCallback) -> Stream: ...
    def open_output(self, options: StreamOptions, callback: OutputCallback) -> Stream: ...

    def close(self, hangs: bool = False) -> None:
        """End PortAudio; not under a stream that `hangs` in its opening, its start or its closing, which would abort or
        wait for ever, and then not at the interpreter's end either."""
        ...


def open_backend(config: AudioConfig) -> AudioBackend:
    """The library that `audio.backend` names; `auto` takes sounddevice, else PyAudio.

    Raises MissingDependencyError (no Python package) or AudioDeviceError (no PortAudio), each with this system's cure.
    """
    from audio.pyaudio_backend import PyAudioBackend
    from audio.sounddevice_backend import SounddeviceBackend

    if config.backend == "sounddevice":
        return SounddeviceBackend()
    if config.backend == "pyaudio":
        return PyAudioBackend()
    try:
        return SounddeviceBackend()
    except (DeviceError, ModelError) as first:
        try:
            backend = PyAudioBackend()
        except (DeviceError, ModelError) as second:
            logger.debug("PyAudio is no substitute: %s", second)
            raise first from None
        logger.info("using PyAudio, because sounddevice cannot be used: %s", first)
        return backend


def portaudio_cure() -> str:
    """The command that brings PortAudio to this system."""
    if sys.platform.startswith("linux"):
        return "install it with: sudo apt install libportaudio2"
    if sys.platform == "darwin":
        return "install it with: brew install portaudio (or: pip install --force-reinstall sounddevice)"
    return "reinstall it with: pip install --force-reinstall sounddevice"


def missing_package(package: str, error: ImportError) -> MissingDependencyError:
    """The error for an audio package that is not installed."""
    headers = "; it needs PortAudio's headers first: sudo apt install portaudio19-dev" if package == "pyaudio" else ""
    return MissingDependencyError(
        f"audio.backend: {package} is not installed ({error}); pip install {package}{headers}"
    )


def choose_device(devices: Sequence[Device], wanted: int | str | None, kind: Kind) -> Device:
    """The device with that index or with that text in its name (any case; an exact name wins); None: the default.

    Raises AudioDeviceError, listing what there is, when none or several fit.
    """
    usable = [device for device in devices if device.channels(kind) > 0]
    if not usable:
        raise AudioDeviceError(
            f"no {THINGS[kind]} was found; plug one in, or see which devices exist: python3 main.py devices"
        )
    if wanted is None:
        return next((device for device in usable if device.is_default(kind)), usable[0])
    if isinstance(wanted, int):
        fits = [device for device in usable if device.index == wanted]
    else:
        text = wanted.strip().casefold()
        fits = [device for device in usable if device.name.casefold() == text]
        fits = fits or [device for device in usable if text in device.name.casefold()]
    if len(fits) > 1 and len({device.name for device in fits}) == 1:
        # one device behind several host APIs (Windows): PortAudio lists its preferred host API first
        fits = fits[:1]
    if len(fits) == 1:
        return fits[0]
    listing = "\n".join(f"  {device.index}: {device.name} ({device.host_api})" for device in fits or usable)
    problem = "several devices fit" if fits else "there is no such device"
    raise AudioDeviceError(f"audio.{kind}_device: {wanted!r}: {problem}; name one of these by its number:\n{listing}")


def refused(kind: Kind, options: StreamOptions, error: Exception) -> AudioDeviceError:
    """The error for a device that its system does not open as asked; `error` is the library's."""
    form = f"{options.sample_rate_hz} Hz with {options.channels} channel(s)"
    return AudioDeviceError(
        f"{_named(kind, options.device)} cannot be opened at {form} ({error}); close the program that uses it, or "
        f"choose another: {_choosing(kind)}"
    )


def not_started(kind: Kind, device: Device, error: Exception) -> AudioDeviceError:
    """The error for a device that was opened and gives or takes no sound."""
    return AudioDeviceError(
        f"{_named(kind, device)} does not start ({error}); unplug it and plug it in, or choose another: "
        f"{_choosing(kind)}"
    )


def _named(kind: Kind, device: Device) -> str:
    """ALSA calls a device "default", which names none: it is said which it is to be, and by what it was asked for."""
    chosen = ", your system's default" if device.is_default(kind) else ""
    return f"{THINGS[kind]} {device.index}, {device.name!r} ({device.host_api}{chosen}),"


def _choosing(kind: Kind) -> str:
    return f"`python3 main.py devices` lists them, `--set audio.{kind}_device=NUMBER` takes one"


def start_in_first(
    device: Device, formats: Iterable[tuple[int, int]], start: Callable[[Device, int, int], None]
) -> tuple[int, int]:
    """Call `start(device, rate_hz, channels)` with one format after the other until one is taken; returns it.

    Raises the AudioDeviceError of the last refusal.
    """
    refusal: AudioDeviceError | None = None
    for rate_hz, channels in formats:
        try:
            start(device, rate_hz, channels)
        except AudioDeviceError as error:
            refusal = error
            logger.debug("%s", error)
            continue
        return rate_hz, channels
    assert refusal is not None
    raise refusal
