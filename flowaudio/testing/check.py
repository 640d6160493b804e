"""`check_node`: every law, tried on a node class until it breaks or is believed."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from flowaudio.core.errors import FlowaudioError, GraphError, ParameterError
from flowaudio.core.node import declaration, no_node
from flowaudio.core.params import parameters
from flowaudio.testing.laws import LAWS, Law, Trial
from flowaudio.testing.signals import KINDS
from flowaudio.testing.strategies import UNLIMITED, channels, cuts, nodes, rates

__all__ = ["LawBroken", "check_node"]


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
    for name in LAWS if laws is None else laws:
        if name not in LAWS:
            raise ParameterError(f"there is no law called {name!r} (there are: {', '.join(LAWS)})")
        law = LAWS[name]
        if law.holds_for(declared) and (trial := _smallest(cls, law, effort)) is not None:
            raise LawBroken(name, trial, _wrong(law, trial) or "once, but not again: it is not deterministic")


def _wrong(law: Law, trial: Trial) -> str | None:
    """What breaks the law in a trial; nothing where the node says that the trial's format does not fit it."""
    try:
        trial.plan(16)
    except ParameterError:
        return None
    except FlowaudioError:
        return None if trial.channels != 2 else law.broken(trial)
    return law.broken(trial)


def _smallest(cls: type, law: Law, effort: float) -> Trial | None:
    """The smallest trial that breaks the law, as far as somebody can look; None if there is none."""
    first = Trial(cls())
    if law.once:
        return first if _wrong(law, first) else None
    for node in _corners(cls) if law.limits else ():
        if _wrong(law, Trial(node)):
            return Trial(node)
    wanted = settings(max_examples=max(1, round(law.examples * effort)), deadline=None, database=None,
                      suppress_health_check=list(HealthCheck))
    try:
        found: Trial = find(_trials(cls, law.limits), lambda trial: bool(_wrong(law, trial)), settings=wanted,
                            random=random.Random(1))
    except NoSuchExample:
        return first if _wrong(law, first) else None
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
