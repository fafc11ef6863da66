"""One window's work for the convolution kernels: its signals in two halves of memory by turns, and its operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.models.thread_team import COUNTERS, TEAM
from tts.melo import conv_kernels as kernels
from tts.melo import conv_table as table
from tts.melo.decoder import SLOPE
from tts.melo.fast_convolution import OUTPUTS
from tts.melo.packed_convolution import LANES, TILE_CHANNELS, Convolution, Rows

TILE_ROWS = 32
"""of output, that one pass of tile_kernels computes"""
TILE_PIECE = 256
"""rows that a thread takes at once there"""
_PIECE_WORK = 48 * 256
"""rows times channels of output that a thread takes at once"""
_FAST_TILES = 24
"""tiles of a scheme that a thread takes at once, about"""

_BYTE_ROWS = 2048
"""rows of all planes, that a thread rounds to bytes at once"""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signal:
    """A stretch of a signal in memory, with margins: [planes, rows, 16] beginning at row `base`.

    A row of 16 float32 may hold 32 bfloat16 instead.
    """

    values: Floats
    base: int

    @property
    def plane(self) -> int:
        """Bytes from a plane to the next."""
        return int(self.values.strides[0])

    @property
    def address(self) -> int:
        """Where row 0 would be."""
        return int(self.values.ctypes.data) - self.base * table.LANE_BYTES


def rows_after(margin: int) -> int:
    """Rows behind a signal: a pass computes some too many; what it reads for them is old, and never from beyond."""
    return max(margin + max(table.HELD, TILE_ROWS), 2 * margin + 4 * OUTPUTS)


def rows_of(channels: Tensor, layer: Convolution) -> Floats:
    """[channels, rows] as the planes of rows that a convolution takes in."""
    width = LANES if layer.kind != table.TILES else TILE_CHANNELS
    padded = nn.functional.pad(channels, (0, 0, 0, layer.planes_in * width - len(channels)))
    planes = padded.view(layer.planes_in, width, -1).mT
    if layer.kind != table.TILES:
        return planes.numpy()
    return planes.to(torch.bfloat16).contiguous().view(torch.int16).numpy().view(np.float32)


class Half:
    """Memory that is taken from its beginning again and again. It grows; what was taken before stays valid."""

    def __init__(self) -> None:
        self._floats = np.zeros(0, np.float32)
        self.used = 0

    def begin(self, floats: int) -> None:
        """From the beginning again, with room for so many."""
        self.used = 0
        if len(self._floats) < floats:
            self._floats = np.zeros(floats, np.float32)

    def take(self, planes: int, rows: int) -> Floats:
        """[planes, rows, 16] of old numbers."""
        size = planes * rows * LANES
        if self.used + size > len(self._floats):
            # The old ones stay as they are.
            self._floats, self.used = np.zeros(max(size, len(self._floats)), np.float32), 0
        taken = self._floats[self.used : self.used + size].reshape(planes, rows, LANES)
        self.used += size
        return taken


class Window:
    """The operations of one window; a level's signals lie in one half, the next one's in the other."""

    def __init__(self, threads: int, halves: tuple[Half, Half]) -> None:
        self._threads = threads
        self._halves = halves
        self._half = halves[1]
        self._rows: list[NDArray[np.int64]] = []
        self._kept: list[Any] = []
        self._scratch_floats = kernels.scratch_floats(0, 0, 0, 0, 1)
        self._tiles = False

    def enter(self, level: int, floats: int = 0) -> None:
        """What is made from now on, so many numbers, takes the place of what the level before the last one made."""
        self._half = self._halves[level % 2]
        self._half.begin(floats)

    def signal(self, planes: int, rows: Rows, length: int, margin: int) -> Signal:
        """Room for those rows of a signal of that length; beside the signal itself there are zeros."""
        after = rows_after(margin)
        made = Signal(self._half.take(planes, rows.end - rows.first + margin + after), rows.first - margin)
        self._kept.append(made)
        if rows.first == 0:
            self._clear(made, Rows(-margin, 0))
        if rows.end >= length:
            self._clear(made, Rows(length, rows.end + after))
        return made

    def _clear(self, signal: Signal, rows: Rows) -> None:
        op = np.zeros(table.FIELDS, np.int64)
        op[table.KIND], op[table.RAW], op[table.RAW_PLANE] = table.CLEAR, signal.address, signal.plane
        op[table.FIRST_ROW], op[table.END_ROW], op[table.ROWS_A_PIECE] = rows.first, rows.end, 1 << 30
        op[table.OUT_PLANES], op[table.GROUP] = len(signal.values), 1
        self._rows.append(op)

    def add(
        self,
        layer: Convolution,
        rows: Rows,
        source: Signal,
        residual: Signal | None = None,
        added: Signal | None = None,
        *,
        raw: Signal | None = None,
        leaky: Signal | None = None,
        slope: float = SLOPE,
        bias: Tensor | None = None,
    ) -> None:
        """One convolution, for those rows of its output (of its input's rate)."""
        op = np.zeros(table.FIELDS, np.int64)
        bias = layer.bias if bias is None else bias
        self._kept.append(bias)
        piece = self._piece(layer, rows)
        op[: table.RESIDUAL] = (
            source.address, source.plane, layer.planes_in, layer.groups, layer.stride, layer.first,
            layer.weights.data_ptr(), bias.data_ptr(), layer.planes_out, layer.group,
            rows.first, rows.end, piece, layer.step, layer.offset,
        )  # fmt: skip
        for column, one in (
            (table.RESIDUAL, residual), (table.ADDED, added), (table.RAW, raw), (table.LEAKY, leaky)
        ):  # fmt: skip
            if one is not None:
                op[column], op[column + 1] = one.address, one.plane
        op[table.SLOPE_MILLI], op[table.KIND] = round(slope * 1000), layer.kind
        op[table.SCALES] = 0 if layer.scales is None else layer.scales.data_ptr()
        self._rows.append(op)

    def _piece(self, layer: Convolution, rows: Rows) -> int:
        """Rows that a thread takes at once."""
        if layer.kind == table.TILES:
            self._tiles = True
            return TILE_PIECE
        if layer.kind == table.PLAIN:
            return max(_PIECE_WORK // (layer.group * LANES * 4), table.HELD)
        if layer.kind == table.BYTES:
            share = -(-(rows.end - rows.first) // self._threads)
            piece = min(max(_BYTE_ROWS // layer.planes_in, 1), max(share, table.HELD))
            floats = kernels.byte_scratch_floats(layer.planes_in, piece + layer.reach, layer.group)
            self._scratch_floats = max(self._scratch_floats, floats)
            return piece
        block = OUTPUTS * layer.stride
        share = -(-(rows.end - rows.first) // (self._threads * block))
        blocks = max(min(share, _FAST_TILES // layer.stride), 1)
        products = layer.kind + OUTPUTS - 1
        floats = kernels.scratch_floats(layer.planes_in, layer.groups, products, blocks * layer.stride, layer.group)
        self._scratch_floats = max(self._scratch_floats, floats)
        return blocks * block

    def run(self) -> None:
        """Compute. Threads that come late find everything done, in memory that they hold."""
        operations = np.stack(self._rows)
        counters = np.zeros(len(operations) * COUNTERS, np.int64)
        if self._tiles:
            from tts.melo.tile_kernels import CONFIGURATION, SCRATCH_FLOATS, run_tile_operations

            scratch = [np.empty(SCRATCH_FLOATS, np.float32) for _ in range(self._threads)]
            own: tuple[int, ...] = (CONFIGURATION.ctypes.data,)
            run: Any = run_tile_operations
        else:
            scratch = [np.empty(self._scratch_floats, np.float32) for _ in range(self._threads)]
            own, run = (), kernels.run_operations
        kept = self._kept

        def job(number: int) -> None:
            run(operations, counters.ctypes.data, scratch[number].ctypes.data, *own)
            assert kept is not None

        TEAM.run(job, self._threads)
