"""Minutes on a sound card with changes and graphs: the same samples as in any other calls, and as defined."""

import pytest
from live_hour import play_and_compare

from flowaudio.runtime.control import HORIZON_S


@pytest.mark.parametrize(("seconds", "every_s"), [(120.0, 2.0), (20.0, 0.1)])
def test_a_card_plays_what_an_array_would_be(seconds: float, every_s: float) -> None:
    """A change or a graph every so often; all of it is compared."""
    rig, _, _ = play_and_compare(seconds, every_s, swaps=True)
    counters = rig.rack.counters
    assert counters.late_letters == 0
    assert rig.caller.counters.calls == counters.calls >= seconds * 48_000 // 128
    rig.rack.collect()
    assert len(rig.rack._post) < 10 * HORIZON_S / every_s


def test_a_card_plays_what_is_defined() -> None:
    """Changes alone, against the slow and obvious one."""
    play_and_compare(6.0, 0.3, swaps=False, naive=True, seed=2)
