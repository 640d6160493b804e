"""The laws that every node keeps, each as a function that says what is wrong in one trial, or None.

They hold for the shipped nodes and for everybody's own; :func:`flowaudio.testing.check_node` looks for the smallest
trial that breaks one.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.node import Declaration
from flowaudio.graph.plan import Plan
from flowaudio.testing import laws_memory, laws_runs, laws_sound
from flowaudio.testing.signals import signal
from flowaudio.testing.trial import Trial

__all__ = ["LAWS", "Law"]

LEAST_SPEED = 20.0
"""Times real time, stereo at 48 kHz in blocks of 256 frames: slower, and it fills a twentieth of a core."""


class Law(NamedTuple):
    """A law, and of which nodes it speaks."""

    says: str
    broken: Callable[[Trial], str | None]
    holds_for: Callable[[Declaration], bool] = lambda declared: True
    examples: int = 20
    limits: bool = False                # with parameters at their limits
    once: bool = False                  # one trial, with default parameters, says it all
    cure: str = ""                      # what helps, mostly


def _speed(trial: Trial) -> str | None:
    plan = Plan(trial.graph(), 48_000, trial.channels, 256)
    x = signal("noise", 1, trial.channels, 48_000)
    plan.process(x)
    best = min(_timed(plan, x) for _ in range(3))
    return (f"it runs at {1 / best:.1f} times real time, stereo at 48 kHz, where {LEAST_SPEED:g} times is the least"
            if best * LEAST_SPEED > 1 else None)


def _timed(plan: Plan, x: np.ndarray[Any, Any]) -> float:
    begin = time.perf_counter()
    plan.process(x)
    return time.perf_counter() - begin


_BLOCKS = ("keep in the state what a block needs of the one before, count frames, not blocks, and leave format.block "
           "alone")

LAWS = {
    "machine code": Law("a kernel allocates nothing, locks nothing and calls no Python", laws_memory.machine_code,
                        once=True, cure="allocate in prepare(), and keep what the kernel needs in the state"),
    # Before a node runs where nothing guards what lies beside its arrays.
    "memory": Law("a kernel keeps to its inputs, outputs, parameters and state, and fills its outputs",
                  laws_memory.memory, examples=8,
                  cure="stay within the shape of each array, and write every frame of every output"),
    "determinism": Law("the same node makes the same sound of the same input", laws_runs.determinism, examples=8,
                       cure="draw no random numbers but of a fixed seed, count nothing beyond a plan, and fill what "
                            "numpy.empty gives"),
    "sane input": Law("sane input makes no trouble", laws_sound.sane, examples=12,
                      cure="guard divisions, roots and logarithms against what may come in"),
    "speed": Law("it is fast enough for real time", _speed, once=True),
    "in place": Law("working in place changes nothing, where declared", laws_memory.in_place,
                    lambda declared: declared.in_place, examples=8,
                    cure="read a frame before it is written over, or leave in_place=True out"),
    "independence": Law("two nodes of a kind do not hear each other", laws_runs.independence, examples=8,
                        cure="make the state anew in every call of prepare()"),
    "cutting": Law("no cut into blocks changes a bit of the sound, of a measure or of an event", laws_runs.cutting,
                   cure=_BLOCKS),
    "short blocks": Law("blocks of a few frames change nothing, either", laws_runs.short_blocks, once=True,
                        cure=_BLOCKS),
    "reset": Law("a reset brings back the beginning", laws_runs.reset, examples=8,
                 cure="keep in the state all that the kernel changes"),
    "silence": Law("silence in, silence out, where declared", laws_sound.silence, lambda declared: declared.silent,
                   examples=8, cure="start from a state that is silent, or declare silent=False"),
    "stability": Law("no parameter makes it explode", laws_sound.stability, examples=8, limits=True,
                     cure="narrow the range of that parameter, or hold the feedback below 1"),
    "numbers": Law("it survives whatever a float32 can be", laws_sound.numbers, examples=10,
                   cure="keep no intermediate result where a reset does not reach it"),
    "denormals": Law("no denormal number comes out", laws_sound.denormals, examples=6,
                     cure="set to zero what is too quiet to be heard"),
    "latency": Law("the declared latency is the latency", laws_sound.latency,
                   lambda declared: bool(declared.inputs and declared.outputs), examples=8,
                   cure="let latency(self, format) return what the kernel does"),
    "documents": Law("nothing but the declared parameters counts", laws_runs.documents, examples=8,
                     cure="compute in prepare(), from the declared parameters alone"),
    "linearity": Law("the sum of two signals gives the sum of both results, where declared", laws_runs.linearity,
                     lambda declared: declared.linear, examples=8,
                     cure="leave linear=True out if it is not meant to be"),
    "time invariance": Law("later in, the same later out, where declared", laws_runs.time_invariance,
                           lambda declared: declared.time_invariant, examples=8,
                           cure="leave time_invariant=True out if it is not meant to be"),
}
"""By name, in the order in which they are tried."""
