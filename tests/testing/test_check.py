"""`check_node` finds what is wrong with a node: more than thirty break a law each."""

import re
from typing import Any

import faulty_memory  # noqa: F401  importing them plants their faults
import faulty_runs  # noqa: F401
import faulty_sound  # noqa: F401
import numpy as np
import pytest
from faultless import Counts, HasLinearPhase, HasManyPorts, IsLateAndSaysSo, OnlyListens
from faulty import FAULTS, Nothing, Table

import flowaudio as fa
from flowaudio.core.errors import GraphError, KernelError, ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, Node, node
from flowaudio.testing.check import LawBroken, check_node
from flowaudio.testing.laws import LAWS


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    law, cls = FAULTS[name]
    with pytest.raises(LawBroken) as caught:
        check_node(cls)
    assert caught.value.law == law
    text = str(caught.value)
    assert text.startswith(f"{name} breaks the law of {law} (") and "Smallest trial: " in text
    assert "\n" not in text


def test_each_law_has_its_fault() -> None:
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


def test_a_line_that_goes_too_far_is_shown() -> None:
    with pytest.raises(LawBroken, match=r'an array \(File ".*faulty_memory.py", line \d+: s.y\[c \+ x.shape'
                                        r"\[0\]\] = x\[c, n\]: index 1 is out of bounds for axis 0 with size 1"):
        check_node(FAULTS["WritesPastItsState"][1])
    with pytest.raises(LawBroken, match="it writes beside the state 'y' of writes_a_vector_past_its_state"):
        check_node(FAULTS["WritesAVectorPastItsState"][1])


_prepared: list[Format] = []


def test_what_does_not_compile_is_compiled_once() -> None:
    class Counted(Nothing):
        def prepare(self, format: Format) -> tuple[Any, Any]:
            _prepared.append(format)
            return Table(np.ones(8, np.float32)), None

    @node
    class WritesToItsInput(Counted):
        prepare = Counted.prepare

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            for c in range(x.shape[0]):
                for n in range(x.shape[1]):
                    x[c, n] = x[c, n] * np.float32(0.5)
                    y[c, n] = x[c, n]

    @node
    class WritesToItsParameters(Counted):
        prepare = Counted.prepare

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            for c in range(x.shape[0]):
                for n in range(x.shape[1]):
                    y[c, n] = p.values[c]
                    p.values[c] = x[c, n]

    for cls, line in ((WritesToItsInput, "x[c, n] = x[c, n]"), (WritesToItsParameters, "p.values[c] = x[c, n]")):
        _prepared.clear()
        with pytest.raises(KernelError, match=f"cannot write to its inputs and parameters.*{re.escape(line)}"):
            check_node(cls)
        assert len(_prepared) == 1


@pytest.mark.parametrize("cls", [IsLateAndSaysSo, HasLinearPhase, HasManyPorts, Counts, OnlyListens])
def test_nodes_of_all_kinds_pass(cls: Any) -> None:
    check_node(cls)


def test_what_is_something_else_each_time_is_blamed_for_that() -> None:
    with pytest.raises(LawBroken, match="CountsItsPlans breaks the law of determinism"):
        check_node(FAULTS["CountsItsPlans"][1], laws=["cutting"])


def test_what_is_tried_with_one_channel_only_is_tried_with_all_laws() -> None:
    @node
    class Mono(Nothing):
        def prepare(self, format: Format) -> tuple[Any, Any]:
            if format.channels != 1:
                raise ParameterError(f"Mono takes one channel (got {format.channels})")
            return None, None

        def latency(self, format: Format) -> int:
            return 7

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            for n in range(x.shape[1]):
                y[0, n] = x[0, n]

    with pytest.raises(LawBroken, match="law of latency"):
        check_node(Mono)
