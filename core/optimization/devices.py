"""Which device computes, and in what numbers. Pure.

A card that the rules allow and that has room, else Apple's GPU, else the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.optimization.catalogue import CUDA_BYTES, GB, MB
from core.optimization.plan import ComputeType, Device
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.errors import ConfigError, GpuBusyError, GpuUnavailableError
from core.utils.gpu import Gpu, choose_gpu

CARD_LEAST_BYTES = CUDA_BYTES + 1000 * MB
"""free on a card that is worth starting: the context, and the smallest useful models in half precision"""
BFLOAT16_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """The device, the card if it is one, and why."""

    device: Device
    compute_type: ComputeType
    reasons: tuple[str, ...]
    gpu: Gpu | None = None


def choose_device(profile: MachineProfile, config: Config) -> DeviceChoice:
    """Raises GpuUnavailableError or GpuBusyError for a device that was asked for and cannot be had, ConfigError for a
    number type that it cannot compute in."""
    device, gpu, why = _device(profile, config)
    compute_type, reason = _compute_type(device, gpu, config)
    return DeviceChoice(device, compute_type, (why, reason), gpu)


def _device(profile: MachineProfile, config: Config) -> tuple[Device, Gpu | None, str]:
    wish = config.optimization.device
    if wish == "cpu":
        return "cpu", None, "The CPU computes, as optimization.device asks."
    if wish == "mps":
        if not profile.mps:
            raise GpuUnavailableError(
                "optimization.device: mps: this machine has no Apple GPU; set optimization.device: auto"
            )
        return "mps", None, "Apple's GPU computes, as optimization.device asks."
    if wish == "cuda":
        gpu = _roomy(choose_gpu(profile.gpus, config.gpu))
        return "cuda", gpu, f"{_praise(gpu)}, as optimization.device asks."
    if profile.gpus:
        try:
            gpu = _roomy(choose_gpu(profile.gpus, config.gpu))
        except (GpuUnavailableError, GpuBusyError) as error:
            if config.gpu.use is not None:
                raise
            return "cpu", None, f"The CPU computes, because no graphics card can be used: {error}."
        return "cuda", gpu, f"{_praise(gpu)}."
    if profile.mps:
        return "mps", None, "Apple's GPU computes; it shares the machine's memory."
    return "cpu", None, "The CPU computes: there is no graphics card that this program can use."


def _roomy(gpu: Gpu) -> Gpu:
    if gpu.free_bytes < CARD_LEAST_BYTES:
        raise GpuBusyError(
            f"{gpu.name}: {gpu.free_bytes / GB:.1f} GB of {gpu.total_bytes / GB:.1f} GB is free and "
            f"{CARD_LEAST_BYTES / GB:.1f} GB is needed; close {_users(gpu)}, or set optimization.device: cpu"
        )
    return gpu


def _users(gpu: Gpu) -> str:
    named = ", ".join(f"{process.name} (pid {process.pid})" for process in gpu.processes)
    return named or "the programs that use it"


def _praise(gpu: Gpu) -> str:
    return (
        f"The graphics card {gpu.name} computes: {gpu.free_bytes / GB:.1f} of its {gpu.total_bytes / GB:.1f} GB is free"
    )


def _compute_type(device: Device, gpu: Gpu | None, config: Config) -> tuple[ComputeType, str]:
    wish = config.optimization.compute_type
    capability = gpu.capability if gpu else None
    new_enough = capability is not None and capability >= BFLOAT16_CAPABILITY
    if wish == "bfloat16" and capability is not None and not new_enough:
        assert gpu is not None
        raise ConfigError(
            f"optimization.compute_type: bfloat16 needs a card of compute capability 8.0, and {gpu.name} has "
            f"{capability[0]}.{capability[1]}; set float16 or auto"
        )
    if wish != "auto":
        slow = " A CPU is slow with it." if device == "cpu" and wish == "float16" else ""
        return wish, f"It computes in {wish}, as optimization.compute_type asks.{slow}"
    if device == "cpu":
        return "float32", "It computes in float32, the number type every CPU is fast with."
    if device == "mps":
        return "float16", "It computes in float16: half the memory, and Apple's GPU is fast with it."
    if new_enough:
        return (
            "bfloat16",
            "It computes in bfloat16: half the memory, the range of float32, and the card is fast with it.",
        )
    return "float16", "It computes in float16: half the memory, and the card is too old for bfloat16 or does not tell."
