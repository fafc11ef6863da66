"""`optimize analyze | plan | validate` as a user runs them: text and JSON, from one to the other, right and wrong."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.integration.program import run

WITH_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


def test_what_analyze_writes_plan_reads(tmp_path: Path):
    analyzed = run(tmp_path, "optimize", "analyze", "--json")
    assert analyzed.returncode == 0, analyzed.stderr
    profile = json.loads(analyzed.stdout)
    assert profile["cpu"]["usable_cores"] > 0
    assert profile["speed"]["bandwidth_gb_s"] > 0
    file = tmp_path / "machine.json"
    file.write_text(analyzed.stdout)
    planned = run(tmp_path, "optimize", "plan", "--profile", str(file), "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert {plan[stage]["engine"] for stage in ("stt", "llm", "tts")} == {"pocketsphinx", "skills", "espeak"}


def test_the_founding_machine_is_planned_for_and_told_why(tmp_path: Path):
    cpu = {"model": "12 cores", "architecture": "x86_64", "physical_cores": 6, "logical_cores": 12, "usable_cores": 6.0}
    profile = {
        "system": "Linux",
        "cpu": {**cpu, "instruction_sets": ["avx2"]},
        "memory": {"total_bytes": 7_700_000_000, "available_bytes": 1_200_000_000},
        "disk": {"path": "/home", "total_bytes": 10**12, "free_bytes": 10**11},
    }
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(profile))
    told = run(tmp_path, "optimize", "plan", "--profile", str(file), "--all-engines").stdout
    assert told.startswith("device cpu, computing in float32, 6 threads, batch 2\n")
    assert "left out: " in told
    profile["cpu"]["usable_core"] = profile["cpu"].pop("usable_cores")
    file.write_text(json.dumps(profile))
    refused = run(tmp_path, "optimize", "plan", "--profile", str(file))
    assert refused.returncode == 2
    assert "cpu.usable_core: unknown key (did you mean 'usable_cores'?)" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_setting_that_cannot_be_had_is_refused_before_anything_starts(tmp_path: Path):
    refused = run(tmp_path, "optimize", "plan", "--set", "optimization.device=cuda", PATH="/nowhere")
    assert refused.returncode == 3
    assert "optimization.device" in refused.stderr


SERVER = ("llm.engine=openai", "llm.base_url=http://127.0.0.1:1/v1", "llm.model=any")


@pytest.mark.parametrize(
    ("settings", "answers"), [(("llm.engine=mlx",), "  llm  mlx "), (SERVER, "  llm  skills ")], ids=["mlx", "openai"]
)
def test_plan_knows_what_answers_as_the_assistant_does(tmp_path: Path, settings: tuple[str, ...], answers: str):
    told = run(tmp_path, "optimize", "plan", *(part for one in settings for part in ("--set", one)))
    assert told.returncode == 0, told.stderr
    assert answers in told.stdout


@WITH_TORCH
def test_validate_runs_the_eight_checks(tmp_path: Path):
    done = run(tmp_path, "optimize", "validate", "--json", "--set", "optimization.compile=false", timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    outcomes = {check["name"]: check["outcome"] for check in found["checks"]}
    assert len(outcomes) == 8
    assert outcomes["CPU"] == outcomes["initialisation"] == outcomes["inference context"] == "passed"
    assert outcomes["compile"] == "skipped"
    assert found["verdict"].startswith(f"{list(outcomes.values()).count('passed')}/")
    text = run(tmp_path, "optimize", "validate", "--set", "optimization.compile=false", timeout=120)
    assert text.stdout.splitlines()[-1] == found["verdict"]
