"""Where compiled kernels are kept, so that only the first start on a machine waits for them.

numba looks at one file's age alone, and a kernel is made of several: so the folder's name tells what all of them held.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numba

from core.utils.errors import DataError
from core.utils.paths import make_data_folder

logger = logging.getLogger(__name__)

SOURCES = (
    "amx.py",
    "cpu_attention.py",
    "cpu_kernels.py",
    "cpu_layers.py",
    "cpu_layout.py",
    "cpu_linear.py",
    "cpu_packing.py",
    "cpu_tiles.py",
    "fused_step.py",
    "simd.py",
    "simd_bytes.py",
    "thread_team.py",
)
"""that kernels are compiled from"""


_also: list[str] = []


def use_kernel_cache(*also: str) -> None:
    """Have numba keep what it compiles from now on in the data folder, unless NUMBA_CACHE_DIR names a place.

    `also` is what changes the code beside the sources; it counts in later calls too. A folder that cannot be written
    to costs a message.
    """
    _also.extend(also)
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    here = Path(__file__).resolve().parent
    content = hashlib.sha256(numba.__version__.encode())
    for name in SOURCES:
        content.update((here / name).read_bytes())
    for word in _also:
        content.update(word.encode())
    try:
        folder = make_data_folder() / "kernels" / content.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    except (DataError, OSError) as error:
        logger.warning("compiled kernels are not kept, so every start compiles them anew: %s", error)
        return
    if os.access(folder, os.W_OK):
        numba.config.CACHE_DIR = str(folder)
