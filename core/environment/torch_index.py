"""Which index torch comes from: PyTorch's own CPU builds are a tenth of the size of those with CUDA inside.

Standard library only. Only adds an index to pip's own; MERLINE_TORCH_INDEX names another, or none when it is empty.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OVERRIDE = "MERLINE_TORCH_INDEX"
ANSWER_WITHIN_S = 3.0


def nvidia_present() -> bool:
    """Whether an NVIDIA driver is installed."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def answers(url: str, within_s: float = ANSWER_WITHIN_S) -> bool:
    """Whether the index at `url` lists torch within `within_s` seconds, however slowly its answer drips."""
    found: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/torch/", timeout=within_s) as reply:
                reply.read(1)
                found.append(reply.status == 200)
        except (OSError, ValueError, urllib.error.URLError):
            found.append(False)

    asking = threading.Thread(target=ask, name="torch index", daemon=True)
    asking.start()
    asking.join(within_s)
    return found == [True]


def torch_index_options(platform: str = sys.platform, nvidia: bool | None = None) -> tuple[str, ...]:
    """pip options that add the CPU index: on Linux and Windows without an NVIDIA GPU, when it answers; else none."""
    url = os.environ.get(OVERRIDE, TORCH_CPU_INDEX)
    wanted = platform in ("linux", "win32") and not (nvidia_present() if nvidia is None else nvidia)
    return ("--extra-index-url", url) if url and wanted and answers(url) else ()
