"""A real NVIDIA card seen through a whole process: the commands about the machine, the proof, torch's allocator.

Each test starts a process of its own, as the fence must come before torch. Without a card everything here skips.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.utils.gpu import find_nvidia_smi, read_gpus

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "import sys; from core.app.cli import main; sys.exit(main(sys.argv[1:]))"
"""what main.py runs when the environment is there"""

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True, scope="module")
def _card() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.version.cuda is None:
        pytest.skip("this torch is built without CUDA")
    if find_nvidia_smi() is None:
        pytest.skip("there is no NVIDIA driver")


def run(tmp_path: Path, code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process with its own data folder and no card hidden; its warnings are on its error stream."""
    hidden = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code, *arguments],
        cwd=ROOT,
        env={**environ, "MERLINE_HOME": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """What it printed, as JSON."""
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout)


def test_analyze_names_the_card(tmp_path: Path):
    profile = answer(run(tmp_path, COMMAND, "optimize", "analyze", "--json"))
    cards = {gpu.uuid: gpu for gpu in read_gpus()}
    assert {gpu["uuid"] for gpu in profile["gpus"]} == set(cards)
    for gpu in profile["gpus"]:
        card = cards[gpu["uuid"]]
        assert (gpu["name"], gpu["pci_bus"], gpu["total_bytes"]) == (card.name, card.pci_bus, card.total_bytes)
        assert tuple(gpu["capability"]) == card.capability
    assert profile["speed"]["gemm_fp32_gflops"] > 0


def test_plan_computes_on_the_card(tmp_path: Path):
    decided = answer(run(tmp_path, COMMAND, "optimize", "plan", "--all-engines", "--json"))
    assert decided["device"] == "cuda"
    assert decided["gpu"]["uuid"] in {gpu.uuid for gpu in read_gpus()}
    assert decided["compute_type"] in ("bfloat16", "float16")


def test_validate_passes_what_applies_and_skips_apples_gpu_with_the_reason(tmp_path: Path):
    found = answer(run(tmp_path, COMMAND, "optimize", "validate", "--json"))
    checks = {check["name"]: (check["outcome"], check["reason"]) for check in found["checks"]}
    assert found["success"] is True, checks
    assert checks["CUDA"][0] == "passed"
    assert "GB free" in checks["CUDA"][1]
    assert checks["MPS"] == ("skipped", "torch sees no Apple GPU here")
    assert "cuda" in checks["initialisation"][1]
    assert not [name for name, (outcome, _) in checks.items() if outcome == "failed"]
    assert "passed" in found["verdict"]


CHECK_ROWS = """
import json
from core.app.check_optimization import optimization_checks
from core.selfcheck import run_checks
from core.utils.config import Config
print(json.dumps([[row.name, row.outcome, row.text] for row in run_checks(optimization_checks(Config()))]))
"""


def test_the_rows_of_check_about_the_optimiser_pass(tmp_path: Path):
    rows = answer(run(tmp_path, CHECK_ROWS))
    assert [(name, status) for name, status, _ in rows if status != "pass"] == []
    texts = {name: text for name, _, text in rows}
    assert read_gpus()[0].name in texts["analyser"]
    assert texts["tuner"].startswith("cuda, ")


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


@pytest.mark.parametrize("name", ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"])
def test_torchs_allocator_takes_our_limit_beside_what_the_user_set(tmp_path: Path, name: str):
    done = run(tmp_path, ALLOCATOR, **{name: "expandable_segments:True"})
    split, expandable, proved_by, total = answer(done)
    assert (split, expandable, total) == (512 << 20, True, 3.0)
    assert proved_by in ("uuid", "name and memory")
    assert "ALLOC_CONF" not in done.stderr, "torch warns of a name or a value"


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("validate_exclusive_gpu(gpu, 10**15)", "GpuUnavailableError: .* for torch and 1000000.0 GB are asked for"),
        (
            "held = torch.empty(5 * 10**9, dtype=torch.uint8, device='cuda')\n"
            "validate_exclusive_gpu(gpu, torch.cuda.mem_get_info()[1] - 4 * 10**9)",
            "GpuBusyError: .* GB free of the",
        ),
        (
            "validate_exclusive_gpu(replace(gpu, uuid='GPU-00000000-0000-0000-0000-000000000000'), 1)",
            "GpuUnavailableError: .* was to be the one",
        ),
        (
            "fence(replace(gpu, index=gpu.index + 1), GpuConfig(use='1'))",
            "GpuUnavailableError: torch is imported already",
        ),
    ],
    ids=["more than there is", "more than is free", "another card", "too late"],
)
def test_what_does_not_hold_on_the_card_is_not_proved(tmp_path: Path, code: str, raised: str):
    begin = (
        "from dataclasses import replace\n"
        "from core.utils.config import GpuConfig\n"
        "from core.utils.gpu import fence, fence_configured, validate_exclusive_gpu\n"
        "gpu = fence_configured(GpuConfig(use='least-memory'))\n"
        "import torch\n"
    )
    done = run(tmp_path, begin + code)
    assert done.returncode == 1
    assert re.search(raised, done.stderr), done.stderr
