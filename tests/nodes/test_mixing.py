"""Gain, Mix, Pan."""

import math

import numpy as np
import pytest
from naive_space import assert_any_cutting, noise

from flowaudio.core.errors import ParameterError
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.mixing import Gain, Mix, Pan


@pytest.mark.parametrize("gain_db", [-119.9, -6.0, 0.0, 13.7, 48.0])
def test_gain_is_a_factor(gain_db: float) -> None:
    x = noise(3, 301)
    y = assert_any_cutting(Gain(gain_db=gain_db), x)
    np.testing.assert_allclose(y, x.astype(float) * 10 ** (gain_db / 20), rtol=1.3e-7)
    np.testing.assert_array_equal(render(chain(Gain(gain_db=gain_db, invert=True)), x), -y)


def test_the_lowest_gain_is_silence() -> None:
    assert not render(chain(Gain(gain_db=-120.0)), noise(2, 100)).any()


def mixed(node: Mix, count: int) -> Graph:
    graph = Graph()
    graph.add(node, "mix")
    for k in range(count):
        graph.connect("in", graph.add(Gain(gain_db=-float(k)), f"gain{k}"))
        graph.connect(f"gain{k}", "mix")
    graph.connect("mix", "out")
    return graph


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("block", [1, 7, 32, 45, 256])
def test_mix_adds_up(count: int, block: int) -> None:
    x = noise(2, 333)
    total = sum(10 ** (-k / 20) for k in range(count))
    y = render(mixed(Mix(gain_db=-3.0), count), x, block=block)
    np.testing.assert_allclose(y, x.astype(float) * total * 10 ** (-3 / 20), rtol=1e-6)
    np.testing.assert_array_equal(y, render(mixed(Mix(gain_db=-3.0), count), x, block=4096))
    mean = render(mixed(Mix(normalize=True), count), x, block=block)
    np.testing.assert_allclose(mean, x.astype(float) * total / count, rtol=1e-6)


@pytest.mark.parametrize(("law", "middle_db"), [("constant_power", -3.0103), ("compromise", -4.5154),
                                                ("linear", -6.0206)])
def test_pan_laws_for_mono(law: str, middle_db: float) -> None:
    x = np.ones((1, 40), np.float32)

    def gains(pan: float) -> np.ndarray:
        y = assert_any_cutting(Pan(pan=pan, law=law), x)
        assert (y == y[:, :1]).all()
        return y[:, 0].astype(float)

    np.testing.assert_allclose(20 * np.log10(gains(0.0)), middle_db, atol=1e-4)
    np.testing.assert_allclose(gains(-1.0), [1, 0], atol=1e-9)
    np.testing.assert_allclose(gains(1.0), [0, 1], atol=1e-9)
    np.testing.assert_allclose(gains(0.4), gains(-0.4)[::-1], atol=1e-7)
    left, right = gains(0.3)
    if law == "constant_power":
        assert math.isclose(left**2 + right**2, 1.0, abs_tol=1e-6)
    if law == "linear":
        assert math.isclose(left + right, 1.0, abs_tol=1e-6)


def test_balance_leaves_the_near_side_alone() -> None:
    x = noise(2, 100)
    np.testing.assert_array_equal(render(chain(Pan()), x), x)
    right = render(chain(Pan(pan=0.5)), x)
    np.testing.assert_array_equal(right[1], x[1])
    np.testing.assert_allclose(right[0], x[0] * math.cos(math.pi * 3 / 8) * math.sqrt(2), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(render(chain(Pan(pan=1.0)), x)[0], 0 * x[0])


def test_stereo_pan_moves_the_far_side_over() -> None:
    x = noise(2, 100)
    np.testing.assert_allclose(render(chain(Pan(stereo="pan")), x), x, atol=1e-7)
    hard = render(chain(Pan(stereo="pan", pan=-1.0)), x)
    np.testing.assert_allclose(hard[0], x[0] + x[1], atol=3e-7)
    np.testing.assert_allclose(hard[1], 0, atol=1e-7)
    # W3C Web Audio, StereoPannerNode, pan > 0: x = pan; L' = L cos(x pi / 2), R' = R + L sin(x pi / 2)
    some = render(chain(Pan(stereo="pan", pan=0.25)), x)
    np.testing.assert_allclose(some[0], x[0] * math.cos(math.pi / 8), atol=3e-7)
    np.testing.assert_allclose(some[1], x[1] + x[0] * math.sin(math.pi / 8), atol=3e-7)


def test_balance_of_surround_moves_left_and_right_speakers_only() -> None:
    x = noise(6, 50)
    y = render(chain(Pan(pan=-1.0)), x)
    for channel, stays in enumerate([True, False, True, True, True, False]):  # FL FR FC LFE BL BR
        np.testing.assert_array_equal(y[channel], x[channel] if stays else 0 * x[channel])


def test_pan_of_nine_channels_names_the_cure() -> None:
    with pytest.raises(ParameterError, match=r"pan: Pan takes 1 to 8 channels \(got 9\): put a ChannelMap"):
        Plan(chain(Pan()), 48_000, 9)
