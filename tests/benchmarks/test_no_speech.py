"""The sounds in which nobody speaks are sounds, and published weights say nothing to those that resemble a voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpora.no_speech import MADE, at
from core.utils.vad_compat import load_vad
from core.utils.whisper_compat import WhisperModel
from stt.spoken_language import LanguageChoice
from stt.whisper_stream import WhisperStream


@pytest.mark.parametrize("name", MADE)
def test_a_sound_is_as_loud_as_asked_and_undamaged(name: str):
    sound = at(MADE[name](np.random.default_rng(7)), -30.0)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1.0
    assert 3.0 <= len(sound) / 16_000 <= 10.0
    assert 20.0 * np.log10(np.sqrt(np.mean(np.square(sound)))) == pytest.approx(-30.0, abs=0.5)


def test_published_weights_say_nothing_to_laughter(real_model):
    """Which the voice detector takes for a voice, and to which they say a word again and again by themselves."""
    folder: Path = real_model("faster-whisper-tiny.en")
    laughter = at(MADE["laughter"](np.random.default_rng(7)), -20.0)
    listening = WhisperStream(WhisperModel(folder, "cpu", "int8", 2), LanguageChoice(("en",), "en"), load_vad("auto"))
    listening.append(laughter)
    assert listening.look() is None
    assert listening.conclude().text == ""
