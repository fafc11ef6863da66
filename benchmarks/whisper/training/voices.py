"""The synthetic voices that are trained on and those held out, and one utterance in one of them.

espeak-ng speaks inside this process, from the package espeakng-loader; flite and festival are programs of the system.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from core.messages import Language, Samples
from tts.espeak_library import VoiceChoice, shared_library

RATE_HZ = 16_000
_MIDDLE = 50
_DIALECTS: dict[Language, tuple[str, ...]] = {
    "en": ("en-us", "en-us", "en-us", "en-gb", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029"),
    "fr": ("fr-fr", "fr-fr", "fr-fr", "fr-be", "fr-ch"),
}
_VARIANTS = (
    *("", "", "m1", "m2", "m4", "m5", "m6", "m8", "f1", "f2", "f3", "f5", "adam", "Alex", "Alicia", "Andy", "Annie"),
    *("antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "Denis", "Diogo", "ed", "edward", "Gene"),
    *("Henrique", "Hugo", "iven2", "Jacky", "john", "Lee", "linda", "Marco", "Mario", "max", "Michael", "michel"),
    *("Mike", "pablo", "paul", "pedro", "rob", "robert", "steph", "travis", "victor", "zac", "klatt2", "klatt4"),
)
_FILES = {"en-gb": "gmw/en", "fr-fr": "roa/fr"}
"""two languages that are no voice names in the package's espeak-ng, as they are in the program"""
_FLITE = ("kal", "kal16", "rms", "awb")
_FLITE_SHARE = 0.45
HELD_OUT_VOICES = (
    *("espeak-ng:en-gb", "espeak-ng:en-us+m3", "espeak-ng:en-gb-scotland+f4", "flite:slt"),
    *("espeak-ng:fr-ch", "espeak-ng:fr-fr+m3", "espeak-ng:fr-be+f4", "espeak-ng:fr-fr+Andrea"),
)
"""Never trained on: these two dialects without variant, the variants m3, m7, f4 and Andrea, and flite's slt."""
SEEN_VOICES = ("espeak-ng:en-us+f2", "flite:rms", "espeak-ng:fr-fr+m1")
UNSEEN_PROGRAM = "festival:ked"
"""A voice of a program that no training utterance came from; needs festival."""


@dataclass(frozen=True, slots=True)
class Voice:
    """PROGRAM:NAME, and how it speaks."""

    name: str
    rate: float = 1.0
    """of its usual speed"""
    pitch: int = _MIDDLE
    """0..99, espeak-ng and flite's kal only"""
    size: float = 1.0
    """flite only: above 1 a smaller throat, higher and brighter at the same speed; those trained on are all men"""

    @property
    def language(self) -> Language:
        return "fr" if self.name.startswith("espeak-ng:fr") else "en"


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech at 16 kHz."""

    samples: Samples
    word_starts: tuple[int, ...]
    """sample where each word of the text begins, -1 where the program does not say"""


def draw_voice(language: Language, rng: random.Random) -> str:
    """A voice that may be trained on."""
    if language == "en" and rng.random() < _FLITE_SHARE:
        return f"flite:{rng.choice(_FLITE)}"
    while True:
        variant = rng.choice(_VARIANTS)
        name = f"espeak-ng:{rng.choice(_DIALECTS[language])}{'+' if variant else ''}{variant}"
        if name not in HELD_OUT_VOICES:
            return name


def draw_manner(name: str, rng: random.Random) -> Voice:
    """The voice, slower or faster, higher or lower."""
    return Voice(name, rng.uniform(0.75, 1.2), rng.randint(25, 75), rng.uniform(0.92, 1.45))


def speak(text: str, voice: Voice) -> Clip:
    """One utterance. Raises CalledProcessError or FileNotFoundError where flite or festival fails or is missing."""
    program, _, name = voice.name.partition(":")
    if program == "espeak-ng":
        return _espeak(text, name, voice)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if program == "flite":
            manner = ["--setf", f"duration_stretch={voice.size / voice.rate:.3f}"]
            if name.startswith("kal") and voice.pitch != _MIDDLE:
                manner += ["--setf", f"int_f0_target_mean={105 + 2 * (voice.pitch - _MIDDLE)}"]
            subprocess.run(["flite", "-voice", name, *manner, "-t", text, "-o", str(path)], check=True, timeout=60)
        else:
            subprocess.run(["text2wave", "-o", str(path)], input=text.encode(), check=True, timeout=60)
        return Clip(_read(path, voice.size), (-1,) * len(text.split()))


def espeak_name(name: str) -> str:
    """By which the package's espeak-ng knows a dialect, with its variant if any."""
    dialect, plus, variant = name.partition("+")
    return f"{_FILES.get(dialect, dialect)}{plus}{variant}"


def _espeak(text: str, name: str, voice: Voice) -> Clip:
    library = shared_library()
    spoken = library.speak(text, VoiceChoice(espeak_name(name), round(165 * voice.rate), voice.pitch))
    ratio = RATE_HZ / library.sample_rate_hz
    begins = {mark.position: round(mark.sample * ratio) for mark in spoken.words}
    starts, position = [], 0
    for word in text.split():
        position = text.index(word, position)
        starts.append(begins.get(position, -1))
        position += len(word)
    return Clip(_resampled(spoken.samples, library.sample_rate_hz), tuple(starts))


def _read(path: Path, size: float) -> Samples:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768.0)
        return _resampled(samples, round(file.getframerate() * size))


def _resampled(samples: Samples, rate_hz: int) -> Samples:
    if rate_hz == RATE_HZ:
        return samples
    resampled: Samples = soxr.resample(samples, rate_hz, RATE_HZ)
    return resampled
