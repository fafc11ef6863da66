"""The switches of torch that belong to no model: environment variables, threads, TF32, what autocast can do.

`prepare_environment` never imports torch and runs before anyone does; the rest is given the torch module.
"""

from __future__ import annotations

import platform
from collections.abc import MutableMapping
from typing import Any

from core.optimization.plan import Device, Plan
from core.utils.config import OptimizationConfig

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
WAITING = {"GOMP_SPINCOUNT": "8000", "OMP_WAIT_POLICY": "active", "KMP_BLOCKTIME": "1"}
"""How long a thread that waits in OpenMP looks before it sleeps. In GNU's (torch's and CTranslate2's on Linux) 8000
times, about 0.4 ms; 300,000 by default, 15 ms of a processor that the thread it waits for may need. Where more threads
were ever started than there are processors, as by any assistant with two engines on two of them, it looks 100 times by
default, 1000 where the policy is active: else whoever computes in many small steps sleeps at each of them. LLVM's and
Intel's would wait for ever under that policy, and get 1 ms."""
MPS_FALLBACK = "PYTORCH_ENABLE_MPS_FALLBACK"
MPS_HIGH_WATERMARK = "PYTORCH_MPS_HIGH_WATERMARK_RATIO"
MPS_LOW_WATERMARK = "PYTORCH_MPS_LOW_WATERMARK_RATIO"

_LOW_TO_HIGH = 0.8
"""torch refuses a low watermark above the high one, and its own low one is 1.4: the two are set together."""


def prepare_environment(
    plan: Plan | None,
    environ: MutableMapping[str, str],
    settings: OptimizationConfig | None = None,
    system: str | None = None,
) -> tuple[str, ...]:
    """Set what torch and its OpenMP read once, when they are imported; returns the names that were set here.

    A variable that is set already stays as it is, except that optimization.threads, asked for by number, beats the
    thread variables. A high watermark of 0.0 removes the limit of Apple's GPU memory: only when configured so.
    """
    settings = settings or OptimizationConfig()
    wanted: dict[str, str] = {}
    threads = wanted_threads(settings, plan, environ)
    if threads is not None:
        wanted |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    if (system or platform.system()) == "Darwin":
        wanted[MPS_FALLBACK] = "1"
        wanted |= _watermarks(settings.mps_watermark, environ)
    elif (system or platform.system()) == "Linux" and not WAITING.keys() & environ.keys():
        wanted |= WAITING
    names = []
    for name, value in wanted.items():
        forced = settings.threads > 0 and name in THREAD_VARIABLES
        if environ.get(name) != value and (forced or name not in environ):
            environ[name] = value
            names.append(name)
    return tuple(names)


def _watermarks(high: float, environ: MutableMapping[str, str]) -> dict[str, str]:
    if MPS_HIGH_WATERMARK in environ:
        return {}
    if high == 0.0:
        return {MPS_HIGH_WATERMARK: "0.0"}
    return {MPS_HIGH_WATERMARK: f"{high:g}", MPS_LOW_WATERMARK: f"{_LOW_TO_HIGH * high:g}"}


def wanted_threads(
    settings: OptimizationConfig, plan: Plan | None, environ: MutableMapping[str, str] | None = None
) -> int | None:
    """optimization.threads, else OMP_NUM_THREADS as the user set it, else the plan's; None leaves torch's own."""
    if settings.threads > 0:
        return settings.threads
    given = (environ or {}).get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return plan.threads if plan is not None else None


def set_threads(torch: Any, threads: int) -> str:
    """Give torch `threads` within an operator and one between operators; returns what could not be set, or ""."""
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() == 1:
        return ""
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError as error:
        return f"the threads between operators stay at {torch.get_num_interop_threads()}: {error}"
    return ""


def allow_tf32(torch: Any) -> None:
    """Matrix products and convolutions of float32 on NVIDIA cards from Ampere on may round to TF32 (10 bits).

    Not through the newer `fp32_precision` of each backend: torch 2.13 then raises RuntimeError at whoever reads the
    older switches, its own compiler among them. This call sets both alike.
    """
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


def autocast_obstacle(torch: Any, device: Device, compute_type: str) -> str:
    """Why autocast to `compute_type` would not work or not pay on `device`; "" where it does."""
    if compute_type not in ("float16", "bfloat16"):
        return f"{compute_type} needs no autocast"
    if not torch.amp.is_autocast_available(device):
        return f"torch has no autocast for {device}"
    if device == "cuda" and compute_type == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this card does not compute in bfloat16"
    if device == "cpu":
        name = "_is_mkldnn_bf16_supported" if compute_type == "bfloat16" else "_is_mkldnn_fp16_supported"
        supported = getattr(torch.ops.mkldnn, name, None)
        if supported is None or not supported():
            return f"this processor does not compute in {compute_type}"
    return ""
