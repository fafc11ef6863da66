"""What a graphics card is, as nvidia-smi describes it: frozen values, nothing that looks at the machine."""

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
