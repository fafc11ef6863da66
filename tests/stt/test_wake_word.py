"""The wake word is heard where it is said and nowhere else; what is no model is told before the library sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soxr

from audio.wav import read_wav
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.config import TtsConfig
from core.utils.errors import MissingDependencyError, ModelLoadError
from stt.wake_word import MicroWakeWord
from tts.espeak import EspeakEngine

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
BLOCK = 320


@pytest.fixture(scope="module")
def engine() -> EspeakEngine:
    engine = EspeakEngine(TtsConfig())
    engine.load()
    return engine


def spoken(engine: EspeakEngine, text: str) -> Samples:
    pieces = [piece.samples for piece in engine.synthesize(text, "en", 1.0)]
    sound = soxr.resample(np.concatenate(pieces), engine.sample_rate_hz, SAMPLE_RATE_HZ)
    return np.concatenate((np.zeros(SAMPLE_RATE_HZ // 2, np.float32), sound, np.zeros(SAMPLE_RATE_HZ // 2, np.float32)))


def heard_at(word: MicroWakeWord, sound: Samples) -> list[int]:
    """Samples from the beginning, of each block in which the word was heard."""
    blocks = (at for at in range(0, len(sound), BLOCK))
    return [at for at in blocks if word.heard(sound[at : at + BLOCK])]


@pytest.fixture(scope="module")
def word() -> MicroWakeWord:
    pytest.importorskip("pymicro_wakeword", reason="needs pymicro-wakeword (the extra wake)")
    word = MicroWakeWord("okay_nabu")
    word.load()
    return word


def test_it_is_heard_while_it_is_said(word: MicroWakeWord, engine: EspeakEngine):
    assert word.phrase == "Okay Nabu"
    for question in ("", ", what time is it"):
        word.reset()
        sound = spoken(engine, f"okay nah boo{question}")
        found = heard_at(word, sound)
        assert found
        # the phrase takes 0.7 s at this pace and begins after half a second
        assert 0.5 * SAMPLE_RATE_HZ < found[0] < 1.5 * SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    "text", ["okay then", "what time is it", "set a timer for ten minutes", "the baboon is okay", "hey jarvis"]
)
def test_other_words_are_not_it(text: str, word: MicroWakeWord, engine: EspeakEngine):
    word.reset()
    assert heard_at(word, spoken(engine, text)) == []


def test_people_who_read_aloud_do_not_wake_it(word: MicroWakeWord):
    files = sorted((ASSETS / "speech").rglob("*.wav")) + sorted((ASSETS / "speech").rglob("*.flac"))
    if not files:
        pytest.skip(f"no recordings: {ASSETS / 'speech'} is not there (set MERLINE_ASSETS)")
    word.reset()
    seconds = 0.0
    for file in files[:40]:
        recording = read_wav(file, max_s=600)
        sound = soxr.resample(recording.samples, recording.sample_rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
        seconds += len(sound) / SAMPLE_RATE_HZ
        assert heard_at(word, sound) == [], file
    assert seconds > 60


def test_a_reset_forgets_the_half_that_was_said(word: MicroWakeWord, engine: EspeakEngine):
    sound = spoken(engine, "okay nah boo")
    word.reset()
    at = heard_at(word, sound)[0]
    word.reset()
    assert heard_at(word, sound[: at // 2]) == []
    word.reset()
    assert heard_at(word, sound[at:]) == []


def test_a_name_it_does_not_know(word: MicroWakeWord):
    with pytest.raises(ModelLoadError, match=r"'ok_nabu' is no wake word; did you mean 'okay_nabu'"):
        MicroWakeWord("ok_nabu").load()
    with pytest.raises(ModelLoadError, match=r"known: alexa, hey_jarvis"):
        MicroWakeWord("zzz").load()


def test_files_that_are_no_model_are_told(word: MicroWakeWord, tmp_path: Path):
    path = tmp_path / "mine.json"
    with pytest.raises(ModelLoadError, match=r"mine\.json does not describe"):
        MicroWakeWord(str(path)).load()
    path.write_text("[]")
    with pytest.raises(ModelLoadError, match=r"mine\.json does not describe"):
        MicroWakeWord(str(path)).load()
    micro = {"probability_cutoff": 0.9, "sliding_window_size": 5}
    path.write_text(json.dumps({"wake_word": "Mine", "model": "mine.tflite", "micro": micro}))
    with pytest.raises(ModelLoadError, match=r"mine\.tflite, which cannot be read"):
        MicroWakeWord(str(path)).load()
    (tmp_path / "mine.tflite").write_bytes(b"not a model at all")
    with pytest.raises(ModelLoadError, match=r"mine\.tflite is not a microWakeWord model"):
        MicroWakeWord(str(path)).load()


def test_a_model_of_one_s_own_is_taken_by_its_path(word: MicroWakeWord, tmp_path: Path, engine: EspeakEngine):
    import pymicro_wakeword

    models = Path(pymicro_wakeword.__file__).parent / "models"
    described = json.loads((models / "okay_nabu.json").read_text())
    (tmp_path / "okay_nabu.tflite").write_bytes((models / "okay_nabu.tflite").read_bytes())
    (tmp_path / "mine.json").write_text(json.dumps(described | {"wake_word": "Okay Mine"}))
    mine = MicroWakeWord(str(tmp_path / "mine.json"))
    mine.load()
    assert mine.phrase == "Okay Mine"
    assert heard_at(mine, spoken(engine, "okay nah boo"))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pymicro_wakeword", None)
    with pytest.raises(MissingDependencyError, match=r"pymicro-wakeword.*the extra `wake`"):
        MicroWakeWord("okay_nabu").load()
