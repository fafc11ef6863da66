"""`check --full` fetches what is planned, asks known questions of it, and never reads as success when one is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import HubServer
from tests.integration.program import ROOT, run

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")
pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (extra `full`)")

TRAINED = ROOT / "tests" / "models" / "ctranslate2-int8"
REPOSITORY = "Systran/faster-whisper-tiny"
NO_SOUND = {"PULSE_SERVER": "unix:/nowhere"}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """Gives the small Whisper that was trained here under the name of a published one."""
    files = {path.name: path.read_bytes() for path in TRAINED.iterdir() if path.is_file()}
    with HubServer({REPOSITORY: files}) as running:
        yield running


def check(home: Path, hub: HubServer, *options: str):
    small = ("--set", "stt.model=whisper-tiny", "--set", "llm.engine=skills", "--set", "tts.engine=espeak")
    where = {"HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1", **NO_SOUND}
    return run(home, "check", "--full", *small, *options, timeout=180, **where)


def test_the_planned_whisper_is_fetched_asked_and_reported(tmp_path: Path, hub: HubServer):
    done = check(tmp_path, hub, "--json")
    found = json.loads(done.stdout)
    checks = {one["name"]: one for one in found["checks"]}
    assert "fetching whisper-tiny" in done.stderr
    assert checks["full models"]["outcome"] == "warn", "nothing was fetched that could answer or speak"
    day = checks["asked: what day is it"]
    assert day["outcome"] == "warn", "the skills and espeak-ng are the small engines"
    assert "whisper" in day["text"]
    assert "day." in day["text"]
    assert any(REPOSITORY in line for line in found["report"])
    assert any("what day is it" in line and "ms)" in line for line in found["report"])
    assert (done.returncode, found["safe"]) == (1, False), "there is no microphone"


def test_offline_it_says_what_is_missing_and_how_to_get_it(tmp_path: Path, hub: HubServer):
    done = check(tmp_path, hub, "--offline")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "full models" in lines[-1]
    assert "not safe to launch" in lines[-1]
    assert any(line.startswith("FAIL  full models") and "--offline" in line for line in lines)
    assert hub.asked == []
