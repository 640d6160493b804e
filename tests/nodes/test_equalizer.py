"""Equalizer against SciPy, and its cascade against every way to cut a signal."""

import naive_filters as naive
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_filters import noise
from support import in_pieces

from flowaudio.core.errors import ParameterError
from flowaudio.core.node import Format
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes import _svf
from flowaudio.nodes.equalizer import Band, Equalizer

CURVE = (Band(kind="lowshelf", frequency_hz=120.0, gain_db=4.0), Band(frequency_hz=400.0, gain_db=-6.0, q=2.0),
         Band(frequency_hz=2500.0, gain_db=3.0, q=1.0), Band(kind="highshelf", frequency_hz=9000.0, gain_db=-5.0),
         Band(kind="highpass", frequency_hz=30.0), Band(kind="notch", frequency_hz=50.0, q=20.0),
         Band(kind="allpass", frequency_hz=700.0), Band(frequency_hz=5000.0, gain_db=12.0, q=8.0),
         Band(kind="lowpass", frequency_hz=18_000.0), Band(frequency_hz=90.0, gain_db=-9.0, q=5.0))


def reference(bands, x, rate):
    sections = [naive.cookbook(b.kind, b.frequency_hz, b.q, b.gain_db, rate).astype(float) for b in bands]
    return scipy.signal.sosfilt(np.array(sections), x.astype(float))


def error_db(y, want):
    return 20 * np.log10(np.abs(y - want).max() / np.abs(want).max())


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 8, 9, 10])
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_any_number_of_bands_is_scipys(bands, channels):
    x = noise(channels, 5000)
    y = render(chain(Equalizer(bands=CURVE[:bands])), x)
    assert error_db(y, reference(CURVE[:bands], x, 48_000)) < (-145 if bands <= 4 else -138)


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000, 192_000])
def test_any_rate_is_scipys(rate):
    x = noise(2, 5000)
    bands = [Band(kind=b.kind, gain_db=b.gain_db, q=b.q, frequency_hz=min(b.frequency_hz, 0.49 * rate)) for b in CURVE]
    assert error_db(render(chain(Equalizer(bands=bands)), x, rate), reference(bands, x, rate)) < -138


def test_64_bands_of_which_one_does_something():
    x = noise(2, 2000)
    idle = [Band(frequency_hz=20.0 * 1.11**k) for k in range(63)]
    alone = render(chain(Equalizer(bands=[CURVE[1]])), x)
    for place in (0, 5, 63):
        bands = [*idle[:place], CURVE[1], *idle[place:]]
        np.testing.assert_array_equal(render(chain(Equalizer(bands=bands)), x), alone)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_no_bands_change_nothing(channels):
    x = noise(channels, 700)
    np.testing.assert_array_equal(render(chain(Equalizer()), x), x)


@given(st.integers(1, 10), st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_blocks_of_a_few_frames_change_no_bit(bands, channels, lengths):
    """Shorter than the cascade is deep, just as deep, and a little longer."""
    node = Equalizer(bands=CURVE[:bands])
    x = noise(channels, sum(lengths))
    whole = Plan(chain(node), 48_000, channels, 512).process(x)
    np.testing.assert_array_equal(in_pieces(Plan(chain(node), 48_000, channels, 512), x, lengths), whole)


@pytest.mark.parametrize("bands", [1, 3, 4, 7, 10])
def test_channels_do_not_touch_each_other(bands):
    x = noise(7, 900)
    node = Equalizer(bands=CURVE[:bands])
    together = render(chain(node), x)
    for c in range(7):
        np.testing.assert_array_equal(together[c], render(chain(node), x[c])[0])


def test_a_loud_band_stays_bounded_while_its_coefficients_jump():
    """What an engine does when a parameter moves, at its worst: another setting at every sample."""
    rng = np.random.default_rng(3)
    s1 = s2 = largest = 0.0
    for _ in range(20_000):
        kind = str(rng.choice(_svf.KINDS))
        d11, a2, a3, c0, c1, c2 = _svf.section(
            kind, 10 ** rng.uniform(0, 4.3), 10 ** rng.uniform(-1.3, 1.69), rng.uniform(-60, 12), 48_000)
        v = rng.uniform(-1, 1)
        largest = max(largest, abs(c0 * v + c1 * s1 + c2 * s2))
        v3 = v - s2
        s1, s2 = s1 + d11 * s1 + a2 * v3, s2 + a2 * s1 + a3 * v3
    assert largest < 1000


def test_bands_may_be_plain_mappings():
    assert Equalizer(bands=[{"kind": "notch", "frequency_hz": 50.0}]).bands == (Band(kind="notch", frequency_hz=50.0),)
    with pytest.raises(ParameterError, match=r"Band\.q must be between 0\.05 and 50"):
        Equalizer(bands=[{"q": 0.0}])


def test_unused_lanes_hold_nothing():
    params, state = Equalizer(bands=CURVE[:5]).prepare(Format(48_000, 3, 256))
    assert params.coefficients.shape == (2, 6, 8)
    assert state.integrators.shape == (2, 2, 16)
    assert not params.coefficients[1, :, 2:].any()
