"""What comes into the nodes of a plan while it takes another one's place: no line or filter hears a cut.

A node that stays has its past in its state; its input fades from what the old plan gives it to what the new one does.
A node that is new, and has a memory, hears its input rise from silence, before anybody hears the plan: an echo of it
begins as softly. Until the old plan is gone such nodes stand behind entries of their own: the old plan's keep what
comes in, the new plan's blend it. Nodes without a state need none of that.
"""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import call_entry, copy, f32_1d, f64_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.core.node import declaration
from flowaudio.core.simd import fma
from flowaudio.graph import walk
from flowaudio.graph.image import address
from flowaudio.graph.plan import Plan
from flowaudio.runtime.fader import fader_at

__all__ = ["NO_JOINTS", "Joints", "blended_entry", "join", "joints_begin", "joints_end", "kept_entry"]

# These words stand before a copy of an operation's table: the entry of its kernel; its inputs and where they are
# listed; the fader that it follows; frames since the beginning; frames in which a new one rises; 1 over that (float64).
REAL, INPUTS, LIST, FADER, GONE, RISE, SLOPE, HEAD = range(8)

# An input: where its samples are, channels, where what the kernel takes is put, where the old plan's are kept (or 0).
LIVE, CHANNELS, TAKEN, OLD, INPUT = range(5)

# A row of a plan and the entry and table that it is to have.
ROW, ENTRY, TABLE, PATCH = range(4)

Array = np.ndarray[Any, Any]


@native
def kept_entry(table: int, frames: int) -> int:
    """An operation of the old plan: keep what comes in, and go on."""
    told = i64_1d(table - 8 * HEAD, HEAD)
    for k in range(told[INPUTS]):
        entry = i64_1d(told[LIST] + 8 * INPUT * k, INPUT)
        copy(entry[OLD], entry[LIVE], 4 * entry[CHANNELS] * frames)
    return call_entry(told[REAL], table, frames)


@native
def blended_entry(table: int, frames: int) -> int:
    """An operation of the new plan: blend what comes in, and go on."""
    told, slope = i64_1d(table - 8 * HEAD, HEAD), f64_1d(table - 8 * HEAD, HEAD)[SLOPE]
    for k in range(told[INPUTS]):
        entry = i64_1d(told[LIST] + 8 * INPUT * k, INPUT)
        for c in range(entry[CHANNELS]):
            live, taken = (f32_1d(entry[LIVE] + 4 * c * frames, frames), f32_1d(entry[TAKEN] + 4 * c * frames, frames))
            if entry[OLD]:
                old = f32_1d(entry[OLD] + 4 * c * frames, frames)
                for n in range(frames):
                    g, before = fader_at(told[FADER], n), np.float64(old[n])
                    taken[n] = live[n] if g == 1.0 else np.float32(fma(g, np.float64(live[n]) - before, before))
            else:
                for n in range(frames):
                    at = told[GONE] + n + 1
                    taken[n] = live[n] if at >= told[RISE] else np.float32(live[n] * (slope * at))
    told[GONE] += frames
    return call_entry(told[REAL], table, frames)


@kernel
def patch(patches: int, count: int) -> None:
    """Give rows their entries."""
    for k in range(count):
        told = i64_1d(patches + 8 * PATCH * k, PATCH)
        row = i64_1d(told[ROW], walk.ROW)
        row[walk.ENTRY], row[walk.TABLE] = told[ENTRY], told[TABLE]


@kernel
def joints_begin(olds: int, old_count: int, news: int, new_count: int, fader: int) -> None:
    """The new plan's first frame is next; it follows `fader`, from 0 to 1."""
    patch(olds, old_count)
    patch(news, new_count)
    for k in range(new_count):
        table = i64_1d(news + 8 * PATCH * k, PATCH)[TABLE]
        i64_1d(table - 8 * HEAD, HEAD)[FADER] = fader


@kernel
def joints_end(reals: int, count: int) -> None:
    """The old plan is gone."""
    patch(reals, count)


class Joints(NamedTuple):
    """The joints of two plans: int64 [count, PATCH] for the rows of the old one, and of the new one, then and after."""

    olds: Array
    news: Array
    reals: Array
    keep: tuple[Any, ...]
    rise_frames: int                    # for which the new plan is not to be heard


def _patches(rows: list[list[int]]) -> Array:
    return np.array(rows, np.int64).reshape(-1, PATCH)


NO_JOINTS = Joints(_patches([]), _patches([]), _patches([]), (), 0)


def join(new: Plan, old: Plan, old_rows: Array, stays: dict[int, int], rise_frames: int) -> Joints:
    """The joints between two plans.

    :param new: a plan as it was made.
    :param old_rows: the rows of the old plan as they were made: just now it may have joints with an older one.
    :param stays: operations of the new plan that take over the state of one of the old plan.
    """
    olds: list[list[int]] = []
    news: list[list[int]] = []
    reals: list[list[int]] = []
    keep: list[Any] = []
    for k, op in enumerate(new.ops):
        declared = declaration(op.node)
        if not op.inputs or not any(getattr(s, "nbytes", 0) for s in op.state or ()) or any(
                port.many for port in declared.inputs):
            continue
        j = stays.get(k, -1)
        table = _table(new, new.image.rows, k)
        inputs = np.zeros((len(op.inputs), INPUT), np.int64)
        inputs[:, :2] = table[HEAD:HEAD + 2 * len(op.inputs)].reshape(-1, 2)
        taken = [np.zeros((channels, new.block), np.float32) for channels in inputs[:, CHANNELS]]
        inputs[:, TAKEN] = [address(t) for t in taken]
        keep += [table, inputs, taken]
        if j >= 0:
            before = _table(old, old_rows, j)
            past = np.zeros_like(inputs)
            past[:, :2] = before[HEAD:HEAD + 2 * len(op.inputs)].reshape(-1, 2)
            kept = [np.zeros((channels, old.block), np.float32) for channels in past[:, CHANNELS]]
            past[:, OLD] = [address(o) for o in kept]
            fits = past[:, CHANNELS] == inputs[:, CHANNELS]
            inputs[fits, OLD] = past[fits, OLD]
            before[:3] = old_rows[j, walk.ENTRY], len(past), address(past)
            keep += [before, past, kept]
            olds.append([_row(old, j), kept_entry.address, address(before) + 8 * HEAD])
        table[:3] = new.image.rows[k, walk.ENTRY], len(inputs), address(inputs)
        table[RISE] = rise_frames
        table[SLOPE:HEAD].view(np.float64)[:] = 1.0 / max(rise_frames, 1)
        table[HEAD:HEAD + 2 * len(op.inputs):2] = inputs[:, TAKEN]
        news.append([_row(new, k), blended_entry.address, address(table) + 8 * HEAD])
        reals.append([_row(new, k), int(new.image.rows[k, walk.ENTRY]), int(new.image.rows[k, walk.TABLE])])
    return Joints(_patches(olds), _patches(news), _patches(reals), tuple(keep),
                  rise_frames if len(olds) < len(news) else 0)


def _row(plan: Plan, k: int) -> int:
    return address(plan.image.rows) + 8 * walk.ROW * k


def _table(plan: Plan, rows: Array, k: int) -> Array:
    """HEAD words, and a copy of an operation's table."""
    op = plan.ops[k]
    size = 2 * (len(op.inputs) + len(op.outputs)) + sum(1 + max(f.rank, 0) for f in plan.image.fields[k])
    made = np.zeros(HEAD + size, np.int64)
    tables = plan.image.tables
    start = (int(rows[k, walk.TABLE]) - address(tables)) // 8
    made[HEAD:] = tables[start:start + size]
    return made
