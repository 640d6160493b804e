"""The laws that every node keeps, each as a function that says what is wrong in one trial, or None.

They hold for the shipped nodes and for everybody's own; :func:`flowaudio.testing.check_node` looks for the smallest
trial that breaks one.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.entry import entry_for, fields_of
from flowaudio.core.native import FORBIDDEN
from flowaudio.core.node import Declaration, Format, declaration
from flowaudio.core.params import as_dict, from_dict, parameters
from flowaudio.graph import walk
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.testing.signals import signal
from flowaudio.testing.strategies import graph_of

__all__ = ["LAWS", "Law", "Trial"]

Array = np.ndarray[Any, Any]

BLOCK = 8192
"""Frames that the plans of a trial take at once, at most."""

ROOM_DB = 60.0
"""A filter may ring, a reverb may add up: by so much more than the node's own gains allow, and no more."""

LEAST_SPEED = 20.0
"""Times real time, stereo at 48 kHz in blocks of 256 frames: slower, and it fills a twentieth of a core."""

POISONS = (0x00, 0xFF, 0x5A)
"""Bytes that memory is filled with where a kernel has no business: zeros, NaNs, numbers of 1.5e16."""


class Trial(NamedTuple):
    """One case in which a law has to hold."""

    node: Any
    rate: int = 48_000
    channels: int = 2
    kind: str = "noise"                 # of signal, see `signals`
    seed: int = 0
    lengths: tuple[int, ...] = (256, 256)
    all_ports: bool = False             # connect inputs that might stay open, too

    @property
    def frames(self) -> int:
        return sum(self.lengths)

    def graph(self) -> Graph:
        return graph_of(self.node, all_ports=self.all_ports)

    def plan(self, block: int = BLOCK) -> Plan:
        return Plan(self.graph(), self.rate, self.channels, block)

    def signal(self, kind: str = "", frames: int = 0, loudest: float = 1.0) -> Array:
        return signal(kind or self.kind, self.seed, self.channels, frames or self.frames, loudest, self.rate)

    def __str__(self) -> str:
        lengths = " + ".join(map(str, self.lengths)) if len(self.lengths) > 1 else f"{self.frames}"
        ports = ", all inputs connected" if self.all_ports else ""
        return (f"{self.node!r} at {self.rate} Hz, {self.channels} channels, {self.kind} (seed {self.seed}) of "
                f"{lengths} frames{ports}")


class Law(NamedTuple):
    """A law, and of which nodes it speaks."""

    says: str
    broken: Callable[[Trial], str | None]
    holds_for: Callable[[Declaration], bool] = lambda declared: True
    examples: int = 20
    limits: bool = False                # with parameters at their limits
    once: bool = False                  # one trial, with default parameters, says it all
    cure: str = ""                      # what helps, mostly


# --- what a run leaves behind ---------------------------------------------------------------------------------------

def _in_pieces(plan: Plan, x: Array, lengths: tuple[int, ...]) -> Array:
    edges = itertools.accumulate(lengths, initial=0)
    return np.concatenate([plan.process(np.ascontiguousarray(x[:, a:b])) for a, b in itertools.pairwise(edges)], axis=1)


def _measured(plan: Plan) -> dict[str, Array]:
    return {f"{op.name}.{key}": value for op in plan.ops if declaration(op.node).measures
            for key, value in plan.read(op.name).items()}


def _difference(one: Array, other: Array) -> str | None:
    """Where two signals differ first, in bits."""
    where = np.argwhere((one.view(np.uint32) != other.view(np.uint32)).T)
    if not len(where):
        return None
    n, c = where[0]
    return f"channel {c}, frame {n} is {other[c, n]:.9g} where it was {one[c, n]:.9g}"


def _differ(first: tuple[Array, Plan], second: tuple[Array, Plan]) -> str | None:
    """What differs between two runs: the sound, what was measured, what was found."""
    if found := _difference(first[0], second[0]):
        return found
    one, other = _measured(first[1]), _measured(second[1])
    for key, value in one.items():
        if not np.array_equal(value, other[key], equal_nan=value.dtype.kind == "f"):
            return f"{key} measures {other[key]!s:.60} where it measured {value!s:.60}"
    events, others = first[1].events(), second[1].events()
    if events != others:
        return f"the events are {others!s:.90} where they were {events!s:.90}"
    return None


