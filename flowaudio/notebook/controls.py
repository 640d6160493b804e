"""A widget for each parameter: sliders with range, unit and scale, lists, ticks, and records within records."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from flowaudio.core.params import Param, parameters
from flowaudio.notebook.facts import bare_name
from flowaudio.notebook.needs import widgets

__all__ = ["Control", "Record", "Records", "control", "logarithmic"]

WIDTH = "440px"
LOG_UNITS = ("Hz", "ms", "s")
LOG_FROM = 50.0
"""A range whose end is so many times its beginning gets a logarithmic scale, if it is one of times or frequencies."""

DECADES = 4
"""Of a logarithmic scale that begins at 0: its left end is 0."""

MOST_STEPS = 2000
"""A longer range of whole numbers is typed, not dragged."""

Changed = Callable[[Any], None]


class Control:
    """One parameter: `widget`, and `show` to follow what has changed elsewhere. `changed` hears of the user only."""

    def __init__(self, widget: Any, changed: Changed, *, zero_below: float = 0.0) -> None:
        self.widget = widget
        self._changed, self._zero_below = changed, zero_below
        self._showing = False
        widget.observe(self._moved, names="value")

    def show(self, value: Any) -> None:
        """Stand at a value."""
        if self._zero_below:
            value = max(value, self._zero_below)
        if self.widget.value != value:
            self._showing = True
            try:
                self.widget.value = value
            finally:
                self._showing = False

    def _moved(self, change: Any) -> None:
        if not self._showing:
            value = change["new"]
            self._changed(0.0 if self._zero_below and value <= self._zero_below * 1.001 else value)


class Records:
    """A list of records: each in a box of its own, to be added and taken away."""

    def __init__(self, known: Param, value: tuple[Any, ...], changed: Changed, title: str) -> None:
        w = widgets()
        self._known, self._value, self._changed = known, value, changed
        self._rows: list[Record] = []
        self._box = w.VBox([])
        self._add = w.Button(description=f"add {known.item.__name__ if known.item else ''}", icon="plus")
        self._add.on_click(self._append)
        self.widget = w.VBox([w.HTML(f"<b>{title}</b>"), self._box, self._add],
                             layout=w.Layout(border_left="2px solid #9994", padding="0 0 0 10px"))
        self._build()

    def show(self, value: tuple[Any, ...]) -> None:
        """Stand at a value."""
        before, self._value = self._value, value
        if len(before) != len(value):
            self._build()
        else:
            for row, each in zip(self._rows, value, strict=True):
                row.show(each)

    def _build(self) -> None:
        w = widgets()
        self._rows, boxes = [], []
        for k, each in enumerate(self._value):
            row = Record(each, lambda values, k=k: self._replace(k, values))  # type: ignore[misc]  # binds k now
            away = w.Button(description="remove", icon="trash", layout=w.Layout(width="90px"))
            away.on_click(lambda _, k=k: self._remove(k))
            self._rows.append(row)
            boxes.append(w.VBox([w.HBox([w.HTML(f"{type(each).__name__} {k + 1}"), away]), row.widget]))
        self._box.children = boxes

    def _replace(self, k: int, values: dict[str, Any]) -> None:
        made = list(self._value)
        made[k] = dataclasses.replace(made[k], **values)
        self._value = tuple(made)
        self._changed(self._value)

    def _remove(self, k: int) -> None:
        self._value = (*self._value[:k], *self._value[k + 1:])
        self._build()
        self._changed(self._value)

    def _append(self, _: Any) -> None:
        assert self._known.item is not None
        self._value = (*self._value, self._known.item())
        self._build()
        self._changed(self._value)


class Record:
    """All parameters of a node or a record. `changed` is called with the values that the user has set."""

    def __init__(self, value: Any, changed: Callable[[dict[str, Any]], None]) -> None:
        w = widgets()
        self.controls: dict[str, Control | Records] = {}
        for name, known in parameters(type(value)).items():
            self.controls[name] = control(name, known, getattr(value, name),
                                          lambda new, name=name: changed({name: new}))  # type: ignore[misc]  # now
        shown = [each.widget for each in self.controls.values()]
        self.widget = w.VBox(shown or [w.HTML("<i>no parameters</i>")])

    def show(self, value: Any) -> None:
        """Stand at the values of a node or record of the same class."""
        for name, each in self.controls.items():
            each.show(getattr(value, name))


def logarithmic(known: Param) -> bool:
    """Whether a parameter is heard by ratios: times and frequencies of a wide range."""
    if known.unit not in LOG_UNITS or math.isinf(known.high) or known.low < 0:
        return False
    return known.high >= LOG_FROM * known.low


def control(name: str, known: Param, value: Any, changed: Changed) -> Control | Records:
    """The widget of one parameter.

    What can be walked to changes while it is dragged; what takes another plan changes when it is let go.
    """
    w = widgets()
    title = bare_name(name, known) + (f" [{known.unit}]" if known.unit else "")
    if known.kind == "items":
        return Records(known, value, changed, title)
    usual: dict[str, Any] = {"description": title, "tooltip": known.doc, "style": {"description_width": "150px"},
                             "layout": w.Layout(width=WIDTH), "value": value}
    if known.kind == "flag":
        return Control(w.Checkbox(**usual), changed)
    if known.kind == "choice":
        return Control(w.Dropdown(options=list(known.choices), **usual), changed)
    if known.kind == "integer":
        return Control(_whole(known, usual), changed)
    return _number(known, usual, changed)


def _whole(known: Param, usual: dict[str, Any]) -> Any:
    w = widgets()
    if known.high - known.low > MOST_STEPS:
        return w.IntText(continuous_update=False, **usual) if math.isinf(known.high - known.low) else w.BoundedIntText(
            min=int(known.low), max=int(known.high), **usual)
    return w.IntSlider(min=int(known.low), max=int(known.high), continuous_update=False, **usual)


def _number(known: Param, usual: dict[str, Any], changed: Changed) -> Control:
    w = widgets()
    if math.isinf(known.high - known.low):
        return Control(w.FloatText(continuous_update=False, **usual), changed)
    usual |= {"continuous_update": known.interpolated}
    if logarithmic(known):
        least = known.low or known.high / 10 ** DECADES
        usual["value"] = max(usual["value"], least)
        slider = w.FloatLogSlider(min=math.log10(least), max=math.log10(known.high), step=0.005, readout_format=".4g",
                                  **usual)
        return Control(slider, changed, zero_below=0.0 if known.low else least)
    step = 10.0 ** math.floor(math.log10((known.high - known.low) / 100)) if known.high > known.low else 1.0
    return Control(w.FloatSlider(min=known.low, max=known.high, step=step, readout_format=".4g", **usual), changed)
