"""Normalizer."""

from typing import Any

import naive_dynamics as naive
import numpy as np
import pytest
from support import in_pieces

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.normalizer import Normalizer


def normalized(x: Any, **values: Any) -> tuple[Any, dict[str, Any]]:
    plan = Plan(chain(Normalizer(**values)), 48_000, x.shape[0])
    return plan.process(x), plan.read("normalizer")


@pytest.mark.parametrize("level", [0.01, 0.1, 0.7])
@pytest.mark.parametrize("target", [-23.0, -16.0])
def test_the_normalizer_reaches_its_target(level: float, target: float) -> None:
    x = (level * np.random.default_rng(1).standard_normal((2, 12 * 48_000))).astype(np.float32)
    y, told = normalized(x, target_lufs=target, max_gain_db=30)
    assert naive.integrated(y[:, 8 * 48_000:]) == pytest.approx(target, abs=0.2)
    assert abs(target - told["loudness_lufs"][0] - told["gain_db"][0]) < 0.3


def test_the_normalizer_keeps_to_its_greatest_gain_and_leaves_silence_alone() -> None:
    rng = np.random.default_rng(1)
    quiet = (0.002 * rng.standard_normal((1, 10 * 48_000))).astype(np.float32)
    assert normalized(quiet, max_gain_db=10)[1]["gain_db"][0] == pytest.approx(10, abs=0.01)
    hiss = (0.00005 * rng.standard_normal((1, 5 * 48_000))).astype(np.float32)
    y, told = normalized(np.concatenate([quiet, hiss], axis=1), max_gain_db=10)
    assert told["gain_db"][0] == pytest.approx(10, abs=0.01)
    y, told = normalized(hiss)
    np.testing.assert_array_equal(y, hiss)


def test_the_normalizer_does_not_pull_pauses_up() -> None:
    rng = np.random.default_rng(1)
    word, pause = 0.1 * rng.standard_normal((1, 20_000)), 0.005 * rng.standard_normal((1, 30_000))
    x = np.concatenate([word, pause] * 10, axis=1).astype(np.float32)
    y, _ = normalized(x, window_ms=2000)
    gains = (y / x)[0, 6 * 50_000:]
    assert 20 * np.log10(gains.max() / gains.min()) < 0.7


def test_the_normalizers_gain_has_no_steps() -> None:
    x = np.ones((1, 48_000), np.float32)
    x[:, 24_000:] = 0.05
    x *= np.where(np.arange(48_000) % 2, 1, -1).astype(np.float32)
    y, _ = normalized(x, window_ms=100)
    gain = y[0] / x[0]
    assert gain.min() < 0.5
    assert np.max(np.abs(np.diff(gain))) < 1e-3


@pytest.mark.parametrize("window_ms", [100.0, 1000.0])
@pytest.mark.parametrize("rate", [11_025, 48_000])
def test_any_cutting(rate: int, window_ms: float) -> None:
    rng = np.random.default_rng(4)
    x = (rng.standard_normal((3, rate)) * np.linspace(0, 0.5, rate)).astype(np.float32)
    whole, pieces = (Plan(chain(Normalizer(window_ms=window_ms)), rate, 3, 8192) for _ in range(2))
    wanted = whole.process(x)
    for lengths in ([1, 7], [7, 256, 3], [1000, 13]):
        pieces.reset()
        np.testing.assert_array_equal(wanted, in_pieces(pieces, x, lengths))
        for name, value in whole.read("normalizer").items():
            np.testing.assert_array_equal(value, pieces.read("normalizer")[name], err_msg=name)
