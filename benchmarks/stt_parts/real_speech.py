"""What real Whisper weights are measured on: the recordings, on which the short path's constants were chosen, and held
out from that: the same in noise and in rooms, and sentences of nobody's choosing by synthetic voices.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.corpora.speech import ASSETS, in_a_room, read, synthesise
from core.messages import SAMPLE_RATE_HZ, Language, Samples

SNR_DB = 10.0
SHORT_S = 4.0
ENGLISH = (
    "the train to the coast leaves at twenty past nine",
    "i left my umbrella under the seat again",
    "could you tell me who painted that",
    "we should plant tomatoes before the rain comes",
    "she said the meeting was moved to thursday",
    "nobody knows why the bridge was closed",
    "put the heavy boxes near the back door please",
    "my brother works in a small bakery",
    "is the pharmacy still open this late",
    "the children found a frog behind the shed",
    "turn left after the second church",
    "what would you cook for six people",
)
ENGLISH_VOICES = ("flite:slt", "flite:rms", "flite:awb", "espeak-ng:en-us", "espeak-ng:en-gb+f3")
FRENCH = (
    "quelle heure est il",
    "allume la lumière du salon",
    "raconte moi une histoire",
    "où est la gare s'il vous plaît",
    "il fait très froid ce matin",
    "mets un minuteur de dix minutes",
    "je voudrais un café sans sucre",
    "nous partons demain avec les enfants",
    "combien font douze fois sept",
    "ma sœur habite près de la mer",
)
FRENCH_VOICES = ("espeak-ng:fr-fr", "espeak-ng:fr-be+f4", "espeak-ng:fr-ch+m3", "espeak-ng:fr-fr@140")
ENGLISH_SHORT = (
    "what time is it",
    "turn on the light",
    "tell me a story",
    "how cold is it outside",
    "set a timer for ten minutes",
    "i would like a coffee",
)


@dataclass(frozen=True, slots=True)
class Said:
    """A recording or a synthetic utterance, and what is said in it."""

    text: str
    samples: Samples
    """[n] at 16 kHz, with a little room before and after"""
    language: Language = "en"

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def recordings() -> list[Said]:
    """All English ones."""
    manifest = json.loads((ASSETS / "speech" / "manifest.json").read_text(encoding="utf-8"))
    return [
        Said(entry["text"], in_a_room(read(ASSETS / "speech" / entry["file"])))
        for entry in manifest
        if entry["lang"] == "en"
    ]


def in_noise(said: Sequence[Said]) -> Iterator[Said]:
    """Each with one of the noises, from anywhere in it, 10 dB below the speech."""
    noises = [read(path) for path in sorted((ASSETS / "noise").glob("*.wav"))]
    drawn = np.random.default_rng(14)
    for number, one in enumerate(said):
        noise = noises[number % len(noises)]
        begin = int(drawn.integers(0, len(noise)))
        part = np.resize(np.roll(noise, -begin), len(one.samples))
        gain = _level(one.samples) / max(_level(part), 1e-9) * 10.0 ** (-SNR_DB / 20.0)
        yield replace(one, samples=np.clip(one.samples + np.float32(gain) * part, -1.0, 1.0).astype(np.float32))


def in_rooms(said: Sequence[Said]) -> Iterator[Said]:
    """Each as one of the rooms gives it back, at its own level."""
    rooms = [read(path) for path in sorted((ASSETS / "rir").glob("*.wav"))]
    for number, one in enumerate(said):
        room = rooms[number % len(rooms)]
        size = len(one.samples) + len(room)
        echoed = np.fft.irfft(np.fft.rfft(one.samples, size) * np.fft.rfft(room, size), size)[: len(one.samples)]
        echoed *= _level(one.samples) / max(_level(echoed), 1e-9)
        yield replace(one, samples=np.clip(echoed, -1.0, 1.0).astype(np.float32))


def synthetic(texts: Sequence[str], voices: Sequence[str], language: Language = "en") -> Iterator[Said]:
    """Every text in every voice that this machine has; needs flite and espeak-ng."""
    with tempfile.TemporaryDirectory() as folder:
        for voice in voices:
            for text in texts:
                try:
                    samples = synthesise(voice, text, Path(folder) / "speech.wav")
                except subprocess.CalledProcessError:
                    break
                yield Said(text, in_a_room(samples), language)


def _level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
