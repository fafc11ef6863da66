"""PortAudio through the PyAudio package, for machines that have this one and not sounddevice."""

from __future__ import annotations

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


class PyAudioBackend:
    """Holds PortAudio open from construction to `close`."""

    name = "pyaudio"

    def __init__(self) -> None:
        try:
            import pyaudio
        except ImportError as error:
            raise missing_package("pyaudio", error) from error
        self._library = pyaudio
        self._closing = Closing()
        self._session: Any = self._begin()

    def devices(self) -> tuple[Device, ...]:
        session = self._session
        try:
            apis = [session.get_host_api_info_by_index(index) for index in range(session.get_host_api_count())]
            entries = [session.get_device_info_by_index(index) for index in range(session.get_device_count())]
        except OSError as error:
            raise AudioDeviceError(f"PortAudio cannot list the sound devices ({error}); {portaudio_cure()}") from error
        default_input = _default(session.get_default_input_device_info)
        default_output = _default(session.get_default_output_device_info)
        return tuple(
            Device(
                index=entry["index"],
                name=str(entry["name"]),
                host_api=str(apis[entry["hostApi"]]["name"]),
                input_channels=entry["maxInputChannels"],
                output_channels=entry["maxOutputChannels"],
                native_rate_hz=round(entry["defaultSampleRate"]),
                default_input=entry["index"] == default_input,
                default_output=entry["index"] == default_output,
            )
            for entry in entries
        )

    def refresh(self) -> None:
        if self._closing.stuck:
            return
        self.close()
        self._session = self._begin()

    def open_input(self, options: StreamOptions, callback: InputCallback) -> Stream:
        proceed, overflow = self._library.paContinue, self._library.paInputOverflow

        def called(data: bytes, frames: int, times: Any, status: int) -> tuple[None, int]:
            adc = times["input_buffer_adc_time"]
            callback(data, times["current_time"] - adc if adc > 0 else None, bool(status & overflow))
            return None, proceed

        return self._open("input", options, called)

    def open_output(self, options: StreamOptions, callback: OutputCallback) -> Stream:
        proceed, underflow = self._library.paContinue, self._library.paOutputUnderflow
        silence = bytes(options.block * options.channels * SAMPLE_BYTES)

        def called(data: None, frames: int, times: Any, status: int) -> tuple[bytes, int]:
            dac = times["output_buffer_dac_time"]
            ahead = dac - times["current_time"] if dac > 0 else None
            return callback(frames, ahead, bool(status & underflow)) or silence, proceed

        return self._open("output", options, called)

    def close(self, hangs: bool = False) -> None:
        session, self._session = self._session, None
        if session is not None and not (hangs or self._closing.stuck):
            session.terminate()

    def _begin(self) -> Any:
        try:
            return self._library.PyAudio()
        except OSError as error:
            raise AudioDeviceError(f"PortAudio cannot be started ({error}); {portaudio_cure()}") from error

    def _open(self, kind: Kind, options: StreamOptions, callback: Any) -> Stream:
        device, sample_format = options.device.index, self._library.paFloat32
        direction = {kind: True, f"{kind}_device_index": device}
        asked = {f"{kind}_device": device, f"{kind}_channels": options.channels, f"{kind}_format": sample_format}
        try:
            if CHECK_FIRST:
                self._session.is_format_supported(options.sample_rate_hz, **asked)
            stream = self._session.open(
                rate=options.sample_rate_hz,
                channels=options.channels,
                format=sample_format,
                frames_per_buffer=options.block,
                stream_callback=callback,
                start=False,
                **direction,
            )
        except (OSError, ValueError) as error:
            raise refused(kind, options, error) from error
        return _PyAudioStream(stream, kind, options.device, self._closing)


class _PyAudioStream:
    def __init__(self, stream: Any, kind: Kind, device: Device, closing: Closing) -> None:
        self._stream = stream
        self._not_starting = partial(not_started, kind, device)
        self._starting = Starting(closing, stream.start_stream, stream.close, (OSError,))
        self.latency_s = float(stream.get_input_latency() if kind == "input" else stream.get_output_latency())

    @property
    def active(self) -> bool:
        return bool(self._stream.is_active())

    def start(self) -> None:
        problem = self._starting.start()
        if problem is not None:
            raise self._not_starting(problem) from problem

    def close(self) -> None:
        self._starting.close()


def _default(query: Any) -> int:
    try:
        return int(query()["index"])
    except OSError:  # PyAudio's way to say that there is none
        return -1
