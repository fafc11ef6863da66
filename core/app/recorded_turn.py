"""The file of a recorded turn: a zip of sound.wav (what the recogniser heard, 16 kHz) and turn.json.

The sound is kept as it was, in floating point: rounded to 16 bits, some of it would be understood otherwise. Files of
version 1 hold 16 bits, and not how the sound came to the recogniser.
"""

from __future__ import annotations

import io
import json
import os
import struct
import wave
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Language, Listening, Samples
from core.utils.errors import AudioFileError
from core.utils.paths import data_folder

FOLDER = "recordings"
VERSION = 2
SOUND, TURN = "sound.wav", "turn.json"
MOST_BYTES = 64 << 20
"""of either part: 17 minutes of sound"""
NO_SAMPLES: Samples = np.zeros(0, np.float32)

Kind = Literal["SpeechStarted", "SpeechChunk", "Utterance"]
KINDS: dict[str, Kind] = {"SpeechStarted": "SpeechStarted", "SpeechChunk": "SpeechChunk", "Utterance": "Utterance"}


@dataclass(frozen=True, slots=True)
class Step:
    """One message that the recogniser took in."""

    kind: Kind
    revision: int
    s: float
    """seconds since the turn began, when it was taken in; of an utterance, when its words were there"""
    begin: int = 0
    """the first of its samples, counted from the turn's"""
    end: int = 0
    """the one after its last"""
    final: bool = False
    voice_s: float = 0.0
    """when the voice began, or had ended, in seconds since the turn began"""
    echo_suspected: bool = False
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class EarlierTurn:
    """A turn of the same conversation before this one, which it may go on from."""

    turn: int
    s: float
    """seconds since the recorded turn began, when its words were there: below 0"""
    text: str
    language: Language
    source: str
    sentences: tuple[str, ...]
    """of the reply"""
    by_model: bool
    """a language model had a part in the reply"""
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """What a file holds."""

    turn: int
    heard_at: datetime
    """when the user had finished speaking"""
    language: Language
    """the conversation's"""
    transcript: str
    reply: str
    settings: dict[str, Any]
    """the configuration it ran with"""
    messages: tuple[dict[str, Any], ...]
    """each with its type and seconds since the turn began; without sound"""
    samples: Samples = field(default_factory=lambda: NO_SAMPLES, compare=False)
    """[n] at 16 kHz"""
    began_at: datetime | None = None
    """what seconds are counted from; None where that is not known, as in a file of version 1"""
    steps: tuple[Step, ...] = ()
    """what the recogniser took in, in order; empty where that is not known, as in a file of version 1"""
    listening: Listening | None = None
    """what Whisper brought to it; None where another recogniser heard it"""
    answers: str = ""
    """who answered what the skills do not; empty where that is not known"""
    earlier: tuple[EarlierTurn, ...] = ()
    """the oldest first"""


