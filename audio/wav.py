"""Reads and writes WAV files: PCM of 8 to 32 bits and 32/64-bit float, any rate, any channel count mixed to mono.

What cannot be used is an AudioFileError that says what it is and what to do; a recording cut short gives what is there.
"""

from __future__ import annotations

import logging
import struct
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.messages import Samples
from core.utils.errors import AudioFileError

logger = logging.getLogger(__name__)

PCM, IEEE_FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODECS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "ADPCM", 49: "GSM", 80: "MPEG", 85: "MP3"}
CONVERT = "convert it, e.g. with: ffmpeg -i {name} -ar 16000 -ac 1 speech.wav"
FORMATS = (
    (b"ID3", "an MP3 file"),
    (b"\xff\xfb", "an MP3 file"),
    (b"\xff\xf3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"FORM", "an AIFF file"),
    (b"RF64", "an RF64 (larger than 4 GB) file"),
    (b"RIFX", "a big-endian RIFX file"),
)
MAX_RATE_HZ = 768_000


@dataclass(frozen=True, slots=True)
class Recording:
    """The sound of a file."""

    samples: Samples
    """[n] mono in -1..1"""
    sample_rate_hz: int
    not_numbers: int = 0
    """values of a floating-point file that were NaN or infinite"""
    cut_short: bool = False
    """the file declares more than it holds"""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class _Layout:
    codec: int
    channels: int
    sample_rate_hz: int
    bits: int
    start: int
    """byte at which the sound begins"""
    frames: int
    cut_short: bool

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_wav(path: Path, max_s: float = 600.0) -> Recording:
    """The whole recording as float32 mono [n]. Raises AudioFileError, also when it lasts longer than `max_s`."""
    with _open(path) as file:
        layout = _parse(file, path)
        if layout.frames > max_s * layout.sample_rate_hz:
            minutes = layout.frames / layout.sample_rate_hz / 60
            raise AudioFileError(
                f"{path}: lasts {minutes:.1f} minutes and at most {max_s / 60:.1f} can be used here; "
                f"cut it, e.g. with: sox {path.name} shorter.wav trim 0 {max_s:.0f} (transcribe takes any length)"
            )
        return _recording(file, layout, layout.frames)


def stream_wav(path: Path, block: int) -> Iterator[Recording]:
    """The recording in pieces of `block` samples (the last may be shorter), never all in memory.

    Raises AudioFileError before the first piece.
    """
    with _open(path) as file:
        layout = _parse(file, path)
        left = layout.frames
        while left > 0:
            yield _recording(file, layout, min(block, left))
            left -= block


def write_wav(path: Path, samples: Samples, sample_rate_hz: int) -> None:
    """Write float32 mono [n] as 16-bit PCM. Raises AudioFileError when the file cannot be written."""
    write_wav_pieces(path, (samples,), sample_rate_hz)


def write_wav_pieces(path: Path, pieces: Iterable[Samples], sample_rate_hz: int) -> None:
    """Write them one behind the other as they come, never all in memory; until the last the file is not there, and
    what was there stays. Raises AudioFileError when it cannot be written, and what `pieces` raises."""
    partial = path.with_name(f"{path.name}.part") if path.is_file() or not path.exists() else path
    try:
        with partial.open("wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(sample_rate_hz)
            for samples in pieces:
                out.writeframesraw((np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes())
        partial.replace(path)
    except OSError as error:
        raise AudioFileError(
            f"{path}: cannot be written ({error.strerror}); choose another place or make room"
        ) from error
    finally:
        if partial != path:
            partial.unlink(missing_ok=True)


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name one WAV file in it")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise AudioFileError(f"{path}: there is no such file; check the name and the folder") from None
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _parse(file: BinaryIO, path: Path) -> _Layout:
    head = file.read(12)
    if not head:
        raise AudioFileError(f"{path}: is empty (0 bytes); record it again")
    if head[:4] != b"RIFF":
        raise AudioFileError(f"{path}: is {_name(head)}, not a WAV file; {CONVERT.format(name=path.name)}")
    if len(head) < 12:
        raise AudioFileError(f"{path}: is cut off within its header ({len(head)} bytes); copy or record it again")
    if head[8:12] != b"WAVE":
        raise AudioFileError(f"{path}: is a RIFF file but not a WAV file; {CONVERT.format(name=path.name)}")
    form = b""
    while True:
        chunk = file.read(8)
        if len(chunk) < 8:
            missing = "its sound (no data chunk)" if form else "its format"
            raise AudioFileError(f"{path}: is cut off before {missing}; copy or record it again")
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            return _layout(form, size, file, path)
        if name == b"fmt ":
            form = file.read(size)
            file.seek(size & 1, 1)
        else:
            file.seek(size + (size & 1), 1)


def _layout(form: bytes, declared: int, file: BinaryIO, path: Path) -> _Layout:
    if len(form) < 16:
        raise AudioFileError(f"{path}: has no usable format description; {CONVERT.format(name=path.name)}")
    codec, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if codec == EXTENSIBLE and len(form) >= 26:
        codec = struct.unpack("<H", form[24:26])[0]
    if codec not in (PCM, IEEE_FLOAT) or bits not in ((8, 16, 24, 32) if codec == PCM else (32, 64)):
        kind = CODECS.get(codec, f"codec {codec}" if codec not in (PCM, IEEE_FLOAT) else "PCM")
        raise AudioFileError(f"{path}: holds {bits}-bit {kind}, not plain PCM; {CONVERT.format(name=path.name)}")
    if not channels or not 1000 <= rate <= MAX_RATE_HZ:
        raise AudioFileError(
            f"{path}: declares {channels} channels at {rate} Hz, which no recording has; "
            + CONVERT.format(name=path.name)
        )
    start = file.tell()
    present = path.stat().st_size - start
    # programs that write to a pipe declare 0 or 2**32-1 bytes: both mean "until the end of the file"
    size = min(declared, present) if 0 < declared < 0xFFFFFF00 else present
    frames = size // (channels * bits // 8)
    if frames == 0:
        raise AudioFileError(f"{path}: holds no sound (its data is empty); record it again")
    cut_short = size < declared < 0xFFFFFF00
    if cut_short:
        logger.warning(
            "%s: is cut short, %d of %d bytes are there; using the %.1f s that are", path, size, declared, frames / rate
        )
    return _Layout(codec, channels, rate, bits, start, frames, cut_short)


def _name(head: bytes) -> str:
    for magic, name in FORMATS:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "an MP4/M4A file"
    return "text" if all(byte in b"\t\n\r\f\x1b" or 32 <= byte < 127 for byte in head) else "something else"


def _read(file: BinaryIO, layout: _Layout, frames: int) -> bytes:
    data = file.read(frames * layout.frame_bytes)
    return data[: len(data) // layout.frame_bytes * layout.frame_bytes]


def _recording(file: BinaryIO, layout: _Layout, frames: int) -> Recording:
    values = _decode(_read(file, layout, frames), layout)
    not_numbers = 0
    if layout.codec == IEEE_FLOAT:
        not_numbers = len(values) - int(np.count_nonzero(np.isfinite(values)))
        values = np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
    channels = values.reshape(-1, layout.channels)
    mono = channels[:, 0] if layout.channels == 1 else channels.mean(axis=1)
    return Recording(np.ascontiguousarray(mono, np.float32), layout.sample_rate_hz, not_numbers, layout.cut_short)


def _decode(data: bytes, layout: _Layout) -> NDArray[np.float32]:
    if layout.codec == IEEE_FLOAT:
        return np.frombuffer(data, "<f4" if layout.bits == 32 else "<f8").astype(np.float32)
    if layout.bits == 8:  # the one unsigned width
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
    if layout.bits == 16:
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
    if layout.bits == 24:
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        words = np.zeros((len(triples), 4), np.uint8)
        words[:, 1:] = triples
        return (words.view("<i4")[:, 0].astype(np.float64) / 2**31).astype(np.float32)
    return (np.frombuffer(data, "<i4").astype(np.float64) / 2**31).astype(np.float32)
