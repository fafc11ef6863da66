"""Weights in 4 or 8 bits with a float16 scale for each 32 of a row, laid out for the kernels; and back.

Symmetric: weight = (code - half) * scale, half being 8 or 128. In 4 bits the scale is the one that leaves the smallest
squared error of a few near the group's largest weight, each refitted to its codes by least squares. Sixteen rows lie
together: of a group first all rows' columns 0-3, then 4-7 and so on. In 4 bits columns 16-31 are the upper halves of
the bytes of columns 0-15.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Literal

import torch

from core.models.kernel_threads import kernel_threads
from core.utils.errors import QuantizationError

GROUP = 32
BLOCK = 16
Bits = Literal[4, 8]
REACHES = (-8.0, -7.75, -7.5, -7.25, -7.0, -8.5, 7.5, 7.0)
"""codes that a group's largest weight may take in 4 bits; where it would need a larger one it is clipped, and the
others gain"""
REFITS = 2
"""times a scale is fitted anew to the codes that it gave"""
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Packed:
    """Quantised weights of shape [rows, columns]."""

    codes: torch.Tensor
    """uint8 [blocks, groups, 256 or 512]"""
    scales: torch.Tensor
    """float16 [blocks, groups, 16]"""
    rows: int
    """before they were filled up to whole blocks"""

    @property
    def bits(self) -> Bits:
        return 4 if self.codes.shape[2] == 256 else 8

    @property
    def columns(self) -> int:
        return int(self.codes.shape[1]) * GROUP


def can_pack(columns: int) -> bool:
    """Whether rows of this length divide into groups."""
    return columns > 0 and columns % GROUP == 0


def pack(weight: torch.Tensor, bits: Bits) -> Packed:
    """Quantise [rows, columns] of any float type. Raises QuantizationError for a shape or value that cannot be."""
    rows, columns = weight.shape
    if not can_pack(columns):
        raise QuantizationError(
            f"rows of {columns} weights do not divide into groups of {GROUP}; keep this layer in float"
        )
    if not bool(torch.isfinite(weight.sum(dtype=torch.float32))) and not bool(torch.isfinite(weight).all()):
        raise QuantizationError("weights are not all finite; the file is damaged, fetch the model again")
    blocks, groups = -(-rows // BLOCK), columns // GROUP
    packed = Packed(
        torch.empty(blocks, groups, 64 * bits, dtype=torch.uint8),
        torch.empty(blocks, groups, BLOCK, dtype=torch.float16),
        rows,
    )
    if has_kernels() and weight.device.type == "cpu":
        _pack_by_kernel(weight, packed)
    else:
        pack_plainly(weight, packed)
    return packed


@cache
def has_kernels() -> bool:
    """Whether numba is installed, which compiles the kernels for this processor."""
    return find_spec("numba") is not None


def pack_plainly(weight: torch.Tensor, packed: Packed) -> None:
    """By torch: what the kernel is tested against, and slow."""
    groups, bits = packed.columns // GROUP, packed.bits
    for first in range(0, packed.rows, _ROWS_AT_ONCE):
        part = weight[first : first + _ROWS_AT_ONCE].to(torch.float32)
        part = torch.nn.functional.pad(part, (0, 0, 0, -len(part) % BLOCK)).view(-1, groups, GROUP)
        code, scale = _quantize_groups(part, bits)
        to = slice(first // BLOCK, (first + len(part)) // BLOCK)
        packed.codes[to], packed.scales[to] = _interleave(code, bits), scale.view(-1, BLOCK, groups).transpose(1, 2)


def _pack_by_kernel(weight: torch.Tensor, packed: Packed) -> None:
    from core.models.cpu_packing import pack_blocks
    from core.models.thread_team import COUNTERS, TEAM

    is_bf16 = weight.dtype == torch.bfloat16
    weight = weight.contiguous() if is_bf16 else weight.to(torch.float32).contiguous()
    counters = torch.zeros(COUNTERS, dtype=torch.int64)
    kept = (weight, packed, counters)

    def job(thread: int, kept: object = kept) -> None:
        pack_blocks(
            weight.data_ptr(), is_bf16, packed.rows, packed.columns, packed.bits,
            packed.codes.data_ptr(), packed.scales.data_ptr(), counters.data_ptr(),
        )  # fmt: skip

    TEAM.run(job, kernel_threads())


def unpack(packed: Packed, first: int = 0, last: int | None = None) -> torch.Tensor:
    """Blocks first..last as float32 [rows, columns], rows that were filled up included only between blocks."""
    codes, scales = packed.codes[first:last], packed.scales[first:last]
    half = 8 if packed.bits == 4 else 128
    code = _deinterleave(codes, packed.bits).to(torch.float32) - half
    scale = scales.transpose(1, 2).reshape(-1, packed.columns // GROUP, 1).to(torch.float32)
    weight = (code * scale).reshape(-1, packed.columns)
    return weight[: packed.rows - first * BLOCK]


def rows_of(packed: Packed, ids: torch.Tensor) -> torch.Tensor:
    """Rows ids [n] as float32 [n, columns]."""
    block, row = ids // BLOCK, ids % BLOCK
    half = 8 if packed.bits == 4 else 128
    quads = packed.codes.view(len(packed.codes), -1, packed.bits, BLOCK, 4)
    chosen = quads[block, :, :, row]  # [n, groups, quads, 4]: indices on both sides of slices come first
    code = _columns(chosen, packed.bits).to(torch.float32) - half
    scale = packed.scales[block, :, row].to(torch.float32)
    return (code * scale.unsqueeze(-1)).reshape(len(ids), packed.columns)


def _quantize_groups(part: torch.Tensor, bits: Bits) -> tuple[torch.Tensor, torch.Tensor]:
    """[rows, groups, 32] float32 -> codes uint8 of the same shape, scales float16 [rows, groups]."""
    half = 8 if bits == 4 else 128
    index = part.abs().argmax(dim=2, keepdim=True)
    peak = part.gather(2, index)
    if bits == 8:
        scale = _as_stored(peak.abs() / 127)
        return (_code(part, scale, half), scale.squeeze(2).half())
    best = torch.full_like(peak, torch.inf)
    scale = torch.zeros_like(peak)
    for reach in REACHES:
        candidate = _as_stored(peak / reach)
        for _ in range(REFITS):
            code = _code(part, candidate, half).to(torch.float32) - half
            squares = code.square().sum(2, keepdim=True)
            fitted = _as_stored((part * code).sum(2, keepdim=True) / squares)
            candidate = torch.where(squares > 0, fitted, candidate)
        code = _code(part, candidate, half).to(torch.float32) - half
        error = (code * candidate - part).square().sum(2, keepdim=True)
        better = error < best
        best, scale = torch.where(better, error, best), torch.where(better, candidate, scale)
    return _code(part, scale, half), scale.squeeze(2).half()


def _as_stored(scale: torch.Tensor) -> torch.Tensor:
    """Rounded to float16 and never beyond it."""
    return scale.clamp(-65504, 65504).half().to(torch.float32)


def _code(part: torch.Tensor, scale: torch.Tensor, half: int) -> torch.Tensor:
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)
    return ((part * inverse).round() + half).clamp(0 if half == 8 else 1, 2 * half - 1).to(torch.uint8)


def _interleave(code: torch.Tensor, bits: Bits) -> torch.Tensor:
    """[rows, groups, 32] -> [blocks, groups, 64 * bits]."""
    rows, groups, _ = code.shape
    quads = code.view(rows // BLOCK, BLOCK, groups, 8, 4).permute(0, 2, 3, 1, 4)
    if bits == 4:
        quads = quads[:, :, :4] | (quads[:, :, 4:] << 4)
    return quads.reshape(rows // BLOCK, groups, 64 * bits)


def _deinterleave(codes: torch.Tensor, bits: Bits) -> torch.Tensor:
    """[blocks, groups, 64 * bits] -> [rows, groups, 32]."""
    blocks, groups, _ = codes.shape
    quads = codes.view(blocks, groups, bits, BLOCK, 4)
    by_row = quads.permute(0, 3, 1, 2, 4).reshape(blocks * BLOCK, groups, -1, 4)
    return _columns(by_row, bits)


def _columns(quads: torch.Tensor, bits: Bits) -> torch.Tensor:
    """[rows, groups, quads, 4] as stored -> [rows, groups, 32]."""
    if bits == 4:
        quads = torch.cat((quads & 15, quads >> 4), dim=2)
    return quads.reshape(quads.shape[0], quads.shape[1], GROUP)
