"""Published Whisper weights through the short path: single words and sentences by synthetic voices, with no loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="needs faster-whisper (the extra full)")
pytest.importorskip("espeakng_loader", reason="needs espeakng-loader to speak")

from core.utils.whisper.silence import behind, sound_before
from core.utils.whisper_compat import ShortContext, WhisperModel
from tests.fresh_voice import spoken_afresh

NUMBERS = ("one", "three", "seven", "nine")
MODELS = ("faster-whisper-tiny.en", "faster-whisper-base")


@pytest.mark.parametrize("name", MODELS)
def test_a_single_word_is_said_once(real_model: Callable[[str], Path], tmp_path: Path, name: str):
    model = WhisperModel(real_model(name), "cpu", "int8", 2)
    for word, sound in zip(NUMBERS, spoken_afresh(NUMBERS, tmp_path), strict=True):
        heard = model.transcribe_short(np.pad(sound, (4800, 3200)), "en", context=ShortContext(limits=None))
        assert heard.ended, f"{word} was heard as {heard.text}"
        assert len(heard.tokens) <= 4, f"{word} was heard as {heard.text}"
        assert heard.window_s < 3.0


def test_the_silence_begins_where_the_window_ends_and_past_the_sound_that_it_was_encoded_behind():
    silence = np.arange(1500)[None, :, None]
    assert behind(silence, 200)[0, 0, 0] == 200
    assert behind(silence, 10)[0, 0, 0] == 100
    assert behind(silence, 1500).shape == (1, 0, 1)
    assert len(sound_before()) / 320 < 100
