"""PortAudio through the sounddevice package."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import partial
from typing import Any

from audio.closing import Closing, Starting
from audio.devices import (
    CHECK_FIRST,
    SAMPLE_BYTES,
    Device,
    InputCallback,
    Kind,
    OutputCallback,
    Stream,
    StreamOptions,
    missing_package,
    not_started,
    portaudio_cure,
    refused,
)
from core.utils.errors import AudioDeviceError


class SounddeviceBackend:
    """Holds PortAudio open from construction to `close`."""

    name = "sounddevice"

    def __init__(self) -> None:
        try:
            import sounddevice
        except ImportError as error:
            raise missing_package("sounddevice", error) from error
        except OSError as error:
            raise AudioDeviceError(f"the PortAudio library cannot be loaded ({error}); {portaudio_cure()}") from error
        self._library = sounddevice
        self._closing = Closing()
        if not sounddevice._initialized:
            sounddevice._initialize()

    def devices(self) -> tuple[Device, ...]:
        try:
            apis = self._library.query_hostapis()
            default_input, default_output = (_index(value) for value in self._library.default.device)
            if default_input < 0 and default_output < 0 and len(apis):
                default_input, default_output = apis[0]["default_input_device"], apis[0]["default_output_device"]
            return tuple(
                _device(entry, apis[entry["hostapi"]]["name"], default_input, default_output)
                for entry in self._library.query_devices()
            )
        except self._library.PortAudioError as error:
            raise AudioDeviceError(f"PortAudio cannot list the sound devices ({error}); {portaudio_cure()}") from error

    def refresh(self) -> None:
        if self._closing.stuck:
            return
        try:
            self._library._terminate()
            self._library._initialize()
        except self._library.PortAudioError as error:
            raise AudioDeviceError(f"PortAudio cannot be started again ({error}); start Merline again") from error

    def open_input(self, options: StreamOptions, callback: InputCallback) -> Stream:
        def called(data: Any, frames: int, times: Any, status: Any) -> None:
            ago = times.currentTime - times.inputBufferAdcTime if times.inputBufferAdcTime > 0 else None
            callback(data, ago, bool(status.input_overflow))

        return self._open("input", options, called)

    def open_output(self, options: StreamOptions, callback: OutputCallback) -> Stream:
        silence = bytes(options.block * options.channels * SAMPLE_BYTES)

        def called(data: Any, frames: int, times: Any, status: Any) -> None:
            ahead = times.outputBufferDacTime - times.currentTime if times.outputBufferDacTime > 0 else None
            data[:] = callback(frames, ahead, bool(status.output_underflow)) or silence

        return self._open("output", options, called)

    def close(self, hangs: bool = False) -> None:
        if hangs or self._closing.stuck:
            # it would end PortAudio at the interpreter's end
            atexit.unregister(self._library._exit_handler)
        elif self._library._initialized:
            self._library._terminate()

    def _open(self, kind: Kind, options: StreamOptions, callback: Any) -> Stream:
        library, device, rate_hz = self._library, options.device.index, options.sample_rate_hz
        check = library.check_input_settings if kind == "input" else library.check_output_settings
        make = library.RawInputStream if kind == "input" else library.RawOutputStream
        try:
            if CHECK_FIRST:
                check(device, options.channels, "float32", samplerate=rate_hz)
            stream = make(
                device=device,
                samplerate=rate_hz,
                channels=options.channels,
                blocksize=options.block,
                latency=options.latency_s,
                dtype="float32",
                callback=callback,
            )
        except (library.PortAudioError, ValueError) as error:
            raise refused(kind, options, error) from error
        not_starting = partial(not_started, kind, options.device)
        return _SounddeviceStream(stream, library.PortAudioError, not_starting, self._closing)


class _SounddeviceStream:
    def __init__(
        self,
        stream: Any,
        error: type[Exception],
        not_starting: Callable[[Exception], AudioDeviceError],
        closing: Closing,
    ) -> None:
        self._stream = stream
        self._not_starting = not_starting
        self._starting = Starting(closing, stream.start, self._close, (error,))

    @property
    def latency_s(self) -> float:
        return float(self._stream.latency)

    @property
    def active(self) -> bool:
        return bool(self._stream.active)

    def start(self) -> None:
        problem = self._starting.start()
        if problem is not None:
            raise self._not_starting(problem) from problem

    def close(self) -> None:
        self._starting.close()

    def _close(self) -> None:
        # abort instead of stop: stop waits for a device that may be gone
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)


def _index(value: Any) -> int:
    return value if isinstance(value, int) else -1


def _device(entry: Any, host_api: str, default_input: int, default_output: int) -> Device:
    return Device(
        index=entry["index"],
        name=entry["name"],
        host_api=host_api,
        input_channels=entry["max_input_channels"],
        output_channels=entry["max_output_channels"],
        native_rate_hz=round(entry["default_samplerate"]),
        default_input=entry["index"] == default_input,
        default_output=entry["index"] == default_output,
    )
