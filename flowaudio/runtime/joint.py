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
from flowaudio.graph.schedule import Op
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
    keep: Any
    rise_frames: int                    # for which the new plan is not to be heard


def _patches(rows: list[tuple[int, int, int]]) -> Array:
    return np.array(rows, np.int64).reshape(-1, PATCH)


NO_JOINTS = Joints(_patches([]), _patches([]), _patches([]), None, 0)


def join(new: Plan, old: Plan, old_rows: Array, stays: dict[int, int], rise_frames: int) -> Joints:
    """The joints between two plans.

    :param new: a plan as it was made.
    :param old_rows: the rows of the old plan as they were made: just now it may have joints with an older one.
    :param stays: operations of the new plan that take over the state of one of the old plan.
    """
    joined = [k for k, op in enumerate(new.ops) if _has_a_past(op)]
    sides = _Side(new, new.image.rows, joined), _Side(old, old_rows, [stays[k] for k in joined if k in stays])
    memory = _Memory(sum(side.words for side in sides), sum(side.samples for side in sides))
    olds: list[tuple[int, int, int]] = []
    news: list[tuple[int, int, int]] = []
    reals: list[tuple[int, int, int]] = []
    for k in joined:
        head, table, inputs = memory.put(sides[0], k, TAKEN)
        head[RISE] = rise_frames
        head[SLOPE:HEAD].view(np.float64)[:] = 1.0 / max(rise_frames, 1)
        head[HEAD:HEAD + 2 * len(inputs):2] = inputs[:, TAKEN]
        news.append((sides[0].row(k), blended_entry.address, table))
        reals.append((sides[0].row(k), sides[0].entries[k], sides[0].tables[k]))
        if k in stays:
            _, table, past = memory.put(sides[1], stays[k], OLD)
            fits = past[:, CHANNELS] == inputs[:, CHANNELS]
            inputs[fits, OLD] = past[fits, OLD]
            olds.append((sides[1].row(stays[k]), kept_entry.address, table))
    return Joints(_patches(olds), _patches(news), _patches(reals), memory, rise_frames if len(olds) < len(news) else 0)


def _has_a_past(op: Op) -> bool:
    """Whether what comes in can be heard later."""
    return bool(op.inputs) and any(getattr(s, "nbytes", 0) for s in op.state or ()) and not any(
        port.many for port in declaration(op.node).inputs)


class _Side:
    """One of the two plans, and what its joints need."""

    def __init__(self, plan: Plan, rows: Array, joined: list[int]) -> None:
        self.plan, self.ops = plan, plan.ops
        self.at = address(plan.image.rows)
        self.entries, self.tables = rows[:, walk.ENTRY].tolist(), rows[:, walk.TABLE].tolist()
        self.start = address(plan.image.tables)
        self.sizes = {k: 2 * (len(plan.ops[k].inputs) + len(plan.ops[k].outputs)) + sum(
            1 + max(field.rank, 0) for field in plan.image.fields[k]) for k in joined}
        self.words = sum(HEAD + self.sizes[k] + INPUT * len(plan.ops[k].inputs) for k in joined)
        self.samples = plan.block * sum(port[0].channels for k in joined for port in plan.ops[k].inputs)

    def row(self, k: int) -> int:
        """Where the row of an operation stands."""
        return self.at + 8 * walk.ROW * k


class _Memory:
    """Words and samples of all joints between two plans."""

    def __init__(self, words: int, samples: int) -> None:
        self.words, self.samples = np.zeros(words, np.int64), np.zeros(samples, np.float32)
        self.at, self.room = address(self.words), address(self.samples)
        self.used = 0

    def put(self, side: _Side, k: int, place: int) -> tuple[Array, int, Array]:
        """HEAD words, a copy of an operation's table and the list of its inputs; where the table is; the list.

        :param place: which word of an input says where its samples are put.
        """
        inputs, size = side.ops[k].inputs, side.sizes[k]
        head = self.words[self.used:]
        table = self.at + 8 * (self.used + HEAD)
        start = (side.tables[k] - side.start) // 8
        head[:FADER] = side.entries[k], len(inputs), table + 8 * size
        head[HEAD:HEAD + size] = side.plan.image.tables[start:start + size]
        listed = head[HEAD + size:HEAD + size + INPUT * len(inputs)].reshape(-1, INPUT)
        listed[:, :2] = head[HEAD:HEAD + 2 * len(inputs)].reshape(-1, 2)
        for each, port in zip(listed, inputs, strict=True):
            each[place] = self.room
            self.room += 4 * port[0].channels * side.plan.block
        self.used += HEAD + size + INPUT * len(inputs)
        return head, table, listed
