"""`@node`: what a declaration must have and what it gains."""

from typing import Any

import pytest
from naive_graph import Counter, Late, Minus, Scale, Weighted

from flowaudio.core.errors import GraphError
from flowaudio.core.kernel import Kernel, kernel
from flowaudio.core.node import Format, Port, declaration, is_node, node, snake_case
from flowaudio.core.params import choice

FORMAT = Format(48_000, 2, 256, (2,))


def test_a_declaration() -> None:
    declared = declaration(Minus)
    assert declared is declaration(Minus())
    assert declared.name == "Minus"
    assert declared.inputs == (Port("in"), Port("sidechain", default="in"))
    assert declared.outputs == (Port("out"),)
    assert isinstance(declared.kernel, Kernel)
    assert not declared.in_place
    assert declaration(Scale).in_place
    assert declaration(Weighted).inputs[0].many
    assert not declaration(Counter).silent


def test_what_is_missing_is_added() -> None:
    assert Scale().latency(FORMAT) == 0
    assert Scale().output_channels(FORMAT) == 2
    assert Late(frames=9).latency(FORMAT) == 9


def _prepare(self: Any, format: Format) -> tuple[None, None]:
    return None, None


def _process(x: Any, y: Any, p: Any, s: Any) -> None:
    y[0, 0] = x[0, 0]


@pytest.mark.parametrize(("members", "message"), [
    ({"prepare": _prepare}, "Mine must have prepare"), ({"process": kernel(_process)}, "Mine must have prepare"),
    ({"prepare": _prepare, "a": kernel(_process), "b": kernel(_process)}, "2"),
    ({"prepare": _prepare, "a": kernel(_process), "type": choice(("x", "y"), "x", default="x"),
      "__annotations__": {"type": str}},
     "Mine: a parameter cannot be called type")])
def test_declarations_that_cannot_be(members: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        node(type("Mine", (), members))


@pytest.mark.parametrize("value", [3, None, "gain", int, object(), [], Scale])
def test_what_is_no_node(value: Any) -> None:
    assert not is_node(value)
    if value is not Scale:
        with pytest.raises(GraphError, match="is not a node: its class must be decorated with @node"):
            declaration(value)
    assert is_node(Scale())


@pytest.mark.parametrize(("name", "snake"), [
    ("OnePole", "one_pole"), ("DCDetector", "dc_detector"), ("Gain", "gain"),
    ("LevelMeter", "level_meter"), ("Eq3Band", "eq3_band"), ("x", "x")])
def test_names(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_a_kernel_runs_as_plain_python() -> None:
    import numpy as np

    y = np.zeros((1, 1), np.float32)
    declaration(Minus).kernel(np.ones((1, 1)), np.ones((1, 1)), y, None, None)
    assert y[0, 0] == -1
    assert repr(kernel(_process)) == f"<kernel {__name__}._process>"


def test_latency_and_channels_may_be_inherited() -> None:
    class Delayed:
        def latency(self, format: Format) -> int:
            return 7

        def output_channels(self, format: Format) -> int:
            return 3

    @node
    class Child(Delayed):
        def prepare(self, format: Format) -> tuple[None, None]:
            return None, None

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            y[:] = 0.0

    format = Format(8000, 2, 64, (2,))
    assert (Child().latency(format), Child().output_channels(format)) == (7, 3)
