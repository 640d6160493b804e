"""ChannelMap."""

import math

import numpy as np
import pytest
from naive_space import assert_any_cutting, noise

from flowaudio.core.layouts import mix_matrix
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render
from flowaudio.nodes.channels import ChannelMap


@pytest.mark.parametrize("inputs", range(1, 9))
@pytest.mark.parametrize("outputs", range(1, 9))
def test_is_the_matrix(inputs: int, outputs: int) -> None:
    x = noise(inputs, 75)
    plan = Plan(chain(ChannelMap(channels=outputs)), 48_000, inputs, 64)
    assert plan.output_channels == outputs
    np.testing.assert_allclose(plan.process(x), mix_matrix(inputs, outputs) @ x.astype(float), atol=5e-7)


def test_the_coefficients_everybody_knows() -> None:
    x = noise(6, 20).astype(float)
    front, back, centre = x[:2], x[4:], x[2]
    expected = front + math.sqrt(0.5) * (centre + back)
    np.testing.assert_allclose(render(chain(ChannelMap(channels=2)), x), expected, atol=1e-6)
    stereo = noise(2, 20)
    np.testing.assert_allclose(render(chain(ChannelMap(channels=1)), stereo)[0], stereo.mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(render(chain(ChannelMap(channels=2)), stereo[:1]), stereo[[0, 0]])
    np.testing.assert_array_equal(render(chain(ChannelMap(channels=2)), stereo), stereo)


def test_what_is_left_out_cannot_spoil_the_rest() -> None:
    x = noise(6, 20)
    x[3] = 3e38  # the LFE; times zero it would still be no trouble, but an infinity would
    x[3, 5] = np.inf
    plan = Plan(chain(ChannelMap(channels=2)), 48_000, 6)
    assert np.isfinite(plan.process(x)).all()
    assert plan.trouble == {}


def test_any_cutting() -> None:
    assert_any_cutting(ChannelMap(channels=2), noise(6, 500))
    assert_any_cutting(ChannelMap(channels=8), noise(5, 500))
