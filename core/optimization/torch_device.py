"""torch itself, which device it computes on, what memory is free there, and giving back what torch keeps of it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from core.optimization.decisions import Decisions
from core.optimization.host import this_host
from core.optimization.host_memory import read_memory
from core.optimization.plan import Device, Plan
from core.utils.config import OptimizationConfig
from core.utils.errors import GpuUnavailableError, MissingDependencyError
from core.utils.gpu_fence import BY_BUS, ORDER, VISIBLE, device_number, validate_exclusive_gpu


def import_torch() -> Any:
    """The module. Raises MissingDependencyError naming the extra."""
    try:
        return import_module("torch")
    except ImportError as error:
        raise MissingDependencyError(
            f"torch cannot be imported ({error}); it comes with the extra `full`: MERLINE_EXTRAS=full python3 main.py"
        ) from error


def choose_device(torch: Any, settings: OptimizationConfig, plan: Plan | None, decisions: Decisions) -> Device:
    """optimization.device, else the plan's, else the best that torch sees; the plan's only where torch sees it too.

    Raises GpuUnavailableError where torch does not see the device that the configuration names.
    """
    seen = {"cpu": True, "cuda": bool(torch.cuda.is_available()), "mps": bool(torch.backends.mps.is_available())}
    best: Device = "cuda" if seen["cuda"] else "mps" if seen["mps"] else "cpu"
    asked = settings.device
    if asked != "auto":
        if not seen[asked]:
            raise GpuUnavailableError(
                f"optimization.device: torch {torch.__version__} sees no {asked} device; "
                "install a torch built for it, or set optimization.device: auto"
            )
        decisions.note("device", True, f"{asked}, asked for by optimization.device")
        return asked
    if plan is None:
        decisions.note("device", True, f"{best}, the best that torch sees")
        return best
    if seen[plan.device]:
        decisions.note("device", True, f"{plan.device}, as planned")
        return plan.device
    decisions.note("device", False, f"{plan.device} was planned and torch does not see it: {best}")
    return best


def prove_card(torch: Any, plan: Plan | None, decisions: Decisions) -> None:
    """Where the planned card was fenced off: torch sees it and no other, with the memory that is asked for.

    Raises GpuUnavailableError or GpuBusyError where it does not. Cards that the user made visible are the user's.
    """
    if plan is None or plan.gpu is None:
        return
    fenced = os.environ.get(ORDER) == BY_BUS and os.environ.get(VISIBLE) == device_number(plan.gpu)
    if not fenced:
        decisions.note(
            "one card alone", False, f"{VISIBLE}={os.environ.get(VISIBLE, '')} is not what the plan would set"
        )
        return
    proof = validate_exclusive_gpu(plan.gpu, plan.gpu_min_bytes, torch)
    decisions.note("one card alone", True, f"torch sees {proof.name} and no other, by its {proof.proved_by}")


def free_bytes(torch: Any, device: Device) -> int:
    """Memory of the GPU, or of the machine, that is free now; on CUDA also what torch holds there and does not use."""
    if device == "cuda":
        idle = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0] + idle)
    if device == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return read_memory(this_host()).available_bytes


def release_cached(torch: Any, device: Device) -> None:
    """Let torch give the GPU the memory back that it keeps for later; nothing on a CPU."""
    if device != "cpu":
        getattr(torch, device).empty_cache()