# --- the laws -------------------------------------------------------------------------------------------------------

def _cutting(trial: Trial) -> str | None:
    x = trial.signal()
    whole, pieces = trial.plan(), trial.plan()
    found = _differ((whole.process(x), whole), (_in_pieces(pieces, x, trial.lengths), pieces))
    return found and f"cut into these blocks, {found} in one piece"


def _short_blocks(trial: Trial) -> str | None:
    x = trial.signal(frames=700)
    whole = trial.plan().process(x)
    for length in (1, 2, 3, 5, 8, 31, 33):
        lengths = [length] * (700 // length)
        rest = 700 - sum(lengths)
        found = _difference(whole, _in_pieces(trial.plan(), x, (*lengths, *[rest] * (rest > 0))))
        if found:
            return f"in blocks of {length} frames, {found} in one piece"
    return None


def _reset(trial: Trial) -> str | None:
    x = trial.signal()
    plan, fresh = trial.plan(), trial.plan()
    plan.process(trial.signal("noise"))
    plan.reset()
    found = _differ((fresh.process(x), fresh), (plan.process(x), plan))
    return found and f"after a reset, {found} with a new plan"


def _independence(trial: Trial) -> str | None:
    """Two of a kind, side by side: neither hears the other."""
    x = trial.signal()
    alone, one, other = trial.plan(), trial.plan(), trial.plan()
    y = _in_pieces(alone, x, trial.lengths)
    parts, at = [], 0
    for length in trial.lengths:
        other.process(trial.signal("noise"))
        parts.append(one.process(np.ascontiguousarray(x[:, at:at + length])))
        at += length
    found = _differ((y, alone), (np.concatenate(parts, axis=1), one))
    return found and f"while a second one runs, {found} alone"


def _silence(trial: Trial) -> str | None:
    y = trial.plan().process(np.zeros((trial.channels, max(trial.frames, 2000)), np.float32))
    if not y.any():
        return None
    c, n = np.argwhere(y)[0]
    return f"silence in gives {y[c, n]:.9g} out in channel {c}, frame {n}"


def _stability(trial: Trial) -> str | None:
    """Full scale for half a second, then silence."""
    plan = trial.plan(1024)
    x = signal("noise", trial.seed, trial.channels, trial.rate)
    x[:, trial.rate // 2:] = 0.0
    most = float(np.abs(plan.process(x)).max())
    if plan.trouble:
        return "it puts out what is no number"
    bound = 10 ** ((_decibels(trial.node) + ROOM_DB) / 20)
    return f"it reaches {most:.3g} with an input of at most 1" if most > bound else None


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


def _sane(trial: Trial) -> str | None:
    plan = trial.plan(1024)
    plan.process(trial.signal(loudest=10.0))
    return "it fails, or puts out what is no number" if plan.trouble else None


def _numbers(trial: Trial) -> str | None:
    """Whatever a float32 can be, and noise behind it. (What is no number is silenced by the plan, and counted.)"""
    plan = trial.plan(128)
    for kind in ("extremes", "noise"):
        if not np.isfinite(plan.process(trial.signal(kind))).all():
            return f"with {kind} coming in, what comes out is no number"
    plan.reset()
    plan.process(trial.signal("noise"))
    return "after a reset it still fails" if plan.trouble else None


def _denormals(trial: Trial) -> str | None:
    """What decays, decays to zero; what comes in so may go out so."""
    plan = trial.plan()
    plan.process(trial.signal("denormals"))
    y = np.concatenate([plan.process(trial.signal("noise")),
                        plan.process(np.zeros((trial.channels, trial.frames), np.float32))], axis=1)
    tiny = (y != 0) & (np.abs(y) < np.finfo(np.float32).tiny)
    if not tiny.any():
        return None
    c, n = np.argwhere(tiny)[0]
    return f"it puts out the denormal number {y[c, n]:.3g} in channel {c}, frame {n}: the next node is slow with it"


def _in_place(trial: Trial) -> str | None:
    cls = type(trial.node)
    declared = declaration(cls)
    x = trial.signal()
    shared = trial._replace(all_ports=True).plan()
    cls.__declaration__ = declared._replace(in_place=False)
    try:
        apart = trial._replace(all_ports=True).plan()
    finally:
        cls.__declaration__ = declared
    found = _differ((apart.process(x), apart), (shared.process(x), shared))
    return found and f"with output and input in one memory, {found} in two"


def _latency(trial: Trial) -> str | None:
    plan = trial.plan()
    x = np.zeros((trial.channels, 4000 + plan.latency), np.float32)
    x[:, 1000] = 0.25
    traces = np.flatnonzero(np.any(plan.process(x) != 0.0, axis=0))
    first = int(traces[0]) - 1000 if len(traces) else None
    if first == plan.latency:
        return None
    heard = "nothing comes out at all" if first is None else f"an impulse comes out after {first} frames"
    return f"it declares a latency of {plan.latency} frames, but {heard}"


def _memory(trial: Trial) -> str | None:
    """What stands beside its inputs and outputs is none of its business, and its outputs are its own to fill."""
    x, outputs = trial.signal(), []
    for poison in POISONS:
        plan = trial.plan(max(trial.lengths) + 40)
        arena = plan.image.keep[0]
        assert isinstance(arena, np.ndarray)
        parts, at = [], 0
        for length in trial.lengths:
            arena[:] = poison
            parts.append(plan.process(np.ascontiguousarray(x[:, at:at + length])))
            at += length
            if (arena[_beside(plan, arena, length)] != poison).any():
                return "it writes beside its outputs"
        outputs.append(np.concatenate(parts, axis=1))
    for other in outputs[1:]:
        if found := _difference(outputs[0], other):
            return f"it reads beside its inputs, or leaves a part of its output as it was: {found}"
    return None


def _beside(plan: Plan, arena: Array, frames: int) -> Array:
    """Which bytes of the memory between operations belong to no signal of so many frames."""
    free = np.ones(arena.size, bool)
    base = arena.__array_interface__["data"][0]
    header = plan.image.header
    pairs = [(int(header[walk.IN]), int(header[walk.IN_CHANNELS])),
             (int(header[walk.OUT]), int(header[walk.OUT_CHANNELS]))]
    for op in plan.image.rows:
        first = int(op[walk.OUTPUTS] - plan.image.tables.__array_interface__["data"][0]) // 8
        words = plan.image.tables[first:first + 2 * int(op[walk.OUTPUT_COUNT])].tolist()
        pairs += zip(words[::2], words[1::2], strict=True)
    for where, channels in pairs:
        free[where - base:where - base + 4 * channels * frames] = False
    return free


def _machine_code(trial: Trial) -> str | None:
    """No reference counts, no allocation, no lock, no GIL: neither as a symbol nor as a name in the object code."""
    name = type(trial.node).__name__
    declared = declaration(trial.node)
    params, state = trial.node.prepare(Format(48_000, 2, 256, (2,) * len(declared.inputs)))
    entry = entry_for(declared, fields_of(name, params, False)[0], fields_of(name, state, True)[0])
    symbols = [*entry.object.externals,
               *(each for each in ("NRT_", "PyGILState", "PyErr_", "malloc", "pthread_mutex")
                 if each.encode() in entry.object.code)]
    bad = [each for each in symbols if each.startswith((*FORBIDDEN, "numba_", "pthread", "sem_"))]
    return f"its machine code calls {bad[0]}" if bad else None


def _documents(trial: Trial) -> str | None:
    """Nothing but the declared parameters counts, and they survive being written down."""
    cls = type(trial.node)
    again = from_dict(cls, as_dict(trial.node))
    if again != trial.node:
        return f"written down and read again it is {again!r}"
    x, twin = trial.signal(), trial._replace(node=again)
    found = _difference(trial.plan().process(x), twin.plan().process(x))
    return found and f"an equal node does not sound equal: {found}"


def _linearity(trial: Trial) -> str | None:
    a, b = trial.signal(), signal("noise", trial.seed + 1, trial.channels, trial.frames)
    both = trial.plan().process(0.5 * a + 0.25 * b)
    apart = 0.5 * trial.plan().process(a).astype(np.float64) + 0.25 * trial.plan().process(b)
    return _far(both, apart, "of a sum is not the sum of what it makes of each")


def _time_invariance(trial: Trial) -> str | None:
    shift = 1 + trial.seed % 300
    x = trial.signal()
    later = np.concatenate([np.zeros((trial.channels, shift), np.float32), x], axis=1)
    return _far(trial.plan().process(later)[:, shift:], trial.plan().process(x).astype(np.float64),
                f"{shift} frames later is something else")


def _far(y: Array, expected: Array, what: str) -> str | None:
    error = float(np.abs(y - expected).max())
    bound = 1e-4 * max(1.0, float(np.abs(expected).max()))
    return f"what it makes {what}: off by {error:.3g}" if error > bound else None


def _speed(trial: Trial) -> str | None:
    plan = Plan(trial.graph(), 48_000, 2, 256)
    x = signal("noise", 1, 2, 48_000)
    plan.process(x)
    best = min(_timed(plan, x) for _ in range(3))
    return (f"it runs at {1 / best:.1f} times real time, stereo at 48 kHz, where {LEAST_SPEED:g} times is the least"
            if best * LEAST_SPEED > 1 else None)


def _timed(plan: Plan, x: Array) -> float:
    begin = time.perf_counter()
    plan.process(x)
    return time.perf_counter() - begin


LAWS = {
    "machine code": Law("a kernel allocates nothing, locks nothing and calls no Python", _machine_code, once=True,
                        cure="allocate in prepare(), and keep what the kernel needs in the state"),
    "speed": Law("it is fast enough for real time", _speed, once=True),
    "memory": Law("a kernel keeps to its inputs and outputs, and fills these", _memory, examples=8,
                  cure="stay within the shape of each array, and write every frame of every output"),
    "in place": Law("working in place changes nothing, where declared", _in_place,
                    lambda declared: declared.in_place, examples=8,
                    cure="read a frame before it is written over, or leave in_place=True out"),
    "independence": Law("two nodes of a kind do not hear each other", _independence, examples=8,
                        cure="make the state anew in every call of prepare()"),
    "cutting": Law("no cut into blocks changes a bit of the sound, of a measure or of an event", _cutting,
                   cure="keep in the state what a block needs of the one before, and count frames, not blocks"),
    "short blocks": Law("blocks of a few frames change nothing, either", _short_blocks, once=True,
                        cure="keep in the state what a block needs of the one before, and count frames, not blocks"),
    "reset": Law("a reset brings back the beginning", _reset, examples=8,
                 cure="keep in the state all that the kernel changes, and nothing of it in the parameters"),
    "silence": Law("silence in, silence out, where declared", _silence, lambda declared: declared.silent, examples=8,
                   cure="start from a state that is silent, or declare silent=False"),
    "stability": Law("no parameter makes it explode", _stability, examples=8, limits=True,
                     cure="narrow the range of that parameter, or hold the feedback below 1"),
    "sane input": Law("sane input makes no trouble", _sane, examples=12,
                      cure="guard divisions, roots and logarithms against what may come in"),
    "numbers": Law("it survives whatever a float32 can be", _numbers, examples=10,
                   cure="keep no intermediate result where a reset does not reach it"),
    "denormals": Law("no denormal number comes out", _denormals, examples=6,
                     cure="set to zero what is too quiet to be heard"),
    "latency": Law("the declared latency is the latency", _latency, lambda declared: bool(declared.inputs), once=True,
                   cure="let latency(self, format) return what the kernel does"),
    "documents": Law("nothing but the declared parameters counts", _documents, examples=8,
                     cure="compute in prepare(), from the declared parameters alone"),
    "linearity": Law("the sum of two signals gives the sum of both results, where declared", _linearity,
                     lambda declared: declared.linear, examples=8,
                     cure="leave linear=True out if it is not meant to be"),
    "time invariance": Law("later in, the same later out, where declared", _time_invariance,
                           lambda declared: declared.time_invariant, examples=8,
                           cure="leave time_invariant=True out if it is not meant to be"),
}
"""By name, in the order in which they are tried."""
