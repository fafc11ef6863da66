"""What an assistant of published weights makes of its own voice over loudspeakers, and of a user's over it.

`MERLINE_REAL=build/real python3 -m benchmarks.echo_parts.published [WHISPER ...]`, after tools/real_models.py. Whisper
hears and Piper's joe speaks; speaker, microphone, canceller, detector, interruptions, listener and guard are the real
ones, on a virtual clock (tests.integration.virtual_room), so a busy machine changes nothing but how long it takes. The
users are recorded people, flite's and espeak-ng's voices. Each text that Whisper made of a sound is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import soxr

from audio.wav import read_wav
from benchmarks.corpora.no_speech import MADE, at
from benchmarks.endpoint_parts.whisper_words import CPU_TYPE, REAL, models
from benchmarks.figures import Figure
from core.messages import SAMPLE_RATE_HZ, Language, Samples
from core.utils.config import TtsConfig
from core.utils.vad_compat import load_vad
from stt.echo_guard import EchoGuard
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.integration.room import RATE_HZ, EchoSettings
from tests.integration.virtual_room import Noticed, VirtualRoom
from tests.integration.voices import missing_voice, spoken
from tts.engine import SpeechEngine
from tts.piper import PiperEngine

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
VOICE = "piper-en_US-joe-medium"
ROOMS = ("rir1", "rir2", "rir3", "rir4")
LEVELS_DB = (0.0, -10.0, -20.0)
NOISE_DBFS = -50.0
BARGE_IN_DB = -10.0
LONG = (
    "I can tell the time, set timers, alarms and reminders, do sums, convert units, and keep notes and a shopping list."
)
REPLIES = (
    "It's four minutes past nine in the evening.",
    "Today is Thursday, the twenty sixth of November.",
    "Ten kilometers is about six point two miles.",
    "That's eighty four.",
    "Your timer for five minutes is set.",
    "You have milk, bread and coffee on your shopping list.",
    "The sky is blue because air scatters short waves of light more than long ones.",
    "Sorry, I can't do that yet. Ask me what I can do.",
    "Once upon a time, a dragon lived in a castle, and nobody dared to speak to him.",
)
ANSWERS_A_ROOM = 13
PAUSES_S = (0.3, 0.8, 1.6)
PEOPLE = ("azure/whatstheweatherlike", "uberi/english", "speechbrain/spk1_snt1", "speechbrain/spk2_snt5")
WORDS = (
    ("hold on for a moment", "slt"),
    ("no, I meant tomorrow morning", "rms"),
    ("stop", "awb"),
    ("wait", "slt"),
    ("what about the kitchen", "en-gb"),
    ("stop talking please", "en-us+f3"),
)
"""and flite's or espeak-ng's voice that says them"""
USER_DBFS = -23.0
USER_S = 1.4
SOUND_DBFS = -30.0


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says over a reply, 48 kHz [n]."""

    name: str
    samples: Samples


class Rooms:
    """Opens rooms that one recogniser hears and one voice speaks in: folders of published weights."""

    def __init__(self, whisper: Path, voice: Path) -> None:
        self.name = whisper.name
        self._saying = ""
        """what the assistant has just said"""
        languages: tuple[Language, ...] = ("en",) if whisper.name.endswith(".en") else ("en", "fr")
        around = Surroundings(load_vad("auto"), guard=EchoGuard(lambda: self._saying))
        self._ear = WhisperTranscriber(WhisperSettings(str(whisper), languages, compute_type=CPU_TYPE), around)
        self._ear.load()
        self._voice = PiperEngine(TtsConfig(engine="piper", voice=str(next(voice.glob("*.onnx")))))
        self._voice.load()
        self._said = cache(partial(said, self._voice))

    def enter(self, name: str, level_db: float, seed: int) -> VirtualRoom:
        """With noise, 100 ppm of drift one way or the other, and a delay that nobody states."""
        rng = np.random.default_rng(seed)
        echo = EchoSettings(
            ASSETS / "rir" / f"{name}.wav",
            level_db,
            drift_ppm=float(rng.choice([-100.0, 100.0])),
            delay_ms=float(rng.uniform(25.0, 140.0)),
            noise=ASSETS / "noise" / f"noise{1 + (seed + int(name[-1])) % 5}.wav",
            noise_dbfs=NOISE_DBFS,
        )
        room = VirtualRoom(echo, recogniser=self._ear)
        room.run(0.5)
        return room

    def reply(self, room: VirtualRoom, text: str) -> None:
        """Begin to say it."""
        self._saying = f"{self._saying[-200:]} {text}"
        room.reply(self._said(text))


def run(names: tuple[str, ...] = ()) -> list[Figure]:
    """All figures of each Whisper that is here, or of those named ("tiny.en", "base")."""
    figures: list[Figure] = []
    for rooms in each(names):
        for level_db in LEVELS_DB:
            figures += alone(rooms, level_db)
        figures += [over_it(rooms), over_it(rooms, headphones=True), without_words(rooms)]
    return figures


def each(names: tuple[str, ...]) -> Iterator[Rooms]:
    """The rooms of each Whisper that is here, or of those named."""
    here = models()
    if missing := set(names) - {name.removeprefix("whisper-") for name in here}:
        sys.exit(f"no Whisper named {', '.join(sorted(missing))}; here (MERLINE_REAL): {', '.join(here) or 'none'}")
    for name, folder in here.items():
        if not names or name.removeprefix("whisper-") in names:
            yield Rooms(folder, Path(os.environ[REAL], VOICE))


