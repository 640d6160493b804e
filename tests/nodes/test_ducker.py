"""Ducker."""

from typing import Any

import numpy as np
import pytest
from support import in_pieces, wired

from flowaudio.graph.plan import Plan
from flowaudio.nodes.ducker import Ducker
from flowaudio.nodes.pick import Pick

CELL = 32


def plan(node: Ducker, rate: int = 48_000, *, channels: int = 2, block: int = 1024) -> Plan:
    """The last channel is the key, the others are the signal."""
    nodes = {"signal": Pick(count=channels), "key": Pick(first=channels + 1), "duck": node}
    graph = wired(nodes, ("in", "signal"), ("in", "key"), ("signal", "duck"), ("key", "duck.key"), ("duck", "out"))
    return Plan(graph, rate, channels + 1, block)


def naive(x: Any, key: Any, rate: int, node: Ducker) -> Any:
    """The description, cell by cell, in float64."""
    cells = rate / 1000 / CELL
    attack, release = (1 / max(ms * cells, 1) for ms in (node.attack_ms, node.release_ms))
    threshold = 10 ** (node.threshold_db / 20)
    held, way, before, y = -1, 0.0, 1.0, np.array(x, np.float64)
    gain = 1.0
    for n in range(0, x.shape[1], CELL):
        part = y[:, n:n + CELL]
        part *= before + (gain - before) * np.arange(part.shape[1]) / CELL
        peak = np.abs(key[:, n:n + CELL]).max()
        if peak >= threshold or (held >= 0 and peak >= threshold * 10 ** (-3 / 20)):
            held = round(node.hold_ms * cells)
        elif held >= 0:
            held -= 1
        way = min(way + attack, 1.0) if held >= 0 else max(way - release, 0.0)
        before, gain = gain, 10 ** (-node.amount_db * way / 20)
    return y


def scene(rate: int, seconds: float = 1.5, channels: int = 2) -> Any:
    """Noise everywhere; the key speaks twice, with a pause between words."""
    rng = np.random.default_rng(3)
    x = 0.1 * rng.standard_normal((channels + 1, round(seconds * rate)))
    t = np.arange(x.shape[1]) / rate
    x[-1] *= ((t > 0.2) & (t < 0.4)) | ((t > 0.45) & (t < 0.6)) | (t > 1.35)
    return x.astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("values", [
    {"attack_ms": 20.0, "hold_ms": 100.0, "release_ms": 200.0}, {"attack_ms": 0.0, "hold_ms": 0.0, "release_ms": 0.0},
    {"amount_db": 80.0, "attack_ms": 300.0, "release_ms": 50.0}, {"amount_db": 0.0}, {"threshold_db": 0.0}])
def test_is_the_description(rate: int, values: dict[str, float]) -> None:
    x, node = scene(rate), Ducker(**values)
    y = plan(node, rate).process(x)
    wanted = naive(x[:2], x[2:], rate, node)
    assert np.max(np.abs(y - wanted)) < 3e-7 * np.max(np.abs(wanted))


def test_turns_down_by_what_is_said_and_comes_back_to_the_bit() -> None:
    x, rate = scene(48_000), 48_000
    ducker = plan(Ducker(amount_db=12, attack_ms=20, hold_ms=100, release_ms=200))
    ducker.process(x[:, :rate // 2])
    assert ducker.read("duck")["gain_reduction_db"] == pytest.approx(12.0, abs=1e-5)    # also between the words
    y = plan(Ducker(amount_db=12, attack_ms=20, hold_ms=100, release_ms=200)).process(x)
    np.testing.assert_array_equal(y[:, :9600], x[:2, :9600])
    down = slice(round(0.23 * rate), round(0.69 * rate))
    np.testing.assert_allclose(y[:, down], x[:2, down] * 10 ** (-12 / 20), rtol=1e-6)
    again = slice(round(0.91 * rate), round(1.34 * rate))
    np.testing.assert_array_equal(y[:, again], x[:2, again])


def test_hysteresis() -> None:
    """2 dB below the threshold it stays down, and would not have gone there; 4 dB below it comes back."""
    x = np.full((2, 48_000), 0.5, np.float32)
    for level_db, stays in ((-22.0, True), (-24.0, False)):
        x[1, :24_000], x[1, 24_000:] = 0.11, 10 ** (level_db / 20)
        node = Ducker(threshold_db=-20, attack_ms=1, hold_ms=10, release_ms=10)
        y = plan(node, channels=1).process(x)
        assert (y[0, -1] < 0.2) == stays
        y = plan(node, channels=1).process(x[:, 24_000:])
        assert np.all(y == 0.5)


@pytest.mark.parametrize("lengths", [[1], [31, 33], [7, 500, 64], [4096]])
def test_no_cut_changes_a_bit(lengths: list[int]) -> None:
    x = scene(8000)
    node = Ducker(attack_ms=20, hold_ms=50, release_ms=100)
    whole, pieces = plan(node, 8000, block=16_384), plan(node, 8000, block=8192)
    np.testing.assert_array_equal(whole.process(x).view(np.uint32), in_pieces(pieces, x, lengths).view(np.uint32))
    np.testing.assert_array_equal(whole.read("duck")["gain_reduction_db"], pieces.read("duck")["gain_reduction_db"])


def test_what_is_no_number_is_no_key() -> None:
    x = np.full((2, 9600), 0.5, np.float32)
    x[1] = 0.0
    x[1, 100:200] = np.nan
    node = plan(Ducker(attack_ms=0, hold_ms=0, release_ms=0), channels=1)
    assert np.all(node.process(x)[:, 300:] == 0.5)
