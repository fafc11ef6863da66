"""A real NVIDIA card seen through whole processes: the commands about the machine, the proof, torch's allocator.

The fence must come before torch, so what is asked is asked in processes of their own, most answer several questions,
and all run at once. Without a card everything here skips.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.utils.gpu import find_nvidia_smi, read_gpus

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = """
import io, json, sys
from contextlib import redirect_stdout
from core.app.cli import main
found = {}
for command in sys.argv[1:]:
    with redirect_stdout(io.StringIO()) as told:
        code = main(["optimize", *command.split(), "--json"])
    found[command] = [code, told.getvalue()]
print(json.dumps(found))
"""
"""what main.py runs when the environment is there, one command after the other"""

CHECK_ROWS = """
import json
from core.app.check_optimization import optimization_checks
from core.selfcheck import run_checks
from core.utils.config import Config
print(json.dumps([[row.name, row.outcome, row.text] for row in run_checks(optimization_checks(Config()))]))
"""

ALLOCATOR = """
import json
from core.utils.config import GpuConfig
from core.utils.gpu import fence_configured, validate_exclusive_gpu
gpu = fence_configured(GpuConfig(use="least-memory", max_split_size_mb=512))
proof = validate_exclusive_gpu(gpu, 10**9)
import torch
held = torch.ones(3, device="cuda")
settings = torch.cuda.memory._snapshot()["allocator_settings"]
print(json.dumps([settings["max_split_size"], settings["expandable_segments"], proof.proved_by, float(held.sum())]))
"""
ALLOCATOR_NAMES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")

REFUSALS = """
import json
from dataclasses import replace
from core.utils.config import GpuConfig
from core.utils.errors import MerlineError
from core.utils.gpu import fence, fence_configured, validate_exclusive_gpu
gpu = fence_configured(GpuConfig(use="least-memory"))
import torch
def refusal(ask):
    try:
        ask()
    except MerlineError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was refused"
found = {"proved": validate_exclusive_gpu(gpu, 10**9).name}
found["more than there is"] = refusal(lambda: validate_exclusive_gpu(gpu, 10**15))
other = replace(gpu, uuid="GPU-00000000-0000-0000-0000-000000000000")
found["another card"] = refusal(lambda: validate_exclusive_gpu(other, 1))
found["too late"] = refusal(lambda: fence(replace(gpu, index=gpu.index + 1), GpuConfig(use="1")))
held = torch.empty(5 * 10**9, dtype=torch.uint8, device="cuda")
all_but = torch.cuda.mem_get_info()[1] - 4 * 10**9
found["more than is free"] = refusal(lambda: validate_exclusive_gpu(gpu, all_but))
print(json.dumps(found))
"""

pytestmark = pytest.mark.gpu


class Asked:
    """A process at work, with no card hidden from it and a data folder of its own; its warnings are on its errors."""

    def __init__(self, home: Path, code: str, *arguments: str, **variables: str) -> None:
        hidden = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", *ALLOCATOR_NAMES)
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "default", "-c", code, *arguments],
            cwd=ROOT,
            env={**environ, "MERLINE_HOME": str(home), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._told: tuple[str, str] | None = None

    def told(self) -> tuple[Any, str]:
        """What it printed, as JSON, and its error stream; waits for its end."""
        if self._told is None:
            self._told = self.process.communicate(timeout=120)
        printed, errors = self._told
        assert self.process.returncode == 0, printed[-2000:] + errors[-4000:]
        return json.loads(printed), errors


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asked]]:
    """All processes, begun together."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.version.cuda is None:
        pytest.skip("this torch is built without CUDA")
    if find_nvidia_smi() is None:
        pytest.skip("there is no NVIDIA driver")
    fresh = tmp_path_factory.mktemp
    begun = {
        "validate": Asked(fresh("home"), COMMANDS, "validate"),
        "plan": Asked(fresh("home"), COMMANDS, "plan --all-engines", "analyze"),
        "check": Asked(fresh("home"), CHECK_ROWS),
        "refusals": Asked(fresh("home"), REFUSALS),
    }
    begun |= {name: Asked(fresh("home"), ALLOCATOR, **{name: "expandable_segments:True"}) for name in ALLOCATOR_NAMES}
    yield begun
    for one in begun.values():
        one.process.kill()
        one.process.communicate()


def command(asked: Asked, name: str) -> Any:
    """What one command of `optimize` printed."""
    code, printed = asked.told()[0][name]
    assert code == 0, printed
    return json.loads(printed)


@pytest.mark.parametrize("name", ALLOCATOR_NAMES)
def test_torchs_allocator_takes_our_limit_beside_what_the_user_set(asked: dict[str, Asked], name: str):
    (split, expandable, proved_by, total), errors = asked[name].told()
    assert (split, expandable, total) == (512 << 20, True, 3.0)
    assert proved_by in ("uuid", "name and memory")
    assert "ALLOC_CONF" not in errors, "torch warns of a name or a value"


@pytest.mark.parametrize(
    ("what", "raised"),
    [
        ("more than there is", "GpuUnavailableError: .* for torch and 1000000.0 GB are asked for"),
        ("more than is free", "GpuBusyError: .* GB free of the"),
        ("another card", "GpuUnavailableError: .* was to be the one"),
        ("too late", "GpuUnavailableError: torch is imported already"),
    ],
)
def test_what_does_not_hold_on_the_card_is_not_proved(asked: dict[str, Asked], what: str, raised: str):
    found, _ = asked["refusals"].told()
    assert found["proved"] in {gpu.name for gpu in read_gpus()}
    assert re.match(raised, found[what]), found[what]


def test_analyze_names_the_card(asked: dict[str, Asked]):
    profile = command(asked["plan"], "analyze")
    cards = {gpu.uuid: gpu for gpu in read_gpus()}
    assert {gpu["uuid"] for gpu in profile["gpus"]} == set(cards)
    for gpu in profile["gpus"]:
        card = cards[gpu["uuid"]]
        assert (gpu["name"], gpu["pci_bus"], gpu["total_bytes"]) == (card.name, card.pci_bus, card.total_bytes)
        assert tuple(gpu["capability"]) == card.capability
    assert profile["speed"]["gemm_fp32_gflops"] > 0


def test_plan_computes_on_the_card(asked: dict[str, Asked]):
    decided = command(asked["plan"], "plan --all-engines")
    assert decided["device"] == "cuda"
    assert decided["gpu"]["uuid"] in {gpu.uuid for gpu in read_gpus()}
    assert decided["compute_type"] in ("bfloat16", "float16")


def test_validate_passes_what_applies_and_skips_apples_gpu_with_the_reason(asked: dict[str, Asked]):
    found = command(asked["validate"], "validate")
    checks = {check["name"]: (check["outcome"], check["reason"]) for check in found["checks"]}
    assert found["success"] is True, checks
    assert checks["CUDA"][0] == "passed"
    assert "GB free" in checks["CUDA"][1]
    assert checks["MPS"] == ("skipped", "torch sees no Apple GPU here")
    assert "cuda" in checks["initialisation"][1]
    assert not [name for name, (outcome, _) in checks.items() if outcome == "failed"]
    assert "passed" in found["verdict"]


def test_the_rows_of_check_about_the_optimiser_pass(asked: dict[str, Asked]):
    rows, _ = asked["check"].told()
    assert [(name, status) for name, status, _ in rows if status != "pass"] == []
    texts = {name: text for name, _, text in rows}
    assert read_gpus()[0].name in texts["analyser"]
    assert texts["tuner"].startswith("cuda, ")
