"""Linear layers in float32 by our kernels, with the weights where they lie, which may be in a mapped file.

For few rows of activations, where torch's matrix product first copies the weights into an order of its own: reading
them once is all the time it takes. Importing this imports numba.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from core.models.cpu_layout import FLOAT32, Activations, Linear
from core.models.cpu_linear import multiply_all
from core.models.simd import LANES, WIDE
from core.models.thread_team import COUNTERS, TEAM

FEWEST_ROWS = 4
"""of weights that the kernels take at once"""


def fits(layer: nn.Linear) -> bool:
    """Whether the kernels are the quicker way here and take this layer, on the CPU and in float32."""
    weight = layer.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()
    return WIDE and plain and layer.in_features % LANES == 0 and layer.out_features >= FEWEST_ROWS


class MappedLinear(nn.Module):
    """In the place of an nn.Linear that `fits`: y = x W^T + b, with the same parameters."""

    def __init__(self, layer: nn.Linear, threads: int) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.threads = threads

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., out] of [..., in]."""
        rows, columns = self.weight.shape
        flat = x.reshape(-1, columns).contiguous()
        out = torch.empty(len(flat), rows)
        counters = torch.zeros(1, COUNTERS, dtype=torch.int64)
        bias = 0 if self.bias is None else self.bias.data_ptr()
        linear = Linear(FLOAT32, self.weight.data_ptr(), 0, bias, rows, columns)
        job = partial(_run, linear, Activations(flat.data_ptr(), 0, 0, 0), flat, self.threads, out, counters)
        TEAM.run(job, self.threads)
        return out.view(*x.shape[:-1], rows)


def _run(
    linear: Linear, activations: Activations, x: Tensor, threads: int, out: Tensor, counters: Tensor, thread: int
) -> None:
    """One thread's part; its arguments own the memory that the kernels write to, until the last one is through."""
    multiply_all(linear, activations, len(x), threads, 0, out.data_ptr(), 4 * out.shape[1], counters.data_ptr())
