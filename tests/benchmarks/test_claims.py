"""What `bench claims` and `bench optimizations` print: every claim has an answer, and nothing is made up."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import claims, optimizations
from benchmarks.claim_parts.founding import CLAIMS, NEEDS, Answer, Claim, no_hardware

SPEED = Claim("dynamic speed", "D: dynamic int8, CPU", "2-3x", 2, "x")
SIZE = Claim("dynamic size", "D: dynamic int8, size", "-75 %", 75, "%")


def test_a_claim_holds_from_its_lower_end_on() -> None:
    assert Answer(SPEED, "BERT", 2.0).holds
    assert Answer(SPEED, "BERT", 1.9).holds is False
    assert Answer(SIZE, "BERT", 74.6).holds
    assert Answer(SIZE, "BERT", 74.0).holds is False
    assert Answer(SPEED).holds is None
    assert Answer(SPEED, "BERT", 1.0).ok is None


def test_lines_and_json_say_what_was_promised_and_what_was_found() -> None:
    assert Answer(SPEED, "BERT", 1.523, "outputs off by 1 %").line() == (
        "D: dynamic int8, CPU                   claimed 2-3x            1.52x  does not hold  BERT; outputs off by 1 %"
    )
    assert Answer(SIZE, "BERT", 75.04).line().endswith("claimed -75 %         -75.0 %  holds          BERT")
    assert " +7.4 %  does not hold" in Answer(SIZE, "BERT", -7.36).line()
    assert " +0.0 %  does not hold" in Answer(SIZE, "BERT", 0.01).line()
    told = json.loads(json.dumps(Answer(SIZE, "BERT", 75.04).as_json()))
    assert (told["name"], told["claimed"], told["holds"], told["ok"]) == ("D: dynamic int8, size", "-75 %", True, None)


def test_what_needs_other_hardware_says_so() -> None:
    told = [no_hardware(claim).line() for claim in CLAIMS if claim.hardware not in ("cpu", "16-core cpu")]
    assert len(told) == 11
    assert all("not measured: no such hardware: it needs " in line for line in told)
    assert sum("TensorRT" in line and "; unverified, as no engine" in line for line in told) == 2
    assert {claim.hardware for claim in CLAIMS} == set(NEEDS)


def test_a_machine_that_is_claimed_about_is_not_told_that_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="the extra full is missing: torch")
    from benchmarks.claim_parts.kept import Kept
    from core.optimization.toolbox.tensorrt import UNVERIFIED

    monkeypatch.setattr(claims, "card_name", lambda: "NVIDIA GeForce RTX 3090")
    monkeypatch.setattr(claims, "machine", lambda: {"cpu": "Apple M1 Max"})
    told = {one.claim.what: one.why for one in claims.listed(Kept(None))}
    assert told["B: RTX 3090"].startswith("this is that machine: `bench optimizer`")
    assert told["B: M1 Max"] == told["B: RTX 3090"]
    assert told["B: RTX 4090"] == "no such hardware: it needs that very card"
    assert told["B: TF32 on Ampere and later"].startswith("nothing of ours does this on the NVIDIA GeForce RTX 3090")
    assert told["D: TensorRT FP16"] == told["D: TensorRT INT8"] == UNVERIFIED


def test_without_the_packages_every_claim_still_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "find_spec", lambda name: None)
    answers = claims.run()
    assert [one.claim for one in answers] == list(CLAIMS)
    assert all(one.value is None and one.why for one in answers)
    monkeypatch.setattr(optimizations, "find_spec", lambda name: None)
    assert optimizations.run() == []


def test_a_measurement_that_does_not_end_costs_its_own_claim_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the extra full is missing: torch")
    from benchmarks.claim_parts import measured
    from benchmarks.claim_parts.kept import Kept

    def endless(command: list[str], **options: object) -> object:
        raise subprocess.TimeoutExpired(command, 180)

    monkeypatch.setattr(measured.subprocess, "run", endless)
    kept = Kept(tmp_path / "kept.json")
    kept.add("checkpointing", measured.checkpointing())
    assert "checkpointing left out: " in capsys.readouterr().err
    kept.add("KV cache", [measured.Measured("kv cache", 3.0, "a small one")])
    assert list(Kept(tmp_path / "kept.json").parts) == ["KV cache"]
    told = {one.claim.key: one for one in claims.listed(kept)}
    assert told["kv cache"].value == 3.0
    assert told["checkpointing memory"].why.startswith("it could not be measured")


def test_a_gain_is_a_row_of_the_table() -> None:
    pytest.importorskip("torch", reason="the extra full is missing: torch")
    from benchmarks.claim_parts.stages import Gain

    gain = Gain("speaking", "BERT in int8", "`tts.precision`", 2.0, "float32", (30.0, 15.0), "off by 1 %")
    assert (
        gain.line()
        == "| speaking | BERT in int8 | float32 | 2.00 times (30.0 -> 15.0 ms) | off by 1 % | `tts.precision` |"
    )
    assert gain.as_json()["baseline"] == 30.0
    left = Gain("speaking", "kernels", "none", None, "torch", why="no AVX2")
    assert left.line() == "| speaking | kernels | torch | no AVX2 | | none |"
    assert left.as_json()["value"] is None


def test_readme_has_the_rows_that_are_measured_and_no_others() -> None:
    pytest.importorskip("torch", reason="the extra full is missing: torch")
    from benchmarks.claim_parts.stages import LM_LAYERS, ROWS

    page = (Path(claims.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| stage | what the plan does |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = {
        "planned": "int8",
        "layers": LM_LAYERS,
        "threads": 2,
        "size": 4,
        "precision": "int8",
    }  # as planned on the machine it is of
    wanted = [tuple(cell.format(**told) for cell in row) for row in ROWS.values()]
    assert [(stage, decision, instead, override) for stage, decision, instead, _, _, override in cells] == wanted


def test_the_card_without_a_card_says_why_nothing_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")
    from benchmarks.claim_parts.kept import Kept

    monkeypatch.setattr(claims, "card_name", lambda: "")
    monkeypatch.setattr(claims, "measured_parts", lambda *_: Kept(None))
    answers = claims.run(("card",))
    assert {one.claim.hardware for one in answers} == {"nvidia", "tensorrt"}
    assert all(one.why.startswith("no such hardware") for one in answers)
    assert claims.run(("steps",)) == []
