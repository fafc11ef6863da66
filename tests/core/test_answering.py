"""Which language model answers, and a first run's way to one beside the conversation."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from core.app.answering import engines_here, equip, model_to_load, tuner, wants_model
from core.app.brain import Brain
from core.app.check_answering import judge_answering
from core.app.consent import LANGUAGE_SETTING
from core.app.first_language_model import FirstLanguageModel, model_to_fetch
from core.app.setup import FullSetup
from core.optimization.catalogue import ALL_ENGINES
from core.optimization.plan import StagePlan
from core.utils.config import Config, LlmConfig, SetupConfig
from core.utils.config_file import load_config
from core.utils.errors import ConfigError, ModelLoadError
from core.utils.model_catalogue import CATALOGUE, known_model
from core.utils.model_store import PARTS, Manifest, ModelStore, write_manifest
from tests.hub_server import HubServer
from tests.optimization.machine_table import profile

LARGE = profile(16, available_gb=60.0, total_gb=64.0, speed=None)
SMALL = profile(2, available_gb=1.2, total_gb=2.0)
URL = "http://localhost:1/v1"


def config(**llm: object) -> Config:
    return Config(llm=LlmConfig(**llm))  # type: ignore[arg-type]


def stored(folder: Path, *names: str) -> ModelStore:
    store = ModelStore(folder)
    for name in names:
        (folder / name).mkdir(parents=True)
        write_manifest(folder / name, Manifest("owner/name", "1", ()))
    return store


@pytest.mark.parametrize(
    ("llm", "planned", "expected"),
    [
        ({}, False, "skills"),
        ({}, True, "mlx"),
        ({"model": "qwen3-0.6b"}, False, "mlx"),
        ({"engine": "skills", "model": "qwen3-0.6b"}, False, "skills"),
        ({"engine": "mlx"}, True, "mlx"),
        ({"engine": "openai", "base_url": URL, "model": "qwen"}, False, "openai"),
    ],
)
def test_who_answers(tmp_path: Path, llm: dict[str, object], planned: bool, expected: str):
    chosen = config(**llm)
    engines = engines_here(chosen, stored(tmp_path / "none")) | (frozenset(("mlx",)) if planned else frozenset())
    plan = tuner(chosen, engines).plan(LARGE)
    with Brain(chosen, folder=tmp_path) as brain:
        equip(chosen, plan, brain.responder)
        assert brain.responder.engine_name == expected


def test_a_model_of_one_s_own_is_planned_as_large_as_its_folder_says(tmp_path: Path):
    small = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 1000, **small}))
    made = tuner(config(model=str(mine)), ALL_ENGINES).plan(LARGE)
    assert (made.llm.engine, made.llm.model) == ("mlx", "mine")
    assert made.llm.memory_bytes < 10 * 10**6, "no Qwen3's"


@pytest.mark.parametrize(
    ("here", "planned", "expected"),
    [
        ((), "1.7B", "qwen3-1.7b"),
        ((), None, "qwen3-0.6b"),
        (("qwen3-0.6b", "qwen3-1.7b"), "1.7B", "qwen3-1.7b"),
        (("qwen2.5-0.5b", "qwen3-8b"), "1.7B", "qwen2.5-0.5b"),
        (("qwen3-4b",), "1.7B", "qwen3-4b"),
    ],
)
def test_which_model_is_taken(tmp_path: Path, here: tuple[str, ...], planned: str | None, expected: str):
    store = stored(tmp_path, *here)
    assert model_to_load(config(), planned, store) == expected
    assert model_to_load(config(model="a/folder"), planned, store) == "a/folder"


def test_nothing_is_planned_for_where_no_model_is_here(tmp_path: Path):
    empty = stored(tmp_path / "none")
    assert not wants_model(config(), empty)
    assert not wants_model(config(engine="skills"), stored(tmp_path / "one", "qwen3-0.6b"))
    pytest.importorskip("transformers", reason="transformers is not installed")
    assert wants_model(config(), stored(tmp_path / "two", "qwen3-0.6b"))


def test_what_a_first_run_fetches(tmp_path: Path):
    empty = stored(tmp_path / "none")
    fetched = model_to_fetch(config(), empty, LARGE)
    assert fetched is not None
    assert fetched.name.startswith("qwen3-")
    assert model_to_fetch(config(), empty, SMALL) is None
    assert model_to_fetch(config(engine="skills"), empty, LARGE) is None
    assert model_to_fetch(config(), stored(tmp_path / "one", "qwen2.5-0.5b"), LARGE) is None
    named = model_to_fetch(config(model="qwen2.5-0.5b"), empty, LARGE)
    assert named is not None
    assert named.name == "qwen2.5-0.5b"
    assert model_to_fetch(config(model="qwen3-8b"), empty, SMALL) is None
    (tmp_path / "none" / "qwen2.5-0.5b" / PARTS).mkdir(parents=True)
    assert model_to_fetch(config(), empty, LARGE) == known_model("qwen2.5-0.5b")


def test_the_self_check_says_who_will_answer_and_what_would_better_it(tmp_path: Path):
    empty = stored(tmp_path / "none")
    skills = StagePlan("skills", None, "cpu", "float32", 1, 0)
    planned = StagePlan("mlx", "0.6B", "cpu", "int8", 1, 10**9)
    assert judge_answering(config(engine="skills"), empty, skills).text == "the skills alone, as llm.engine asks"
    assert judge_answering(config(), empty, skills).text.startswith("the skills alone")
    remote = config(engine="openai", base_url=URL, model="qwen")
    assert judge_answering(remote, empty).text == f"qwen at {URL}, after the skills; not asked now"
    here = judge_answering(config(), stored(tmp_path / "one", "qwen3-0.6b"), planned)
    assert (here.outcome, here.text.split(":")[0]) == ("pass", "qwen3-0.6b in int8")
    missing = judge_answering(config(model="qwen3-0.6b"), empty, skills)
    assert missing.outcome == "warn"
    assert "models download qwen3-0.6b" in missing.cure
    with pytest.raises(ModelLoadError, match="is not on this machine"):
        judge_answering(config(engine="mlx", model="qwen3-0.6b"), empty, planned)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("llm.engine=openai", "llm.base_url: is not set"),
        ("llm.max_tokens=4000", "llm.max_tokens: 4000 is more than half of llm.context_tokens"),
        ("llm.engin=mlx", "did you mean 'engine'"),
    ],
)
def test_what_is_configured_wrongly_is_named(setting: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load_config(None, [setting])


def test_a_model_is_fetched_beside_the_conversation_and_answers_from_the_next_turn_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core_models"))
    from tiny import tiny_model

    folder = tiny_model(tmp_path / "tiny", "qwen3")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with HubServer({model.repository: files for model in CATALOGUE}) as server:
        for name, value in (
            ("HF_ENDPOINT", server.endpoint),
            ("NO_PROXY", "127.0.0.1"),
            ("MERLINE_HOME", str(tmp_path / "home")),
        ):
            monkeypatch.setenv(name, value)
        wished = Config(
            llm=LlmConfig(model="qwen3-0.6b", max_tokens=8),
            setup=SetupConfig(full_models="always", full_packages=False),
        )
        aloud: list[str] = []
        with Brain(wished, folder=tmp_path / "home", language="en") as brain:
            brain.responder.load()
            run = FirstLanguageModel(wished, brain, aloud.append, offline=False)
            assert run.brings, "so that nobody is told to fetch it"
            assert not FirstLanguageModel(wished, brain, aloud.append, offline=True).brings
            run.start(FullSetup(wished, offline=False))
            assert not brain.responder.reply("why is the sky blue").understood
            told: list[str] = []
            deadline_s = time.monotonic() + 120
            while not any("answers from now on" in line for line in told):
                assert time.monotonic() < deadline_s, told
                told += run.news()
                assert not any("cannot be used" in line for line in told), told
                if any("fetching" in line for line in told):
                    brain.responder.reply("what time is it")
                threading.Event().wait(0.05)
            assert brain.responder.engine_name == "mlx"
            assert brain.responder.reply("why is the sky blue").understood
            assert brain.responder.reply("2 plus 2").text == "That's 4."
            assert aloud == ["I can answer any question now."]
            run.stop()
            brain.responder.close()
            assert brain.store.setting(LANGUAGE_SETTING) is None
