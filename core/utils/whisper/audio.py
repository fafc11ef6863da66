"""Sound for Whisper: float32 mono at 16 kHz. What cannot be that is refused with the value found and the cure."""

from __future__ import annotations

import logging
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.utils.errors import AudioFileError

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000
Samples = NDArray[np.float32]
_LOUDEST = 4.0
"""A float sample beyond this is a 16-bit value that nobody divided by 32768: nothing else is so loud."""


def check_samples(audio: NDArray[Any], sample_rate_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """[n] float32 in -1..1 from floats or 16-bit integers. Raises ValueError for a caller's mistake."""
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(f"the sound has {sample_rate_hz} Hz and Whisper hears {SAMPLE_RATE_HZ}: resample it first")
    if not isinstance(audio, np.ndarray):
        raise ValueError(f"the sound is a {type(audio).__name__}: give a numpy array or the path of a recording")
    if audio.ndim != 1:
        axis = int(np.argmin(audio.shape)) if audio.ndim else 0
        raise ValueError(f"the sound has the shape {audio.shape}: mix it to one channel, e.g. audio.mean(axis={axis})")
    if audio.size == 0:
        raise ValueError("the sound is empty: there is nothing to hear")
    if audio.dtype == np.int16:
        return audio.astype(np.float32) / np.float32(32768.0)
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"the sound's samples are {audio.dtype}: give float32 in -1..1 or int16")
    bad = int(audio.size - np.count_nonzero(np.isfinite(audio)))
    if bad:
        raise ValueError(
            f"{bad} of {audio.size} samples are NaN or infinite: the sound was damaged before it came here"
        )
    peak = float(np.abs(audio).max())
    if peak > _LOUDEST:
        raise ValueError(
            f"the sound's peak is {peak:g}: divide by 32768 if these are 16-bit values, it must be in -1..1"
        )
    return np.ascontiguousarray(audio, dtype=np.float32)


def load_recording(path: Path) -> Samples:
    """[n] of a file, mixed and resampled. 16-bit WAV needs nothing else, others faster-whisper's PyAV.

    Raises AudioFileError.
    """
    if not path.is_file():
        raise AudioFileError(f"{path}: there is no such recording; check the path")
    samples = _sixteen_bit_wav(path)
    if samples is None:
        samples = _decode(path)
    if samples.size == 0:
        raise AudioFileError(f"{path}: the recording is empty; record it again")
    return samples


def _sixteen_bit_wav(path: Path) -> Samples | None:
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                return None
            channels, rate_hz = file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        logger.debug("%s is no plain WAV file (%s)", path, error)
        return None
    whole = len(data) // (2 * channels) * (2 * channels)
    samples = np.frombuffer(data[:whole], "<i2").reshape(-1, channels).astype(np.float32).mean(axis=1) / 32768.0
    if rate_hz == SAMPLE_RATE_HZ or not samples.size:
        return np.ascontiguousarray(samples, dtype=np.float32)
    import soxr

    resampled: Samples = soxr.resample(samples.astype(np.float32), rate_hz, SAMPLE_RATE_HZ)
    return resampled


def _decode(path: Path) -> Samples:
    try:
        import av.error
        from faster_whisper.audio import decode_audio
    except ImportError as error:
        raise AudioFileError(
            f"{path}: not a WAV file with 16 bits, and nothing here reads others ({error.name} is missing); "
            f"convert it, e.g. with: ffmpeg -i {path.name} -ar 16000 -ac 1 speech.wav"
        ) from error
    try:
        decoded: Samples = decode_audio(str(path), sampling_rate=SAMPLE_RATE_HZ)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise AudioFileError(f"{path}: not a recording that can be read ({error}); convert it to WAV") from error
    return decoded
