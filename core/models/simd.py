"""LLVM vectors of 16 float32 as numba values, and the few operations that the kernels need.

Addresses are plain int64, as numpy's `array.ctypes.data` and torch's `data_ptr()` give them; nothing is checked.
The byte product is the widest instruction this processor has (`DOT`); all of them give the same integers.
Importing this imports numba, which compiles for the processor at hand and needs no compiler on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, get_args

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic, register_model

from core.models.kernel_cache import use_kernel_cache

LANES = 16
_F32 = ir.VectorType(ir.FloatType(), LANES)
_I32 = ir.VectorType(ir.IntType(32), LANES)
_INT = ir.IntType(32)

Dot = Literal["avx512-vnni", "avx-vnni", "avx2", "portable"]
DOTS: tuple[Dot, ...] = get_args(Dot)


def _choose_dot() -> Dot:
    """The widest byte product of this processor; MERLINE_DOT names another one, for tests."""
    named = os.environ.get("MERLINE_DOT")
    if named:
        return next(dot for dot in DOTS if dot == named)
    has = llvm.get_host_cpu_features()
    if has.get("avx512vnni"):
        return "avx512-vnni"
    if has.get("avxvnni"):
        return "avx-vnni"
    return "avx2" if has.get("avx2") else "portable"


DOT: Dot = _choose_dot()
WIDE = DOT == "avx512-vnni"
"""whether there are 32 registers of a whole vector; elsewhere a vector takes two of 16, or four of 32"""
use_kernel_cache(DOT, os.environ.get("MERLINE_AMX", ""))


class Vector(types.Type):
    """A vector in registers; it may be passed and returned, not kept in an array."""

    def __init__(self, name: str, llvm_type: ir.VectorType) -> None:
        self.llvm_type = llvm_type
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm_type)


F32 = Vector("f32x16", _F32)

Build = Callable[[ir.IRBuilder, Any], Any]


def operation(signature: Any, build: Build) -> Any:
    """(signature, code generator) as numba's `intrinsic` wants them, from a function of builder and arguments."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        made = build(builder, arguments)
        return context.get_dummy_value() if made is None else made

    return signature, generate


def at(builder: ir.IRBuilder, address: Any, what: ir.Type) -> Any:
    """An address as a pointer to `what`."""
    return builder.inttoptr(address, what.as_pointer())


def splat(builder: ir.IRBuilder, value: Any, vector: ir.VectorType) -> Any:
    """The value in every lane."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT, 0))
    lanes = ir.Constant(ir.VectorType(_INT, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: Any) -> Any:
    """An instruction that LLVM knows by a function's name."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def fetch_ahead(builder: ir.IRBuilder, address: Any, nearness: int = 3) -> None:
    """Begin to bring what lies at an address into the nearest cache, or the one behind it (2); any address will do."""
    where = builder.inttoptr(address, ir.IntType(8).as_pointer())
    read, near, data = (ir.Constant(_INT, number) for number in (0, nearness, 1))
    call(builder, "llvm.prefetch.p0", ir.VoidType(), where, read, near, data)


def constant(vector: ir.VectorType, value: float) -> ir.Constant:
    """`value` in every lane."""
    return ir.Constant(vector, [value] * vector.count)


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """16 float32."""
    return operation(F32(types.int64), lambda b, a: b.load(at(b, a[0], _F32), align=4))


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Begin to bring what lies at an address into the nearest cache; any address will do."""
    return operation(types.void(types.int64), lambda b, a: fetch_ahead(b, a[0]))


@intrinsic
def load_bf16(typing: Any, address: Any) -> Any:
    """16 bfloat16, as float32: the upper halves of their bits."""
    half = ir.VectorType(ir.IntType(16), LANES)

    def build(b: ir.IRBuilder, a: Any) -> Any:
        bits = b.zext(b.load(at(b, a[0], half), align=2), _I32)
        return b.bitcast(b.shl(bits, constant(_I32, 16)), _F32)

    return operation(F32(types.int64), build)


@intrinsic
def store(typing: Any, address: Any, vector: Any) -> Any:
    """16 float32 to an address."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        b.store(a[1], at(b, a[0], _F32), align=4)

    return operation(types.void(types.int64, F32), build)


@intrinsic
def every(typing: Any, value: Any) -> Any:
    """A float32 in every lane."""
    return operation(F32(types.float32), lambda b, a: splat(b, a[0], _F32))


@intrinsic
def zero(typing: Any) -> Any:
    """Sixteen times 0."""
    return operation(F32(), lambda b, a: constant(_F32, 0.0))


