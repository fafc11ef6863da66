"""How much memory loading takes at most, seen from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MEASURE = """
import resource, sys
from pathlib import Path
from core.models.loading import LoadOptions, load_model
from core.models import packing

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) * 1024

def size(model):
    network = getattr(model, "network", model)
    tensors = {t.data_ptr(): t.nbytes for t in (*network.parameters(), *network.buffers())}
    return sum(tensors.values())

load_model(Path(sys.argv[1]) / "warm", LoadOptions(precision=sys.argv[2], fused=False))
before = resident()
Path("/proc/self/clear_refs").write_text("5")
model, _ = load_model(Path(sys.argv[1]) / "large", LoadOptions(precision=sys.argv[2], fused=False))
print((peak() - before) / size(model), size(model) / 1e6)
"""


def measured_peak(folder: Path, precision: str) -> tuple[float, float]:
    """Of loading folder/large after folder/warm: peak over the model's size, and that size in MB. Linux only.

    The smaller of two measurements where the first is above 1.25: threads and kernels take some 10 MB at times.
    """
    ratio, size_mb = _measured(folder, precision)
    return (ratio, size_mb) if ratio <= 1.25 else min((ratio, size_mb), _measured(folder, precision))


def _measured(folder: Path, precision: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder), precision], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    ratio, size_mb = map(float, done.stdout.split()[-2:])
    return ratio, size_mb
