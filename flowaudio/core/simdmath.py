"""Functions of f32x8 lanes: exponential, logarithm, tanh and decibels, as polynomials.

numba has no vector library of its own here, and a call of libm a sample would cost more than most nodes. Each function
states its greatest error against float64 over its whole range. "ulp" is the distance of neighbouring float32 numbers.
Denormal numbers count as zero, in and out, as everywhere on the audio path.

A lane's result depends on that lane alone: ``lane(exp2(splat(v)), 0)`` is what a vector would give, and
`exp2_scalar` and its like are just that.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import as_float, as_int, fma, lane, select, splat, to_float, vabs, vmax, vmin

__all__ = ["FLOOR_DB", "db_to_gain", "db_to_gain_scalar", "exp2", "exp2_bounded", "exp2_scalar", "gain_to_db",
           "gain_to_db_scalar", "log2", "log2_normal", "log2_scalar", "tanh", "tanh_scalar"]

FLOOR_DB = -200.0
"""What `gain_to_db` gives for 0."""

_ROUND = np.float32(1.5 * 2 ** 23)      # added, it leaves the nearest integer in the low bits of the sum
_SQRT_HALF = 0x3F3504F3                 # bits of the float32 next to sqrt(1/2)
_MANTISSA = 0x007FFFFF
_INFINITY = np.float32(np.inf)
_LOWEST = np.float32(-126.0)
_HIGHEST = np.float32(128.0)
_NORMAL = np.float32(2.0 ** -126)
_FLOOR = np.float32(1e-10)              # FLOOR_DB as a gain
_DB = np.float32(6.020599913279624)     # decibels in a factor of two
_PER_DB = np.float32(0.16609640474436813)
_TANH_LIMIT = np.float32(9.02)          # from here on tanh is 1 in float32


@kernel
def exp2_bounded(v: Any) -> Any:
    """``2 ** v`` for -126 <= v < 128 and nothing else: what lies outside gives garbage.

    Relative error 8e-8 (1.3 ulp); whole numbers are exact, so 0 gives exactly 1.
    """
    shifted = v + _ROUND
    f = v - (shifted - _ROUND)          # -1/2 … 1/2
    p = fma(f, 0.0001535336191503811, 0.001339887442282417)
    p = fma(f, p, 0.009618437357743308)
    p = fma(f, p, 0.055503324710985985)
    p = fma(f, p, 0.24022647913627065)
    p = fma(f, p, 0.6931472028550838)
    p = fma(f, p, 1.0)
    return as_float(as_int(p) + (as_int(shifted) << 23))


@kernel
def exp2(v: Any) -> Any:
    """``2 ** v``. Relative error 8e-8 (1.3 ulp), whole numbers exact.

    Below -126 it gives 0, from 128 on infinity; NaN stays NaN.
    """
    made = exp2_bounded(v)
    made = select(v < _HIGHEST, made, splat(_INFINITY))
    made = select(v < _LOWEST, splat(np.float32(0.0)), made)
    return select(v != v, v, made)


@kernel
def log2_normal(v: Any) -> Any:
    """``log2(v)`` for positive normal numbers and nothing else; infinity gives 128.

    Relative error 1.3e-7; powers of two exact, so 1 gives exactly 0.
    """
    bits = as_int(v) - _SQRT_HALF
    exponent = to_float(bits >> 23)
    r = as_float((bits & _MANTISSA) + _SQRT_HALF) - 1.0     # sqrt(1/2) - 1 … sqrt(2) - 1
    p = fma(r, -0.10994949067355707, 0.1861749288898495)
    p = fma(r, p, -0.19106276387445584)
    p = fma(r, p, 0.20460062572937887)
    p = fma(r, p, -0.23961740314169194)
    p = fma(r, p, 0.28856740802992237)
    p = fma(r, p, -0.36069664941583096)
    p = fma(r, p, 0.4808982410644603)
    p = fma(r, p, -0.7213473515005739)
    p = fma(r, p, 1.442695040829916)
    return fma(r, p, exponent)


@kernel
def log2(v: Any) -> Any:
    """``log2(v)``. Relative error 1.3e-7; powers of two exact.

    Zero and denormals give -inf, negative numbers NaN, infinity infinity; NaN stays NaN.
    """
    made = log2_normal(v)
    made = select(v == _INFINITY, v, made)
    made = select(vabs(v) < _NORMAL, splat(-_INFINITY), made)
    undefined = splat(_INFINITY) - splat(_INFINITY)
    return select(v > -_NORMAL, made, undefined + v)


@kernel
def tanh(v: Any) -> Any:
    """Hyperbolic tangent. Relative error 3.1e-7; odd, never beyond ±1; NaN stays NaN.

    A rational function of degree 9 over 8 up to |v| = 9.02, and ±1 from there on.
    """
    x = vmax(splat(-_TANH_LIMIT), vmin(splat(_TANH_LIMIT), v))      # in this order NaN comes through
    z = x * x
    p = fma(z, 1.3318897538744864e-08, 2.0583352479345156e-05)
    p = fma(z, p, 0.0034940267215499412)
    p = fma(z, p, 0.13379711377282372)
    p = fma(z, p, 0.9999999790302666)
    q = fma(z, 7.761947025100816e-07, 0.0003283080003951161)
    q = fma(z, q, 0.02587104347184811)
    q = fma(z, q, 0.4671302662245076)
    q = fma(z, q, 1.0)
    one = splat(np.float32(1.0))
    return vmax(-one, vmin(one, x * p / q))


@kernel
def db_to_gain(v: Any) -> Any:
    """``10 ** (v / 20)``. Relative error 9e-8 + 1e-8 a decibel; 0 gives exactly 1, -inf gives 0.

    Below -758 dB it gives 0, above 770 dB infinity; NaN stays NaN.
    """
    return exp2(v * _PER_DB)


@kernel
def gain_to_db(v: Any) -> Any:
    """``20 log10(v)``, at least `FLOOR_DB`. Relative error 2e-7; 1 gives exactly 0.

    Zero, denormals and negative numbers give `FLOOR_DB`, infinity 770.6 dB; NaN gives `FLOOR_DB` too: a meter shows a
    number whatever comes.
    """
    return log2_normal(vmax(v, splat(_FLOOR))) * _DB


@kernel
def exp2_scalar(v: Any) -> Any:
    """`exp2` of one float32."""
    return lane(exp2(splat(v)), 0)


@kernel
def log2_scalar(v: Any) -> Any:
    """`log2` of one float32."""
    return lane(log2(splat(v)), 0)


@kernel
def tanh_scalar(v: Any) -> Any:
    """`tanh` of one float32."""
    return lane(tanh(splat(v)), 0)


@kernel
def db_to_gain_scalar(v: Any) -> Any:
    """`db_to_gain` of one float32."""
    return lane(db_to_gain(splat(v)), 0)


@kernel
def gain_to_db_scalar(v: Any) -> Any:
    """`gain_to_db` of one float32."""
    return lane(gain_to_db(splat(v)), 0)
