"""What `models download` fetches when it is given no name: the plan's choice for every stage."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.app.planned_models import is_fetchable_language_model, planned_models
from core.optimization.profile import Cpu, Disk, MachineProfile, Memory, Speed
from core.utils.config import Config, LlmConfig, SttConfig, TtsConfig
from core.utils.errors import ModelError, ModelLoadError
from core.utils.model_catalogue import CATALOGUE, hub_model, is_hub_name, known_model
from core.utils.model_store import PACKED, ModelStore

GB = 10**9
ROOMY = MachineProfile(
    "Linux",
    Cpu("Some CPU", "x86_64", 8, 8, 8, frozenset({"avx2", "vnni"})),
    Memory(32 * GB, 24 * GB),
    Disk("/", 10**12, 10**12),
    speed=Speed(60.0, 900.0, 2000.0),
)
SMALL = MachineProfile(
    "Linux", Cpu("Some CPU", "x86_64", 2, 2, 2, frozenset({"avx2"})), Memory(2 * GB, GB // 4), Disk("/", GB, GB)
)


def names(config: Config, tmp_path: Path, profile: MachineProfile = ROOMY, language: str = "en") -> list[str]:
    return [model.name for model in planned_models(config, ModelStore(tmp_path), language, profile)]


def test_every_stage_gets_its_model_and_a_voice_what_it_needs(tmp_path: Path):
    whisper, turn, qwen, bert, voice = names(Config(), tmp_path)
    assert whisper.startswith("whisper-")
    assert turn == "smart-turn"
    assert qwen.startswith("qwen3-")
    assert (bert, voice) == ("bert-english", "melo-english")
    assert names(Config(), tmp_path, language="fr")[3:] == ["bert-french", "melo-french"]


def test_smart_turn_comes_with_whisper_unless_it_is_switched_off(tmp_path: Path):
    assert "smart-turn" not in names(Config.model_validate({"endpoint": {"model": "off"}}), tmp_path)
    assert "smart-turn" not in names(Config(stt=SttConfig(engine="pocketsphinx")), tmp_path)


def test_a_small_machine_fetches_nothing_that_it_cannot_hold(tmp_path: Path):
    assert names(Config(), tmp_path, SMALL) == []


def test_what_the_configuration_names_is_taken_and_its_engines_are_respected(tmp_path: Path):
    config = Config(
        stt=SttConfig(engine="pocketsphinx"),
        llm=LlmConfig(model="someone/a-model"),
        tts=TtsConfig(engine="espeak"),
    )
    assert names(config, tmp_path) == ["someone--a-model"]
    here = tmp_path / "mine"
    here.mkdir()
    config = Config(stt=SttConfig(model=str(here)), llm=LlmConfig(engine="skills"), tts=TtsConfig(engine="espeak"))
    assert names(config, tmp_path) == [], "a folder is fetched by nobody"


def test_a_server_that_answers_needs_no_model_here(tmp_path: Path):
    config = Config(llm=LlmConfig(engine="openai", base_url="http://127.0.0.1:1/v1", model="owner/remote"))
    assert not any("owner" in name or "qwen" in name for name in names(config, tmp_path))


@pytest.mark.parametrize(
    ("name", "fetchable"),
    [
        ("qwen3-0.6b", True),
        ("Qwen/Qwen3-0.6B", True),
        ("someone/a-model", True),
        ("whisper-tiny", False),
        ("Systran/faster-whisper-tiny", False),
        ("/some/folder", False),
        ("nonsense", False),
    ],
)
def test_which_names_are_language_models_to_be_fetched(tmp_path: Path, name: str, fetchable: bool):
    assert is_fetchable_language_model(name, ModelStore(tmp_path)) is fetchable


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "someone" / "a-model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_fetchable_language_model("someone/a-model", ModelStore(tmp_path / "models"))


def test_a_repository_of_the_hub_is_known_by_its_name_and_by_its_folder():
    model = known_model("Someone/A-Model.v2")
    assert model == hub_model("Someone/A-Model.v2") == known_model(model.name)
    assert model.name == "Someone--A-Model.v2"
    assert all(pattern.endswith((".json", ".safetensors")) for pattern in model.files)
    assert known_model("Qwen/Qwen3-0.6B") is known_model("qwen3-0.6b", CATALOGUE)
    assert not any(is_hub_name(name) for name in ("qwen3-0.6b", "../models", "/a/b", "a/b/c", "~/x y"))
    with pytest.raises(ModelError, match=r"did you mean .qwen3-0\.6b"):
        known_model("qwen-0.6b")


@pytest.mark.parametrize("name", ["someone/a-model", "Qwen/Qwen3-0.6B"])
def test_one_that_is_not_here_says_how_to_get_it(tmp_path: Path, name: str):
    with pytest.raises(ModelLoadError, match=rf"{name}: is not on this machine; `models download {name}` fetches it"):
        ModelStore(tmp_path).resolve(name)


def test_packed_weights_are_found_where_they_are_kept(tmp_path: Path):
    pytest.importorskip("torch", reason="torch is not installed (extra `full`)")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core_models"))
    from tiny import tiny_model

    from core.models.checkpoint import Checkpoint
    from core.models.packed_store import PackedStore

    store = ModelStore(tmp_path / "models")
    folder = tiny_model(store.folder / "qwen3-0.6b", "qwen2")
    other = tiny_model(store.folder / "other", "qwen2")
    for model, bits in ((folder, 4), (folder, 8), (other, 8)):
        path = PackedStore(tmp_path / PACKED, Checkpoint(model), bits).path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)
    assert len(store.packed_files("qwen3-0.6b")) == 2
    assert store.remove("qwen3-0.6b") > 2000
    assert store.packed_files("qwen3-0.6b") == []
    assert len(store.packed_files("other")) == 1
