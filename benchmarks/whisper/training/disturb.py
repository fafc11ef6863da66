"""What happens to speech on its way to a microphone, and sounds that are no speech. All synthetic, at 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr

from benchmarks.whisper.training.voices import RATE_HZ
from core.messages import Samples

Generator = np.random.Generator
_FAINT = 3e-4
_NOISE_SAMPLES = 16 * RATE_HZ


def at_speed(samples: Samples, speed: float) -> Samples:
    """Faster and higher (above 1) or slower and deeper: the vocal tract seems to shrink or grow with it."""
    changed: Samples = soxr.resample(samples, RATE_HZ * speed, RATE_HZ, quality="LQ")
    return changed


class Rooms:
    """Rooms and noises, made once: what is drawn for an utterance is one of them, from anywhere in it."""

    def __init__(self, rng: Generator, rooms: int = 300, noises: int = 120) -> None:
        self.responses = [_response(rng) for _ in range(rooms)]
        self.noises = [_noise(_NOISE_SAMPLES, rng) for _ in range(noises)]
        """16 s each, root mean square 1"""
        self._white = rng.normal(0.0, 1.0, 2 * _NOISE_SAMPLES).astype(np.float32)

    def in_room(self, samples: Samples, rng: Generator) -> Samples:
        """With an exponentially decaying tail of 0.1 to 0.6 s, after the direct sound."""
        response = self.responses[rng.integers(len(self.responses))]
        size = _quick_size(samples.size + response.size)
        echoed = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
        return echoed[: samples.size].astype(np.float32)

    def with_noise(self, samples: Samples, rng: Generator) -> Samples:
        """With noise 6 to 35 dB below the speech."""
        level = float(np.sqrt(np.mean(samples**2))) * 10.0 ** (-rng.uniform(6.0, 35.0) / 20.0)
        noise = self.noises[rng.integers(len(self.noises))]
        begin = rng.integers(0, noise.size - samples.size)
        return samples + np.float32(level) * noise[begin : begin + samples.size]

    def at_level(self, samples: Samples, rng: Generator) -> Samples:
        """With a peak of -35 to 0 dBFS, one time in thirty clipped, and mostly with a converter's faint noise."""
        peak = float(np.abs(samples).max()) or 1.0
        louder: Samples = samples * np.float32(10.0 ** (rng.uniform(-35.0, 0.0) / 20.0) / peak)
        if rng.random() < 0.03:
            louder = louder * np.float32(rng.uniform(3.0, 20.0))
        if rng.random() < 0.7:
            begin = rng.integers(0, self._white.size - samples.size)
            faint = self._white[begin : begin + samples.size]
            louder = louder + np.float32(_FAINT * rng.uniform(0.05, 1.0)) * faint
        clipped: Samples = np.clip(louder, -1.0, 1.0)
        return clipped

    def no_speech(self, rng: Generator) -> Samples:
        """0.3 to 6 s of silence, noise, hum, breaths, clicks, tones or chords, at any level."""
        size = int(rng.uniform(0.3, 6.0) * RATE_HZ)
        makers = (_silence, _noise, _noise, _breaths, _clicks, _tones, _tones)
        sound = makers[rng.integers(len(makers))](size, rng)
        if rng.random() < 0.4:
            sound = sound + rng.uniform(0.01, 0.5) * _noise(size, rng)
        if not np.any(sound):
            return sound.astype(np.float32)
        if rng.random() < 0.3:
            sound = self.in_room(sound.astype(np.float32), rng)
        return self.at_level(sound.astype(np.float32), rng)


def _response(rng: Generator) -> Samples:
    decay_s = rng.uniform(0.1, 0.6)
    time_s = np.arange(int(0.6 * decay_s * RATE_HZ)) / RATE_HZ
    response = rng.normal(0.0, 1.0, time_s.size) * np.exp(-6.9 * time_s / decay_s)
    response *= rng.uniform(0.1, 0.7) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    return response.astype(np.float32)


def _quick_size(least: int) -> int:
    """Of a Fourier transform: a power of two, or three quarters of one."""
    size = 1 << (least - 1).bit_length()
    return size * 3 // 4 if size * 3 // 4 >= least else size


def _silence(size: int, rng: Generator) -> Samples:
    if rng.random() < 0.5:
        return np.zeros(size, np.float32)
    return (rng.uniform(1e-5, 1e-3) * rng.normal(0.0, 1.0, size)).astype(np.float32)


def _noise(size: int, rng: Generator) -> Samples:
    """White to brown noise, sometimes through a band or with a mains hum, root mean square 1."""
    quick = _quick_size(size)
    spectrum = np.fft.rfft(rng.normal(0.0, 1.0, quick))
    frequency_hz = np.fft.rfftfreq(quick, 1 / RATE_HZ) + 20.0
    spectrum *= frequency_hz ** -rng.uniform(0.0, 1.2)
    if rng.random() < 0.3:
        centre_hz, octaves = rng.uniform(150.0, 5000.0), rng.uniform(0.5, 2.0)
        spectrum *= np.exp(-0.5 * (np.log2(frequency_hz / centre_hz) / octaves) ** 2)
    sound = np.fft.irfft(spectrum, quick)[:size]
    sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    if rng.random() < 0.2:
        time_s = np.arange(size) / RATE_HZ
        hum_hz = rng.choice([50.0, 60.0, rng.uniform(80.0, 400.0)])
        for harmonic in range(1, 6):
            sound += rng.uniform(0.0, 1.5) / harmonic * np.sin(2 * np.pi * hum_hz * harmonic * time_s)
    if rng.random() < 0.2:
        sound *= 1.0 + 0.9 * np.sin(2 * np.pi * rng.uniform(0.2, 8.0) * np.arange(size) / RATE_HZ)
    return sound.astype(np.float32)


def _breaths(size: int, rng: Generator) -> Samples:
    envelope = np.zeros(size)
    for _ in range(rng.integers(1, 5)):
        length = int(rng.uniform(0.2, 1.5) * RATE_HZ)
        begin = rng.integers(0, max(1, size - length))
        part = envelope[begin : begin + length]
        part += np.hanning(length)[: part.size] * rng.uniform(0.3, 1.0)
    return (envelope * _noise(size, rng)).astype(np.float32)


def _clicks(size: int, rng: Generator) -> Samples:
    sound = np.zeros(size)
    for _ in range(rng.integers(1, 15)):
        length = int(rng.uniform(0.002, 0.15) * RATE_HZ)
        begin = rng.integers(0, size)
        part = sound[begin : begin + length]
        part += (rng.normal(0.0, 1.0, length) * np.exp(-np.arange(length) / (length / 6)))[: part.size]
    return sound.astype(np.float32)


def _tones(size: int, rng: Generator) -> Samples:
    """Notes with harmonics, one after another or as chords: a kind of music."""
    sound = np.zeros(size)
    begin = 0
    while begin < size:
        length = int(rng.uniform(0.08, 1.2) * RATE_HZ)
        part = sound[begin : begin + length]
        time_s = np.arange(part.size) / RATE_HZ
        for _ in range(rng.integers(1, 4)):
            note_hz = 55.0 * 2.0 ** (rng.integers(0, 60) / 12)
            bright = rng.uniform(0.5, 2.0)
            for harmonic in range(1, int(rng.integers(2, 9))):
                part += np.sin(2 * np.pi * note_hz * harmonic * time_s) / harmonic**bright
        part *= np.exp(-time_s * rng.uniform(0.0, 6.0)) * np.minimum(1.0, time_s / 0.01)
        begin += int(length * rng.uniform(0.8, 1.5))
    return sound.astype(np.float32)
