"""Laws of the sound that comes out: silence, growth, numbers that are none, denormals, latency."""

from typing import Any

import numpy as np

from flowaudio.core.node import declaration
from flowaudio.core.params import parameters
from flowaudio.testing.signals import signal
from flowaudio.testing.trial import Trial

__all__ = ["denormals", "latency", "numbers", "sane", "silence", "stability"]

Array = np.ndarray[Any, Any]

ROOM_DB = 60.0
"""A filter may ring, a reverb may add up: by so much more than the node's own gains allow, and no more."""

WATCHED, WATCHED_S = 50_000, 1.0
"""Frames and seconds, at least, of each of the four pieces of silence in which nothing may grow."""

GROWTH, LEAST_POWER = 1.02, 1e-24
"""What grows is more powerful from piece to piece by this factor: a feedback of 1.0000002. (Echoes are not: even those
of many come and go.) Less than -240 dB is no sound."""

STANDS = 0.999
"""Of the greatest energy of an impulse response: where there is so much, it stands."""


def silence(trial: Trial) -> str | None:
    """Zeros in."""
    y = trial.plan().process(trial.silence(max(trial.frames, 2000)))
    if not y.any():
        return None
    c, n = np.argwhere(y)[0]
    return f"silence in gives {y[c, n]:.9g} out in channel {c}, frame {n}"


def stability(trial: Trial) -> str | None:
    """Full scale for half a second, then silence, in which nothing may grow."""
    plan = trial.plan(1024)
    x = signal("noise", trial.seed, trial.channels, trial.rate)
    x[:, trial.rate // 2:] = 0.0
    most = float(np.abs(plan.process(x)).max())
    bound = 10 ** ((_decibels(trial.node) + ROOM_DB) / 20)
    if most > bound and not plan.trouble:
        return f"it reaches {most:.3g} with an input of at most 1"
    length = max(round(WATCHED_S * trial.rate), WATCHED)
    tail = plan.process(trial.silence(4 * length))
    if plan.trouble:
        return "it puts out what is no number"
    if declaration(trial.node).inputs and _grows(tail):
        # Or it is never silent, and its own sound just now grows: that is the same without an input.
        quiet = trial.plan(1024)
        quiet.process(trial.silence(trial.rate))
        if _grows(tail - quiet.process(trial.silence(4 * length))):
            return "what came in grows and grows, though there is silence since"
    return None


def _grows(y: Array) -> bool:
    """Whether each quarter is more powerful than the one before."""
    powers = np.square(y, dtype=np.float64).reshape(y.shape[0], 4, -1).mean(axis=(0, 2))
    return bool(powers[0] > LEAST_POWER and (powers[1:] > GROWTH * powers[:-1]).all())


def _decibels(value: Any) -> float:
    """All that the parameters of a node may add up to, at most."""
    total = 0.0
    for name, known in parameters(type(value)).items():
        current = getattr(value, name)
        if known.kind == "items":
            total += sum(_decibels(item) for item in current)
        elif known.unit in ("dB", "dBFS", "dBTP"):
            total += max(0.0, float(current))
        elif name == "q":
            total += max(0.0, 20 * float(np.log10(current)))
    return total


def sane(trial: Trial) -> str | None:
    """At most ten times full scale."""
    plan = trial.plan(1024)
    plan.process(trial.signal(loudest=10.0))
    return "it fails, or puts out what is no number" if plan.trouble else None


def numbers(trial: Trial) -> str | None:
    """Whatever a float32 can be, and noise behind it. (What is no number is silenced by the plan, and counted.)"""
    plan = trial.plan(128)
    for kind in ("extremes", "noise"):
        if not np.isfinite(plan.process(trial.signal(kind))).all():
            return f"with {kind} coming in, what comes out is no number"
    plan.reset()
    plan.process(trial.signal("noise"))
    return "after a reset it still fails" if plan.trouble else None


def denormals(trial: Trial) -> str | None:
    """What decays, decays to zero; what comes in so may go out so, whenever that is."""
    plan = trial.plan()
    x = trial.signal("denormals")
    plan.process(x)
    y = np.concatenate([plan.process(trial.signal("noise")), plan.process(trial.silence(trial.frames))], axis=1)
    tiny = (y != 0) & (np.abs(y) < np.finfo(np.float32).tiny) & ~np.isin(np.abs(y), np.abs(x))
    if not tiny.any():
        return None
    c, n = np.argwhere(tiny)[0]
    return f"it puts out the denormal number {y[c, n]:.3g} in channel {c}, frame {n}: the next node is slow with it"


def latency(trial: Trial) -> str | None:
    """Where an impulse comes out, first or most of all.

    What declares no latency may be late with other parameters than its defaults: that is an effect, as of a delay. So
    may nothing come out: that is a gate.
    """
    plan, still = trial.plan(), trial.plan()
    x = trial.silence(4000 + plan.latency)
    quiet = still.process(x)
    x[:, 1000] = 0.25
    y = plan.process(x)
    traces = np.flatnonzero(np.any(y != quiet, axis=0))
    energies = np.square(y - quiet, dtype=np.float64).sum(axis=0)
    if len(traces):
        first, most = int(traces[0]) - 1000, int(energies.argmax()) - 1000
        stands = energies[1000 + plan.latency] >= STANDS * energies.max()
        if first == plan.latency or stands:
            return None
        heard = f"an impulse comes out after {first} frames" + f", most of it after {most}" * (most != first)
    else:
        heard = "nothing comes out at all"
    if trial.node != type(trial.node)() and (not len(traces) or not plan.latency):
        return None
    return f"it declares a latency of {plan.latency} frames, but {heard}"
