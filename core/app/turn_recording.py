"""With `record: true`: each turn's sound and messages as one file in the data folder, to be run again by `replay`.

A file is a zip of sound.wav (what the recogniser heard, 16 kHz) and turn.json; its owner alone can read it, and only
the latest `KEPT` are kept. A full disk costs recordings, never a turn.
"""

from __future__ import annotations

import io
import json
import logging
import os
import wave
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import (
    SAMPLE_RATE_HZ,
    EchoDropped,
    Heard,
    Language,
    PlaybackStarted,
    Samples,
    Sentence,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.pipeline import Pipeline
from core.turns import TurnRecord
from core.utils.config import Config
from core.utils.errors import AudioFileError

logger = logging.getLogger(__name__)

FOLDER = "recordings"
KEPT = 200
VERSION = 1
SOUND, TURN = "sound.wav", "turn.json"
WATCHED = (SpeechStarted, Utterance, Transcript, Sentence, PlaybackStarted, Heard, TurnFailed, EchoDropped)
_NO_SAMPLES = np.zeros(0, np.float32)


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
    samples: Samples = field(default_factory=lambda: _NO_SAMPLES)
    """[n] at 16 kHz"""


class TurnRecording:
    """Watches a pipeline; `keep(record)` takes the turn that has just ended and returns what writes it. Any thread."""

    def __init__(self, folder: Path, config: Config, now: Callable[[], datetime], seconds: Callable[[], float]) -> None:
        self._folder = folder
        self._config = config
        self._now = now
        self._seconds = seconds
        self._turn = 0
        self._began = 0.0
        self._ended: datetime | None = None
        self._messages: list[dict[str, Any]] = []
        self._samples = _NO_SAMPLES
        self._failed = False

    def watch(self, pipeline: Pipeline) -> None:
        """Look on at what a turn is made of."""
        for message_type in WATCHED:
            pipeline.observe(message_type, self.note)

    def note(self, message: Any) -> None:
        """Take a message in; those of an older turn are left out."""
        if message.turn < self._turn:
            return
        if message.turn > self._turn:
            self._turn, self._began, self._messages = message.turn, self._seconds(), []
            self._samples, self._ended = _NO_SAMPLES, None
        if isinstance(message, Utterance):
            if message.final:
                self._samples, self._ended = message.samples, self._now()
            message = replace(message, samples=_NO_SAMPLES)
        plain = {"type": type(message).__name__, "s": round(self._seconds() - self._began, 4), **asdict(message)}
        plain.pop("samples", None)
        self._messages.append(plain)

    def keep(self, record: TurnRecord) -> Callable[[], None]:
        """The turn, if it is the user's and has sound, to be written by calling this."""
        if record.turn != self._turn or self._ended is None or not len(self._samples):
            return lambda: None
        turn = RecordedTurn(
            record.turn,
            self._ended,
            record.language,
            record.transcript,
            record.reply,
            self._config.model_dump(mode="json"),
            tuple(self._messages),
            self._samples,
        )
        return lambda: self._write(turn)

    def _write(self, turn: RecordedTurn) -> None:
        """What cannot be written is reported once."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_turn(self._folder / f"turn-{turn.heard_at:%Y%m%d-%H%M%S}-{turn.turn}.zip", turn)
            for old in sorted(self._folder.glob("turn-*.zip"))[:-KEPT]:
                old.unlink()
            self._failed = False
        except OSError as error:
            if not self._failed:
                logger.warning("%s: turns are not recorded (%s)", self._folder, error.strerror)
            self._failed = True


def write_turn(path: Path, turn: RecordedTurn) -> None:
    """One file, whole or not at all. Raises OSError."""
    plain = {
        "merline": VERSION,
        **{name: getattr(turn, name) for name in RecordedTurn.__slots__ if name not in ("samples", "heard_at")},
        "heard_at": turn.heard_at.isoformat(),
    }
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
    """Raises AudioFileError for what is no recording of a turn."""
    try:
        with zipfile.ZipFile(path) as parts:
            plain, samples = json.loads(parts.read(TURN)), _samples(parts.read(SOUND))
        return RecordedTurn(
            turn=int(plain["turn"]),
            heard_at=datetime.fromisoformat(plain["heard_at"]),
            language=plain["language"],
            transcript=str(plain["transcript"]),
            reply=str(plain["reply"]),
            settings=dict(plain["settings"]),
            messages=tuple(plain["messages"]),
            samples=samples,
        )
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (zipfile.BadZipFile, wave.Error, EOFError, KeyError, ValueError, TypeError) as error:
        raise AudioFileError(
            f"{path}: is no recording of a turn ({error}); give a file of {FOLDER} in the data folder"
        ) from error


def _wav(samples: Samples) -> bytes:
    """16-bit mono, for any player."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE_HZ)
        out.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return sound.getvalue()


def _samples(sound: bytes) -> Samples:
    with wave.open(io.BytesIO(sound)) as wav:
        if (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) != (1, 2, SAMPLE_RATE_HZ):
            raise ValueError(f"{SOUND} is not 16-bit mono at {SAMPLE_RATE_HZ} Hz")
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.float32) / np.float32(32767)


def began_at(turn: RecordedTurn) -> datetime:
    """The wall time at the first sample."""
    return turn.heard_at - timedelta(seconds=len(turn.samples) / SAMPLE_RATE_HZ)
