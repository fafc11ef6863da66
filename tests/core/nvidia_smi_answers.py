"""What nvidia-smi answers on eight machines, and on four that are out of order, in its own form.

Written after its documentation and published output: none of these machines was at hand.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.utils.gpu import SmiAnswer

FULL = "index,name,uuid,pci.bus_id,memory.total,memory.free,compute_cap,mig.mode.current"
NO_MIG = "index,name,uuid,pci.bus_id,memory.total,memory.free,compute_cap"
OLD = "index,name,uuid,pci.bus_id,memory.total,memory.free"

UUID_5060 = "GPU-1f6a52b8-0c44-4e0b-9d8a-52b7f7a3c901"
UUID_3090 = "GPU-8f1c3f0e-6a55-7d3b-0a31-4c2f4e1f9b77"
UUID_SECOND_3090 = "GPU-90aa0d12-77c1-2b6e-5f19-b8f2a66ce0d4"
UUID_SLICE = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"


@dataclass
class RecordedSmi:
    """An nvidia-smi that answers by its arguments from a table; keeps what it was asked."""

    cards: Mapping[str, SmiAnswer]
    """by the list of fields"""
    processes: SmiAnswer = field(default_factory=lambda: SmiAnswer(0, ""))
    listing: str = ""
    asked: list[str] = field(default_factory=list)

    def __call__(self, arguments: Sequence[str]) -> SmiAnswer:
        self.asked.append(arguments[0])
        if arguments[0] == "-L":
            return SmiAnswer(0, self.listing)
        if arguments[0].startswith("--query-compute-apps="):
            return self.processes
        return self.cards[arguments[0].removeprefix("--query-gpu=")]


def unknown(name: str) -> SmiAnswer:
    return SmiAnswer(2, f'Field "{name}" is not a valid field to query.\n\n')


def no_driver(arguments: Sequence[str]) -> SmiAnswer:
    raise FileNotFoundError("nvidia-smi is not installed")


def hanging(arguments: Sequence[str]) -> SmiAnswer:
    raise subprocess.TimeoutExpired("nvidia-smi", 15.0)


def one_3090() -> RecordedSmi:
    row = f"0, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 23871, 8.6, [N/A]\n"
    return RecordedSmi({FULL: SmiAnswer(0, row)}, SmiAnswer(0, f"{UUID_3090}, 2210, /usr/lib/xorg/Xorg, 312\n"))


def founding() -> RecordedSmi:
    """The owner's: the RTX 5060 Ti on bus 0 is forbidden, the RTX 3090 on bus 1 alone allowed."""
    rows = (
        f"0, NVIDIA GeForce RTX 5060 Ti, {UUID_5060}, 00000000:00:10.0, 16311, 15012, 12.0, [N/A]\r\n"
        f"1, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 24231, 8.6, [N/A]\r\n"
    )
    return RecordedSmi({FULL: SmiAnswer(0, rows)})


def laptop() -> RecordedSmi:
    """A driver that knows no MIG."""
    row = "0, NVIDIA GeForce GTX 1650, GPU-3d1b6e63-9f0f-1d0a-8a58-0f0d64f0a7c1, 00000000:01:00.0, 3911, 3520, 7.5\n"
    return RecordedSmi({FULL: unknown("mig.mode.current"), NO_MIG: SmiAnswer(0, row)})


def a100_with_mig() -> RecordedSmi:
    whole = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
    second = "GPU-77b2ff51-5a40-9c5c-6c4e-27a1fd4e1a10"
    rows = (
        f"0, NVIDIA A100-SXM4-40GB, {whole}, 00000000:07:00.0, 40960, 40334, 8.0, Enabled\n"
        f"1, NVIDIA A100-SXM4-40GB, {second}, 00000000:0F:00.0, 40960, 40334, 8.0, Enabled\n"
    )
    listing = (
        f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {whole})\n"
        f"  MIG 3g.20gb     Device  0: (UUID: {UUID_SLICE})\n"
        "  MIG 1g.5gb      Device  1: (UUID: MIG-1a20a021-dcda-5f29-a0d3-5c26f4a6a56e)\n"
        f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {second})\n"
    )
    return RecordedSmi({FULL: SmiAnswer(0, rows)}, listing=listing)


def twins() -> RecordedSmi:
    """Two of a kind, told in the wrong order."""
    rows = (
        f"1, NVIDIA GeForce RTX 3090, {UUID_SECOND_3090}, 00000000:41:00.0, 24576, 24100, 8.6, [N/A]\n"
        f"0, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 9000, 8.6, [N/A]\n"
    )
    return RecordedSmi({FULL: SmiAnswer(0, rows)})


def busy_server() -> RecordedSmi:
    h100, h200 = "GPU-aa01f8e2-4ab5-b47a-6cfd-3b3cd4c3a5d1", "GPU-bb02f8e2-4ab5-b47a-6cfd-3b3cd4c3a5d2"
    rows = (
        f"0, NVIDIA H100 80GB HBM3, {h100}, 00000000:18:00.0, 81559, 1033, 9.0, Disabled\n"
        f"1, NVIDIA H200, {h200}, 00000000:2A:00.0, 143771, 20480, 9.0, Disabled\n"
    )
    users = (
        f"{h100}, 41231, /opt/conda/bin/python3.11, 80012\n"
        f"{h200}, 7, [Not Found], [N/A]\n"
        f"{h200}, 52110, tritonserver --model, a, 122880\n"
        f"{h200}, 52111, [Insufficient Permissions], [Insufficient Permissions]\n"
    )
    return RecordedSmi({FULL: SmiAnswer(0, rows)}, SmiAnswer(0, users))


def wsl() -> RecordedSmi:
    """An old driver under WSL2: no compute_cap, no MIG, free memory untold, odd blanks."""
    uuid = "GPU-4e2f04ad-2a10-7ba8-5a31-ee0a0f1f8a20"
    row = f"\ufeff 0 ,  NVIDIA\u00a0GeForce RTX 2070 ,{uuid}, 00000000:0A:00.0 , 8192 MiB , [N/A]\n\n"
    cards = {FULL: unknown("compute_cap"), f"{OLD},mig.mode.current": unknown("mig.mode.current")}
    users = f"{uuid}, 911, C:\\Program Files\\Mine, yours\\game.exe, [N/A]\n{uuid}, 912, /python3, 1024\n"
    return RecordedSmi({**cards, OLD: SmiAnswer(0, row)}, SmiAnswer(0, users))


def no_communication() -> RecordedSmi:
    words = (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running.\n\n"
    )
    return RecordedSmi({FULL: SmiAnswer(9, words)})


def mismatch() -> RecordedSmi:
    return RecordedSmi({FULL: SmiAnswer(18, "Failed to initialize NVML: Driver/library version mismatch\n")})


def no_card() -> RecordedSmi:
    return RecordedSmi({FULL: SmiAnswer(6, "No devices were found\n")})


def one_lost() -> RecordedSmi:
    """One of two cards has fallen off the bus."""
    words = "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost. Reboot the system to recover it\n"
    row = f"0, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 23871, 8.6, [N/A]\n"
    broken = "1, [Unknown Error], [GPU is lost], 00000000:02:00.0, [GPU is lost], [GPU is lost], [N/A], [N/A]\n"
    return RecordedSmi({FULL: SmiAnswer(15, row + broken + words)})
