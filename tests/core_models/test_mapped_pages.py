"""A mapped file's memory goes when it is given back, comes again when it is read, and nobody else's goes with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch

from core.models.mapped_pages import MappedPages
from core.models.safetensors_file import SafetensorsFile, write_safetensors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="madvise as Linux has it")

ONE_MB = 2**20
"""bytes, and a quarter of it numbers"""


@pytest.fixture
def mapped(tmp_path: Path):
    """Two tensors of one megabyte, and their file."""
    path = tmp_path / "weights.safetensors"
    tensors = {name: torch.arange(ONE_MB // 4).float() + start for name, start in (("first", 0), ("second", 7))}
    write_safetensors(path, tensors, {})
    return SafetensorsFile(path).mapped(), path


def resident(path: Path) -> int:
    """Bytes of the file's mapping in this process, as the system counts them."""
    lines = iter(Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines())
    found = 0
    for line in lines:
        if line.endswith(str(path)):
            found += 1024 * next(int(one.split()[1]) for one in lines if one.startswith("Rss:"))
    return found


def test_what_is_given_back_is_no_longer_resident_and_reads_the_same(mapped):
    tensors, path = mapped
    sums = {name: float(tensor.sum()) for name, tensor in tensors.items()}
    assert resident(path) >= 2 * ONE_MB
    assert MappedPages(tensors.values()).give_back([tensors["first"]]) >= ONE_MB
    assert resident(path) <= 1.1 * ONE_MB
    assert {name: float(tensor.sum()) for name, tensor in tensors.items()} == sums
    assert resident(path) >= 2 * ONE_MB


def test_memory_that_is_not_the_files_stays(mapped):
    tensors, _ = mapped
    own = torch.full((ONE_MB // 4,), 3.0)
    assert MappedPages(tensors.values()).give_back([own, tensors["first"].clone()]) == 0
    assert bool((own == 3).all())
