"""`check_node`: every law, tried on a node class until it breaks or is believed."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample

from flowaudio.core.errors import FlowaudioError, GraphError, ParameterError
from flowaudio.core.node import declaration, no_node
from flowaudio.core.params import parameters
from flowaudio.testing.laws import LAWS, Law
from flowaudio.testing.signals import KINDS
from flowaudio.testing.strategies import UNLIMITED, channels, cuts, nodes, rates
from flowaudio.testing.trial import Trial

__all__ = ["LawBroken", "check_node"]

COUNTS = (2, 1, 3, 4, 5, 6, 7, 8)
"""Channels that a node is tried with first: as many of these as it takes."""

ALIKE = "determinism"


class LawBroken(AssertionError):
    """A node breaks a law: which one, how, and the smallest trial in which it does."""

    def __init__(self, law: str, trial: Trial, wrong: str) -> None:
        name, cure = type(trial.node).__name__, f"; {LAWS[law].cure}" if LAWS[law].cure else ""
        super().__init__(f"{name} breaks the law of {law} ({LAWS[law].says}): {wrong}{cure}. Smallest trial: {trial}")
        self.law, self.trial, self.wrong = law, trial, wrong


def check_node(cls: type, *, laws: Iterable[str] | None = None, effort: float = 1.0) -> None:
    """Try every law on a node class, with parameters, rates, channels, signals and cuts of all kinds.

    :param laws: names of those to be tried, of LAWS; by default all that speak of this node.
    :param effort: how many trials, as a factor; each law has its own number.
    :raises LawBroken: the first law that it breaks, in one sentence, with the smallest trial that shows it.
    :raises GraphError: `cls` is no node class. Errors of its declaration or its kernel as they are.
    """
    if not isinstance(cls, type) or "__declaration__" not in vars(cls):
        raise GraphError(no_node(cls) if not isinstance(cls, type) else
                         f"{cls.__name__} is not a node's class: decorate it with @node")
    declared = declaration(cls)
    names = list(LAWS if laws is None else laws)
    for name in names:
        if name not in LAWS:
            raise ParameterError(f"there is no law called {name!r} (there are: {', '.join(LAWS)})")
    first = _first(cls)
    for name in names:
        law = LAWS[name]
        if law.holds_for(declared) and (trial := _smallest(first, law, effort)) is not None:
            # What is something else each time breaks any law, and would be blamed for what it does not do.
            if wrong := _wrong(LAWS[ALIKE], trial):
                raise LawBroken(ALIKE, trial, wrong)
            if wrong := _wrong(law, trial):
                raise LawBroken(name, trial, wrong)
            raise LawBroken(ALIKE, trial, f"it broke the law of {name} once, but not again")


def _first(cls: type) -> Trial:
    """With default parameters, and the first number of channels that the node takes.

    What does not compile says so here, before anybody looks for the smallest trial in which it does not.
    """
    first = Trial(cls())
    refused: FlowaudioError | None = None
    for count in COUNTS:
        trial = first._replace(channels=count)
        try:
            with np.errstate(all="ignore"):
                trial.plan(16)
        except (ParameterError, GraphError) as error:
            refused = refused or error
        else:
            return trial
    assert refused is not None
    raise refused


def _wrong(law: Law, trial: Trial) -> str | None:
    """What breaks the law in a trial; nothing where the node says that the trial's format does not fit it."""
    with np.errstate(all="ignore"):     # what is no number is what some laws look for
        try:
            trial.plan(16)
        except (ParameterError, GraphError):
            return None
        return law.broken(trial)


def _smallest(first: Trial, law: Law, effort: float) -> Trial | None:
    """The smallest trial that breaks the law, as far as somebody can look; None if there is none."""
    cls = type(first.node)
    if law.once:
        return first if _wrong(law, first) else None
    for node in _corners(cls) if law.limits else ():
        if _wrong(law, first._replace(node=node)):
            return first._replace(node=node)
    # No explaining: it took 10 of 12 seconds, and the trial says all.
    wanted = settings(max_examples=max(1, round(law.examples * effort)), deadline=None, database=None,
                      suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink))
    broken: list[Trial] = []

    def breaks(trial: Trial) -> bool:
        if _wrong(law, trial):
            broken.append(trial)
            return True
        return False

    try:
        found: Trial = find(_trials(cls, law.limits), breaks, settings=wanted, random=random.Random(1))
    except NoSuchExample:
        return first if _wrong(law, first) else None
    except Flaky:                       # it broke the law, and then it did not
        return broken[-1]
    return found


def _corners(cls: type) -> Iterator[Any]:
    """Nodes with one parameter at a limit each."""
    for name, known in parameters(cls).items():
        if known.kind in ("number", "integer"):
            for value in (known.low, known.high):
                if abs(value) < UNLIMITED:
                    yield cls(**{name: int(value) if known.kind == "integer" else value})


def _trials(cls: type, limits: bool) -> st.SearchStrategy[Any]:
    return st.builds(Trial, node=nodes(cls, limits=limits), rate=rates, channels=channels,
                     kind=st.sampled_from(KINDS), seed=st.integers(0, 1000), lengths=(cuts(8, 3) | cuts()).map(tuple),
                     all_ports=st.booleans())
