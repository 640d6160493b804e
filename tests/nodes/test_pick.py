"""Pick."""

from typing import Any

import numpy as np
import pytest

from flowaudio.core.errors import ParameterError
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.pick import Pick


@pytest.mark.parametrize(("first", "count"), [(1, 1), (1, 6), (3, 2), (6, 1)])
@pytest.mark.parametrize("frames", [1, 7, 8, 1000])
def test_takes_these_channels(first: int, count: int, frames: int) -> None:
    x: Any = np.random.default_rng(1).standard_normal((6, frames)).astype(np.float32)
    y = Plan(chain(Pick(first=first, count=count)), 48_000, 6).process(x)
    np.testing.assert_array_equal(y, x[first - 1:first - 1 + count])


def test_channels_that_are_not_there() -> None:
    with pytest.raises(ParameterError, match=r"pick: Pick takes channels 3 to 4, and 2 come in: open the input with "
                                             r"channels=4"):
        Plan(chain(Pick(first=3, count=2)), 48_000, 2)
    with pytest.raises(ParameterError, match="takes channel 2, and 1 come in"):
        Plan(chain(Pick(first=2)), 48_000, 1)
