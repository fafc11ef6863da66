"""The eight checks: on this machine for real, and that none of them can be fooled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from machines import NO_TOOLCHAIN

from core.optimization.toolchain import Toolchain
from core.optimization.torch_optimizer import TorchOptimizer
from core.optimization.validation import Check, Validation, run_validation
from core.utils.config import OptimizationConfig

torch = pytest.importorskip("torch", reason="torch is not installed")

NAMES = ["initialisation", "CUDA", "MPS", "CPU", "batch size", "inference context", "compile", "warm-up"]


def outcomes(validation: Validation) -> dict[str, str]:
    return {check.name: check.outcome for check in validation.checks}


def reason(validation: Validation, name: str) -> str:
    return next(check.reason for check in validation.checks if check.name == name)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated.*:DeprecationWarning")
def test_this_machine_passes_and_says_what_it_skipped():
    optimizer = TorchOptimizer()
    validation = run_validation(optimizer)
    assert [check.name for check in validation.checks] == NAMES
    assert validation.success, validation.line
    found = outcomes(validation)
    assert found["CUDA"] == ("passed" if torch.cuda.is_available() else "skipped")
    assert found["MPS"] == ("passed" if torch.backends.mps.is_available() else "skipped")
    compiles = not Toolchain.find().obstacle(optimizer.initialize().type)
    assert found["compile"] == ("passed" if compiles else "skipped")
    assert all(check.reason for check in validation.checks)
    assert json.loads(json.dumps(validation.as_json()))["success"] is True


def test_no_compiler_is_a_reason_to_skip():
    validation = run_validation(TorchOptimizer(toolchain=NO_TOOLCHAIN))
    if torch.cuda.is_available():
        pytest.skip("this machine has a card, which needs other tools")
    assert outcomes(validation)["compile"] == "skipped"
    assert "no C++ compiler" in reason(validation, "compile")
    assert validation.line == "5/5 passed, 3 skipped: CUDA, MPS, compile"


class Leaking(TorchOptimizer):
    """Its context is no inference mode, its batch size is not the one tried, its warm-up fails."""

    def get_inference_context(self, stage: Any = None) -> Any:
        return torch.no_grad()

    def get_optimal_batch_size(self, default: int = 8, probe: Any = None) -> int:
        probe(4)
        return 8

    def warmup_model(self, model: Any, warmup_input: Any, runs: int = 2) -> float:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_each_fault_is_found_and_the_others_still_run():
    validation = run_validation(Leaking(OptimizationConfig(compile=False)))
    found = outcomes(validation)
    assert [name for name, outcome in found.items() if outcome == "failed"] == [
        "batch size",
        "inference context",
        "warm-up",
    ]
    assert found["CPU"] == "passed"
    assert not validation.success
    assert validation.line.startswith("FAILED: ")
    assert "batch size, inference context, warm-up" in validation.line
    assert "mat1 and mat2" in reason(validation, "warm-up")


class WrongCompiler:
    """torch with a compiler that computes something else, or fails."""

    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def compile(self, model: Any) -> Any:
        def call(samples: Any) -> Any:
            if self._fails:
                raise RuntimeError("CppCompileError")
            return model(samples) + 1

        return call


@pytest.mark.parametrize(("fails", "why"), [(False, "differ by 1"), (True, "CppCompileError")])
def test_a_compiler_that_is_there_and_does_not_work_is_a_failure(fails: bool, why: str):
    tools = Toolchain("Linux", "g++", "gcc", python_headers=True, triton=True)
    validation = run_validation(TorchOptimizer(torch=WrongCompiler(fails), toolchain=tools))
    assert outcomes(validation)["compile"] == "failed"
    assert why in reason(validation, "compile")


def checks(*outcomes_: Any) -> Validation:
    return Validation(tuple(Check(name, outcome, "why", 1.0) for name, outcome in zip(NAMES, outcomes_, strict=False)))


def test_all_but_one_never_reads_as_success():
    almost = checks(*["passed"] * 7, "failed")
    assert not almost.success
    assert almost.line == "FAILED: 7/8 passed, not warm-up"
    assert checks(*["passed"] * 8).line == "8/8 passed"
    assert checks(*["passed"] * 7, "skipped").line == "7/7 passed, 1 skipped: warm-up"


def test_nothing_checked_is_no_success():
    nothing = checks(*["skipped"] * 2)
    assert not nothing.success
    assert nothing.line == "FAILED: nothing could be checked, 2 skipped: initialisation, CUDA"


def test_without_torch_it_fails_with_the_cure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    validation = run_validation(TorchOptimizer())
    assert set(outcomes(validation).values()) == {"failed"}
    assert "MERLINE_EXTRAS=full" in reason(validation, "initialisation")
