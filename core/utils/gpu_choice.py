"""Chooses the one card to use by the rules of the configuration. Pure: looks at nothing but the cards it is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.utils.errors import GpuBusyError, GpuUnavailableError
from core.utils.gpu_card import Gpu

if TYPE_CHECKING:
    from core.utils.config import GpuConfig

LEAST_MEMORY = "least-memory"
GB = 10**9
"""decimal on purpose: a card sold with 24 GB then has them by nvidia-smi's count and by torch's, which is less"""

_BUS = re.compile(
    r"(?:(?:(?P<domain>[0-9a-f]{4,8}):)?(?P<bus>[0-9a-f]{1,2}):(?P<slot>[0-9a-f]{1,2})(?:\.(?P<part>\d))?)$"
)
_BUS_ALONE = re.compile(r"[0-9a-f]{1,2}$")


def names_card(text: str, gpu: Gpu) -> bool:
    """Whether `text` means this card: a part of its name, its UUID or the start of it, or its PCI bus.

    A PCI bus is written in hexadecimal as nvidia-smi does (00000000:01:00.0), shorter (01:00.0), or alone (1).
    """
    wanted = " ".join(text.lower().split())
    if not wanted:
        return False
    if wanted.startswith(("gpu-", "mig-")):
        return gpu.uuid.lower().startswith(wanted)
    if _BUS.match(wanted) or _BUS_ALONE.match(wanted):
        return _same_bus(wanted, gpu) or (not wanted.isdigit() and wanted in gpu.name.lower().split())
    return wanted in gpu.name.lower()


def choose_gpu(gpus: Sequence[Gpu], config: GpuConfig) -> Gpu:
    """The card that the configuration asks for; without a wish, the one with the most free memory.

    Raises GpuUnavailableError where it is absent, forbidden or too small, GpuBusyError where its memory is taken.
    """
    if not gpus:
        raise GpuUnavailableError(
            f"{_wish(config)}: this machine has no NVIDIA card that its driver can use; "
            "check that nvidia-smi lists it, or set optimization.device: cpu"
        )
    wanted = _wanted(gpus, config)
    allowed = [gpu for gpu in wanted if not _forbids(config, gpu)]
    if not allowed:
        rules = ", ".join(config.forbid)
        raise GpuUnavailableError(
            f"{_wish(config)}: {_list(wanted)} is what that means here, and gpu.forbid ({rules}) forbids it; "
            f"{_cure(gpus, config)}"
        )
    needed = round(config.min_memory_gb * GB)
    large = [gpu for gpu in allowed if gpu.total_bytes >= needed]
    if not large:
        raise GpuUnavailableError(
            f"gpu.min_memory_gb: {config.min_memory_gb:g} GB is more than {_list(allowed)} has; "
            "lower it, or name a larger card in gpu.use"
        )
    free = [gpu for gpu in large if gpu.free_bytes >= needed]
    if not free:
        raise GpuBusyError(
            f"gpu.min_memory_gb: {config.min_memory_gb:g} GB is asked for, and of {_list(large)} only "
            f"{_amounts(large)} is free; {_users(large)}"
        )
    if config.use == LEAST_MEMORY:
        return min(free, key=lambda gpu: (gpu.total_bytes, gpu.index))
    return max(free, key=lambda gpu: (gpu.free_bytes, -gpu.index))


def busy_sentence(gpu: Gpu) -> str:
    """Who holds the card's memory, and the cure."""
    return _users([gpu])


def _wanted(gpus: Sequence[Gpu], config: GpuConfig) -> list[Gpu]:
    use = config.use
    if use is None or use == LEAST_MEMORY:
        return list(gpus)
    found = [gpu for gpu in gpus if names_card(use, gpu)]
    if not found:
        raise GpuUnavailableError(f"{_wish(config)}: no such card; {_cure(gpus, config)}")
    # "RTX 3090" means the 3090 and not the 3090 Ti beside it
    return [gpu for gpu in found if gpu.name.lower().endswith(use.lower())] or found


def _forbids(config: GpuConfig, gpu: Gpu) -> bool:
    return any(names_card(rule, gpu) for rule in config.forbid)


def _same_bus(text: str, gpu: Gpu) -> bool:
    asked, there = _BUS.match(text), _BUS.match(gpu.pci_bus.lower())
    if there is None:
        return False
    if asked is None:
        return int(text, 16) == int(there["bus"], 16)
    return all(
        asked[part] is None or int(asked[part], 16) == int(there[part] or "0", 16)
        for part in ("domain", "bus", "slot", "part")
    )


def _wish(config: GpuConfig) -> str:
    return f"gpu.use: {config.use}" if config.use is not None else "gpu.use: null (any card)"


def _cure(gpus: Sequence[Gpu], config: GpuConfig) -> str:
    usable = [gpu for gpu in gpus if not _forbids(config, gpu)]
    if not usable:
        return (
            f"every card here is forbidden ({_list(gpus)}): take one from gpu.forbid, or set optimization.device: cpu"
        )
    return f"use {' or '.join(_label(gpu) for gpu in usable)}"


def _label(gpu: Gpu) -> str:
    return f"{gpu.name} ({gpu.total_bytes / GB:.1f} GB, PCI bus {gpu.pci_bus}, {gpu.uuid[:12]})"


def _list(gpus: Sequence[Gpu]) -> str:
    return " and ".join(_label(gpu) for gpu in gpus)


def _amounts(gpus: Sequence[Gpu]) -> str:
    return " and ".join(f"{gpu.free_bytes / GB:.1f} GB" for gpu in gpus)


def _users(gpus: Sequence[Gpu]) -> str:
    users = [
        f"{process.name} (pid {process.pid}"
        + (f", {process.used_bytes / GB:.1f} GB)" if process.used_bytes is not None else ")")
        for gpu in gpus
        for process in gpu.processes
    ]
    if not users:
        return "the driver does not tell who has it: close programs that draw or compute, or lower gpu.min_memory_gb"
    return f"in use by {', '.join(users)}: close them, or lower gpu.min_memory_gb"
