"""Bytes, halves and words for the kernels: the products of bytes that processors have, and what packing puts down.

The product of unsigned with signed bytes is `simd.DOT`, the widest instruction of this processor; all of them give
the same integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.models.simd import DOT, F32, LANES, Dot, at, call, constant, operation

_F32 = ir.VectorType(ir.FloatType(), LANES)
_I32 = ir.VectorType(ir.IntType(32), LANES)
_I16 = ir.VectorType(ir.IntType(16), 2 * LANES)
_I8 = ir.VectorType(ir.IntType(8), 4 * LANES)
_INT = ir.IntType(32)


@intrinsic
def as_half(typing: Any, value: Any) -> Any:
    """A float32 rounded to float16, as float32."""
    half = ir.HalfType()
    return operation(types.float32(types.float32), lambda b, a: b.fpext(b.fptrunc(a[0], half), ir.FloatType()))


@intrinsic
def put_half(typing: Any, address: Any, value: Any) -> Any:
    """A float32 to an address as float16."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        b.store(b.fptrunc(a[1], ir.HalfType()), at(b, a[0], ir.HalfType()), align=2)

    return operation(types.void(types.int64, types.float32), build)


@intrinsic
def put_bytes(typing: Any, address: Any, vector: Any) -> Any:
    """Sixteen whole numbers from 0 to 255 to an address, a byte each."""
    small = ir.VectorType(ir.IntType(8), LANES)

    def build(b: ir.IRBuilder, a: Any) -> None:
        b.store(b.trunc(b.fptosi(a[1], _I32), small), at(b, a[0], small), align=1)

    return operation(types.void(types.int64, F32), build)


@intrinsic
def get_word(typing: Any, address: Any) -> Any:
    """Four bytes as an unsigned number."""
    return operation(types.uint32(types.int64), lambda b, a: b.load(at(b, a[0], _INT), align=1))


@intrinsic
def put_word(typing: Any, address: Any, value: Any) -> Any:
    """Four bytes to an address."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        b.store(a[1], at(b, a[0], _INT), align=1)

    return operation(types.void(types.int64, types.uint32), build)


def byte_dot(b: ir.IRBuilder, sums: Any, unsigned: Any, signed: Any) -> Any:
    """sums [16 int32] + in each lane the products of four unsigned bytes [64 int8] with four signed ones [16 int32]."""
    return DOT_CODES[DOT](b, sums, unsigned, signed)


def _dot_avx512(b: ir.IRBuilder, sums: Any, weights: Any, activations: Any) -> Any:
    return call(b, "llvm.x86.avx512.vpdpbusd.512", _I32, sums, weights, b.bitcast(activations, _I8))


def _halves(b: ir.IRBuilder, vector: Any) -> tuple[Any, Any]:
    count = vector.type.count // 2
    unused = ir.Constant(vector.type, ir.Undefined)
    first, second = (ir.Constant(ir.VectorType(_INT, count), list(range(n, n + count))) for n in (0, count))
    return b.shuffle_vector(vector, unused, first), b.shuffle_vector(vector, unused, second)


def _whole(b: ir.IRBuilder, first: Any, second: Any) -> Any:
    lanes = ir.Constant(ir.VectorType(_INT, LANES), list(range(LANES)))
    return b.shuffle_vector(first, second, lanes)


def _dot_avx_vnni(b: ir.IRBuilder, sums: Any, weights: Any, activations: Any) -> Any:
    parts = zip(*(_halves(b, vector) for vector in (sums, weights, b.bitcast(activations, _I8))), strict=True)
    name, half = "llvm.x86.avx512.vpdpbusd.256", ir.VectorType(_INT, 8)
    return _whole(b, *(call(b, name, half, *part) for part in parts))


def _dot_avx2(b: ir.IRBuilder, sums: Any, weights: Any, activations: Any) -> Any:
    """Even and odd bytes as 16-bit numbers, each multiplied and added in pairs: nothing can saturate."""
    eight = constant(_I16, 8)
    weight, activation = b.bitcast(weights, _I16), b.bitcast(activations, _I16)
    pairs = (
        (b.and_(weight, constant(_I16, 255)), b.ashr(b.shl(activation, eight), eight)),
        (b.lshr(weight, eight), b.ashr(activation, eight)),
    )
    half = ir.VectorType(_INT, 8)
    for left, right in pairs:
        parts = zip(_halves(b, left), _halves(b, right), strict=True)
        sums = b.add(sums, _whole(b, *(call(b, "llvm.x86.avx2.pmadd.wd", half, *part) for part in parts)))
    return sums


def _dot_portable(b: ir.IRBuilder, sums: Any, weights: Any, activations: Any) -> Any:
    weight = b.bitcast(weights, _I32)
    for byte in range(4):
        unsigned = b.and_(b.lshr(weight, constant(_I32, 8 * byte)), constant(_I32, 255))
        signed = b.ashr(b.shl(activations, constant(_I32, 24 - 8 * byte)), constant(_I32, 24))
        sums = b.add(sums, b.mul(unsigned, signed))
    return sums


DOT_CODES: dict[Dot, Callable[..., Any]] = {
    "avx512-vnni": _dot_avx512,
    "avx-vnni": _dot_avx_vnni,
    "avx2": _dot_avx2,
    "portable": _dot_portable,
}