def write_turn(path: Path, turn: RecordedTurn) -> None:
    """One file, whole or not at all. Raises OSError."""
    plain: dict[str, Any] = {"merline": VERSION}
    for name in RecordedTurn.__slots__:
        value = getattr(turn, name)
        if name in ("steps", "earlier"):
            value = [asdict(one) for one in value]
        elif isinstance(value, datetime):
            value = value.isoformat()
        plain[name] = asdict(value) if isinstance(value, Listening) else value
    del plain["samples"]
    partial = path.with_name(path.name + ".part")
    try:
        with (
            open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts,
        ):
            parts.writestr(TURN, json.dumps(plain, ensure_ascii=False, indent=1))
            parts.writestr(SOUND, _wav(turn.samples))
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def read_turn(path: Path) -> RecordedTurn:
    """Raises AudioFileError, with a cure, for what is no recording of a turn."""
    cure = f"give one of the files in {data_folder() / FOLDER}"
    try:
        if path.is_dir():
            raise AudioFileError(f"{path}: is a folder; name one file in it, such as turn-20261128-064222-1.zip")
        with zipfile.ZipFile(path) as parts:
            plain, samples = json.loads(_part(parts, TURN)), _samples(_part(parts, SOUND))
        version = int(plain["merline"])
        if version <= VERSION:
            return _turn(plain, samples)
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except KeyError as error:
        raise AudioFileError(f"{path}: is no recording of a turn ({error.args[0]} is missing); {cure}") from error
    except (
        zipfile.BadZipFile, zlib.error, wave.Error, struct.error, EOFError, ValueError, TypeError, AttributeError,
        RuntimeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        # a RuntimeError is an encrypted part, an unknown compression or brackets within brackets without end
        raise AudioFileError(f"{path}: is no recording of a turn ({error or type(error).__name__}); {cure}") from error
    raise AudioFileError(f"{path}: was made by a newer version; update Merline to replay it")


def _part(parts: zipfile.ZipFile, name: str) -> bytes:
    if name not in parts.namelist():
        raise KeyError(name)
    info = parts.getinfo(name)
    if info.file_size > MOST_BYTES or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is not as it was written")
    return parts.read(info)


def _turn(plain: Mapping[str, Any], samples: Samples) -> RecordedTurn:
    """Raises what the wrong kind of value raises."""
    messages = tuple(plain["messages"])
    if not all(isinstance(message, dict) for message in messages):
        raise ValueError("its messages are none")
    turn = RecordedTurn(
        turn=int(plain["turn"]),
        heard_at=_moment(plain["heard_at"]),
        language=_language(plain["language"]),
        transcript=_text(plain["transcript"]),
        reply=_text(plain["reply"]),
        settings=dict(plain["settings"]),
        messages=messages,
        samples=samples,
    )
    if int(plain["merline"]) < VERSION:
        return turn
    return replace(
        turn,
        began_at=None if plain["began_at"] is None else _moment(plain["began_at"]),
        steps=tuple(_step(one, len(samples)) for one in plain["steps"]),
        listening=_listening(plain["listening"]) if plain["listening"] is not None else None,
        answers=_text(plain["answers"]),
        earlier=tuple(_earlier(one) for one in plain["earlier"]),
    )


def _step(plain: Mapping[str, Any], length: int) -> Step:
    kind = KINDS.get(plain["kind"])
    if kind is None:
        raise ValueError(f"a recogniser takes in no {plain['kind']}")
    step = Step(
        kind,
        int(plain["revision"]),
        _seconds(plain["s"]),
        int(plain["begin"]),
        int(plain["end"]),
        bool(plain["final"]),
        _seconds(plain["voice_s"]),
        bool(plain["echo_suspected"]),
        _number(plain["supersedes"]),
    )
    if not 0 <= step.begin <= step.end <= length or not 0 <= step.revision < 10_000:
        raise ValueError(f"there is no such sound as that of {step}")
    return step


def _earlier(plain: Mapping[str, Any]) -> EarlierTurn:
    return EarlierTurn(
        int(plain["turn"]),
        _seconds(plain["s"]),
        _text(plain["text"]),
        _language(plain["language"]),
        _text(plain["source"]),
        tuple(_text(sentence) for sentence in plain["sentences"]),
        bool(plain["by_model"]),
        _number(plain["supersedes"]),
    )


def _listening(plain: Mapping[str, Any]) -> Listening:
    doubted = None if plain["doubted"] is None else _language(plain["doubted"])
    looks = tuple(int(look) for look in plain["looks"])
    return Listening(_text(plain["model"]), _language(plain["language"]), doubted, looks)


def _text(value: object) -> str:
    text = str(value)
    text.encode()  # half of a surrogate pair cannot be printed: a ValueError
    return text


def _language(value: object) -> Language:
    if value not in ("en", "fr"):
        raise ValueError(f"{value!r} is no language that it could be in")
    return value


def _number(value: object) -> int | None:
    return None if value is None else int(cast(int, value))


def _seconds(value: float) -> float:
    seconds = float(value)
    if not abs(seconds) < 1e7:
        raise ValueError(f"{seconds} s")
    return seconds


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.astimezone()


def _header(size: int) -> bytes:
    """Of a mono WAV file of 32-bit floating point."""
    form = struct.pack("<HHIIHH", 3, 1, SAMPLE_RATE_HZ, 4 * SAMPLE_RATE_HZ, 4, 32)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + (
        struct.pack("<I", size)
    )  # fmt: skip


def _wav(samples: Samples) -> bytes:
    sound = samples.astype("<f4", copy=False).tobytes()
    return _header(len(sound)) + sound


def _samples(sound: bytes) -> Samples:
    """[n] of a file as written here, or by version 1."""
    header = _header(len(sound) - len(_header(0)))
    if sound.startswith(header):
        samples = np.frombuffer(sound[len(header) :], "<f4").astype(np.float32)
        if not np.isfinite(samples).all():
            raise ValueError(f"{SOUND} holds values that are no numbers")
        return samples
    with wave.open(io.BytesIO(sound)) as wav:
        if (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) != (1, 2, SAMPLE_RATE_HZ):
            raise ValueError(f"{SOUND} is not 16-bit mono at {SAMPLE_RATE_HZ} Hz")
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.float32) / np.float32(32767)
