"""`check_node` finds what is wrong with a node: twenty-one break a law each."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import GraphError, KernelError, ParameterError
from flowaudio.core.eventlog import EVERY, WHOLE, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, Node, node
from flowaudio.core.params import param
from flowaudio.testing.check import LawBroken, check_node
from flowaudio.testing.laws import LAWS

TINY = np.float32(1e-40)
HUGE = np.float32(1e38)


class Nothing:
    """Prepares nothing."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, None


class Line(NamedTuple):
    """One number a channel."""

    y: Any


class Log(NamedTuple):
    """What was found, and a count."""

    log: Any
    n: Any


class Table(NamedTuple):
    """Numbers."""

    values: Any


class Kept:
    """Keeps one number a channel."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Line(np.zeros(format.channels, np.float32))


def planted(law: str, **declared: Any) -> Any:
    """A node with a fault that this law finds."""
    def register(cls: type) -> Any:
        FAULTS[cls.__name__] = law, node(**declared)(cls)
        return FAULTS[cls.__name__][1]

    return register


FAULTS: dict[str, tuple[str, Any]] = {}


@planted("cutting")
class BeginsAnewInEveryBlock(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            before = x[c, 0]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - before
                before = x[c, n]


@planted("cutting")
class AveragesItsBlock(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            total = x[c, 0] * 0
            for n in range(x.shape[1]):
                total += x[c, n]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - total / x.shape[1]


@planted("cutting", measures=("y",))
class MeasuresItsBlock(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            s.y[c] = 0
            for n in range(x.shape[1]):
                s.y[c] = max(s.y[c], abs(x[c, n]))
                y[c, n] = x[c, n]


@planted("cutting", events=("block",))
class TellsOfBlocks:
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Log(event_log(), np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        emit(s.log, 0, WHOLE, now(s.log), now(s.log) + 1, EVERY, 0.0)
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


class Calls(NamedTuple):
    """How many there have been."""

    count: Any


@planted("short blocks")
class TiresOfManyCalls(Nothing):
    """Only who is called often sees it."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return None, Calls(np.zeros(1, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        s.count[0] += 1
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] if s.count[0] < 100 else -x[c, n]


@planted("memory")
class ReadsPastItsInput(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        last = x.shape[0] - 1
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
        y[last, x.shape[1] - 1] += np.float32(0.5) * x[last, x.shape[1]]


@planted("memory")
class WritesPastItsOutput(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
        y[x.shape[0] - 1, x.shape[1] + 2] = x[0, 0]


@planted("memory")
class LeavesAHole(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(1, x.shape[1]):
                y[c, n] = x[c, n]


_shared = np.zeros(64, np.float32)


@planted("reset")
class ForgetsItsReset:
    """Its memory is a parameter, and a reset is not told of."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.zeros(format.channels, np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(0.5) * p.values[c]
                p.values[c] = x[c, n]


LARGE = np.zeros(1 << 15, np.float32)


@planted("independence")
class SharesItsState:
    """One line for all: large enough to stay where it was made."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        LARGE[:] = 0
        return None, Line(LARGE)

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(0.5) * s.y[c]
                s.y[c] = x[c, n]


@planted("silence")
class IsNeverSilent(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(1e-9)


@planted("stability")
class ExplodesAtALimit(Kept):
    feedback: float = param(0.0, 1.1, "how much comes back", default=0.5)

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([self.feedback], np.float32)), Line(np.zeros(format.channels, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = x[c, n] + p.values[0] * s.y[c]
                y[c, n] = s.y[c]


@planted("sane input")
class OverflowsWhenItIsLoud(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * HUGE if abs(x[c, n]) > np.float32(4.0) else x[c, n]


@planted("numbers")
class DiesOfAnExtreme(Kept):
    """A parameter's memory that an infinity has got into is lost for good."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.ones(1, np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                if abs(x[c, n]) > np.float32(1e30):
                    p.values[0] = p.values[0] * np.float32(1e30) * np.float32(1e30)
                y[c, n] = x[c, n] * p.values[0] if abs(x[c, n]) < np.float32(1e4) else x[c, n]


@planted("denormals", silent=False)
class PutsOutDenormals:
    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([1e-40], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]
                if x[c, n] == 0:
                    y[c, n] = p.values[0]


@planted("in place", in_place=True)
class ReadsWhatItHasWritten(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            before = s.y[c]
            s.y[c] = x[c, x.shape[1] - 1]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + (x[c, n - 1] if n else before)


@planted("latency")
class LiesAboutItsLatency(Nothing):
    def latency(self, format: Format) -> int:
        return 7

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


_made = itertools.count()


@planted("documents")
class HasASecret(Nothing):
    """Two that look equal do not sound so."""

    def prepare(self, format: Format) -> tuple[Any, Any]:
        return Table(np.array([1.0 + next(_made)], np.float32)), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.values[0]


@planted("linearity", linear=True)
class ClaimsToBeLinear(Nothing):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * abs(x[c, n])


@planted("time invariance", linear=True, time_invariant=True)
class ClaimsThatTimeIsNothing(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                s.y[c] = np.float32(1.0) - s.y[c]
                y[c, n] = x[c, n] * s.y[c]


@planted("speed")
class TakesItsTime(Kept):
    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                t = x[c, n] * 0
                for k in range(1500):
                    t = t * np.float32(0.5) + np.float32(k)
                y[c, n] = x[c, n] + t * np.float32(0.0)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    law, cls = FAULTS[name]
    with pytest.raises(LawBroken) as caught:
        check_node(cls)
    if name == "HasASecret":            # nothing about it can be repeated: whichever law comes first sees it
        return
    assert caught.value.law == law
    text = str(caught.value)
    assert text.startswith(f"{name} breaks the law of {law} (") and "Smallest trial: " in text
    assert "\n" not in text


def test_there_are_twenty_of_them() -> None:
    assert len(FAULTS) >= 20
    assert {law for law, _ in FAULTS.values()} | {"machine code"} == set(LAWS)


def test_what_allocates_is_not_even_compiled() -> None:
    @node
    class Allocates(Nothing):
        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            z = np.zeros(x.shape[1], np.float32)
            y[0, 0] = z[0]

    with pytest.raises(KernelError, match="would allocate memory"):
        check_node(Allocates)


def test_the_smallest_trial_is_small() -> None:
    with pytest.raises(LawBroken) as caught:
        check_node(FAULTS["BeginsAnewInEveryBlock"][1])
    trial = caught.value.trial
    assert trial.channels == 1 and trial.frames <= 4 and len(trial.lengths) == 2


def test_laws_can_be_chosen() -> None:
    check_node(FAULTS["LiesAboutItsLatency"][1], laws=["cutting", "reset"])
    with pytest.raises(ParameterError, match="no law called 'gravity'"):
        check_node(fa.Gain, laws=["gravity"])


@pytest.mark.parametrize("what", [fa.Gain(), 5, Node, Nothing])
def test_what_is_no_node_class_is_refused(what: Any) -> None:
    with pytest.raises(GraphError):
        check_node(what)


def test_a_node_that_takes_two_channels_only_is_tried_with_two() -> None:
    @node
    class Swap(Nothing):
        def prepare(self, format: Format) -> tuple[Any, Any]:
            if format.channels != 2:
                raise ParameterError(f"Swap takes two channels (got {format.channels})")
            return None, None

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            for n in range(x.shape[1]):
                y[0, n], y[1, n] = x[1, n], x[0, n]

    check_node(Swap)
