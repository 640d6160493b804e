"""Parameters: checked when they are given, taken apart and put together again."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from naive_graph import Band, Everything, Scale

from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.core.params import Param, as_dict, flag, from_dict, items, param, parameters, record, shown


@record
class Wide:
    """Ranges without ends."""

    any: float = param(-math.inf, math.inf, "any", default=0.0)
    least: float = param(0.5, math.inf, "least", default=1.0)
    most: float = param(-math.inf, 0.0, "most", default=-1.0)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("level_db", -100.5, "Everything.level_db must be between -100 and 0 dB (got -100.5)"),
    ("level_db", math.nan, "must be between -100 and 0 dB (got nan)"),
    ("level_db", math.inf, "(got inf)"), ("level_db", -(10**400), "(got -inf)"),
    ("level_db", True, "a number (got True)"),
    ("level_db", "3", "must be a number (got '3')"), ("level_db", None, "must be a number (got None)"),
    ("level_db", 1j, "must be a number"), ("level_db", np.zeros(3), "must be a number (got array([0., 0., 0.]))"),
    ("level_db", Decimal(1), "must be a number"),
    ("order", 0, "Everything.order must be between 1 and 4.61169e+18 (got 0)"),
    ("order", 2.0, "must be a whole number (got 2.0)"), ("order", True, "must be a whole number"),
    ("order", 10**4000, "(got inf)"), ("mode", "medium", "Everything.mode must be one of fast, slow (got 'medium')"),
    ("mode", ["fast"], "must be one of fast, slow (got ['fast'])"), ("mode", np.array(["fast"] * 2), "must be one of"),
    ("on", 1, "Everything.on must be true or false (got 1)"), ("on", "yes", "(got 'yes')"),
    ("bands", 3, "Everything.bands must be a list of Band (got 3)"), ("bands", "bell", "must be a list of Band"),
    ("bands", {"gain_db": 1}, "must be a list of Band"), ("bands", [3], "must hold Band only (got 3)"),
    ("bands", [{}, {"gain_db": 99}], "Everything.bands[1]: Band.gain_db must be between -30 and 30 dB (got 99)"),
    ("bands", [{"gain": 1}], "Everything.bands[0]: Band has no parameter 'gain' (it has: kind, frequency_hz, gain_db)"),
    ("level", -3, "Everything has no parameter 'level' (it has: level_db, order, mode, on, bands)"),
    ("self", 3, "Everything has no parameter 'self'"), ("x" * 10_000, 3, "has no parameter 'xxx"),
])
def test_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Everything(**{name: value})
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FlowaudioError)


def test_positions_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"Scale takes its parameters by name: Scale\(factor=…\)"):
        Scale(3)  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("value", [-3, -3.0, np.float32(-3), np.int16(-3), np.float64(-3)])
def test_numbers_of_every_kind_become_floats(value: Any) -> None:
    kept = Everything(level_db=value).level_db
    assert kept == -3
    assert type(kept) is float


def test_whole_numbers_keep_every_digit() -> None:
    assert Everything(order=(1 << 62) - 1).order == (1 << 62) - 1
    assert type(Everything(order=np.int64(3)).order) is int


def test_ranges_without_ends_hold_finite_numbers_only() -> None:
    for name, text in (("any", "a finite number"), ("least", "at least 0.5"), ("most", "at most 0")):
        for value in (math.inf, -math.inf, math.nan):
            with pytest.raises(ParameterError, match=f"Wide.{name} must be {text}"):
                Wide(**{name: value})
    assert Wide(any=1e300, least=1e300, most=-1e300).any == 1e300


def test_records_are_frozen_equal_and_show_their_constructor() -> None:
    first = Everything(level_db=-3, bands=[Band(gain_db=2), {"kind": "shelf"}])
    assert first == eval(repr(first))
    assert hash(first) == hash(eval(repr(first)))
    assert first != Everything()
    assert isinstance(first.bands, tuple)
    with pytest.raises(AttributeError):
        first.level_db = 3  # type: ignore[misc]  # what is tested


def test_taken_apart_only_what_differs() -> None:
    value = Everything(level_db=-3, on=True, bands=(Band(), Band(gain_db=2)))
    plain = {"level_db": -3.0, "bands": [{}, {"gain_db": 2.0}]}
    assert as_dict(value) == plain
    assert from_dict(Everything, plain) == value
    assert as_dict(Everything()) == {}
    with pytest.raises(ParameterError, match="Scale has no parameter 3"):
        from_dict(Scale, {3: 1})  # type: ignore[dict-item]  # what is tested


def test_what_is_known_of_a_parameter() -> None:
    table = parameters(Everything)
    assert list(table) == ["level_db", "order", "mode", "on", "bands"]
    assert (table["level_db"].unit, table["level_db"].low, table["level_db"].doc) == ("dB", -100, "level")
    assert parameters(Band)["frequency_hz"].unit == "Hz"
    assert table["bands"].item is Band
    assert table["mode"].choices == ("fast", "slow")
    assert [p.interpolated for p in table.values()] == [True, False, False, False, False]


def test_every_field_must_be_declared() -> None:
    with pytest.raises(ParameterError, match=r"Loose\.a must be declared with param, integer, choice, flag or items"):
        @record
        class Loose:
            a: float = 1.0


def test_values_are_shown_short() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) < 100
    assert len(shown("x" * 10_000)) < 120
    assert shown(1 << 100_000) == "a int that cannot be shown"
    assert shown(3) == "3"
    assert isinstance(parameters(Wide)["any"], Param)
    assert flag("x", default=True).metadata["param"].kind == "flag"
    assert items(Band, "x", default=()).metadata["param"].item is Band
