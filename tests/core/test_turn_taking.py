"""Endpointing as the assistant has it: with what was learnt in another session, and with the user's wish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.app.brain import Brain
from core.app.turn_taking import make_endpointing, turn_model_folder
from core.utils.config import Config, EndpointConfig, MemoryConfig
from core.utils.errors import ConfigError
from core.utils.model_store import Manifest, ModelStore, StoredFile, write_manifest
from stt.endpointing import Endpointing, Evidence
from tests.fakes import VirtualClock


def wait(endpointing: Endpointing) -> float:
    return endpointing.pause_ms(Evidence(text="is it time"))


def session(tmp_path: Path, config: Config, pauses: int = 0) -> float:
    """One conversation with so many long pauses; how long a pause might have been at its beginning."""
    with Brain(config, VirtualClock(), tmp_path / "data", "en") as brain:
        endpointing = make_endpointing(config, brain, ModelStore(tmp_path / "models"))
        at_first = wait(endpointing)
        for _ in range(pauses):
            endpointing.learn(900.0)
        endpointing.close()
    return at_first


def test_pauses_are_kept_across_sessions(tmp_path: Path) -> None:
    general = session(tmp_path, Config(), pauses=20)
    assert session(tmp_path, Config()) > general + 100


@pytest.mark.parametrize(
    "config", [Config(memory=MemoryConfig(enabled=False)), Config(endpoint=EndpointConfig(learn=False))]
)
def test_nothing_is_kept_of_who_does_not_want_it(tmp_path: Path, config: Config) -> None:
    general = session(tmp_path, config, pauses=20)
    assert session(tmp_path, config) == general
    assert session(tmp_path, Config()) == general


def test_take_your_time_is_understood_and_undone(tmp_path: Path) -> None:
    with Brain(Config(), VirtualClock(), tmp_path, "en") as brain:
        endpointing = make_endpointing(Config(), brain, ModelStore(tmp_path / "models"))
        usual = wait(endpointing)
        brain.responder.reply("take your time")
        assert wait(endpointing) == 2 * usual
        brain.responder.reply("answer sooner")
        assert wait(endpointing) == usual


def test_a_model_that_cannot_be_run_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "models" / "smart-turn"
    folder.mkdir(parents=True)
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(b"damaged")
    write_manifest(folder, Manifest("x/y", "1", (StoredFile("smart-turn-v3.2-cpu.onnx", 7, "0"),)))
    with Brain(Config(), VirtualClock(), tmp_path / "data", "en") as brain:
        assert make_endpointing(Config(), brain, ModelStore(tmp_path / "models")).model is None
    assert "by words alone" in caplog.text


def test_a_model_of_ones_own_is_taken_from_where_it_lies(tmp_path: Path, real_model: Callable[[str], Path]) -> None:
    file = next(real_model("smart-turn").glob("*.onnx"))
    for place in (file, file.parent):
        config = Config(endpoint=EndpointConfig(model=str(place)))
        with Brain(config, VirtualClock(), tmp_path / "data", "en") as brain:
            assert make_endpointing(config, brain, ModelStore(tmp_path / "models")).model is not None


@pytest.mark.parametrize(("name", "text"), [("damaged.onnx", "damaged"), ("README.md", "no model")])
def test_a_place_that_was_named_and_holds_no_smart_turn_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text(text)
    config = Config(endpoint=EndpointConfig(model=str(tmp_path / "mine")))
    told = r"endpoint\.model: .*mine.*(?i:onnx).*; name the folder .* or set it to auto"
    brain = Brain(config, VirtualClock(), tmp_path / "data", "en")
    with brain, pytest.raises(ConfigError, match=told):
        make_endpointing(config, brain, ModelStore(tmp_path / "models"))


def test_a_place_where_nothing_is_is_refused(tmp_path: Path) -> None:
    config = Config(endpoint=EndpointConfig(model="smart"))
    with pytest.raises(ConfigError, match=r"endpoint\.model: 'smart' is neither auto nor off, and no file or folder"):
        turn_model_folder(config, ModelStore(tmp_path))
    assert turn_model_folder(Config(endpoint=EndpointConfig(model="off")), ModelStore(tmp_path)) is None
