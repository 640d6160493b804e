"""Every function against float64 over its whole range, by samples of all float32 numbers."""

from typing import Any

import numpy as np
import pytest

from flowaudio.core import simdmath
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d
from flowaudio.core.native import native
from flowaudio.core.simd import load, store
from flowaudio.core.simdmath import (
    db_to_gain,
    exp2,
    exp2_bounded,
    exp2_scalar,
    gain_to_db,
    log2,
    log2_normal,
    log2_scalar,
    tanh,
    tanh_scalar,
)


def mapped(function: Any) -> Any:
    """`function` of lanes as a function of arrays."""
    @native
    def run(x: int, y: int, count: int) -> int:
        a, b = f32_1d(x, count), f32_1d(y, count)
        for n in range(0, count, 8):
            store(b, n, function(load(a, n)))
        return 0

    return _caller(run)


def mapped_scalar(function: Any) -> Any:
    """`function` of one float32 as a function of arrays."""
    @native
    def run(x: int, y: int, count: int) -> int:
        a, b = f32_1d(x, count), f32_1d(y, count)
        for n in range(count):
            b[n] = function(a[n])
        return 0

    return _caller(run)


def _caller(run: Any) -> Any:
    def call(x: Any) -> np.ndarray[Any, Any]:
        given = np.asarray(x, np.float32).ravel()
        padded = np.zeros(-(-given.size // 8) * 8, np.float32)
        padded[:given.size] = given
        out = np.empty_like(padded)
        run(padded.ctypes.data, out.ctypes.data, padded.size)
        return out[:given.size]

    return call


def normal_numbers(step: int = 997) -> np.ndarray[Any, Any]:
    """Every `step`-th positive normal float32."""
    return np.arange(0x00800000, 0x7F800000, step, dtype=np.uint32).view(np.float32)


@kernel
def identity(v: Any) -> Any:
    return v


@pytest.mark.parametrize("function", [exp2, exp2_bounded])
def test_exp2(function: Any) -> None:
    x = np.linspace(-126, 127.999, 2_000_003).astype(np.float32)
    wanted = np.exp2(x.astype(np.float64))
    assert np.max(np.abs(mapped(function)(x) / wanted - 1)) < 9.5e-8


def test_exp2_is_exact_at_whole_numbers() -> None:
    whole = np.arange(-126, 128)
    np.testing.assert_array_equal(mapped(exp2)(whole), np.exp2(whole).astype(np.float32))


def test_exp2_at_its_limits() -> None:
    got = mapped(exp2)([-np.inf, -1e30, -126.01, 128, 1e30, np.inf, np.nan, -0.0])
    np.testing.assert_array_equal(got, [0, 0, 0, np.inf, np.inf, np.inf, np.nan, 1])


@pytest.mark.parametrize("function", [log2, log2_normal])
def test_log2(function: Any) -> None:
    x = normal_numbers()
    wanted = np.log2(x.astype(np.float64))
    error = np.abs(mapped(function)(x) - wanted)
    assert np.max(error / np.maximum(np.abs(wanted), 1e-30)) < 1.3e-7
    near = np.linspace(0.9, 1.1, 100_001).astype(np.float32)
    wanted = np.log2(near.astype(np.float64))
    error = np.abs(mapped(function)(near) - wanted)
    assert np.max(error / np.maximum(np.abs(wanted), 1e-30)) < 1.3e-7


def test_log2_is_exact_at_powers_of_two() -> None:
    whole = np.arange(-126, 128)
    np.testing.assert_array_equal(mapped(log2)(np.exp2(whole)), whole)


def test_log2_at_its_limits() -> None:
    got = mapped(log2)([0.0, -0.0, 1e-40, -1.0, -np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(got, [-np.inf, -np.inf, -np.inf, np.nan, np.nan, np.inf, np.nan])


def test_tanh() -> None:
    x = np.concatenate([np.linspace(-12, 12, 1_000_001).astype(np.float32), normal_numbers(), -normal_numbers()])
    x = x[x != 0]
    wanted = np.tanh(x.astype(np.float64))
    got = mapped(tanh)(x)
    assert np.max(np.abs(got / wanted - 1)) < 4e-7
    assert np.max(np.abs(got)) <= 1
    np.testing.assert_array_equal(mapped(tanh)(-x), -got)
    np.testing.assert_array_equal(mapped(tanh)([0, np.inf, -np.inf, np.nan]), [0, 1, -1, np.nan])


def test_decibels_to_gain() -> None:
    x = np.linspace(-200, 200, 1_000_001).astype(np.float32)
    wanted = 10 ** (x.astype(np.float64) / 20)
    assert np.all(np.abs(mapped(db_to_gain)(x) / wanted - 1) < 1e-7 + 1e-8 * np.abs(x))
    np.testing.assert_array_equal(mapped(db_to_gain)([0, -np.inf, -760, 771, np.nan]), [1, 0, 0, np.inf, np.nan])


def test_gain_to_decibels() -> None:
    x = normal_numbers()
    x = x[x >= 1e-10]
    wanted = 20 * np.log10(x.astype(np.float64))
    error = np.abs(mapped(gain_to_db)(x) - wanted)
    assert np.max(error / np.maximum(np.abs(wanted), 1e-6)) < 2.1e-7
    got = mapped(gain_to_db)([0, -1, 1e-40, np.nan, 1])
    np.testing.assert_allclose(got, [simdmath.FLOOR_DB] * 4 + [0], rtol=1e-6)


@pytest.mark.parametrize(("wide", "narrow"), [(exp2, exp2_scalar), (log2, log2_scalar), (tanh, tanh_scalar)])
def test_scalars_are_the_same_bits(wide: Any, narrow: Any) -> None:
    x = np.linspace(-20, 20, 10_001).astype(np.float32)
    np.testing.assert_array_equal(mapped(wide)(x), mapped_scalar(narrow)(x))


def test_the_harness_itself() -> None:
    np.testing.assert_array_equal(mapped(identity)([1.5, 2.5, 3.5]), [1.5, 2.5, 3.5])
