"""Each parameter of each node gets the widget that fits it, with its range."""

import math
from typing import Any

import pytest

import flowaudio as fa
from flowaudio.core.params import parameters
from flowaudio.graph.known import known_nodes
from flowaudio.notebook.controls import Control, Record, Records

widgets = pytest.importorskip("ipywidgets")


@pytest.mark.parametrize("name", sorted(known_nodes()))
def test_every_shipped_node_has_controls(name: str) -> None:
    cls: Any = known_nodes()[name]
    told: list[dict[str, Any]] = []
    record = Record(cls(), told.append)
    assert list(record.controls) == list(parameters(cls))
    for key, known in parameters(cls).items():
        made = record.controls[key]
        if known.kind == "items":
            assert isinstance(made, Records)
            continue
        assert isinstance(made, Control)
        default = getattr(cls(), key)
        expected = {"flag": (widgets.Checkbox,), "choice": (widgets.Dropdown,),
                    "integer": (widgets.IntSlider, widgets.BoundedIntText, widgets.IntText),
                    "number": (widgets.FloatSlider, widgets.FloatLogSlider, widgets.FloatText)}[known.kind]
        assert isinstance(made.widget, expected)
        if isinstance(made.widget, widgets.FloatLogSlider):
            assert 10 ** made.widget.max == pytest.approx(known.high)
            assert known.unit in ("Hz", "ms", "s")
        elif isinstance(made.widget, widgets.FloatSlider):
            assert (made.widget.min, made.widget.max) == (known.low, known.high)
        if made.widget.value != default:        # a scale by ratios has no 0: its left end stands for it
            assert default == 0
            assert isinstance(made.widget, widgets.FloatLogSlider)
        assert known.doc == made.widget.tooltip
    assert told == []                           # nobody has moved anything


def test_times_and_frequencies_have_a_scale_of_ratios() -> None:
    record = Record(fa.Compressor(), lambda values: None)
    kinds = {name: type(each.widget) for name, each in record.controls.items()}
    assert kinds["attack_ms"] is kinds["release_ms"] is widgets.FloatLogSlider
    assert kinds["threshold_db"] is kinds["ratio"] is widgets.FloatSlider
    assert record.controls["threshold_db"].widget.description == "threshold [dB]"


def test_the_left_end_of_a_scale_of_ratios_is_zero() -> None:
    told: list[dict[str, Any]] = []
    record = Record(fa.Compressor(attack_ms=5), told.append)
    slider = record.controls["attack_ms"].widget
    slider.value = 10.0 ** slider.min
    slider.value = 20.0
    assert told == [{"attack_ms": 0.0}, {"attack_ms": 20.0}]
    record.show(fa.Compressor(attack_ms=0))
    assert math.log10(slider.value) == pytest.approx(slider.min)
    assert len(told) == 2


def test_records_within_a_node_are_changed_added_and_taken_away() -> None:
    told: list[dict[str, Any]] = []
    record = Record(fa.Equalizer(bands=[fa.Band(frequency_hz=100), fa.Band(frequency_hz=200)]), told.append)
    bands = record.controls["bands"]
    assert isinstance(bands, Records)
    bands._rows[1].controls["gain_db"].widget.value = 6.0
    assert [band.gain_db for band in told[-1]["bands"]] == [0, 6]
    bands._add.click()
    assert [band.frequency_hz for band in told[-1]["bands"]] == [100, 200, fa.Band().frequency_hz]
    bands._remove(0)
    assert [band.gain_db for band in told[-1]["bands"]] == [6, 0]
    bands._rows[0].controls["gain_db"].widget.value = -3.0   # the rows have moved up
    assert [band.gain_db for band in told[-1]["bands"]] == [-3, 0]
    count = len(told)
    record.show(fa.Equalizer(bands=[fa.Band(gain_db=1)]))
    assert len(bands._rows) == 1
    assert bands._rows[0].controls["gain_db"].widget.value == 1
    assert len(told) == count
