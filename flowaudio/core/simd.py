"""Lanes: 256-bit vectors as values in a kernel, with operators.

``f32x8`` (from float32 arrays), ``f64x4`` (from float64 arrays) and ``i32x8`` (from int32 arrays) take ``+ - * /`` with
each other and with plain numbers, comparisons (which give masks), and the functions below. Recursive filters are bound
by latency, not by arithmetic: put channels and sections into lanes. LLVM splits a vector where the processor's are
narrower, so code with lanes runs everywhere.

In a kernel::

    for n in range(0, frames - frames % 8, 8):
        store(row, n, gain * load(row, n))
    rest = frames % 8
    store_part(row, frames - rest, rest, gain * load_part(row, frames - rest, rest))

A tail done with `load_part` and `store_part` goes through the same instructions as the rest: the result does not depend
on how a signal was cut into blocks.
"""

from typing import Any, TypeAlias

from flowaudio.core.stub import stub

__all__ = [
    "LANES", "Mask", "Vector", "all_true", "any_true", "as_float", "as_int", "fma", "high_f64", "hmax", "hmin", "hsum",
    "lane", "lanes", "load", "load_part", "low_f64", "narrow", "put", "select", "shuffle", "splat", "store",
    "store_part", "to_float", "to_int", "vabs", "vfloor", "vmax", "vmin", "vsqrt",
]

LANES = 8
"""float32 lanes in a vector."""

Vector: TypeAlias = Any  # f32x8, f64x4 or i32x8: types of numba, which mypy cannot see
Mask: TypeAlias = Any
Scalar: TypeAlias = Any
Array1: TypeAlias = Any  # a one-dimensional, contiguous array


@stub
def load(array: Array1, index: int) -> Vector:
    """The 256 bits from ``array[index]`` on; any alignment."""


@stub
def store(array: Array1, index: int, value: Vector) -> None:
    """Write all lanes to ``array[index]`` and behind it."""


@stub
def load_part(array: Array1, index: int, count: int) -> Vector:
    """The first `count` lanes from ``array[index]`` on, the others 0. Memory behind them is not touched."""


@stub
def store_part(array: Array1, index: int, count: int, value: Vector) -> None:
    """Write the first `count` lanes."""


@stub
def splat(value: Scalar) -> Vector:
    """A float32, float64 or int32 in all lanes."""


@stub
def lanes(a: Scalar, b: Scalar, c: Scalar, d: Scalar, e: Scalar, f: Scalar, g: Scalar, h: Scalar) -> Vector:
    """Eight numbers as an f32x8."""


@stub
def lane(value: Vector, index: int) -> Scalar:
    """One lane as a number."""


@stub
def put(value: Vector, index: int, scalar: Scalar) -> Vector:
    """`value` with one lane replaced."""


@stub
def shuffle(a: Vector, b: Vector, order: str) -> Vector:
    """Lanes of `a` and `b` in a new order: for eight lanes, digits 0–7 name those of `a`, 8–f those of `b`.

    The order is a literal: ``shuffle(a, b, "80123456")`` moves all lanes up by one and puts b's first in front. For
    four lanes the digits are 0–3 and 4–7.
    """


@stub
def fma(a: Vector, b: Vector, c: Vector) -> Vector:
    """``a * b + c``, rounded once. Also for float32 and float64 numbers."""


@stub
def vmin(a: Vector, b: Vector) -> Vector:
    """The smaller of each pair; `b` where one is NaN."""


@stub
def vmax(a: Vector, b: Vector) -> Vector:
    """The larger of each pair; `b` where one is NaN."""


@stub
def vabs(value: Vector) -> Vector:
    """Magnitude of each lane."""


@stub
def vsqrt(value: Vector) -> Vector:
    """Square root of each lane."""


@stub
def vfloor(value: Vector) -> Vector:
    """Each lane rounded down."""


@stub
def select(mask: Mask, a: Vector, b: Vector) -> Vector:
    """`a` where the mask holds, `b` elsewhere."""


@stub
def any_true(mask: Mask) -> bool:
    """Whether one lane holds."""


@stub
def all_true(mask: Mask) -> bool:
    """Whether every lane holds."""


@stub
def hsum(value: Vector) -> Scalar:
    """Sum of the lanes, always added in the same order (halves, quarters, pairs)."""


@stub
def hmax(value: Vector) -> Scalar:
    """The largest lane."""


@stub
def hmin(value: Vector) -> Scalar:
    """The smallest lane."""


@stub
def to_int(value: Vector) -> Vector:
    """f32x8 to i32x8, cut towards zero."""


@stub
def to_float(value: Vector) -> Vector:
    """i32x8 to f32x8."""


@stub
def as_int(value: Vector) -> Vector:
    """The bits of an f32x8 as i32x8."""


@stub
def as_float(value: Vector) -> Vector:
    """The bits of an i32x8 as f32x8."""


@stub
def low_f64(value: Vector) -> Vector:
    """Lanes 0–3 of an f32x8 as f64x4."""


@stub
def high_f64(value: Vector) -> Vector:
    """Lanes 4–7 of an f32x8 as f64x4."""


@stub
def narrow(low: Vector, high: Vector) -> Vector:
    """Two f64x4 as one f32x8."""
