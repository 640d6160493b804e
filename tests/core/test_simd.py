"""Every operation on lanes against NumPy, with NaN, infinities, zeros and denormals."""

from typing import Any

import numpy as np
import pytest
from support import at

from flowaudio.core.errors import KernelError
from flowaudio.core.memory import f32_1d, f64_1d, i32_1d
from flowaudio.core.native import native
from flowaudio.core.simd import (
    all_true,
    any_true,
    as_float,
    as_int,
    fma,
    high_f64,
    hmax,
    hmin,
    hsum,
    lane,
    lanes,
    load,
    load_part,
    low_f64,
    narrow,
    put,
    select,
    shuffle,
    splat,
    store,
    store_part,
    to_float,
    to_int,
    vabs,
    vfloor,
    vmax,
    vmin,
    vsqrt,
)

ONE, ZERO = np.float32(1), np.float32(0)

F32 = [np.array(row, np.float32) for row in (
    [1, -2, 3.5, -4.25, 0, -0.0, 1e30, 7], [np.nan, 1, np.inf, -np.inf, 1e-40, -1e-45, 3e38, 0.1],
    [2, 2, np.nan, 1, -1e-40, 1e-45, 3e38, 0.3], [-5, 6, np.inf, -np.inf, 0.5, 1.5, -2.5, 1e9])]


def same(got: Any, expected: Any) -> None:
    np.testing.assert_array_equal(got, np.asarray(expected, got.dtype))


@native
def f32_binary(a: int, b: int, out: int) -> int:
    x, y, o = load(f32_1d(a, 8), 0), load(f32_1d(b, 8), 0), f32_1d(out, 112)
    store(o, 0, x + y)
    store(o, 8, x - y)
    store(o, 16, x * y)
    store(o, 24, x / y)
    store(o, 32, vmin(x, y))
    store(o, 40, vmax(x, y))
    one, zero = splat(ONE), splat(ZERO)
    store(o, 48, select(x < y, one, zero))
    store(o, 56, select(x <= y, one, zero))
    store(o, 64, select(x > y, one, zero))
    store(o, 72, select(x >= y, one, zero))
    store(o, 80, select(x == y, one, zero))
    store(o, 88, select(x != y, one, zero))
    store(o, 96, select((x < y) | (x == y), one, zero))
    store(o, 104, select(~(x < y) & ((x != x) ^ (y == y)), one, zero))
    return 0


@pytest.mark.parametrize("a", range(len(F32)))
@pytest.mark.parametrize("b", range(len(F32)))
def test_arithmetic_and_comparisons(a: int, b: int) -> None:
    x, y, out = F32[a], F32[b], np.zeros(112, np.float32)
    f32_binary(at(x), at(y), at(out))
    with np.errstate(all="ignore"):
        expected = [x + y, x - y, x * y, x / y, np.where(x < y, x, y), np.where(x > y, x, y),
                    x < y, x <= y, x > y, x >= y, x == y, x != y, (x < y) | (x == y), ~(x < y) & ((x != x) ^ (y == y))]
    for row, value in zip(out.reshape(-1, 8), expected, strict=True):
        same(row, value)


@native
def f32_unary(a: int, out: int) -> int:
    x, o = load(f32_1d(a, 8), 0), f32_1d(out, 96)
    store(o, 0, -x)
    store(o, 8, vabs(x))
    store(o, 16, vsqrt(x))
    store(o, 24, vfloor(x))
    store(o, 32, 2 * x + 1)
    store(o, 40, 0.5 * x)
    store(o, 48, x / 2 - x)
    store(o, 56, as_float(as_int(x) & 0x7FFFFFFF))
    store(o, 64, narrow(low_f64(x) * 2.0, high_f64(x) * 2.0))
    store(o, 72, put(put(x, 0, ONE), 7, lane(x, 3)))
    store(o, 80, lanes(lane(x, 7), lane(x, 6), lane(x, 5), lane(x, 4), lane(x, 3), lane(x, 2), lane(x, 1), lane(x, 0)))
    x += x
    x *= x
    x -= ONE
    store(o, 88, x)
    return 0


