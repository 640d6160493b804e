"""flowaudio.io.resampling against exact sines, exact lengths, and itself in other pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import lag, sound

from flowaudio.core.layouts import mix_matrix, speakers
from flowaudio.io.resampling import Converter, Mixer, Resampler

PAIRS = [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (8_000, 48_000), (48_000, 16_000), (44_100, 192_000)]


def resampled(x, input_rate, output_rate, step=10_000):
    resampler = Resampler(input_rate, output_rate, x.shape[0])
    parts = [resampler.process(x[:, begin : begin + step]) for begin in range(0, x.shape[1], step)]
    return np.concatenate([*parts, resampler.finish()], axis=1)


@pytest.mark.parametrize(("input_rate", "output_rate"), PAIRS)
def test_a_sine_stays_that_sine(input_rate, output_rate):
    """At the same time and level; what is not that sine lies 140 dB below it (float32 itself is at -150)."""
    for frequency in (440.0, 0.4 * min(input_rate, output_rate)):
        t = np.arange(2 * input_rate) / input_rate
        x = (0.5 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)[None]
        y = resampled(x, input_rate, output_rate)[0]
        middle = slice(len(y) // 4, -len(y) // 4)
        phase = 2 * np.pi * frequency * np.arange(len(y))[middle] / output_rate
        (sine, cosine), *_ = np.linalg.lstsq(np.stack([np.sin(phase), np.cos(phase)], axis=1), y[middle])
        assert 20 * np.log10(np.hypot(sine, cosine) / 0.5) == pytest.approx(0, abs=0.002)
        assert np.arctan2(cosine, sine) == pytest.approx(0, abs=1e-6)
        error = y[middle] - sine * np.sin(phase) - cosine * np.cos(phase)
        assert 20 * np.log10(error.std() / np.std(y[middle])) < -140


def test_what_the_lower_rate_cannot_hold_is_gone():
    t = np.arange(96_000) / 96_000
    x = np.sin(2 * np.pi * 26_000 * t).astype(np.float32)[None]
    y = resampled(x, 96_000, 48_000)[0]
    assert np.sqrt(np.mean(y[4_000:-4_000] ** 2)) < 10 ** (-110 / 20)


@given(st.integers(0, 5_000), st.sampled_from(PAIRS), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_the_length_is_exact(frames, pair, channels):
    y = resampled(sound(frames, channels), *pair)
    assert y.shape == (channels, round(frames * pair[1] / pair[0]))
    assert y.dtype == np.float32
    assert y.flags.c_contiguous


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=10))
@settings(max_examples=20, deadline=None)
def test_pieces_do_not_matter(cuts):
    x = sound(12_000, 2)
    whole = resampled(x, 44_100, 48_000, step=12_000)
    resampler = Resampler(44_100, 48_000, 2)
    parts = [resampler.process(part) for part in np.split(x, np.sort(cuts), axis=1)]
    np.testing.assert_array_equal(np.concatenate([*parts, resampler.finish()], axis=1), whole)


def test_there_and_back_is_in_place():
    x = sound(20_000, 1)
    back = resampled(resampled(x, 48_000, 44_100), 44_100, 48_000)
    assert back.shape == x.shape
    assert lag(x[0], back[0]) == 0
    assert np.abs(back - x)[:, 2_000:-2_000].max() < 1e-4


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 2), (2, 1), (6, 2), (2, 6), (8, 3)])
def test_the_mixer_is_the_matrix(inputs, outputs):
    x = sound(500, inputs)
    matrix = mix_matrix(inputs, outputs)
    y = Mixer(matrix)(x)
    np.testing.assert_allclose(y, matrix @ x, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([Mixer(matrix)(x[:, :3]), Mixer(matrix)(x[:, 3:])], axis=1), y)


def test_equal_formats_pass_untouched():
    x = sound(100, 2)
    converter = Converter(48_000, speakers(2), 48_000, 2)
    assert converter.process(x) is x
    assert converter.finish() is None


def test_channels_in_another_order_are_put_in_ours():
    x = sound(100, 6)
    order = ("FC", "FL", "FR", "BL", "BR", "LFE")
    y = Converter(48_000, order, 48_000, 6).process(x)
    np.testing.assert_array_equal(y, x[[order.index(name) for name in speakers(6)]])


def test_equally_many_channels_are_never_mixed():
    x = sound(100, 4)
    assert Converter(48_000, ("FL", "FR", "FC", "BC"), 48_000, 4).process(x) is x


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 2), (6, 2), (2, 6)])
def test_mixing_and_resampling_together(inputs, outputs):
    x = sound(9_000, inputs)
    converter = Converter(48_000, speakers(inputs), 44_100, outputs)
    y = np.concatenate([converter.process(x), converter.finish()], axis=1)
    expected = resampled((mix_matrix(inputs, outputs) @ x).astype(np.float32), 48_000, 44_100)
    np.testing.assert_allclose(y, expected, atol=1e-5)
