"""Products of 16 by 16 by 32 bytes in the tile registers (AMX) that some server processors have.

They replace nothing that a laptop runs: where they are missing, core.models.cpu_kernels computes the same integers by
vectors. The system must allow their use to a process, which is asked for once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models.simd import call, operation

_ARCH_PRCTL = 158
_REQUEST_PERMISSION, _TILE_DATA = 0x1023, 18
_VOID, _BYTE, _I64 = ir.VoidType(), ir.IntType(8), ir.IntType(64)


def _allowed() -> bool:
    """MERLINE_AMX=0 says no, for tests."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or os.environ.get("MERLINE_AMX") == "0":
        return False
    if not llvm.get_host_cpu_features().get("amx-int8"):
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


AMX = _allowed()
TILE_ROWS = 16


def _configuration() -> Any:
    """Tiles 0 and 1: sums, 16 rows of 16 int32; 2 and 3: activations, 16 of 32 bytes; 4 and 5: weights, 8 of 64."""
    made = np.zeros(64, np.uint8)
    made[0] = 1
    for tile, (rows, size) in enumerate([(16, 64)] * 2 + [(16, 32)] * 2 + [(8, 64)] * 2):
        made[16 + 2 * tile], made[48 + tile] = size, rows
    return made


CONFIGURATION = _configuration()


def pointer(b: ir.IRBuilder, address: Any) -> Any:
    """An address as a pointer to bytes."""
    return b.inttoptr(address, _BYTE.as_pointer())


def number(value: int) -> ir.Constant:
    """A tile's, as its instructions take it."""
    return ir.Constant(_BYTE, value)


def multiply(b: ir.IRBuilder, pair: int, activations: Any, stride: Any, weights: Any, to: Any) -> None:
    """16 int32 for each of 16 rows of 32 signed activations, `stride` bytes apart, to an address; `pair` is 0 or 1."""
    wide = ir.Constant(_I64, 64)
    sums, left, right = number(pair), number(2 + pair), number(4 + pair)
    call(b, "llvm.x86.tilezero", _VOID, sums)
    call(b, "llvm.x86.tileloadd64", _VOID, left, pointer(b, activations), stride)
    call(b, "llvm.x86.tileloadd64", _VOID, right, pointer(b, weights), wide)
    call(b, "llvm.x86.tdpbssd", _VOID, sums, left, right)
    call(b, "llvm.x86.tilestored64", _VOID, sums, pointer(b, to), wide)


@intrinsic
def begin(typing: Any, configuration: Any) -> Any:
    """Set the tiles up for this thread."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        call(b, "llvm.x86.ldtilecfg", _VOID, pointer(b, a[0]))

    return operation(types.void(types.int64), build)


@intrinsic
def end(typing: Any) -> Any:
    """Give the tiles back."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        call(b, "llvm.x86.tilerelease", _VOID)

    return operation(types.void(), build)
