"""The graphics card to use and no other: read through nvidia-smi, chosen by rules, fenced off before torch is imported.

Never imports torch by itself. This is the one address of all that: the parts are modules of their own.
"""

from __future__ import annotations

from core.utils.gpu_card import Gpu, GpuProcess
from core.utils.gpu_choice import choose_gpu, names_card
from core.utils.gpu_fence import ExclusiveGpu, device_number, fence, fence_configured, validate_exclusive_gpu
from core.utils.gpu_reading import SmiAnswer, SmiRun, find_nvidia_smi, read_gpus, run_nvidia_smi

__all__ = [
    "ExclusiveGpu",
    "Gpu",
    "GpuProcess",
    "SmiAnswer",
    "SmiRun",
    "choose_gpu",
    "device_number",
    "fence",
    "fence_configured",
    "find_nvidia_smi",
    "names_card",
    "read_gpus",
    "run_nvidia_smi",
    "validate_exclusive_gpu",
]
