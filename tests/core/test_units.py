"""Conversions and their inverses, and the ends of their ranges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudio.core import units


@given(st.floats(-200, 200))
def test_decibels_come_back(db: float) -> None:
    assert math.isclose(units.gain_to_db(units.db_to_gain(db)), db, abs_tol=1e-9)
    assert math.isclose(units.power_to_db(units.db_to_power(db)), db, abs_tol=1e-9)
    assert math.isclose(units.db_to_gain(db) ** 2, units.db_to_power(db), rel_tol=1e-12)


def test_nothing_is_minus_infinity() -> None:
    assert units.gain_to_db(0.0) == units.power_to_db(0.0) == -math.inf


@pytest.mark.parametrize(("ms", "rate", "frames"), [
    (1000, 44_100, 44_100), (0.5, 1000, 1), (0.49, 1000, 0), (5, 48_000, 240)])
def test_times_in_frames(ms: float, rate: int, frames: int) -> None:
    assert units.ms_to_frames(ms, rate) == frames


def test_smoothing_reaches_63_percent_after_its_time() -> None:
    keep = units.smoothing(10.0, 48_000)
    y = 1 - keep ** np.arange(1, 481)
    assert abs(y[-1] - (1 - math.exp(-1))) < 1e-9
    assert units.smoothing(0.0, 48_000) == 0.0