def alone(rooms: Rooms, level_db: float) -> Iterator[Figure]:
    """Nobody speaks but the assistant."""
    answers = held = interrupted = answered = 0
    for number, name in enumerate(ROOMS):
        rng = np.random.default_rng(100 + number)
        room = rooms.enter(name, level_db, seed=number)
        for text in (*rng.choice(REPLIES, ANSWERS_A_ROOM - 1), LONG):
            before = len(room.noticed), len(room.answered)
            rooms.reply(room, str(text))
            room.run_until_silent()
            room.run(float(rng.choice(PAUSES_S)))
            told = room.noticed[before[0] :]
            answers += 1
            held += any(one.kind == "held" for one in told)
            interrupted += any(one.kind == "turn" and one.replying for one in told)
            answered += len(room.answered) - before[1]
            if told:
                _tell(rooms.name, f"{name} at {level_db:g} dB, {text[:30]!r}", told, room.answered[before[1] :])
        room.close()
    of = f"{rooms.name}, the echo at {level_db:g} dB, {answers} answers"
    yield Figure(f"replies to itself, {of}", answered, "", "lower", target=0)
    yield Figure(f"interruptions of itself, {of}", interrupted, "", "lower", target=0)
    yield Figure(f"moments for which it fell silent for itself, {of}", held, "", "lower")


def over_it(rooms: Rooms, headphones: bool = False) -> Figure:
    """Somebody else speaks over the assistant, which comes back into the microphone unless over headphones."""
    recognised = tries = 0
    echo = "headphones" if headphones else f"the echo at {BARGE_IN_DB:g} dB"
    for number, name in enumerate(ROOMS):
        room = rooms.enter(name, BARGE_IN_DB, seed=number)
        room.headphones = headphones
        for text in REPLIES[:2]:
            rooms.reply(room, text)
            room.run_until_silent()
            room.run(0.5)
        for turn, user in enumerate(_users()[number % 2 :: 2] * 2):
            before = len(room.noticed), len(room.answered)
            ended = interrupt(rooms, room, user, 0.6 + 0.35 * turn)
            words = room.answered[before[1] :]
            tries += 1
            recognised += ended and bool(words)
            if not (ended and words):
                _tell(
                    rooms.name,
                    f"{name}, {echo}, {user.name!r} after {0.6 + 0.35 * turn:.2f} s",
                    room.noticed[before[0] :],
                    words,
                )
        room.close()
    of = f"{rooms.name}, {echo}, {tries} times"
    return Figure(
        f"the user's voice over the reply recognised, {of}", recognised / tries, "share", "higher", target=0.9
    )


def without_words(rooms: Rooms) -> Figure:
    """Coughs, keys, music and the like over the assistant's reply; none of them is anybody's turn."""
    answered = tries = 0
    for number, name in enumerate(ROOMS[:2]):
        room = rooms.enter(name, BARGE_IN_DB, seed=number)
        rooms.reply(room, REPLIES[0])
        room.run_until_silent()
        for sound, make in MADE.items():
            before = len(room.noticed), len(room.answered)
            made = soxr.resample(at(make(np.random.default_rng(7)), SOUND_DBFS), SAMPLE_RATE_HZ, RATE_HZ)
            interrupt(rooms, room, Said(sound, np.asarray(made, np.float32)), 1.0)
            tries += 1
            answered += len(room.answered) - before[1]
            _tell(rooms.name, f"{name}, {sound}", room.noticed[before[0] :], room.answered[before[1] :])
        room.close()
    return Figure(
        f"replies to sounds without words over a reply, {rooms.name}, {tries} sounds", answered, "", "lower", target=0
    )


def interrupt(rooms: Rooms, room: VirtualRoom, user: Said, after_s: float) -> bool:
    """Whether the voice ended the reply."""
    rooms.reply(room, LONG)
    room.run(after_s)
    before = len(room.noticed)
    room.speak(user.samples, user.name)
    room.run(len(user.samples) / RATE_HZ + 2.5)
    turns = [one for one in room.noticed[before:] if one.kind == "turn" and one.replying]
    room.end_reply()
    room.run(0.8)
    return bool(turns)


@cache
def _users() -> tuple[Said, ...]:
    """Voices that are not the assistant's."""
    people = [Said(name, person(name)) for name in PEOPLE]
    flite, espeak = not missing_voice("flite"), not missing_voice("espeak-ng")
    for text, voice in WORDS:
        if voice.startswith("en") and espeak:
            people.append(Said(f"{voice}: {text}", spoken(text, voice, level_dbfs=USER_DBFS)))
        elif flite and not voice.startswith("en"):
            people.append(Said(f"{voice}: {text}", spoken(text, voice, "flite", USER_DBFS)))
    return tuple(people)


def person(name: str) -> Samples:
    """The beginning of a recorded sentence, from its first audible sample on, 48 kHz [n]."""
    recording = read_wav(ASSETS / "speech" / f"{name}.wav")
    sound = np.asarray(soxr.resample(recording.samples, recording.sample_rate_hz, RATE_HZ), np.float32)
    begins = int(np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())[0])
    sound = sound[begins : begins + round(USER_S * RATE_HZ)]
    return np.asarray(sound * (10 ** (USER_DBFS / 20) / np.sqrt(np.mean(sound**2))), np.float32)


def said(voice: SpeechEngine, text: str) -> Samples:
    """The assistant's own voice, 48 kHz [n]."""
    samples = np.concatenate([piece.samples for piece in voice.synthesize(text, "en", 1.0)])
    return np.asarray(soxr.resample(samples, voice.sample_rate_hz, RATE_HZ), np.float32)


def _tell(whisper: str, where: str, told: list[Noticed], words: list[str]) -> None:
    events = ", ".join(f"{one.kind} at {one.at:.1f}{'' if one.replying else ' (after it)'}" for one in told)
    print(f"{whisper}, {where}: {events or 'nothing'}; answered {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for figure in run(tuple(sys.argv[1:])):
        print(figure.line(), flush=True)
