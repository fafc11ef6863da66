"""A model too large for the machine is refused with the size that fits, by name, by folder, and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.app.first_whisper import model_to_fetch, planned_model
from core.app.model_fit import ModelFit
from core.optimization.catalogue import EMBEDDED_ENGINES, WHISPER
from core.optimization.fitting import WhisperFitting
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config, OptimizationConfig, SttConfig
from core.utils.errors import ModelTooLargeError
from core.utils.model_catalogue import CATALOGUE, known_model
from core.utils.model_store import PARTS, Manifest, ModelStore, write_manifest
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.integration.program import run
from tests.optimization.machine_table import card, profile
from tests.stt.scripted_whisper import LoudIsVoice

SMALL = profile(4, available_gb=0.9, total_gb=4.0)
LARGE = profile(8, available_gb=30.0, total_gb=32.0)
AUTO = Config()
QWEN_CONFIG = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "num_hidden_layers": 24,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}


def limited(megabytes: int) -> Config:
    return Config(optimization=OptimizationConfig(memory_limit_mb=megabytes))


def refused(fit: ModelFit, *models: str) -> list[str]:
    """Which of them are too large."""
    too_large = []
    for model in models:
        try:
            fit.check(model)
        except ModelTooLargeError:
            too_large.append(model)
    return too_large


def test_the_refusal_names_the_model_what_it_needs_what_there_is_and_what_fits():
    with pytest.raises(ModelTooLargeError) as refused:
        ModelFit(AUTO, SMALL).check("whisper-large-v3")
    assert str(refused.value) == (
        "whisper-large-v3: is too large for this machine: the assistant with it takes 2.55 GB of memory, and 0.81 GB "
        "can be had; take whisper-small, the largest that fits, or close other programs"
    )


@pytest.mark.parametrize(
    ("available_gb", "largest"),
    [(0.35, None), (0.45, "tiny"), (0.55, "base"), (0.9, "small"), (2.0, "large-v3-turbo"), (4.0, "large-v3")],
)
def test_the_largest_that_fits_is_also_the_most_that_is_planned(available_gb: float, largest: str | None):
    machine = profile(4, available_gb, total_gb=8.0)
    fitting = WhisperFitting(AUTO, machine)
    assert fitting.largest() == largest
    planned = PerformanceTuner(AUTO, EMBEDDED_ENGINES | {"whisper"}).plan(machine).stt.model
    names = [size.name for size in WHISPER]
    assert planned is None or all(fitting.of(size).fits for size in WHISPER[: names.index(planned) + 1])


def test_every_model_of_the_catalogue_passes_where_there_is_room():
    names = [model.name for model in CATALOGUE]
    assert refused(ModelFit(AUTO, LARGE), *names) == []
    large = [model.name for model in CATALOGUE if model.engine in ("whisper", "mlx", "melo")]
    assert refused(ModelFit(AUTO, profile(1, 0.2, 0.5)), *names) == large, "what they need goes where they go"


def test_a_voice_that_does_not_fit_is_refused_with_the_cure():
    with pytest.raises(ModelTooLargeError, match=r"melo-french: is too large.*GB of memory.*set tts\.engine: espeak"):
        ModelFit(AUTO, profile(2, 0.9, 2.0)).check("melo-french")
    ModelFit(AUTO, profile(2, 0.9, 2.0), alone=True).check("melo-french")


def test_where_memory_cannot_be_read_nothing_is_refused():
    assert refused(ModelFit(AUTO, profile(4, available_gb=0.0, total_gb=0.0)), "whisper-large-v3") == []


def test_what_is_unknown_or_absent_is_for_others_to_tell(tmp_path: Path):
    assert refused(ModelFit(AUTO, SMALL), "whisper-gigantic", str(tmp_path / "nowhere"), str(tmp_path)) == []


def test_a_download_is_judged_by_the_machine_and_not_by_the_moment():
    with pytest.raises(ModelTooLargeError, match="close other programs"):
        ModelFit(AUTO, SMALL).check("whisper-medium")
    ModelFit(AUTO, SMALL, alone=True).check("whisper-medium")
    with pytest.raises(ModelTooLargeError, match=r"take whisper-base, the largest that fits$"):
        ModelFit(limited(700), LARGE, alone=True).check("whisper-medium")


def test_a_folder_of_a_language_model_is_judged_as_one(tmp_path: Path):
    """1.2 GB of Qwen2.5-0.5B in bfloat16, which takes less than a Whisper with a file of that size."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN_CONFIG))
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(1200 * 10**6)  # sparse: it takes no room
    ModelFit(AUTO, profile(4, available_gb=1.35, total_gb=4.0)).check(str(tmp_path))
    with pytest.raises(ModelTooLargeError, match=r"no language model fits: set llm\.engine: skills"):
        ModelFit(limited(400), SMALL).check(str(tmp_path))


