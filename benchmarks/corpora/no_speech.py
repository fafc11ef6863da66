"""Sounds in which nobody speaks: recorded noises, and breath, coughs, laughter, keys, hum and music that are made here.

What is made here only resembles those sounds: it shows what a recogniser does with such a spectrum and rhythm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.corpora.speech import ASSETS, read
from core.messages import SAMPLE_RATE_HZ, Samples

LONGEST_S, LONG_S = 10.0, 60.0
RECORDED_DBFS = (-45.0, -30.0, -15.0)
MADE_DBFS = (-40.0, -20.0)
SILENCE_DBFS = -75.0
_NOTES_HZ = (262, 294, 330, 392, 330, 294, 262, 196)


@dataclass(frozen=True, slots=True)
class Sound:
    """[n] at 16 kHz."""

    name: str
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def sounds() -> Iterator[Sound]:
    """All of them: 3 to 10 s each at several levels, clipped ones, and two of a minute."""
    recorded = [read(path) for path in sorted((ASSETS / "noise").glob("*.wav"))]
    for number, noise in enumerate(recorded, 1):
        for begin in range(0, max(len(noise) - _samples(3.0), 1), _samples(LONGEST_S)):
            piece = noise[begin : begin + _samples(LONGEST_S)]
            for level in RECORDED_DBFS:
                yield Sound(f"noise {number} from {begin / SAMPLE_RATE_HZ:.0f} s, {level:g} dBFS", at(piece, level))
    for name, make in MADE.items():
        made = make(np.random.default_rng(7))
        yield from (Sound(f"{name}, {level:g} dBFS", at(made, level)) for level in MADE_DBFS)
    for name in ("hum", "music"):
        yield Sound(f"{name}, clipped", at(MADE[name](np.random.default_rng(8)), 10.0))
    yield Sound("noise 1, clipped", at(recorded[0][: _samples(LONGEST_S)], 10.0))
    yield Sound("near silence", at(np.random.default_rng(9).normal(size=_samples(LONG_S)), SILENCE_DBFS))
    yield Sound("all noises", np.concatenate([at(noise, -25.0) for noise in recorded])[: _samples(LONG_S)])


def at(sound: np.ndarray[tuple[int], np.dtype[np.floating]], dbfs: float) -> Samples:
    """At so much root mean square, clipped where it does not fit."""
    level = np.sqrt(np.mean(np.square(sound, dtype=np.float64)))
    clipped: Samples = np.clip(sound * (10.0 ** (dbfs / 20.0) / level), -1.0, 1.0).astype(np.float32)
    return clipped


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _times(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(_samples(seconds)) / SAMPLE_RATE_HZ


def _band(noise: np.random.Generator, seconds: float, low: float, high: float) -> np.ndarray:
    """Noise between two frequencies."""
    spectrum = np.fft.rfft(noise.normal(size=_samples(seconds)))
    hertz = np.fft.rfftfreq(_samples(seconds), 1.0 / SAMPLE_RATE_HZ)
    return np.fft.irfft(spectrum * ((hertz > low) & (hertz < high)), _samples(seconds))


def _breath(noise: np.random.Generator) -> np.ndarray:
    """In and out every four seconds."""
    t = _times(8.0)
    swell = np.clip(np.sin(2 * np.pi * 0.5 * t), 0.0, 1.0) ** 2
    return swell * (_band(noise, 8.0, 300, 1500) + 0.3 * _band(noise, 8.0, 2500, 6000))


def _bursts(noise: np.random.Generator, places: tuple[float, ...], fall_s: float, hertz: tuple[float, float]):
    """Noise that begins at once and dies away, at each place; 5 s."""
    t, rough = _times(5.0), _band(noise, 5.0, *hertz)
    return rough * sum(_fall(t, place, fall_s) for place in places)


def _fall(t: np.ndarray, begin: float, fall_s: float) -> np.ndarray:
    """1 from one time on, dying away."""
    return np.exp(-np.maximum(t - begin, 0.0) / fall_s) * (t >= begin)


def _cough(noise: np.random.Generator) -> np.ndarray:
    """A burst of air with a rough tone in it, twice two."""
    places = (0.6, 1.0, 3.0, 3.5)
    air = _bursts(noise, places, 0.06, (400, 4000))
    t = _times(5.0)
    tone = _pulses(190.0 - 25.0 * t, (500.0, 1400.0)) * sum(_fall(t, place + 0.05, 0.05) for place in places)
    return air / np.std(air) + 0.7 * tone / np.std(tone)


def _laughter(noise: np.random.Generator) -> np.ndarray:
    """Voiced beats, five a second, that fall in pitch, breath between them."""
    t = _times(5.0)
    beat = np.clip(np.sin(2 * np.pi * 5.0 * t), 0.0, 1.0)
    alive = np.exp(-(t % 2.5) / 1.2)
    voice = _pulses(320.0 - 60.0 * (t % 2.5), (750.0, 1300.0, 2600.0))
    breath = _band(noise, 5.0, 500, 5000)
    return alive * (beat * voice / np.std(voice) + 0.3 * (1.0 - beat) * breath / np.std(breath))


def _pulses(hertz: np.ndarray, formants: tuple[float, ...]) -> np.ndarray:
    """Harmonics of a pitch [n] in Hz under resonances."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE_HZ
    sound = np.zeros(len(hertz))
    for order in range(1, 20):
        heights = sum(1.0 / (1.0 + ((order * hertz - formant) / 120.0) ** 2) for formant in formants)
        sound += heights * np.sin(order * phase)
    return sound


def _keys(noise: np.random.Generator) -> np.ndarray:
    """Typing: about seven clicks a second."""
    places = tuple(np.cumsum(noise.exponential(0.14, 34)))
    return _bursts(noise, places, 0.006, (1500, 7500))


def _knocks(noise: np.random.Generator) -> np.ndarray:
    """Three times at a door, twice."""
    return _bursts(noise, (0.5, 0.75, 1.0, 3.0, 3.25, 3.5), 0.03, (80, 700))


def _hum(noise: np.random.Generator) -> np.ndarray:
    """Mains at 50 Hz with its harmonics."""
    t = _times(6.0)
    return sum(np.sin(2 * np.pi * 50 * order * t) / order for order in range(1, 12)) + noise.normal(0, 0.01, len(t))


def _music(noise: np.random.Generator) -> np.ndarray:
    """A melody of plucked notes over a chord and a beat; 10 s."""
    t, sound = _times(LONGEST_S), np.zeros(_samples(LONGEST_S))
    for place in np.arange(0.0, LONGEST_S, 0.5):
        note = _NOTES_HZ[round(2 * place) % len(_NOTES_HZ)]
        sound += _fall(t, place, 0.33) * sum(np.sin(2 * np.pi * note * order * t) / order for order in range(1, 7))
        sound += _fall(t, place, 0.025) * noise.normal(0, 0.7, len(t))
    return sound + 0.3 * sum(np.sin(2 * np.pi * hertz * t) for hertz in (131.0, 165.0, 196.0))


MADE: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "breath": _breath,
    "coughs": _cough,
    "laughter": _laughter,
    "keys": _keys,
    "knocks": _knocks,
    "hum": _hum,
    "music": _music,
}
"""each [n] at no particular level"""