@pytest.mark.parametrize("a", range(len(F32)))
def test_functions_of_one_vector(a: int) -> None:
    x, out = F32[a], np.zeros(96, np.float32)
    f32_unary(at(x), at(out))
    with np.errstate(all="ignore"):
        put_in = x.copy()
        put_in[0], put_in[7] = 1, x[3]
        square = ((x + x).astype(np.float64) ** 2 - 1).astype(np.float32)
        expected = [-x, np.abs(x), np.sqrt(x), np.floor(x), 2 * x + 1, 0.5 * x, x / 2 - x, np.abs(x),
                    (x.astype(np.float64) * 2).astype(np.float32), put_in, x[::-1]]
    rows = out.reshape(-1, 8)
    for row, value in zip(rows[:-1], expected, strict=True):
        same(row, value)
    np.testing.assert_allclose(rows[-1], square, rtol=1e-6)
    assert out[56:64].tobytes() == np.abs(x).tobytes() or np.isnan(x).any()


def test_minimum_and_maximum_give_the_second_where_one_is_no_number() -> None:
    x, y, out = np.full(8, np.nan, np.float32), np.arange(8, dtype=np.float32), np.zeros(112, np.float32)
    f32_binary(at(x), at(y), at(out))
    same(out[32:40], y)
    same(out[40:48], y)
    f32_binary(at(y), at(x), at(out))
    assert np.isnan(out[32:48]).all()


@native
def reductions(a: int, out: int) -> int:
    x, o = load(f32_1d(a, 8), 0), f32_1d(out, 3)
    o[0], o[1], o[2] = hsum(x), hmax(x), hmin(x)
    return int(any_true(x > ZERO)) + 2 * int(all_true(x > ZERO))


@pytest.mark.parametrize(("row", "truth"), [
    ([1, 2, 3, 4, 5, 6, 7, 8], 3), ([-1] * 7 + [1], 1), ([0] * 8, 0), ([1e8, 1, -1e8, 1, 0, 0, 0, 0], 1)])
def test_reductions(row: list[float], truth: int) -> None:
    x, out = np.array(row, np.float32), np.zeros(3, np.float32)
    assert reductions(at(x), at(out)) == truth
    halves = x[:4] + x[4:]
    quarters = halves[:2] + halves[2:]
    same(out, [quarters[0] + quarters[1], x.max(), x.min()])


@native
def multiply_add(a: int, b: int, c: int, out: int) -> int:
    x, y, z, o = f32_1d(a, 8), f32_1d(b, 8), f32_1d(c, 8), f32_1d(out, 24)
    store(o, 0, fma(load(x, 0), load(y, 0), load(z, 0)))
    store(o, 8, fma(x[0], load(y, 0), load(z, 0)))
    for k in range(8):
        o[16 + k] = fma(x[k], y[k], z[k])
    return 0


def test_fma_rounds_once() -> None:
    random = np.random.default_rng(1)
    x, y = random.standard_normal((2, 8)).astype(np.float32)
    z = -(x * y)                        # what is left is the rounding error of the product
    out = np.zeros(24, np.float32)
    multiply_add(at(x), at(y), at(z), at(out))
    exact = [x.astype(np.float64) * y + z, x[0].astype(np.float64) * y + z, x.astype(np.float64) * y + z]
    same(out, np.concatenate(exact).astype(np.float32))
    assert out[:8].any()


@native
def shuffles(a: int, b: int, d: int, out: int, out64: int) -> int:
    x, y, o = load(f32_1d(a, 8), 0), load(f32_1d(b, 8), 0), f32_1d(out, 24)
    store(o, 0, shuffle(x, y, "80123456"))
    store(o, 8, shuffle(x, y, "f7e6d5c4"))
    store(o, 16, shuffle(x, x, "00000000"))
    z = load(f64_1d(d, 4), 0)
    store(f64_1d(out64, 4), 0, shuffle(z, -z, "0415"))
    return 0


def test_shuffle() -> None:
    x, y, z = np.arange(8, dtype=np.float32), np.arange(8, 16, dtype=np.float32), np.arange(1.0, 5.0)
    out, out64 = np.zeros(24, np.float32), np.zeros(4)
    shuffles(at(x), at(y), at(z), at(out), at(out64))
    same(out, [8, 0, 1, 2, 3, 4, 5, 6, 15, 7, 14, 6, 13, 5, 12, 4, *[0] * 8])
    same(out64, [1, -1, 2, -2])


@native
def whole_numbers(a: int, b: int, f: int, out: int) -> int:
    x, y, o = load(i32_1d(a, 8), 0), load(i32_1d(b, 8), 0), i32_1d(out, 104)
    store(o, 0, x + y)
    store(o, 8, x - y)
    store(o, 16, x * y)
    store(o, 24, x & y)
    store(o, 32, x | y)
    store(o, 40, x ^ y)
    store(o, 48, x << 3)
    store(o, 56, x >> 3)
    store(o, 64, vmin(x, y))
    store(o, 72, vmax(x, y))
    store(o, 80, select(x < y, x, y))
    store(o, 88, to_int(load(f32_1d(f, 8), 0)))
    store(o, 96, as_int(to_float(x)))
    return 0