def test_a_card_counts_by_its_own_memory():
    with_card = profile(8, 1.0, 32.0, gpus=(card("RTX 3050", 4.0, 3.2),))
    with pytest.raises(ModelTooLargeError, match=r"the card's memory.*take whisper-large-v3-turbo"):
        ModelFit(AUTO, with_card).check("whisper-large-v3")


@pytest.mark.parametrize(("megabytes", "too_large"), [(3087, True), (1530, True), (484, False), (2, False)])
def test_a_folder_is_judged_by_its_largest_file(tmp_path: Path, megabytes: int, too_large: bool):
    with open(tmp_path / "model.bin", "wb") as file:
        file.truncate(megabytes * 10**6)  # sparse: it takes no room
    (tmp_path / "config.json").write_text("{}")
    fit = ModelFit(AUTO, SMALL)
    if not too_large:
        fit.check(str(tmp_path))
        return
    with pytest.raises(ModelTooLargeError, match="take whisper-small, the largest that fits"):
        fit.check(str(tmp_path))


def test_the_stage_asks_before_it_looks_for_the_files(tmp_path: Path):
    around = Surroundings(LoudIsVoice(), admit=ModelFit(AUTO, SMALL).check)
    stage = WhisperTranscriber(WhisperSettings("whisper-large-v3"), around, ModelStore(tmp_path))
    with pytest.raises(ModelTooLargeError):
        stage.load()


class TestWhatAFirstRunFetches:
    def here(self, folder: Path, *names: str) -> ModelStore:
        for name in names:
            (folder / name).mkdir(parents=True)
            write_manifest(folder / name, Manifest("owner/name", "1", ()))
        return ModelStore(folder)

    def test_what_the_plan_would_take(self, tmp_path: Path):
        store = self.here(tmp_path)
        large = planned_model(AUTO, store, LARGE)
        small = planned_model(AUTO, store, profile(4, 0.5, 4.0))
        assert large is not None
        assert small is not None
        assert large.size_bytes > small.size_bytes
        assert planned_model(AUTO, store, profile(4, 0.25, 4.0)) is None
        assert model_to_fetch(AUTO, store, LARGE) == large

    def test_one_whose_download_was_interrupted_is_gone_on_with_if_it_fits(self, tmp_path: Path):
        store = self.here(tmp_path)
        (tmp_path / "whisper-tiny" / PARTS).mkdir(parents=True)
        assert planned_model(AUTO, store, LARGE) != known_model("whisper-tiny")
        assert model_to_fetch(AUTO, store, LARGE) == known_model("whisper-tiny")
        (tmp_path / "whisper-tiny" / PARTS).rmdir()
        (tmp_path / "whisper-large-v3" / PARTS).mkdir(parents=True)
        assert model_to_fetch(AUTO, store, SMALL) == planned_model(AUTO, store, SMALL)

    def test_nothing_where_a_whisper_is_here_or_another_engine_is_asked_for(self, tmp_path: Path):
        assert model_to_fetch(AUTO, self.here(tmp_path, "whisper-tiny"), LARGE) is None
        for engine in ("pocketsphinx", "whisper"):
            assert model_to_fetch(Config(stt=SttConfig(engine=engine)), self.here(tmp_path / engine), LARGE) is None

    def test_the_configured_one_if_it_is_known_absent_and_fits(self, tmp_path: Path):
        store = self.here(tmp_path, "whisper-tiny")

        def fetched(model: str) -> object:
            return model_to_fetch(Config(stt=SttConfig(model=model)), store, SMALL)

        assert fetched("whisper-small") == known_model("whisper-small")
        assert fetched("whisper-tiny") is None
        assert fetched("whisper-large-v3") is None
        assert fetched(str(tmp_path)) is None


LIMIT = ("--set", "optimization.memory_limit_mb=700")


def test_on_the_command_line_a_download_is_refused_before_anything_is_asked_of_the_network(tmp_path: Path):
    done = run(tmp_path, "models", "download", "whisper-large-v3", "--offline", *LIMIT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "whisper-large-v3: is too large for this machine" in done.stderr
    assert "take whisper-base, the largest that fits" in done.stderr


def test_a_language_model_too_large_is_refused_with_one_that_fits():
    with pytest.raises(ModelTooLargeError, match=r"qwen3-8b: is too large .*; take qwen"):
        ModelFit(AUTO, profile(4, available_gb=3.0, total_gb=8.0)).check("qwen3-8b")
    with pytest.raises(ModelTooLargeError, match=r"no language model fits: set llm\.engine: skills"):
        ModelFit(limited(600), SMALL).check("qwen3-0.6b")
    ModelFit(AUTO, LARGE).check("qwen3-8b")
