"""LevelMeter."""

from typing import Any

import naive_space as naive
import numpy as np
import pytest

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.meters import LevelMeter

RATE = 48_000


def measured(x: np.ndarray, blocks: Any = 256, rate: int = RATE, **values: float) -> dict[str, np.ndarray]:
    plan = Plan(chain(LevelMeter(**values)), rate, x.shape[0], 8192)
    at = 0
    while at < x.shape[1]:
        count = blocks() if callable(blocks) else blocks
        piece = x[:, at:at + count]
        np.testing.assert_array_equal(plan.process(piece), piece)
        at += count
    return plan.read("level_meter")


def test_a_sine_reads_its_peak_and_three_decibels_less() -> None:
    x = np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE)[np.newaxis].astype(np.float32) * [[0.1], [1.0]]
    got = measured(x.astype(np.float32))
    for name in ("peak_dbfs", "max_peak_dbfs"):
        np.testing.assert_allclose(got[name], [-20, 0], atol=0.015)
    for name in ("rms_dbfs", "mean_rms_dbfs"):
        np.testing.assert_allclose(got[name], [-23.0103, -3.0103], atol=0.01)
    assert list(got["clipped"]) == [0, (abs(x[1].astype(np.float32)) >= 1).sum()]


@pytest.mark.parametrize(("frames", "integration_ms", "fall_db_per_s"), [(9600, 300.0, 20.0), (4816, 10.0, 200.0),
                                                                         (31, 300.0, 20.0), (5003, 50.0, 0.0)])
def test_against_windows_that_move_frame_by_frame(frames: int, integration_ms: float, fall_db_per_s: float) -> None:
    x = naive.noise(3, frames) * np.float32([[0.01], [0.5], [1.05]])
    got = measured(x, integration_ms=integration_ms, fall_db_per_s=fall_db_per_s)
    expected = naive.meter(x, RATE, integration_ms, fall_db_per_s)
    for name in ("max_peak_dbfs", "mean_rms_dbfs"):
        np.testing.assert_allclose(got[name], expected[name], atol=1e-5)  # float32 at -40 dB has steps of 4e-6
    np.testing.assert_array_equal(got["clipped"], expected["clipped"])
    np.testing.assert_allclose(got["peak_dbfs"], expected["peak_dbfs"], atol=1e-5 + fall_db_per_s * 64 / RATE)
    if frames >= 32:
        np.testing.assert_allclose(got["rms_dbfs"], expected["rms_dbfs"], atol=0.1 if integration_ms < 50 else 0.02)


def test_the_same_in_any_cutting() -> None:
    x, rng = 1.1 * naive.noise(2, 5003), np.random.default_rng(3)
    whole = measured(x, 8192)
    for blocks in (1, 7, 8, 31, 32, 33, 256, lambda: int(rng.integers(1, 99))):
        for name, values in measured(x, blocks).items():
            np.testing.assert_array_equal(values, whole[name], err_msg=name)


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_crest_and_offset(rate: int) -> None:
    t = np.arange(2 * rate) / rate
    sine = np.sin(2 * np.pi * 100 * t)
    x = np.stack([0.5 * sine, 0.25 * np.sign(sine + 1e-9), 0.1 * sine + 0.02, 1e-3 * sine - 0.5]).astype(np.float32)
    got = measured(x, rate=rate)
    np.testing.assert_allclose(got["crest_db"], 10 * np.log10((x ** 2).max(1) / (x.astype(float) ** 2).mean(1)),
                               atol=2e-5)
    np.testing.assert_allclose(got["crest_db"][:2], [3.0103, 0.0], atol=1e-3)
    for name, within in (("mean_dc", 1e-7), ("dc", 4e-3)):
        np.testing.assert_allclose(got[name], x.astype(float).mean(1), atol=within)


def test_the_offset_in_the_window_follows() -> None:
    x = np.concatenate([np.full(RATE, 0.1), np.full(RATE, -0.2)])[np.newaxis].astype(np.float32)
    got = measured(x, integration_ms=100.0)
    assert got["dc"][0] == pytest.approx(-0.2 + 0.3 * np.exp(-10), abs=1e-6)
    assert got["mean_dc"][0] == pytest.approx(-0.05, abs=1e-6)


def test_what_is_beyond_all_sense_counts_as_clipped_and_as_nothing_else() -> None:
    x = 0.1 * naive.noise(2, 5003)
    cleaned = x.copy()
    x[0, [7, 4000, 5001]], x[1, 64] = 1e30, -2e4
    cleaned[0, [7, 4000, 5001]] = cleaned[1, 64] = 0
    got, expected = measured(x), measured(cleaned)
    assert [list(each.pop("clipped")) for each in (got, expected)] == [[3, 1], [0, 0]]
    for name, values in got.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_the_peak_falls_and_the_highest_stays() -> None:
    x = np.zeros((1, 2 * RATE), np.float32)
    x[0, 100] = -0.5
    got = measured(x)
    assert got["peak_dbfs"][0] == pytest.approx(-6.02 - 20 * (2 * RATE - 100) / RATE, abs=0.02)
    assert got["max_peak_dbfs"][0] == pytest.approx(-6.0206, abs=1e-4)


def test_silence_and_a_fresh_meter_read_the_floor() -> None:
    for values in (measured(np.zeros((2, 1000), np.float32)), Plan(chain(LevelMeter()), RATE, 2).read("level_meter")):
        for name in ("peak_dbfs", "rms_dbfs", "max_peak_dbfs", "mean_rms_dbfs"):
            assert list(values[name]) == [-160.0, -160.0]
        assert np.isnan(values["crest_db"]).all()
        assert not values["dc"].any()
        assert not values["mean_dc"].any()


def test_reset_begins_anew() -> None:
    plan = Plan(chain(LevelMeter()), RATE, 1)
    plan.process(naive.noise(1, 1000))
    plan.reset()
    assert plan.read("level_meter")["max_peak_dbfs"][0] == -160.0
    plan.process(np.full((1, 100), 0.5, np.float32))
    assert plan.read("level_meter")["mean_rms_dbfs"][0] == pytest.approx(-6.0206, abs=1e-4)
