"""Linear layers and embeddings whose weights stay in 4 or 8 bits.

On a CPU with numba they multiply by core.models.cpu_kernels, which also round the activations to int8; elsewhere by
plain torch on weights that are unpacked block by block. Both compute from the same codes; only the rounding of
activations tells them apart.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from core.models.kernel_threads import kernel_threads
from core.models.quantize import BLOCK, GROUP, Bits, Packed, has_kernels, pack, rows_of, unpack

if TYPE_CHECKING:
    from core.models.cpu_layout import Activations, Linear

_PLAIN_BLOCKS = 64
"""unpacked at once on the plain path: a few megabytes"""


class PackedLinear(nn.Module):
    """y = x W^T + b with W [rows, columns] in 4 or 8 bits."""

    packed: Tensor
    """uint8 [blocks, groups, 64 * bits]"""
    scales: Tensor
    """float16 [blocks, groups, BLOCK]"""
    bias: Tensor
    """float32 [blocks * BLOCK]; zeros where the layer has none"""

    def __init__(self, weights: Packed, bias: Tensor | None = None) -> None:
        super().__init__()
        self.rows, self.columns, self.bits = weights.rows, weights.columns, weights.bits
        filled = torch.zeros(weights.codes.shape[0] * BLOCK)
        if bias is not None:
            filled[: self.rows] = bias
        self.register_buffer("packed", weights.codes)
        self.register_buffer("scales", weights.scales)
        self.register_buffer("bias", filled)

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor | None, bits: Bits) -> PackedLinear:
        """Quantise [rows, columns]. Raises QuantizationError where the columns do not divide into groups of 32."""
        return cls(pack(weight, bits), bias)

    @property
    def weights(self) -> Packed:
        """The codes and scales as they are kept."""
        return Packed(self.packed, self.scales, self.rows)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., rows] of [..., columns]."""
        flat = x.reshape(-1, self.columns).to(torch.float32).contiguous()
        fast = has_kernels() and flat.device.type == "cpu"
        out = self._by_kernels(flat) if fast else self._plainly(flat)
        return out.view(*x.shape[:-1], self.rows)

    def kernel_view(self) -> Linear:
        """Where the weights lie, for kernels; valid as long as this module is."""
        from core.models.cpu_layout import Linear

        pointers = (self.packed.data_ptr(), self.scales.data_ptr(), self.bias.data_ptr())
        return Linear(self.bits, *pointers, int(self.packed.shape[0]) * BLOCK, self.columns)

    def extra_repr(self) -> str:
        """As torch prints it."""
        return f"{self.columns} -> {self.rows}, {self.bits} bits"

    def _by_kernels(self, x: Tensor) -> Tensor:
        from core.models.cpu_kernels import panel_bytes
        from core.models.cpu_layout import Activations
        from core.models.thread_team import COUNTERS, TEAM

        count, padded = len(x), int(self.packed.shape[0]) * BLOCK
        out = torch.empty(count, padded)
        threads = kernel_threads()
        room = rounding_room(count, self.columns)
        panels = torch.empty(threads, panel_bytes(self.columns), dtype=torch.uint8)
        counters = torch.zeros(2, COUNTERS, dtype=torch.int64)
        activations = Activations(x.data_ptr(), *(part.data_ptr() for part in room))
        job = partial(_run, self.kernel_view(), activations, count, threads, panels, out, counters, (x, room))
        TEAM.run(job, threads)
        return out[:, : self.rows].contiguous() if padded != self.rows else out

    def _plainly(self, x: Tensor) -> Tensor:
        blocks = int(self.packed.shape[0])
        parts = [
            x @ unpack(self.weights, first, min(first + _PLAIN_BLOCKS, blocks)).T
            for first in range(0, blocks, _PLAIN_BLOCKS)
        ]
        return torch.cat(parts, dim=1) + self.bias[: self.rows]


def rounding_room(rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where rows of activations go when they are rounded: codes, scales and sums, in whole tiles."""
    from core.models.cpu_layout import ROW_MULTIPLE

    rows, groups = -(-rows // ROW_MULTIPLE) * ROW_MULTIPLE, columns // GROUP
    return (
        torch.zeros(rows, columns, dtype=torch.int8),
        torch.zeros(rows, groups),
        torch.zeros(rows, groups, dtype=torch.int32),
    )


def _run(
    linear: Linear, activations: Activations, count: int, threads: int, panels: Tensor, out: Tensor, counters: Tensor,
    kept: object, thread: int,
) -> None:  # fmt: skip
    """One thread's part. `kept` owns the memory that `activations` points at, until the last thread is through."""
    from core.models.cpu_linear import run_linear

    panel, stride = panels.data_ptr() + thread * panels.shape[1], 4 * out.shape[1]
    run_linear(linear, activations, count, threads, panel, out.data_ptr(), stride, counters.data_ptr())


class PackedEmbedding(nn.Module):
    """Looks rows up in a PackedLinear's weights, which it shares: the tied output head."""

    def __init__(self, linear: PackedLinear) -> None:
        super().__init__()
        self.linear = linear

    def rows(self, ids: Tensor) -> Tensor:
        """float32 [n, columns] of ids [n]."""
        return rows_of(self.linear.weights, ids)

    def forward(self, ids: Tensor) -> Tensor:
        """float32 [..., columns] of ids [...]."""
        return self.rows(ids.reshape(-1)).view(*ids.shape, self.linear.columns)
