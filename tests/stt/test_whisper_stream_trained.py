"""Streaming with the small trained model: whenever it looks, what stays and the tail join to what was said."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.messages import SAMPLE_RATE_HZ
from tests.integration.voices import spoken

MODEL = Path(__file__).resolve().parents[1] / "models" / "ctranslate2-int8"
pytestmark = [
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no test voice: espeak-ng is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("faster_whisper") is None, reason="needs faster-whisper (extra full)"),
]


@pytest.fixture(scope="module")
def model() -> Any:
    from core.utils.whisper_compat import WhisperModel

    return WhisperModel(MODEL, "cpu", "int8", 1)


@pytest.fixture(scope="module")
def question() -> Any:
    import soxr

    return soxr.resample(spoken("quel jour sommes-nous", "fr-fr"), 48_000, SAMPLE_RATE_HZ).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_a_word_at_the_joint_is_neither_doubled_nor_lost(seed: int, model: Any, question: Any):
    """The last word is guessed before it has been said whole, agreed on, and heard again at the end."""
    from core.utils.vad_compat import load_vad
    from stt.spoken_language import LanguageChoice
    from stt.whisper_stream import WhisperStream

    drawn = np.random.default_rng(seed)
    silence = np.zeros(round(drawn.uniform(0.15, 0.6) * SAMPLE_RATE_HZ), np.float32)
    sound = np.concatenate([silence, question, silence])
    stream = WhisperStream(model, LanguageChoice(("en", "fr"), "fr"), load_vad())
    stable = ""
    for piece in np.split(sound, np.cumsum(drawn.integers(2_400, 10_000, 12))):
        stream.append(piece)
        understood = stream.look()
        if understood is not None:
            assert understood.text.startswith(stable)
            stable = understood.text[: understood.stable]
    assert "nous" in stable, "else nothing was joined"
    assert stream.conclude().text == "quel jour sommes nous"
