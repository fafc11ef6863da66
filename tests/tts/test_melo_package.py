"""The `melo` package behind the engines' iterator: nobody can install it here, so a fake stands for melo.api.TTS."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.optimization.torch_engine import StageSteps
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig, TtsConfig
from core.utils.errors import ConfigError, InferenceError, MissingDependencyError, ModelLoadError
from tts.melo_package import MeloPackageEngine


class FakeMeloTts:
    """As melo.api.TTS: without a path the sound comes back whole."""

    def __init__(self, language: str, device: str = "auto") -> None:
        if language == "ES":
            raise AssertionError("no such checkpoint")
        self.language = language
        self.device = device
        self.inside: list[bool] = []
        speakers = {"EN-Default": 4, "EN-BR": 1} if language == "EN" else {language: 0}
        self.hps = SimpleNamespace(data=SimpleNamespace(spk2id=speakers, sampling_rate=44100))
        self.asked: list[tuple[str, int, float]] = []
        self.sound = 0.2

    def tts_to_file(
        self, text: str, speaker_id: int, output_path: None = None, speed: float = 1.0, quiet: bool = False
    ) -> Any:
        assert output_path is None
        assert quiet
        self.asked.append((text, speaker_id, speed))
        self.inside.append(sys.modules["torch"].is_inference_mode_enabled())
        if "crash" in text:
            raise KeyError(text)
        return np.full(int(44100 * 0.03 * len(text) / speed), self.sound, np.float32)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[FakeMeloTts]:
    """A module melo.api whose voices are noted. The package runs on torch."""
    pytest.importorskip("torch", reason="torch is not installed")
    made: list[FakeMeloTts] = []

    def tts(language: str, device: str) -> FakeMeloTts:
        made.append(FakeMeloTts(language, device))
        return made[-1]

    api = ModuleType("melo.api")
    api.TTS = tts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "melo", ModuleType("melo"))
    monkeypatch.setitem(sys.modules, "melo.api", api)
    return made


def test_languages_are_loaded_when_they_are_spoken(package: list[FakeMeloTts]) -> None:
    engine = MeloPackageEngine(TtsConfig(speaker="EN-BR", speed=1.5))
    engine.load()
    assert (engine.name, engine.sample_rate_hz, engine.languages[:2]) == ("melotts", 44100, ("en", "fr"))
    assert [voice.language for voice in package] == ["EN"]
    pieces = list(engine.synthesize("Hello there. How are you?", "en", 2.0))
    assert package[0].asked[-2:] == [("Hello there.", 1, 3.0), (" How are you?", 1, 3.0)]
    assert pieces[-1].last
    assert pieces[-1].marks[-1].characters == len("Hello there. How are you?")
    list(engine.synthesize("Bonjour.", "fr", 1.0))
    list(engine.synthesize("Salut.", "fr", 1.0))
    assert [voice.language for voice in package] == ["EN", "FR"]
    engine.close()
    assert list(engine.synthesize("Bonjour.", "fr", 1.0)) == []
    assert len(package) == 2


def test_it_takes_the_optimizers_device_and_context(package: list[FakeMeloTts]) -> None:
    optimizer = TorchOptimizer(OptimizationConfig(device="cpu"))
    engine = MeloPackageEngine(TtsConfig(), StageSteps(None, lambda: optimizer))
    engine.load()
    list(engine.synthesize("Hello.", "en", 1.0))
    assert package[0].device == "cpu"
    assert {text for text, *_ in package[0].asked} == {"1 2 3 4 5.", "Hello."}
    assert all(package[0].inside)


def test_one_language_where_one_is_configured(package: list[FakeMeloTts]) -> None:
    engine = MeloPackageEngine(TtsConfig(language="ja"))
    engine.load()
    assert engine.languages == ("ja",)
    assert package[0].language == "JP"


def test_its_failures_are_typed(package: list[FakeMeloTts]) -> None:
    engine = MeloPackageEngine(TtsConfig())
    with pytest.raises(InferenceError, match=r"load\(\)"):
        _ = engine.sample_rate_hz
    engine.load()
    with pytest.raises(InferenceError, match="cannot say"):
        list(engine.synthesize("crash", "en", 1.0))
    with pytest.raises(ModelLoadError, match="voice ES"):
        engine.synthesize("Hola.", "es", 1.0)
    package[0].sound = float("inf")
    with pytest.raises(InferenceError, match="no numbers"):
        list(engine.synthesize("Hello.", "en", 1.0))
    with pytest.raises(ConfigError, match="EN-BR, EN-Default"):
        MeloPackageEngine(TtsConfig(speaker="EN-XX")).load()


def test_without_the_package_another_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "melo", None)
    monkeypatch.setitem(sys.modules, "melo.api", None)
    with pytest.raises(MissingDependencyError, match=r"tts\.engine: melo"):
        MeloPackageEngine(TtsConfig()).load()
