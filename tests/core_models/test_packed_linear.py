"""Packed layers against the weights they stand for, by the kernels of every processor and without any."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (the extra full)")
numba = pytest.importorskip("numba", reason="needs numba (the extra full)")

import llvmlite.binding as llvm  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from core.models import packed_linear, simd  # noqa: E402
from core.models.packed_linear import PackedEmbedding, PackedLinear  # noqa: E402
from core.models.quantize import unpack  # noqa: E402
from core.models.simd_bytes import DOT_CODES  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Activations as the kernels see them: int8 in groups of 32."""
    groups = x.view(len(x), -1, 32)
    scale = groups.abs().amax(2, keepdim=True) / 127
    return (torch.where(scale > 0, (groups / scale).round(), 0) * scale).view_as(x)


def layer(rows: int, columns: int, bits: int, bias: bool = True) -> PackedLinear:
    made = torch.Generator().manual_seed(rows)
    weight = torch.randn(rows, columns, generator=made) * 0.1
    return PackedLinear.from_float(weight, torch.randn(rows, generator=made) if bias else None, bits)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 21, 43])
def test_the_kernel_is_the_product_of_rounded_activations(bits, count):
    linear = layer(50, 96, bits)
    x = torch.randn(count, 96, generator=torch.Generator().manual_seed(count))
    wanted = rounded(x) @ unpack(linear.weights).T + linear.bias[:50]
    assert torch.allclose(linear(x), wanted, atol=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_rounding_activations_costs_little(bits):
    linear = layer(64, 256, bits)
    x = torch.randn(5, 256, generator=torch.Generator().manual_seed(1))
    exact = x @ unpack(linear.weights).T + linear.bias[:64]
    assert (linear(x) - exact).norm() / exact.norm() < 0.01


@pytest.mark.parametrize("bits", [4, 8])
def test_a_row_is_the_same_alone_and_among_others(bits):
    linear = layer(64, 128, bits)
    x = torch.randn(19, 128, generator=torch.Generator().manual_seed(2))
    together = linear(x)
    assert all(torch.equal(linear(x[n : n + 1])[0], together[n]) for n in range(19))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_gives_the_same(threads):
    linear = layer(500, 128, 4)
    x = torch.randn(9, 128, generator=torch.Generator().manual_seed(3))
    alone = linear(x)
    torch.set_num_threads(threads)
    assert all(torch.equal(linear(x), alone) for _ in range(20))


def test_without_kernels_plain_torch_computes_it(monkeypatch: pytest.MonkeyPatch):
    linear = layer(2100, 64, 8)
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(4))
    fast = linear(x)
    monkeypatch.setattr(packed_linear, "has_kernels", lambda: False)
    plain = linear(x)
    assert plain.shape == fast.shape == (3, 2100)
    assert (plain - fast).norm() / fast.norm() < 0.01


def test_shapes_types_and_empty_bias():
    linear = layer(20, 32, 4, bias=False)
    assert linear(torch.zeros(2, 3, 32, dtype=torch.bfloat16)).shape == (2, 3, 20)
    assert linear(torch.zeros(2, 3, 32, dtype=torch.bfloat16)).dtype == torch.float32
    assert not linear(torch.zeros(1, 32)).any()


@pytest.mark.parametrize("bits", [4, 8])
def test_what_is_no_number_is_not_hidden(bits):
    x = torch.zeros(2, 64)
    x[1, 3] = float("nan")
    out = layer(16, 64, bits)(x)
    assert torch.isfinite(out[0]).all()
    assert torch.isnan(out[1]).all()


def test_an_embedding_shares_the_weights_of_its_layer():
    linear = layer(50, 64, 8)
    table = PackedEmbedding(linear)
    ids = torch.tensor([[3, 49], [0, 3]])
    assert torch.equal(table(ids), unpack(linear.weights)[ids])
    assert table.linear.packed.data_ptr() == linear.packed.data_ptr()


def product_by(dot: simd.Dot) -> Callable[[int, int, int], None]:
    """64 unsigned bytes times 64 signed ones at addresses, added in fours to 16 int32 at another."""
    words = ir.VectorType(ir.IntType(32), 16)

    def build(b, a):
        weights, activations, sums = (b.load(simd.at(b, address, words), align=1) for address in a)
        bytes_ = b.bitcast(weights, ir.VectorType(ir.IntType(8), 64))
        b.store(DOT_CODES[dot](b, sums, bytes_, activations), simd.at(b, a[2], words), align=4)

    @intrinsic
    def multiply(typing, weights, activations, sums):
        return simd.operation(types.void(types.int64, types.int64, types.int64), build)

    @numba.njit
    def run(weights, activations, sums):
        multiply(weights, activations, sums)

    return run


@pytest.mark.parametrize(
    ("dot", "feature"), [("avx512-vnni", "avx512vnni"), ("avx-vnni", "avxvnni"), ("avx2", "avx2"), ("portable", "")]
)
def test_every_processor_s_byte_product_is_exact(dot, feature):
    """What this processor lacks cannot be run here; the portable product can anywhere."""
    if feature and not llvm.get_host_cpu_features().get(feature):
        pytest.skip(f"this processor has no {feature}")
    run = product_by(dot)
    random = np.random.default_rng(1)
    for weights, activations in [
        (random.integers(0, 256, 64), random.integers(-128, 128, 64)),
        (np.full(64, 255), np.full(64, -128)),
        (np.full(64, 255), np.full(64, 127)),
    ]:
        u, s, sums = weights.astype(np.uint8), activations.astype(np.int8), np.arange(16, dtype=np.int32)
        run(u.ctypes.data, s.ctypes.data, sums.ctypes.data)
        assert sums.tolist() == (np.arange(16) + (weights * activations).reshape(16, 4).sum(1)).tolist()


OLDER_PROCESSOR = """
import sys, torch
from core.models import simd
from core.models.packed_linear import PackedLinear
from core.models.quantize import Packed
assert simd.DOT == "avx2", simd.DOT
x = torch.load(sys.argv[1])
torch.save([PackedLinear(Packed(*parts, 48))(x) for parts in torch.load(sys.argv[2])], sys.argv[3])
"""


@pytest.mark.slow
def test_a_laptop_of_ten_years_ago_computes_the_same(tmp_path: Path):
    """The kernels compiled for Haswell: AVX2 and nothing newer."""
    seed = torch.Generator().manual_seed(7)
    x, weight = torch.randn(9, 96, generator=seed), torch.randn(48, 96, generator=seed)
    torch.save(x, tmp_path / "x.pt")
    layers = [PackedLinear.from_float(weight, None, bits) for bits in (4, 8)]
    torch.save([(one.packed, one.scales) for one in layers], tmp_path / "w.pt")
    environment = os.environ | {
        "MERLINE_DOT": "avx2", "MERLINE_AMX": "0", "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+fma,+f16c,+bmi2",
        "NUMBA_CACHE_DIR": "", "MERLINE_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    command = [sys.executable, "-c", OLDER_PROCESSOR, *(str(tmp_path / name) for name in ("x.pt", "w.pt", "y.pt"))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(map(torch.equal, torch.load(tmp_path / "y.pt"), [one(x) for one in layers]))
