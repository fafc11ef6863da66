"""What nvidia-smi would tell, written by hand after its documentation, for want of a recording: the owner's machine
(an RTX 5060 Ti that is forbidden beside the RTX 3090 that is not), and oddities that were not found published.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace

from nvidia_smi_answers import FULL, RecordedSmi, rows, users

from core.utils.gpu import SmiAnswer

UUID_5060 = "GPU-1f6a52b8-0c44-4e0b-9d8a-52b7f7a3c901"
UUID_3090 = "GPU-8f1c3f0e-6a55-7d3b-0a31-4c2f4e1f9b77"
UUID_SECOND_3090 = "GPU-90aa0d12-77c1-2b6e-5f19-b8f2a66ce0d4"


def founding() -> RecordedSmi:
    """The owner's machine: the RTX 5060 Ti on bus 0 is forbidden, the RTX 3090 on bus 1 alone allowed."""
    return RecordedSmi(
        rows(
            f"0, NVIDIA GeForce RTX 5060 Ti, {UUID_5060}, 00000000:00:10.0, 16311, 15012, 12.0, [N/A]\r",
            f"1, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 24231, 8.6, [N/A]\r",
        )
    )


def oddities() -> RecordedSmi:
    """What the documentation allows: a byte order mark, blanks, units, free memory untold, programs that hide."""
    row = f"\ufeff 0 ,  NVIDIA\u00a0GeForce RTX 3090 ,{UUID_3090}, 00000000:0A:00.0 , 24576 MiB , [N/A], 8.6, [N/A]\n"
    hidden = users(
        UUID_3090, "7, [Not Found], [N/A]", "8, , [N/A]", "9, [Insufficient Permissions], [Insufficient Permissions]"
    )
    return RecordedSmi(rows(row), replace(hidden, output=f"{hidden.output}{UUID_3090}, 912, /python3, 1024\n"))


def no_card() -> RecordedSmi:
    return RecordedSmi({FULL: SmiAnswer(6, "No devices were found\n")})


def one_lost() -> RecordedSmi:
    """The words [GPU is lost] in place of values are nvidia-smi's; no whole row of them was found published."""
    row = f"0, NVIDIA GeForce RTX 3090, {UUID_3090}, 00000000:01:00.0, 24576, 23871, 8.6, [N/A]\n"
    broken = "1, [Unknown Error], [GPU is lost], 00000000:02:00.0, [GPU is lost], [GPU is lost], [N/A], [N/A]\n"
    return RecordedSmi({FULL: SmiAnswer(15, row + broken)})


def hanging(arguments: Sequence[str]) -> SmiAnswer:
    raise subprocess.TimeoutExpired("nvidia-smi", 15.0)
