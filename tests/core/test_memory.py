"""Memory by address, and the floating-point unit."""

import numpy as np
import pytest
from support import at

from flowaudio.core.memory import (
    clear,
    copy,
    f32_1d,
    f32_2d,
    f64_1d,
    flush_to_zero,
    i32_1d,
    i64_1d,
    nanosleep,
    restore_fpu,
)
from flowaudio.core.native import native

TINY = np.float32(1e-40)


@native
def views(a: int, b: int, c: int, d: int, e: int) -> int:
    f32_1d(a, 4)[3] = 1.5
    f32_2d(b, 2, 3)[1, 2] = 2.5
    f64_1d(c, 2)[1] = 3.5
    i32_1d(d, 2)[0] = -4
    i64_1d(e, 2)[1] = 1 << 40
    return f32_1d(a, 4).size + 10 * f32_2d(b, 2, 3).shape[1] + 100 * f32_2d(b, 2, 3).shape[0]


def test_views() -> None:
    arrays = [np.zeros(4, np.float32), np.zeros((2, 3), np.float32), np.zeros(2), np.zeros(2, np.int32),
              np.zeros(2, np.int64)]
    assert views(*map(at, arrays)) == 4 + 30 + 200
    assert [a.ravel().tolist() for a in arrays] == [
        [0, 0, 0, 1.5], [0, 0, 0, 0, 0, 2.5], [0, 3.5], [-4, 0], [0, 1 << 40]]


@native
def move(to: int, source: int, size: int) -> int:
    copy(to, source, size)
    return 0


@native
def wipe(to: int, size: int) -> int:
    clear(to, size)
    return 0


@pytest.mark.parametrize("size", [0, 1, 7, 64, 500])
def test_copy_and_clear(size: int) -> None:
    x, y = np.arange(512, dtype=np.uint8), np.full(512, 255, np.uint8)
    move(at(y), at(x), size)
    assert np.array_equal(y, np.where(np.arange(512) < size, x, 255))
    wipe(at(y), size)
    assert np.array_equal(y, np.where(np.arange(512) < size, 0, 255))
    expected = x.copy()
    expected[5:5 + min(size, 500)] = x[:min(size, 500)]
    move(at(x) + 5, at(x), min(size, 500))      # the two overlap
    assert np.array_equal(x, expected)


@native
def half(a: int, flush: int) -> int:
    before = flush_to_zero() if flush else 0
    values = f32_1d(a, 2)
    values[1] = values[0] * np.float32(0.5)
    if flush:
        restore_fpu(before)
    return 0


def test_denormals_are_zero_only_while_it_lasts() -> None:
    values = np.array([TINY, 1], np.float32)
    half(at(values), 1)
    assert values[1] == 0
    half(at(values), 0)
    assert 0 < values[1] < TINY
    assert np.float32(1e-40) * np.float32(0.5) > 0


@native
def doze(nanoseconds: int) -> int:
    nanosleep(nanoseconds)
    return 0


def test_sleep() -> None:
    import time

    start = time.perf_counter()
    doze(20_000_000)
    assert time.perf_counter() - start >= 0.02
