"""How what prepare() returns reaches a kernel."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from flowaudio.core.cache import on_compile
from flowaudio.core.entry import fields_of
from flowaudio.core.errors import GraphError, KernelError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, declaration, node
from flowaudio.core.params import integer
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render


class Many(NamedTuple):
    whole: int
    real: float
    yes: bool
    bytes: Any
    table: Any
    cube: Any


class Kept(NamedTuple):
    count: Any
    wide: Any


@node
class Carrier:
    """Adds up all that it was given."""

    size: int = integer(1, 100, "of the tables", default=3)

    def prepare(self, format: Format) -> tuple[Many, Kept]:
        table = np.arange(2.0 * self.size).reshape(self.size, 2).T     # not contiguous
        line, cube = np.arange(self.size, dtype=np.uint8), np.ones((2, 3, self.size), np.int16)
        return Many(1 << 40, 0.25, True, line, table, cube), Kept(np.zeros(1, np.int64), np.zeros((2, self.size)))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        total = 0.0
        for v in p.bytes:
            total += v
        for r in range(p.table.shape[0]):
            for c in range(p.table.shape[1]):
                total += p.table[r, c] * (r + 1)
        total += p.cube.shape[0] * 100 + p.cube.shape[1] * 10 + p.cube[1, 2, 0]
        for n in range(x.shape[1]):
            s.count[0] += 1
            s.wide[1, -1] += p.real
            y[0, n] = total + s.count[0] + s.wide[1, s.wide.shape[1] - 1] + (p.whole >> 40) + (1 if p.yes else 0)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_everything_arrives(size: int) -> None:
    table = np.arange(2.0 * size).reshape(size, 2).T
    total = sum(range(size)) + table[0].sum() + 2 * table[1].sum() + 231 + 2
    assert render(chain(Carrier(size=size)), np.zeros((1, 3)))[0].tolist() == [total + 1.25, total + 2.5, total + 3.75]


def test_one_compilation_serves_every_size() -> None:
    render(chain(Carrier()), np.zeros((1, 1)))
    told: list[str] = []
    with on_compile(lambda name, seconds: told.append(name)):
        for size, channels, block in ((7, 2, 64), (90, 8, 1), (1, 1, 8192)):
            Plan(chain(Carrier(size=size)), 48_000, channels, block)
    assert told == []
    assert len(declaration(Carrier).entries) == 1


class One(NamedTuple):
    v: Any


@pytest.mark.parametrize(("value", "message"), [
    (np.zeros(3, bool), "must hold numbers"), (np.zeros(3, complex), "must hold numbers"),
    (np.zeros(3, object), "must hold numbers"), (np.zeros(3, np.float16), "must hold numbers"),
    (np.zeros(3, ">f4"), "must hold numbers"), (np.zeros(3, np.longdouble), "must hold numbers"),
    (np.zeros(3, "M8[s]"), "must hold numbers"), ("text", "must be an array or a number (got str)"),
    (None, "must be an array or a number (got NoneType)"), ([1.0], "must be an array or a number (got list)")])
def test_fields_that_cannot_be(value: Any, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        fields_of("Mine", One(value), state=False)
    assert str(caught.value).startswith("Mine.prepare: 'v' ")
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [1, 1.0, np.float64(1)])
def test_state_is_arrays(value: Any) -> None:
    with pytest.raises(GraphError, match="the state 'v' must be an array, so that the kernel can keep it"):
        fields_of("Mine", One(value), state=True)


@pytest.mark.parametrize("value", [3, (1, 2), [1], {"a": 1}])
def test_prepare_gives_named_tuples(value: Any) -> None:
    with pytest.raises(GraphError, match=r"Mine\.prepare: the parameters must be a NamedTuple or None"):
        fields_of("Mine", value, state=False)
    assert fields_of("Mine", None, state=True)[1] == []


def writes_to_its_input(x: Any, y: Any, p: Any, s: Any) -> None:
    x[0, 0] = 0.0


def writes_to_a_part_of_its_input(x: Any, y: Any, p: Any, s: Any) -> None:
    row = x[0]
    row[:] = 0.0


def writes_to_its_parameters(x: Any, y: Any, p: Any, s: Any) -> None:
    p.table[0] = 1.0


class Table(NamedTuple):
    table: Any


@pytest.mark.parametrize(("process", "line"), [(writes_to_its_input, r"x\[0, 0\] = 0.0"),
                                               (writes_to_a_part_of_its_input, r"row\[:\] = 0.0"),
                                               (writes_to_its_parameters, r"p.table\[0\] = 1.0")])
def test_what_others_read_too_cannot_be_written_to(process: Any, line: str) -> None:
    body = {"prepare": lambda self, format: (Table(np.zeros(4)), None), "process": kernel(process)}
    spoils = node(type("Spoils", (), body))
    with pytest.raises(KernelError, match=rf"^Spoils: a kernel cannot write to its inputs .* line \d+: {line}\)$"):
        render(chain(spoils()), np.zeros((1, 8), np.float32), 8000)