@intrinsic
def add(typing: Any, x: Any, y: Any) -> Any:
    """x + y."""
    return operation(F32(F32, F32), lambda b, a: b.fadd(*a))


@intrinsic
def mul(typing: Any, x: Any, y: Any) -> Any:
    """x * y."""
    return operation(F32(F32, F32), lambda b, a: b.fmul(*a))


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once."""
    return operation(F32(F32, F32, F32), lambda b, a: call(b, "llvm.fma.v16f32", _F32, *a))


def lane_sum(builder: ir.IRBuilder, vector: Any) -> Any:
    """The sum of a vector's lanes, added in halves."""
    width = LANES
    while width > 1:
        width //= 2
        lower, upper = (
            ir.Constant(ir.VectorType(_INT, width), list(range(first, first + width))) for first in (0, width)
        )
        unused = ir.Constant(vector.type, ir.Undefined)
        vector = builder.fadd(
            builder.shuffle_vector(vector, unused, lower), builder.shuffle_vector(vector, unused, upper)
        )
    return builder.extract_element(vector, ir.Constant(_INT, 0))


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """The sum of the lanes, added in halves."""
    return operation(types.float32(F32), lambda b, a: lane_sum(b, a[0]))


@intrinsic
def largest(typing: Any, vector: Any) -> Any:
    """The largest lane."""
    build = lambda b, a: call(b, "llvm.vector.reduce.fmax.v16f32", ir.FloatType(), a[0])  # noqa: E731
    return operation(types.float32(F32), build)


@intrinsic
def maximum(typing: Any, x: Any, y: Any) -> Any:
    """The larger of each pair of lanes."""
    return operation(F32(F32, F32), lambda b, a: call(b, "llvm.maxnum.v16f32", _F32, *a))


@intrinsic
def minimum(typing: Any, x: Any, y: Any) -> Any:
    """The smaller of each pair of lanes."""
    return operation(F32(F32, F32), lambda b, a: call(b, "llvm.minnum.v16f32", _F32, *a))


@intrinsic
def rint(typing: Any, vector: Any) -> Any:
    """The nearest whole numbers, halves to even."""
    return operation(F32(F32), lambda b, a: call(b, "llvm.rint.v16f32", _F32, a[0]))


@intrinsic
def divide(typing: Any, x: Any, y: Any) -> Any:
    """x / y."""
    return operation(F32(F32, F32), lambda b, a: b.fdiv(*a))


@intrinsic
def exp(typing: Any, vector: Any) -> Any:
    """e to the power of each lane, within 2 units in the last place; lanes are held between -87 and 88.

    2^n * e^r with |r| <= ln 2 / 2; e^r by the Cephes library's polynomial (S. Moshier, expf.c). NaN stays NaN.
    """

    def build(b: ir.IRBuilder, a: Any) -> Any:
        def held(x: Any, comparison: str, bound: float) -> Any:
            """The bound where that lies above (">") or below ("<") x, else x, be it no number."""
            limit = constant(_F32, bound)
            return b.select(b.fcmp_ordered(comparison, limit, x), limit, x)

        def fused(x: Any, factor: float, rest: Any) -> Any:
            return call(b, "llvm.fma.v16f32", _F32, x, constant(_F32, factor), rest)

        x = held(held(a[0], ">", -87.0), "<", 88.0)
        n = call(b, "llvm.rint.v16f32", _F32, b.fmul(x, constant(_F32, 1.4426950408889634)))
        r = fused(n, 2.12194440e-4, fused(n, -0.693359375, x))
        sum_ = constant(_F32, 1.9875691500e-4)
        for factor in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
            sum_ = call(b, "llvm.fma.v16f32", _F32, sum_, r, constant(_F32, factor))
        result = b.fadd(call(b, "llvm.fma.v16f32", _F32, sum_, b.fmul(r, r), r), constant(_F32, 1.0))
        exponent = b.shl(b.add(b.fptosi(n, _I32), constant(_I32, 127)), constant(_I32, 23))
        return b.fmul(result, b.bitcast(exponent, _F32))

    return operation(F32(F32), build)


@intrinsic
def get(typing: Any, address: Any) -> Any:
    """One float32."""
    return operation(types.float32(types.int64), lambda b, a: b.load(at(b, a[0], ir.FloatType()), align=4))


@intrinsic
def put(typing: Any, address: Any, value: Any) -> Any:
    """One float32 to an address."""

    def build(b: ir.IRBuilder, a: Any) -> None:
        b.store(a[1], at(b, a[0], ir.FloatType()), align=4)

    return operation(types.void(types.int64, types.float32), build)
