"""The batch size is reckoned, then proven."""

from __future__ import annotations

import pytest

from core.optimization.batch_size import batch_size_for, is_out_of_memory, largest_that_fits
from core.utils.errors import OptimizationError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free_gib", "on_gpu", "expected"),
    [
        (0.6, False, 2),
        (1.2, False, 2),
        (3.0, False, 4),
        (8.0, False, 8),
        (100.0, False, 8),
        (1.0, True, 2),
        (8.0, True, 8),
        (20.0, True, 16),
        (80.0, True, 32),
    ],
)
def test_by_free_memory(free_gib: float, on_gpu: bool, expected: int):
    assert batch_size_for(int(free_gib * GIB), 8, on_gpu) == expected


def test_never_none():
    assert batch_size_for(0, 1, on_gpu=False) == 1


class Probe:
    """Fits up to `limit` items, then runs out of memory as `error` says."""

    def __init__(self, limit: int, error: Exception) -> None:
        self.limit = limit
        self.error = error
        self.tried: list[int] = []

    def __call__(self, size: int) -> None:
        self.tried.append(size)
        if size > self.limit:
            raise self.error


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 2.44 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_it_halves_until_the_probe_fits(error: Exception):
    probe = Probe(5, error)
    released: list[int] = []
    assert largest_that_fits(probe, 24, lambda: released.append(1)) == 3
    assert probe.tried == [24, 12, 6, 3]
    assert len(released) == 3


def test_the_real_torch_runs_out_of_memory_in_a_way_that_is_understood():
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def probe(size: int) -> None:
        torch.empty(size, 1 << 50, dtype=torch.uint8) if size > 2 else torch.empty(size)

    assert largest_that_fits(probe, 8, lambda: None) == 2


def test_not_even_one_is_an_error_with_a_cure():
    with pytest.raises(OptimizationError, match=r"not even a batch of 1.*smaller model"):
        largest_that_fits(Probe(0, MemoryError()), 8, lambda: None)


def test_any_other_error_of_the_probe_is_the_callers():
    probe = Probe(2, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        largest_that_fits(probe, 8, lambda: None)
    assert probe.tried == [8]


def test_what_is_not_out_of_memory():
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("dimension out of range"))
