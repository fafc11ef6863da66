"""The file of a recorded turn: everything that is none is refused by name, with what to give instead."""

from __future__ import annotations

import io
import json
import wave
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.app.recorded_turn import EarlierTurn, RecordedTurn, Step, read_turn, write_turn
from core.messages import Listening
from core.utils.errors import AudioFileError

SOUND = np.random.default_rng(1).normal(0.0, 0.1, 3000).astype(np.float32)
TURN = RecordedTurn(
    7,
    datetime(2026, 11, 28, 7, 30, 1, tzinfo=UTC),
    "fr",
    "quelle heure est-il",
    "Il est midi.",
    {"stt": {"engine": "auto"}},
    ({"type": "SpeechStarted", "s": 0.0},),
    SOUND,
    datetime(2026, 11, 28, 7, 30, tzinfo=UTC),
    (
        Step("SpeechStarted", 0, 0.0, voice_s=-0.3, supersedes=6),
        Step("SpeechChunk", 0, 0.1, 0, 2000),
        Step("Utterance", 0, 1.2, 0, 3000, True, 1.0, True),
    ),
    Listening("base", "en", "fr", (1024, 2048)),
    "skills",
    (EarlierTurn(6, -4.0, "quelle", "fr", "whisper", ("Pardon ?", ""), False, 5),),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "turn.zip"
    write_turn(path, TURN)
    return path


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The file with another turn.json."""
    with zipfile.ZipFile(path) as parts:
        plain, sound = json.loads(parts.read("turn.json")), parts.read("sound.wav")
    change(plain)
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("turn.json", json.dumps(plain))
        parts.writestr("sound.wav", sound)
    return path


def refused(path: Path) -> str:
    with pytest.raises(AudioFileError) as found:
        read_turn(path)
    text = str(found.value)
    assert text.startswith(f"{path}: ")
    assert ";" in text, "it says what to do"
    return text


def test_it_comes_back_as_it_was(file: Path) -> None:
    turn = read_turn(file)
    assert np.array_equal(turn.samples, SOUND)
    assert turn == TURN


def test_its_sound_can_be_listened_to(file: Path) -> None:
    from audio.wav import read_wav

    with zipfile.ZipFile(file) as parts:
        parts.extract("sound.wav", file.parent)
    recording = read_wav(file.parent / "sound.wav")
    assert recording.sample_rate_hz == 16_000
    assert np.array_equal(recording.samples, SOUND)


def test_a_file_of_version_1_is_read_without_what_it_does_not_tell(file: Path) -> None:
    with zipfile.ZipFile(file) as parts:
        plain = json.loads(parts.read("turn.json"))
    for name in ("began_at", "steps", "listening", "answers", "earlier"):
        del plain[name]
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((SOUND * 32767).astype("<i2").tobytes())
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("turn.json", json.dumps(plain | {"merline": 1}))
        parts.writestr("sound.wav", sound.getvalue())
    turn = read_turn(file)
    assert np.allclose(turn.samples, SOUND, atol=1e-4)
    assert (turn.steps, turn.began_at, turn.transcript) == ((), None, TURN.transcript)


def test_what_is_no_zip_file_is_refused(tmp_path: Path, file: Path) -> None:
    assert "check the path" in refused(tmp_path / "none.zip")
    assert "is a folder" in refused(tmp_path)
    assert "check the path" in refused(Path("a" * 300))
    empty = tmp_path / "empty.zip"
    empty.write_bytes(b"")
    assert "recordings" in refused(empty)
    text = tmp_path / "text.zip"
    text.write_text("hello")
    assert "is no recording of a turn" in refused(text)
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        refused(file)


def test_any_byte_may_be_damaged(file: Path) -> None:
    """Either it is noticed, or nothing hangs on it; never is there another error."""
    whole = file.read_bytes()
    generator = np.random.default_rng(3)
    noticed = 0
    for place in generator.integers(0, len(whole), 400):
        damaged = bytearray(whole)
        damaged[place] ^= int(generator.integers(1, 256))
        file.write_bytes(damaged)
        try:
            read_turn(file)
        except AudioFileError:
            noticed += 1
    assert noticed > 300


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    for contents in ({"word/document.xml": b"<a/>"}, {"turn.json": b"{}"}, {"turn.json": b"{}", "sound.wav": b""}):
        with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as parts:
            for name, content in contents.items():
                parts.writestr(name, content)
        assert "recordings" in refused(tmp_path / "foreign.zip")
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as parts:
        parts.writestr("word/document.xml", b"<a/>")
    assert "(turn.json is missing)" in refused(tmp_path / "foreign.zip")


def test_an_encrypted_part_is_refused(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = damaged.index(signature)
        damaged[place + flags] |= 1
    file.write_bytes(damaged)
    assert "encrypted" in refused(file)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_part_that_is_packed_otherwise_is_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "turn.zip", "w", method) as parts:
        parts.writestr("turn.json", "{}")
    refused(tmp_path / "turn.zip")


def test_a_part_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.recorded_turn.MOST_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "turn.zip", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("turn.json", b" " * (2 << 20))
    refused(tmp_path / "turn.zip")


def test_brackets_within_brackets_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "turn.zip", "w") as parts:
        parts.writestr("turn.json", "[" * 200_000)
        parts.writestr("sound.wav", b"")
    refused(tmp_path / "turn.zip")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "de"),
        ("language", None),
        ("turn", "x"),
        ("turn", float("inf")),
        ("turn", []),
        ("heard_at", 5),
        ("heard_at", "yesterday"),
        ("transcript", "\ud800"),
        ("settings", [1, 2]),
        ("messages", 3),
        ("messages", ["x"]),
        ("began_at", 5),
        ("listening", {"model": "base"}),
        ("listening", []),
        ("steps", [3]),
        ("steps", [{"kind": "Speech"}]),
        ("steps", {}.fromkeys("ab")),
        ("earlier", [{}]),
        ("merline", "two"),
    ],
)
def test_what_nobody_wrote_is_refused(file: Path, name: str, value: object) -> None:
    refused(rewritten(file, lambda plain: plain.update({name: value})))


@pytest.mark.parametrize(
    ("name", "value"), [("end", 3001), ("begin", -1), ("begin", 2001), ("revision", 10**9), ("s", float("nan"))]
)
def test_a_step_beyond_the_sound_is_refused(file: Path, name: str, value: float) -> None:
    refused(rewritten(file, lambda plain: plain["steps"][1].update({name: value})))


def test_a_turn_that_is_no_object_is_refused(file: Path) -> None:
    for content in ("[]", "3", '"x"', "null"):
        with zipfile.ZipFile(file) as parts:
            sound = parts.read("sound.wav")
        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("turn.json", content)
            parts.writestr("sound.wav", sound)
        refused(file)


def test_one_of_a_newer_version_says_so(file: Path) -> None:
    assert "newer version" in refused(rewritten(file, lambda plain: plain.update({"merline": 3})))


def test_sound_that_is_no_number_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "turn.zip"
    write_turn(file, replace(TURN, samples=np.full(3000, np.nan, np.float32)))
    refused(file)
