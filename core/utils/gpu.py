"""The graphics card to use and no other: read through nvidia-smi, chosen by rules, fenced off before torch is imported.

Never imports torch by itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A program that uses a card."""

    pid: int
    name: str
    used_bytes: int | None
    """None where the driver does not tell"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA card as nvidia-smi describes it."""

    index: int
    """in PCI bus order"""
    name: str
    uuid: str
    pci_bus: str
    """domain:bus:device.function, e.g. 00000000:01:00.0"""
    total_bytes: int
    free_bytes: int
    capability: tuple[int, int] | None = None
    """compute capability, e.g. (8, 6); None where the driver does not tell"""
    processes: tuple[GpuProcess, ...] = ()
