"""A published Piper voice, as a listener has it: understood by a published Whisper, even in loudness, at its speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("piper", reason="needs the extra piper")

from core.utils.config import TtsConfig
from tts.loudness import TARGET_DBFS, voiced_dbfs
from tts.piper import PiperEngine

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
VOICE, WHISPER = "piper-en_US-joe-medium", "faster-whisper-tiny.en"
SENTENCES = (
    "The weather will be mild and mostly sunny tomorrow.",
    "Your shopping list has bread, milk and apples.",
    "Hello, good morning.",
)


@pytest.fixture(scope="module")
def engine(real_model: Callable[[str], Path]) -> Iterator[PiperEngine]:
    import onnxruntime

    onnxruntime.set_seed(6)  # a voice draws its melody anew each time
    made = PiperEngine(TtsConfig(voice=str(real_model(VOICE))))
    made.load()
    yield made
    made.close()


def said(engine: PiperEngine, text: str, rate_factor: float = 1.0) -> np.ndarray:
    return np.concatenate([piece.samples for piece in engine.synthesize(text, "en", rate_factor)])


def test_whisper_understands_it(engine: PiperEngine, real_model: Callable[[str], Path]) -> None:
    faster_whisper = pytest.importorskip("faster_whisper", reason="needs the extra full")
    soxr = pytest.importorskip("soxr")
    whisper = faster_whisper.WhisperModel(str(real_model(WHISPER)), device="cpu", compute_type="int8")
    sound = soxr.resample(said(engine, SENTENCES[0]), engine.sample_rate_hz, 16_000)
    heard = " ".join(segment.text for segment in whisper.transcribe(sound, language="en")[0])
    assert heard.strip() == SENTENCES[0]


def test_replies_are_equally_loud_without_clicks(engine: PiperEngine) -> None:
    for text in (*SENTENCES, "Stopped.", "Fish."):
        sound = said(engine, text)
        assert voiced_dbfs(sound, engine.sample_rate_hz) == pytest.approx(TARGET_DBFS, abs=0.5)
        assert np.abs(sound).max() < 10 ** (-1 / 20)
        assert np.abs(sound[[0, -1]]).max() < 0.01
        assert np.argmax(np.abs(sound) > 0.01) < 0.1 * engine.sample_rate_hz


def test_it_speaks_faster_and_slower_and_stops_when_it_is_closed(engine: PiperEngine) -> None:
    slow, fast = (len(said(engine, SENTENCES[0], factor)) for factor in (0.7, 1.4))
    assert 1.5 < slow / fast < 2.5
    stream = engine.synthesize(" ".join(SENTENCES), "en", 1.0)
    assert not next(stream).last
    stream.close()
    assert not list(stream)
