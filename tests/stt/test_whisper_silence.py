"""Real noise on real engines with random weights: nothing of what they babble gets through."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
pytest.importorskip("whisper", reason="openai-whisper is not installed")

from benchmarks.whisper.shapes import Checkpoints
from core.messages import Samples
from core.utils.vad_compat import load_vad
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.core.whisper_checkpoints import checkpoints
from tests.stt.scripted_whisper import LoudIsVoice, hear, last

__all__ = ["checkpoints"]

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
NOISE = sorted((ASSETS / "noise").glob("*.wav"))
LONGEST = 4 * 16_000
"""samples of each recording; random weights never end a text, so each pass takes its full time"""

pytestmark = [
    pytest.mark.skipif(not NOISE, reason="no noise recordings: set MERLINE_ASSETS to the test assets"),
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]


def read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    return samples[:LONGEST]


@pytest.fixture(scope="module", params=["faster-whisper", "openai-whisper"])
def folder(request: pytest.FixtureRequest, checkpoints: Checkpoints) -> tuple[str, Path]:
    return request.param, checkpoints.ctranslate2 if request.param == "faster-whisper" else checkpoints.openai.parent


@pytest.mark.parametrize("credulous", [False, True], ids=["real detector", "detector that errs"])
def test_noise_gives_an_empty_transcript(folder: tuple[str, Path], credulous: bool):
    """Even where the voice detector takes all of it for a voice."""
    backend, path = folder
    partial_ms = 1000 if backend == "faster-whisper" else 0
    settings = WhisperSettings(str(path), device="cpu", compute_type="float32", backend=backend, partial_ms=partial_ms)
    stage = WhisperTranscriber(settings, Surroundings(LoudIsVoice() if credulous else load_vad("auto")))
    stage.load()
    loud = [sound / max(float(np.sqrt(np.mean(sound**2))), 1e-6) * 0.1 for sound in map(read, NOISE[1:])]
    for turn, sound in enumerate(loud, 1):
        answer = last(hear(stage, np.clip(sound, -1.0, 1.0).astype(np.float32), turn, chunk=16_000))
        assert (answer.text, answer.final) == ("", True)
    stage.close()
