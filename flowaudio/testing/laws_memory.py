"""Laws of memory: what a kernel may touch, and what its machine code may call."""

import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

from flowaudio.core.entry import entry_for, fields_of
from flowaudio.core.native import FORBIDDEN
from flowaudio.core.node import Format, declaration
from flowaudio.graph import walk
from flowaudio.graph.image import address
from flowaudio.testing.signals import signal
from flowaudio.testing.trial import Heard, SpacedPlan, Trial, differ, heard, pieces

__all__ = ["in_place", "machine_code", "memory"]

Array = np.ndarray[Any, Any]

POISONS = (0x00, 0xFF, 0x5A)
"""Bytes that memory is filled with where a kernel has no business: zeros, NaNs, numbers of 1.5e16."""

PLAIN = 64
"""Frames of a block that plain Python is given, at most: it takes microseconds for each."""

FAILING = 0x7FFFFFFF
"""As the bits of what is taken for an explosion: no number is, but for the NaNs of a poison. What is in trouble has
failed then."""


def memory(trial: Trial) -> str | None:
    """What stands beside its inputs, outputs, parameters and state is none of its business, and its outputs are its own
    to fill."""
    runs: list[Heard] = []
    for poison in POISONS:
        plan = trial.spaced_plan(max(trial.lengths) + 40)
        if wrong := _poisoned(plan, trial, poison, runs):
            return wrong
    for other in runs[1:]:
        if found := differ(runs[0], other):
            return f"it reads beside its inputs, parameters or state, or leaves a part of its output as it was: {found}"
    return None


def _poisoned(plan: SpacedPlan, trial: Trial, poison: int, runs: list[Heard]) -> str | None:
    """Run a trial with memory that is poisoned wherever nobody has any business."""
    image = plan.image
    gaps = _gaps(plan)
    # A reset brings back what there was at the beginning: the poison, too.
    image.memory[gaps] = image.pristine[gaps] = poison
    image.header[walk.LIMIT] = FAILING
    parts = []
    for piece in pieces(trial.signal(), trial.lengths):
        image.arena[:] = poison
        parts.append(plan.process(piece))
        if plan.trouble and not poison:
            return f"it uses an index beyond the end of an array{_where(plan, trial)}"
        if (image.arena[_beside(plan, piece.shape[1])] != poison).any():
            return "it writes beside its outputs"
        touched = np.flatnonzero(gaps & (image.memory != poison))
        if len(touched):
            return f"it writes beside {_neighbour(plan, int(touched[0]))}"
    runs.append(heard(plan, np.concatenate(parts, axis=1)))
    return None


def _where(plan: SpacedPlan, trial: Trial) -> str:
    """The line with the index, as far as plain Python finds it: the machine code knows no lines."""
    op = next(op for op in plan.ops if op.node is trial.node)
    declared = declaration(op.node)
    if any(port.many for port in declared.inputs):
        return ""
    params, state = op.node.prepare(op.format)
    try:
        for length in trial.lengths:
            frames = min(length, PLAIN)
            inputs = [signal(trial.kind, trial.seed, port[0].channels, frames, rate=trial.rate) for port in op.inputs]
            outputs = [np.zeros((buffer.channels, frames), np.float32) for buffer in op.outputs]
            declared.kernel(*inputs, *outputs, params, state)
    except IndexError as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f' (File "{frame.filename}", line {frame.lineno}: {frame.line}: {error})'
    except Exception:                   # what only compiled code can do: vectors, say
        return ""
    return ""


def _gaps(plan: SpacedPlan) -> Array:
    """Which bytes of the packed memory are neither a parameter nor a state."""
    free = np.ones(plan.image.memory.size, bool)
    for _, begin, end in _packed(plan):
        free[begin:end] = False
    return free


def _packed(plan: SpacedPlan) -> Iterator[tuple[str, int, int]]:
    """Name, begin and end of each parameter and state in the packed memory."""
    for op, fields in zip(plan.ops, plan.image.fields, strict=True):
        for field in fields:
            if field.offset >= 0:
                size = 8 if field.array is None else field.array.nbytes
                role = "state" if field.state else "parameter"
                yield f"the {role} {field.name!r} of {op.name}", field.offset, field.offset + size


def _neighbour(plan: SpacedPlan, at: int) -> str:
    """What stands next to a byte of the packed memory."""
    return min(_packed(plan), key=lambda field: min(abs(at - field[1]), abs(at - field[2])))[0]


def _beside(plan: SpacedPlan, frames: int) -> Array:
    """Which bytes of the memory between operations belong to no signal of so many frames."""
    image = plan.image
    free = np.ones(image.arena.size, bool)
    base, header = address(image.arena), image.header
    pairs = [(int(header[walk.IN]), int(header[walk.IN_CHANNELS])),
             (int(header[walk.OUT]), int(header[walk.OUT_CHANNELS]))]
    for op in image.rows:
        first = int(op[walk.OUTPUTS] - address(image.tables)) // 8
        words = image.tables[first:first + 2 * int(op[walk.OUTPUT_COUNT])].tolist()
        pairs += zip(words[::2], words[1::2], strict=True)
    for where, channels in pairs:
        free[where - base:where - base + 4 * channels * frames] = False
    return free


def in_place(trial: Trial) -> str | None:
    """Output and input in one memory, and in two."""
    cls = type(trial.node)
    declared = declaration(cls)
    x = trial.signal()
    shared = trial._replace(all_ports=True).plan()
    cls.__declaration__ = declared._replace(in_place=False)
    try:
        apart = trial._replace(all_ports=True).plan()
    finally:
        cls.__declaration__ = declared
    found = differ(heard(apart, apart.process(x)), heard(shared, shared.process(x)))
    return found and f"with output and input in one memory, {found} in two"


def machine_code(trial: Trial) -> str | None:
    """No reference counts, no allocation, no lock, no GIL: neither as a symbol nor as a name in the object code."""
    name = type(trial.node).__name__
    declared = declaration(trial.node)
    channels = trial.channels
    params, state = trial.node.prepare(Format(trial.rate, channels, 256, (channels,) * len(declared.inputs)))
    entry = entry_for(declared, fields_of(name, params, False)[0], fields_of(name, state, True)[0])
    symbols = [*entry.object.externals,
               *(each for each in ("NRT_", "PyGILState", "PyErr_", "malloc", "pthread_mutex")
                 if each.encode() in entry.object.code)]
    bad = [each for each in symbols if each.startswith((*FORBIDDEN, "numba_", "pthread", "sem_"))]
    return f"its machine code calls {bad[0]}" if bad else None
