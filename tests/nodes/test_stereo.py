"""StereoMeter."""

import naive_meters as naive
import numpy as np
import pytest

from flowaudio.nodes.stereo import MEASURES, StereoMeter

RATE = 48_000


def noise(seconds: float = 1.0, rate: int = RATE, seed: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_against_means_in_float64(rate: int) -> None:
    a, b = noise(2, rate), noise(2, rate, 2)
    for left, right in ((a, b), (a, 0.5 * a + 0.1 * b), (a, -0.99 * a + 1e-3 * b), (a + 3, b + 3), (a, 1e-4 * b)):
        got = naive.read(StereoMeter(), np.stack([left, right]), rate)
        used = 2 * rate // 50 * 50
        for name, value in naive.stereo(left[:used].astype(np.float32), right[:used].astype(np.float32)).items():
            assert got[f"mean_{name}"][0] == pytest.approx(value, abs=2e-6 if name == "correlation" else 2e-4), name


def test_the_window_follows_and_the_mean_does_not() -> None:
    a, b = noise(2), noise(2, seed=2)
    got = naive.read(StereoMeter(integration_ms=100.0), np.stack([np.concatenate([a, a]), np.concatenate([a, b])]))
    assert got["correlation"][0] == pytest.approx(0, abs=0.02)
    assert got["mean_correlation"][0] == pytest.approx(0.5, abs=0.02)
    assert got["fold_down_loss_db"][0] == pytest.approx(3.01, abs=0.1)


def test_equal_inverted_and_one_sided() -> None:
    a = noise()
    for right, correlation, balance, middle, loss in ((a, 1, 0, 120, 0), (-a, -1, 0, -120, 120)):
        got = naive.read(StereoMeter(), np.stack([a, right]))
        for name, value in (("correlation", correlation), ("balance_db", balance), ("mid_side_db", middle),
                            ("fold_down_loss_db", loss)):
            assert got[name][0] == pytest.approx(value, abs=1e-6)
            assert got[f"mean_{name}"][0] == pytest.approx(value, abs=1e-6)
    for one, balance in ((np.stack([a, 0 * a]), -120), (np.stack([0 * a, a]), 120)):
        got = naive.read(StereoMeter(), one)
        assert np.isnan(got["mean_correlation"][0])
        assert got["mean_balance_db"][0] == balance
        assert got["mean_mid_side_db"][0] == pytest.approx(0, abs=1e-6)
        assert got["mean_fold_down_loss_db"][0] == pytest.approx(3.0103, abs=1e-4)


def test_one_channel_counts_as_two_equal_ones() -> None:
    got = naive.read(StereoMeter(), noise())
    assert [got[name][0] for name in MEASURES[:4]] == [1.0, 0.0, 120.0, 0.0]


def test_silence_and_what_is_shorter_than_a_slice_have_no_value() -> None:
    for x in (np.zeros((2, RATE)), noise()[:900], np.zeros((1, RATE))):
        assert all(np.isnan(value).all() for value in naive.read(StereoMeter(), x).values())


def test_only_the_first_two_of_many_channels() -> None:
    x = np.stack([noise(seed=k) for k in range(8)])
    two, eight = naive.read(StereoMeter(), x[:2]), naive.read(StereoMeter(), x)
    assert two == eight


def test_the_same_in_any_cutting() -> None:
    for rate in (11_025, 44_100):
        naive.same_in_any_cutting(StereoMeter(), np.stack([noise(1.3, rate), noise(1.3, rate, 2)]), rate)


def test_what_is_beyond_all_sense_counts_as_nothing() -> None:
    x = np.stack([noise(), noise(seed=2)])
    cleaned = x.copy()
    x[0, 7], x[1, 30_000] = 1e30, -2e4
    cleaned[0, 7] = cleaned[1, 30_000] = 0
    assert naive.read(StereoMeter(), x) == naive.read(StereoMeter(), cleaned)
