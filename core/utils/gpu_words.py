"""What nvidia-smi's words for memory and for programs mean. Pure text, the same in its tables and in its report."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

MIB = 1024 * 1024


def memory_bytes(text: str) -> int | None:
    """'24576' or '24576 MiB' in bytes; None for [N/A], [Not Supported], [Insufficient Permissions] and the like."""
    found = re.match(r"(\d+)(\s*MiB)?$", text.strip())
    return int(found[1]) * MIB if found else None


def program_name(told: str) -> str:
    """The program's own name: /usr/bin/python3 -> python3; kept whole where the driver gives a word in brackets.

    Browsers and editors are told with their options, which hold commas and paths of their own: those are left out.
    """
    if told.startswith("["):
        return told
    program = told.split(" --", 1)[0].strip()
    return PurePosixPath(program.replace("\\", "/")).name or "unknown"
