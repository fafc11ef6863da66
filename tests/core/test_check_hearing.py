"""`check` says which recogniser will listen, whether its model is here, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.check_hearing import hearing_checks, judge_hearing
from core.optimization.plan import StagePlan
from core.selfcheck import look
from core.utils.config import Config, SttConfig, WakeConfig
from core.utils.errors import ModelError, ModelTooLargeError
from core.utils.model_store import Manifest, ModelStore, StoredFile, write_manifest
from tests.stt.test_smart_turn import make_model

PLANNED = StagePlan("whisper", "base", "cpu", "int8", 2, 10**8)
EMBEDDED = StagePlan("pocketsphinx", None, "cpu", "float32", 1, 10**8)
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


def config(**stt: object) -> Config:
    return Config(stt=SttConfig(**stt))  # type: ignore[arg-type]


@pytest.fixture
def empty(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


@pytest.fixture
def store(empty: ModelStore) -> ModelStore:
    """With whisper-base."""
    folder = empty.folder / "whisper-base"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(bytes(1000))
    write_manifest(folder, Manifest("owner/name", "1", tuple(StoredFile(name, 1000, "") for name in FILES)))
    return empty


def test_the_embedded_one_names_what_would_better_it(empty: ModelStore):
    found = judge_hearing(config(), empty, EMBEDDED)
    assert found.outcome == "pass"
    assert found.text.startswith("pocketsphinx; whisper-")
    assert "models download whisper-" in found.text


def test_a_wake_word_is_looked_at_where_one_is_asked_for():
    pytest.importorskip("pymicro_wakeword", reason="pymicro-wakeword is not installed (extra `wake`)")
    assert [check.name for check in hearing_checks(Config())] == ["recogniser", "turn taking"]
    (found,) = (look(check) for check in hearing_checks(Config(wake=WakeConfig(mode="word")))[2:])
    assert (found.outcome, found.text) == ("pass", "say 'Okay Nabu' first")
    wrong = Config(wake=WakeConfig(mode="word", word="Okay Nabu"))
    found = look(hearing_checks(wrong)[2])
    assert (found.outcome, found.cure) == ("fail", "did you mean 'okay_nabu'?")


def test_without_smart_turn_one_line_says_what_it_would_bring(empty: ModelStore):
    found = look(hearing_checks(Config(), empty)[1])
    assert found.outcome == "pass"
    assert "smart-turn is not here (9.0 MB, licence BSD-2-Clause) and would cut you off less often" in found.text
    assert found.text.endswith("`python3 main.py models download smart-turn`")
    off = look(hearing_checks(Config.model_validate({"endpoint": {"model": "off"}}), empty)[1])
    assert (off.outcome, "smart-turn" in off.text) == ("pass", False)


def test_smart_turn_is_run_once_and_what_is_wrong_with_it_is_said(empty: ModelStore):
    pytest.importorskip("onnxruntime")
    folder = empty.folder / "smart-turn"
    folder.mkdir()
    make_model(folder, 0.0)
    size = (folder / "model.onnx").stat().st_size
    write_manifest(folder, Manifest("owner/name", "1", (StoredFile("model.onnx", size, ""),)))
    found = look(hearing_checks(Config(), empty)[1])
    assert (found.outcome, found.text) == ("pass", "by words, pauses and sound, with smart-turn")
    (folder / "model.onnx").write_bytes(bytes(size))
    found = look(hearing_checks(Config(), empty)[1])
    assert found.outcome == "warn"
    assert "by words and pauses alone" in found.text
    found = look(hearing_checks(Config.model_validate({"endpoint": {"model": str(folder)}}), empty)[1])
    assert (found.outcome, found.text.partition(": ")[0]) == ("fail", "endpoint.model")


def test_the_embedded_one_asked_for_says_no_more(empty: ModelStore):
    found = judge_hearing(config(engine="pocketsphinx"), empty, PLANNED)
    assert (found.outcome, found.text) == ("pass", "pocketsphinx")


@pytest.mark.parametrize("engine", ["auto", "whisper"])
def test_whisper_with_its_model_and_what_runs_it(engine: str, store: ModelStore):
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (extra `full`)")
    found = judge_hearing(config(engine=engine), store, PLANNED)
    assert found.outcome == "pass"
    assert found.text.startswith("whisper with whisper-base through faster-whisper: on this machine, ")


def test_a_model_of_english_alone_warns_where_french_is_asked_for(tmp_path: Path, empty: ModelStore):
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (extra `full`)")
    for name in FILES:
        (tmp_path / name).write_text("word\n" * 51_864, encoding="utf-8")
    found = judge_hearing(config(model=str(tmp_path)), empty, PLANNED)
    assert (found.outcome, found.text) == ("warn", f"{tmp_path} does not understand fr, which stt.languages asks for")
    assert found.cure.startswith("take a multilingual model")
    assert judge_hearing(config(model=str(tmp_path), languages=("en",)), empty, PLANNED).outcome == "pass"


def test_a_model_that_is_not_here_warns_with_auto_and_fails_where_it_is_asked_for(empty: ModelStore):
    found = judge_hearing(config(model="whisper-tiny"), empty, PLANNED)
    assert found.outcome == "warn"
    assert "pocketsphinx listens instead of whisper: whisper-tiny: is not on this machine" in found.text
    assert "models download whisper-tiny" in found.cure
    with pytest.raises(ModelError, match="models download whisper-base"):
        judge_hearing(config(engine="whisper"), empty, PLANNED)


def test_a_model_too_large_is_told(empty: ModelStore):
    wanted = config(engine="whisper", model="whisper-large-v3")
    wanted = wanted.model_copy(update={"optimization": wanted.optimization.model_copy(update={"memory_limit_mb": 700})})
    with pytest.raises(ModelTooLargeError, match="take whisper-base"):
        judge_hearing(wanted, empty, PLANNED)
