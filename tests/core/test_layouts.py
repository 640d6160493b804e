"""flowaudio.core.layouts: the matrices against BS.775 and against each other."""

import numpy as np
import pytest

from flowaudio.core.errors import ParameterError
from flowaudio.core.layouts import LAYOUTS, MAX_CHANNELS, layout_name, mix_matrix, speakers

H = 2**-0.5


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        (1, 2, [[1], [1]]),
        (2, 1, [[0.5, 0.5]]),
        (3, 2, [[1, 0, H], [0, 1, H]]),
        (4, 2, [[1, 0, H, 0], [0, 1, 0, H]]),
        (5, 2, [[1, 0, H, H, 0], [0, 1, H, 0, H]]),
        (6, 2, [[1, 0, H, 0, H, 0], [0, 1, H, 0, 0, H]]),
        (6, 1, [[0.5, 0.5, H, 0, H / 2, H / 2]]),
        (8, 2, [[1, 0, H, 0, H, 0, H, 0], [0, 1, H, 0, 0, H, 0, H]]),
        (2, 6, [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0]]),
        (1, 6, [[0], [0], [1], [0], [0], [0]]),
        (6, 3, [[1, 0, 0, 0, H, 0], [0, 1, 0, 0, 0, H], [0, 0, 1, 0, 0, 0]]),
        (("FL", "FR", "FC", "BC"), 2, [[1, 0, H, 0.5], [0, 1, H, 0.5]]),
        (("FL", "FR", "LFE"), 2, [[1, 0, 0], [0, 1, 0]]),
    ],
)
def test_coefficients(inputs, outputs, expected):
    np.testing.assert_allclose(mix_matrix(inputs, outputs), expected, atol=1e-12)


def test_71_to_51_shares_the_surrounds():
    matrix = mix_matrix(8, 6)
    left = dict(zip(speakers(8), matrix[speakers(6).index("BL")], strict=True))
    assert left == {name: {"BL": 1.0, "SL": H}.get(name, 0.0) for name in speakers(8)}


@pytest.mark.parametrize("outputs", range(1, MAX_CHANNELS + 1))
@pytest.mark.parametrize("inputs", range(1, MAX_CHANNELS + 1))
def test_every_pair(inputs, outputs):
    matrix = mix_matrix(inputs, outputs)
    assert matrix.shape == (outputs, inputs)
    assert matrix.dtype == np.float64
    lost = [name for name, column in zip(speakers(inputs), matrix.T, strict=True) if not column.any()]
    assert set(lost) <= {"LFE"}, "only the LFE may be left out"
    if inputs == outputs:
        np.testing.assert_array_equal(matrix, np.eye(inputs))


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 1))
def test_mono_is_half_the_sum_of_the_stereo_fold(channels):
    if channels > 1:
        np.testing.assert_allclose(mix_matrix(channels, 1), mix_matrix(2, 1) @ mix_matrix(channels, 2))


def test_an_own_51_with_side_speakers_is_51():
    np.testing.assert_array_equal(mix_matrix(("FL", "FR", "FC", "LFE", "SL", "SR"), 6), np.eye(6))


def test_the_matrix_is_the_callers_own():
    mix_matrix(6, 2)[:] = 0
    assert mix_matrix(6, 2).any()


def test_layouts_count_up():
    assert [len(names) for names in LAYOUTS.values()] == list(range(1, 9))
    assert layout_name(6) == "5.1"


@pytest.mark.parametrize("bad", [0, 9, -1])
def test_counts_outside_1_to_8(bad):
    with pytest.raises(ParameterError, match=rf"between 1 and 8 \(got {bad}\)"):
        mix_matrix(bad, 2)
    with pytest.raises(ParameterError, match=rf"between 1 and 8 \(got {bad}\)"):
        mix_matrix(2, bad)
