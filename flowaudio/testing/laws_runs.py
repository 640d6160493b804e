"""Laws that two runs hold against each other: cut or whole, alone or beside another, before and after a reset."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import numpy as np

from flowaudio.core.params import as_dict, from_dict
from flowaudio.testing.signals import signal
from flowaudio.testing.trial import Trial, differ, heard, in_pieces, pieces

__all__ = ["cutting", "determinism", "documents", "independence", "linearity", "reset", "short_blocks",
           "time_invariance"]

Array = np.ndarray[Any, Any]

SHORT = (1, 2, 3, 5, 8, 31, 33)
"""Frames of short blocks: shorter than a vector, no multiple of it, a little more than several."""


def determinism(trial: Trial) -> str | None:
    """Two equal plans. (With free memory around all arrays: who reads beyond them finds the same there.)"""
    x, runs = trial.signal(), []
    for filled in (0, 1):
        with _empty_is(filled):
            plan = trial.spaced_plan()
        runs.append(in_pieces(plan, x, trial.lengths))
    found = differ(*runs)
    return found and f"the second time, {found} at first"


def _empty_is(value: int) -> AbstractContextManager[object]:
    """What numpy.empty gives is full of `value`: as a rule it is full of zeros, and nobody sees what is missing."""
    def filled(make: Callable[..., Array]) -> Callable[..., Array]:
        def made(*arguments: Any, **named: Any) -> Array:
            array = make(*arguments, **named)
            if array.dtype.kind in "fiub":
                array.fill(value)
            return array

        return made

    return patch.multiple(np, empty=filled(np.empty), empty_like=filled(np.empty_like))


def cutting(trial: Trial) -> str | None:
    """In one piece and in ragged ones, in a plan that is made for the longest of these."""
    x = trial.signal()
    whole, cut = trial.plan(), trial.plan(max(trial.lengths))
    found = differ(heard(whole, whole.process(x)), in_pieces(cut, x, trial.lengths))
    return found and f"cut into these blocks, {found} in one piece"


def short_blocks(trial: Trial) -> str | None:
    """In one piece, and in blocks of a few frames."""
    x = trial.signal(frames=700)
    for length in SHORT:
        whole, cut = trial.plan(), trial.plan(length)
        lengths = [length] * (700 // length)
        rest = 700 - sum(lengths)
        cuts = (*lengths, *[rest] * (rest > 0))
        if found := differ(heard(whole, whole.process(x)), in_pieces(cut, x, cuts)):
            return f"in blocks of {length} frames, {found} in one piece"
    return None


def reset(trial: Trial) -> str | None:
    """A new plan, and one that has heard something else before it was reset."""
    x = trial.signal()
    plan, fresh = trial.plan(), trial.plan()
    plan.process(trial.signal("noise"))
    plan.reset()
    found = differ(heard(fresh, fresh.process(x)), heard(plan, plan.process(x)))
    return found and f"after a reset, {found} with a new plan"


def independence(trial: Trial) -> str | None:
    """Two of a kind, side by side: neither hears the other."""
    x = trial.signal()
    alone, one, other = trial.plan(), trial.plan(), trial.plan()
    parts = []
    for piece in pieces(x, trial.lengths):
        other.process(trial.signal("noise"))
        parts.append(one.process(piece))
    found = differ(in_pieces(alone, x, trial.lengths), heard(one, np.concatenate(parts, axis=1)))
    return found and f"while a second one runs, {found} alone"


def documents(trial: Trial) -> str | None:
    """Nothing but the declared parameters counts, and they survive being written down."""
    cls = type(trial.node)
    again = from_dict(cls, as_dict(trial.node))
    if again != trial.node:
        return f"written down and read again it is {again!r}"
    x, plan, twin = trial.signal(), trial.plan(), trial._replace(node=again).plan()
    found = differ(heard(plan, plan.process(x)), heard(twin, twin.process(x)))
    return found and f"an equal node does not sound equal: {found}"


def linearity(trial: Trial) -> str | None:
    """A sum in, and the sum of what comes of each."""
    a, b = trial.signal(), signal("noise", trial.seed + 1, trial.channels, trial.frames)
    both = trial.plan().process(0.5 * a + 0.25 * b)
    apart = 0.5 * trial.plan().process(a).astype(np.float64) + 0.25 * trial.plan().process(b)
    return _far(both, apart, "of a sum is not the sum of what it makes of each")


def time_invariance(trial: Trial) -> str | None:
    """Now, and some frames later."""
    shift = 1 + trial.seed % 300
    x = trial.signal()
    later = np.concatenate([trial.silence(shift), x], axis=1)
    return _far(trial.plan().process(later)[:, shift:], trial.plan().process(x).astype(np.float64),
                f"{shift} frames later is something else")


def _far(y: Array, expected: Array, what: str) -> str | None:
    error = float(np.abs(y - expected).max())
    bound = 1e-4 * max(1.0, float(np.abs(expected).max()))
    return f"what it makes {what}: off by {error:.3g}" if error > bound else None
