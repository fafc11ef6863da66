"""`check --full` fetches what is planned, asks known questions of it, and never reads as success when one is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.utils.model_catalogue import known_model
from core.utils.model_store import ModelStore
from tests.hub_server import Fault, HubServer
from tests.integration.program import ROOT, Program, run
from tests.stt.test_smart_turn import make_model

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")
pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (extra `full`)")

TRAINED = ROOT / "tests" / "models" / "ctranslate2-int8"
REPOSITORY = "Systran/faster-whisper-tiny"
SMALL = ("--set", "stt.model=whisper-tiny", "--set", "llm.model=qwen2.5-0.5b", "--set", "tts.engine=espeak")
NO_SOUND = {"PULSE_SERVER": "unix:/nowhere"}


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """Gives the small Whisper that was trained here under a published one's name, and a network like Smart Turn's."""
    files = {path.name: path.read_bytes() for path in TRAINED.iterdir() if path.is_file()}
    turn = known_model("smart-turn")
    network = (make_model(tmp_path_factory.mktemp("turn"), 0.0) / "model.onnx").read_bytes()
    with HubServer({REPOSITORY: files, turn.repository: {turn.files[0]: network}}) as running:
        yield running


def check(home: Path, hub: HubServer, *options: str):
    where = {"HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1", **NO_SOUND}
    return run(home, "check", "--full", *SMALL, *options, timeout=900, **where)


def test_what_can_be_had_is_fetched_asked_and_reported_though_another_model_cannot(tmp_path: Path, hub: HubServer):
    hub.faults[REPOSITORY] = [Fault(late_s=4.0)]
    done = check(tmp_path, hub, "--json", "--set", "audio.input_device=Ada's microphone")
    found = json.loads(done.stdout)
    checks = {one["name"]: one for one in found["checks"]}
    assert checks["hearing model"]["outcome"] == "pass", checks["hearing model"]
    assert "fetching whisper-tiny" in done.stderr
    assert checks["turn model"]["outcome"] == "pass", checks["turn model"]
    assert "fetched: smart-turn" in checks["turn model"]["text"]
    assert ModelStore(tmp_path / "models").find("smart-turn")
    assert checks["answering model"]["outcome"] == "fail", "the hub has none"
    assert "Qwen/Qwen2.5-0.5B-Instruct" in checks["answering model"]["text"]
    assert checks["speaking model"]["outcome"] == "warn", "nothing was fetched that could speak"
    assert "tts.engine is espeak" in checks["speaking model"]["text"], "that was no plan's choice"
    date = checks["asked: what is the date today"]
    assert date["outcome"] == "warn", "espeak-ng is a small engine"
    assert "whisper" in date["text"]
    assert "20" in date["text"]
    assert "not asked" in checks["asked: which city is the capital of france"]["text"]
    assert found["report"][0].startswith("Merline ")
    assert any(line.startswith("asked for:") and "tts.engine=espeak" in line for line in found["report"])
    assert any(REPOSITORY in line for line in found["report"])
    assert any("what is the date today" in line and " s after the last word" in line for line in found["report"])
    assert any(line.startswith("fail  answering model") for line in found["report"])
    fetching = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert len(fetching) < 20, "progress is a line now and then"
    assert "Ada" not in "".join(found["report"])
    assert (done.returncode, found["safe"]) == (1, False), "there is no microphone"


def test_the_report_of_a_folder_that_cannot_be_written_does_not_tell_where_it_is(tmp_path: Path, hub: HubServer):
    (tmp_path / "models" / "whisper-tiny").mkdir(parents=True)
    (tmp_path / "models" / "whisper-tiny" / ".parts").write_text("no folder")
    done = check(tmp_path, hub, "--set", f"endpoint.model={tmp_path / 'nothing'}")
    report = done.stdout.partition("report, to keep")[2]
    assert "cannot be written" in report
    assert str(tmp_path) in done.stdout, "on the user's own screen the path is of use"
    assert str(tmp_path) not in report


def test_offline_it_says_what_is_missing_and_how_to_get_it(tmp_path: Path, hub: HubServer):
    done = check(tmp_path, hub, "--offline")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "hearing model" in lines[-1]
    assert "not safe to launch" in lines[-1]
    assert any(line.startswith("FAIL  hearing model") and "--offline" in line for line in lines)
    assert any(line.startswith("FAIL  turn model") and "--offline" in line for line in lines)
    assert hub.asked == []


def test_what_was_found_before_ctrl_c_is_reported_with_a_verdict_that_it_was_broken_off(tmp_path: Path, hub: HubServer):
    where = {"HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1", **NO_SOUND}
    with Program(tmp_path, ("check", "--full", *SMALL), where) as program:
        program.wait_for("^asking: what is the date", 300)
        assert program.interrupt(30) == 130
        program.wait_for("^report, to keep or to send back", 10)
        rest = program.unread()
    assert rest[0].startswith("  Merline ")
    assert any("hearing model" in line and REPOSITORY in line for line in rest)
    assert rest[-1].startswith("broken off at 'asked: what is the date today'; ")
    assert rest[-1].endswith(": not known to be safe to launch")
