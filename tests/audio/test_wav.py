"""Every kind of WAV file that is usable, and a clear word about every kind that is not."""

import logging
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.wav import read_wav, stream_wav, write_wav, write_wav_pieces
from core.utils.errors import AudioFileError

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(4800) / 48_000)).astype(np.float32)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def form(codec: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", codec, channels, rate, rate * frame, frame, bits)


def pcm(bits: int) -> bytes:
    if bits == 8:
        return (TONE * 127 + 128).round().astype(np.uint8).tobytes()
    words = (TONE.astype(np.float64) * (2 ** (bits - 1) - 1)).round().astype("<i4")
    return (
        words.astype("<i2").tobytes() if bits == 16 else words.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    )


@pytest.mark.parametrize(("bits", "error"), [(8, 1e-2), (16, 1e-4), (24, 1e-6), (32, 1e-6)])
def test_pcm_of_every_width(tmp_path: Path, bits: int, error: float) -> None:
    file = tmp_path / "tone.wav"
    file.write_bytes(riff((b"LIST", b"odd"), (b"fmt ", form(1, 1, 48_000, bits)), (b"data", pcm(bits))))
    recording = read_wav(file)
    assert recording.sample_rate_hz == 48_000
    assert recording.seconds == pytest.approx(0.1)
    assert recording.samples == pytest.approx(TONE, abs=error)


def test_float_and_extensible(tmp_path: Path) -> None:
    file = tmp_path / "tone.wav"
    file.write_bytes(riff((b"fmt ", form(3, 1, 96_000, 32)), (b"data", TONE.tobytes())))
    assert read_wav(file).samples == pytest.approx(TONE)
    guid = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\0" * 14
    file.write_bytes(riff((b"fmt ", form(0xFFFE, 1, 8_000, 16) + guid), (b"data", pcm(16))))
    assert read_wav(file).samples == pytest.approx(TONE, abs=1e-4)


def test_stereo_is_mixed_to_mono(tmp_path: Path) -> None:
    file = tmp_path / "stereo.wav"
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    file.write_bytes(riff((b"fmt ", form(3, 2, 96_000, 32)), (b"data", stereo.tobytes())))
    assert read_wav(file).samples == pytest.approx(TONE / 2)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "out.wav"
    write_wav(file, TONE, 22_050)
    with wave.open(str(file)) as written:
        assert (written.getframerate(), written.getnchannels(), written.getsampwidth()) == (22_050, 1, 2)
    assert read_wav(file).samples == pytest.approx(TONE, abs=1e-4)
    pieces = list(stream_wav(file, 1000))
    assert [len(piece.samples) for piece in pieces] == [1000, 1000, 1000, 1000, 800]
    assert np.concatenate([piece.samples for piece in pieces]) == pytest.approx(TONE, abs=1e-4)


def test_a_recording_cut_short_gives_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "cut.wav"
    file.write_bytes(riff((b"fmt ", form(1, 1, 48_000, 16)), (b"data", pcm(16)))[:-4801])
    with caplog.at_level(logging.WARNING):
        recording = read_wav(file)
    assert len(recording.samples) == 2399
    assert "cut short" in caplog.text


def test_a_length_of_a_pipe_means_until_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "pipe.wav"
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + form(1, 1, 16_000, 16)
    for declared in (0, 0xFFFFFFFF, 0xFFFFFFFF - 36):
        file.write_bytes(head + b"data" + struct.pack("<I", declared) + pcm(16))
        assert len(read_wav(file).samples) == 4800
    assert not caplog.records


GOOD = form(1, 1, 16_000, 16)
BAD = {
    "empty": (b"", "is empty"),
    "text": (b"Dear diary, today I recorded nothing.", "is text, not a WAV"),
    "mp3": (b"ID3\x04" + bytes(100), "is an MP3 file"),
    "flac": (b"fLaC" + bytes(100), "is a FLAC file"),
    "ogg": (b"OggS" + bytes(100), "is an Ogg file"),
    "m4a": (b"\0\0\0\x20ftypM4A " + bytes(50), "is an MP4/M4A file"),
    "avi": (b"RIFF\x10\0\0\0AVI " + bytes(50), "not a WAV file"),
    "noise": (bytes(range(200, 250)), "something else"),
    "header cut": (riff((b"fmt ", GOOD))[:10], "cut off within its header"),
    "format cut": (riff((b"fmt ", GOOD))[:18], "cut off before its format"),
    "no data": (riff((b"fmt ", GOOD)), "no data chunk"),
    "no sound": (riff((b"fmt ", GOOD), (b"data", b"")), "holds no sound"),
    "data before format": (riff((b"data", b"1234")), "no usable format"),
    "mu-law": (riff((b"fmt ", form(7, 1, 8000, 8)), (b"data", bytes(80))), "mu-law"),
    "12 bit": (riff((b"fmt ", form(1, 1, 8000, 12)), (b"data", bytes(80))), "12-bit"),
    "no channel": (riff((b"fmt ", form(1, 0, 8000, 16)), (b"data", bytes(80))), "0 channels"),
    "no rate": (riff((b"fmt ", form(1, 1, 0, 16)), (b"data", bytes(80))), "0 Hz"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    data, reason = BAD[kind]
    file = tmp_path / "bad.wav"
    file.write_bytes(data)
    with pytest.raises(AudioFileError, match=reason) as caught:
        read_wav(file)
    assert str(file) in str(caught.value)
    assert any(cure in str(caught.value) for cure in ("again", "ffmpeg")), "an error names its cure"


def test_pieces_are_written_as_they_come(tmp_path: Path) -> None:
    file = tmp_path / "out.wav"

    def pieces() -> Iterator[np.ndarray]:
        yield TONE[:100]
        assert not file.exists(), "a file is there when it is whole"
        yield TONE[:0]
        yield TONE[100:]

    write_wav_pieces(file, pieces(), 48_000)
    assert read_wav(file).samples == pytest.approx(TONE, abs=1e-4)
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_or_is_interrupted_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.wav"
    write_wav(file, TONE, 48_000)

    def interrupted() -> Iterator[np.ndarray]:
        yield TONE[:10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_wav_pieces(file, interrupted(), 16_000)
    assert read_wav(file).sample_rate_hz == 48_000
    assert list(tmp_path.iterdir()) == [file]


def test_places_that_hold_no_file(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="is a folder"):
        read_wav(tmp_path)
    with pytest.raises(AudioFileError, match="no such file"):
        read_wav(tmp_path / "absent.wav")
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_wav(tmp_path / "absent" / "out.wav", TONE, 16_000)


def test_a_recording_of_two_hours_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    with file.open("wb") as out:
        out.write(riff((b"fmt ", GOOD), (b"data", b""))[:-4] + struct.pack("<I", 2 * 3600 * 32_000))
        out.truncate(44 + 2 * 3600 * 32_000)  # sparse
    with pytest.raises(AudioFileError, match=r"lasts 120\.0 minutes and at most 10\.0"):
        read_wav(file, max_s=600)
    assert len(next(stream_wav(file, 1600)).samples) == 1600
