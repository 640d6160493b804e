"""OnePole and Biquad against the cookbook."""

import naive_filters as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_filters import noise

from flowaudio.core.params import parameters
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes import _svf
from flowaudio.nodes.filters import Biquad, OnePole

ROUNDING = 2.0**-24
"""Rounding to float32, as a part of the value."""

KINDS = parameters(Biquad)["kind"].choices


def assert_exact(y, want, slack=1.0):
    """Equal but for rounding to float32 (and, in `slack`, for the oracle's own rounding)."""
    limit = slack * ROUNDING * np.abs(want) + 1e-12 * slack * np.abs(want).max()
    assert np.all(np.abs(y - want) <= limit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "frequency_hz", "q", "gain_db"), [
    (48_000, 1000.0, 0.7071, 6.0), (48_000, 100.0, 1.0, -12.0), (44_100, 15_000.0, 4.0, 12.0),
    (8000, 3900.0, 50.0, 36.0), (8000, 10.0, 0.05, -60.0), (192_000, 20.0, 10.0, 6.0), (192_000, 1.0, 50.0, -24.0),
    (192_000, 20_000.0, 0.3, 36.0),
])
def test_a_biquad_is_the_cookbooks(kind, rate, frequency_hz, q, gain_db):
    x = noise(1, 6000) + np.float32(0.05)
    node = Biquad(kind=kind, frequency_hz=frequency_hz, q=q, gain_db=gain_db)
    want = naive.biquad(x[0], naive.cookbook(kind, frequency_hz, q, gain_db, rate))
    # The direct form of the oracle loses digits at low frequencies, even in extended precision.
    assert_exact(render(chain(node), x, rate)[0], want, slack=1.5 if frequency_hz >= 10 else 20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resonance_at_20_hz_and_192_khz_is_exact(kind):
    """A sine at the very frequency, long enough to ring up: where a float32 filter is 80 dB exact at best."""
    rate = 192_000
    x = (0.5 * np.sin(2 * np.pi * 20.0 * np.arange(40_000) / rate)).astype(np.float32)
    y = render(chain(Biquad(kind=kind, frequency_hz=20.0, q=10.0, gain_db=6.0)), x, rate)[0]
    want = naive.biquad(x, naive.cookbook(kind, 20.0, 10.0, 6.0, rate))
    assert np.sqrt(np.mean((y - want) ** 2)) < 10 ** (-145 / 20) * max(0.5, np.abs(want).max())


@pytest.mark.parametrize("kind", ["lowpass", "highpass"])
@pytest.mark.parametrize(("rate", "frequency_hz"), [(48_000, 1000.0), (192_000, 1.0), (8000, 3900.0), (44_100, 20.0)])
def test_a_one_pole_is_the_bilinear_transform(kind, rate, frequency_hz):
    x = noise(1, 6000) + np.float32(0.05)
    y = render(chain(OnePole(kind=kind, frequency_hz=frequency_hz)), x, rate)[0]
    assert_exact(y, naive.one_pole(x[0], kind, frequency_hz, rate), slack=1.5)


@pytest.mark.parametrize("rate", [8000, 48_000, 192_000])
@pytest.mark.parametrize("frequency_hz", [200.0, 1000.0, 3000.0])
def test_a_one_pole_is_3_db_down_at_its_frequency(rate, frequency_hz):
    for kind in ("lowpass", "highpass"):
        impulse = np.zeros(rate, np.float32)
        impulse[0] = 1.0
        response = np.fft.rfft(render(chain(OnePole(kind=kind, frequency_hz=frequency_hz)), impulse, rate)[0])
        assert 20 * np.log10(np.abs(response[round(frequency_hz)])) == pytest.approx(-3.0103, abs=1e-3)


@pytest.mark.parametrize("cls", [OnePole, Biquad])
@pytest.mark.parametrize("frequency_hz", [1.0, 20.0, 1000.0])
def test_a_constant_passes_a_low_pass_and_no_high_pass(cls, frequency_hz):
    rate = 8000
    x = np.full((1, 20 * rate), 0.3, np.float32)
    kept = render(chain(cls(kind="lowpass", frequency_hz=frequency_hz)), x, rate)
    lost = render(chain(cls(kind="highpass", frequency_hz=frequency_hz)), x, rate)
    assert kept[0, -1] == np.float32(0.3)
    assert abs(lost[0, -1]) < 1e-12


@pytest.mark.parametrize("cls", [OnePole, Biquad])
@pytest.mark.parametrize("channels", range(1, 10))
def test_channels_do_not_touch_each_other(cls, channels):
    x = noise(channels, 1000)
    together = render(chain(cls()), x)
    for c in range(channels):
        np.testing.assert_array_equal(together[c], render(chain(cls()), x[c])[0])


@pytest.mark.parametrize("cls", [OnePole, Biquad])
def test_frequencies_beyond_the_rate_are_taken_as_its_highest(cls):
    x = noise(2, 1000)
    beyond, highest = cls(frequency_hz=96_000.0), cls(frequency_hz=0.49 * 8000)
    np.testing.assert_array_equal(render(chain(beyond), x, 8000), render(chain(highest), x, 8000))


@pytest.mark.parametrize("kind", ["peak", "lowshelf", "highshelf"])
def test_no_gain_changes_no_bit(kind):
    x = noise(2, 3000)
    np.testing.assert_array_equal(render(chain(Biquad(kind=kind, gain_db=0.0)), x), x)


settings_of_a_band = st.tuples(
    st.sampled_from(KINDS), st.floats(1.0, 96_000.0), st.floats(0.05, 50.0), st.floats(-60.0, 36.0),
    st.sampled_from([8000, 44_100, 48_000, 192_000]))


def matrix(band):
    d11, a2, a3, *_ = _svf.section(*band)
    return np.array([[1 + d11, -a2], [a2, 1 - a3]])


@given(settings_of_a_band, settings_of_a_band, st.floats(0.0, 1.0))
@settings(max_examples=300, deadline=None)
def test_the_states_never_grow_at_any_setting_or_between_two(first, second, part):
    """The claim that lets an engine interpolate coefficients: each step's matrix has a norm of at most 1."""
    between = (1 - part) * matrix(first) + part * matrix(second)
    for each in (matrix(first), matrix(second), between):
        assert np.linalg.norm(each, 2) <= 1.0 + 1e-14


@given(st.floats(1.0, 96_000.0), st.sampled_from([8000, 48_000, 192_000]), st.sampled_from(["lowpass", "highpass"]))
@settings(max_examples=100, deadline=None)
def test_a_one_poles_state_never_grows(frequency_hz, rate, kind):
    assert 0 < _svf.one_pole(kind, frequency_hz, rate)[2] < 2


def test_huge_and_tiny_numbers_pass():
    x = np.array([[3e38, -3e38, 1e-45, 0.0, -1e-40, 1e-38]], np.float32).repeat(50, axis=1)
    plan = Plan(chain(OnePole(), Biquad()), 48_000, 1, 16)
    assert np.all(np.isfinite(plan.process(x)))
    assert plan.trouble == {}