def test_whole_numbers() -> None:
    random = np.random.default_rng(2)
    x, y = random.integers(-(1 << 31), 1 << 31, (2, 8)).astype(np.int32)
    f = np.array([1.9, -1.9, 0, -0.5, 1e6, -1e6, 2147483520, 0.999], np.float32)
    out = np.zeros(104, np.int32)
    whole_numbers(at(x), at(y), at(f), at(out))
    expected = [x + y, x - y, x * y, x & y, x | y, x ^ y, x << 3, x >> 3, np.minimum(x, y), np.maximum(x, y),
                np.minimum(x, y), f.astype(np.int32), x.astype(np.float32).view(np.int32)]
    for row, value in zip(out.reshape(-1, 8), expected, strict=True):
        same(row, value)


@native
def doubles(a: int, b: int, out: int) -> int:
    x, y, o = load(f64_1d(a, 4), 0), load(f64_1d(b, 4), 0), f64_1d(out, 32)
    store(o, 0, x + y)
    store(o, 4, x - 2.5)
    store(o, 8, x * y)
    store(o, 12, x / y)
    store(o, 16, fma(x, y, x))
    store(o, 20, select(x < y, vabs(x), vsqrt(y)))
    store(o, 24, vmax(x, y))
    store(o, 28, splat(hsum(x)))
    return 0


def test_doubles() -> None:
    x, y, out = np.array([1, -2.5, 1e300, -1e-310]), np.array([3, 0.1, 1e10, 2]), np.zeros(32)
    doubles(at(x), at(y), at(out))
    with np.errstate(all="ignore"):
        exact = (x.astype(np.longdouble) * y + x).astype(np.float64)
        expected = [x + y, x - 2.5, x * y, x / y, exact, np.where(x < y, np.abs(x), np.sqrt(y)), np.maximum(x, y),
                    np.full(4, (x[0] + x[2]) + (x[1] + x[3]))]
    for row, value in zip(out.reshape(-1, 4), expected, strict=True):
        same(row, value)


@native
def tail(a: int, out: int, index: int, count: int, size: int) -> int:
    store_part(f32_1d(out, size), index, count, 2 * load_part(f32_1d(a, size), index, count))
    store(f32_1d(out, size), size - 8, load_part(f32_1d(a, size), index, count))
    return 0


@pytest.mark.parametrize("count", range(9))
@pytest.mark.parametrize("index", [0, 3])
def test_tails(count: int, index: int) -> None:
    x, out = np.arange(1, 33, dtype=np.float32), np.full(32, -1, np.float32)
    tail(at(x), at(out), index, count, 32)
    expected = np.full(32, -1, np.float32)
    expected[index:index + count] = 2 * x[index:index + count]
    expected[24:] = 0
    expected[24:24 + count] = x[index:index + count]
    same(out, expected)


def test_tails_touch_nothing_behind_them() -> None:
    """The last floats of a page, with a page behind it that must not be read."""
    import ctypes
    import mmap
    import sys

    if not sys.platform.startswith("linux"):
        pytest.skip("needs mprotect")
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + page), ctypes.c_size_t(page), 0) == 0
    out = np.zeros(32, np.float32)
    for count in range(9):
        tail(start + page - 4 * count, at(out), 0, count, 32)
    assert not out.any()


@pytest.mark.parametrize("wrong", [
    "shuffle(x, x, '0123')", "shuffle(x, x, '0123456g')", "x + z", "fma(x, x, z)", "x & x", "vsqrt(i)",
    "load(z0, 0) + load(x0, 0)", "i + 0.5", "select(x < x, z, z)", "~x", "store(x0, 0, z)"])
def test_what_does_not_fit_is_refused(wrong: str) -> None:
    source = ("def mixed(a):\n    x0, z0 = f32_1d(a, 8), f64_1d(a, 4)\n"
              f"    x, z, i = load(x0, 0), load(z0, 0), load(i32_1d(a, 8), 0)\n    {wrong}\n    return 0\n")
    scope = dict(globals())
    exec(source, scope)
    with pytest.raises(KernelError, match="mixed: "):
        native(scope["mixed"])(0)


def test_outside_a_kernel_they_say_so() -> None:
    with pytest.raises(TypeError, match="load works only inside a kernel"):
        load(np.zeros(8, np.float32), 0)
