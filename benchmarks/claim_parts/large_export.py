"""A model of more than 2 GB exported for real, its weights in a file of their own. Needs 3 GB of disk, 8 of memory.

`python3 -m benchmarks.claim_parts.large_export`
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from core.optimization.toolbox.onnx_export import export_to_onnx

WIDTH, LAYERS = 5000, 22
"""2.2 GB of float32 in matrices that differ"""


def main() -> None:
    """Export, and say what came of it."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))).eval()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        axes = {"input": {0: "batch"}}
        report = export_to_onnx(model, Path(folder) / "large.onnx", torch.randn(2, WIDTH), dynamic_axes=axes)
        print("\n".join(report.lines()))
        assert report.external_data is not None
        print(f"{report.external_data.stat().st_size / 1e9:.2f} GB of weights, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
