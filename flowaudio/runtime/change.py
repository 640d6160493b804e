"""A change of a node's parameters on its way: what `prepare` made of the new values, walked to in small steps.

The control thread computes, the audio thread applies, at a stated frame. From the values that the kernel has at that
frame, floating-point fields go to the new ones in straight lines, a step every STEP frames; whole numbers change at
once. Steps count from that frame: how the stream is cut into blocks changes nothing. A change begun on top of another
one begins where that one is.
"""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import copy, f32_1d, f64_1d, i64_1d
from flowaudio.core.params import parameters
from flowaudio.core.simd import fma
from flowaudio.graph import walk
from flowaudio.graph.image import Field, address
from flowaudio.graph.schedule import Op

__all__ = ["CANCELLED", "MOST", "OWN", "STEP", "Change", "change_apply", "change_begin", "change_between", "layout_of",
           "row_word", "way_between"]

STEP = 4
"""Frames between two steps. A gain that goes from 1 to 0 in 20 ms then moves less in a step than a sine of 60 Hz does
by itself. Steps of 32 frames take 1 % of a core less while a usual graph is automated all the time, and tear such a
bass eight times as much."""

MOST = 4096
"""Numbers of an array that are walked in steps. A longer one that changes is another plan."""

# A change: its length in frames (a multiple of STEP, or 0: at once), how many have gone, how many segments it has, the
# row of the operation that it is applied to, whether it was taken back before it began, whether it belongs to its plan
# and is not given back. Segments follow.
LENGTH, GONE, SEGMENTS, ROW, CANCELLED, OWN, CHANGE = range(7)

# A segment: the place in the operation's table that holds the address of the field; what it is made of; how many; the
# address of the new values (float64, or as the field has them) and of those at the beginning (float64).
PLACE, KIND, COUNT, NEW, OLD, SEGMENT = range(6)

FLOAT32, FLOAT64, BYTES = range(3)


@kernel
def row_word(change: int) -> int:
    """The row that a change was begun on."""
    return i64_1d(change, CHANGE)[ROW]


@kernel
def change_begin(change: int, row: int) -> None:
    """Take note of where the fields stand now; whole numbers change."""
    told = i64_1d(change, CHANGE)
    told[ROW], told[GONE] = row, 0
    table = i64_1d(row, walk.ROW)[walk.TABLE]
    for k in range(told[SEGMENTS]):
        segment = i64_1d(change + 8 * (CHANGE + SEGMENT * k), SEGMENT)
        field, count = i64_1d(table + 8 * segment[PLACE], 1)[0], segment[COUNT]
        old = f64_1d(segment[OLD], count)
        if segment[KIND] == FLOAT32:
            values = f32_1d(field, count)
            for n in range(count):
                old[n] = np.float64(values[n])
        elif segment[KIND] == FLOAT64:
            copy(segment[OLD], field, 8 * count)
        else:
            copy(field, segment[NEW], count)


@kernel
def change_apply(change: int, part: float) -> None:
    """Put the fields where they are after `part` of the way; at 1 they are what `prepare` made, bit for bit.

    The rounding is written out, so that no compiler has a choice.
    """
    told = i64_1d(change, CHANGE)
    table = i64_1d(told[ROW], walk.ROW)[walk.TABLE]
    for k in range(told[SEGMENTS]):
        segment = i64_1d(change + 8 * (CHANGE + SEGMENT * k), SEGMENT)
        field, count = i64_1d(table + 8 * segment[PLACE], 1)[0], segment[COUNT]
        new, old = f64_1d(segment[NEW], count), f64_1d(segment[OLD], count)
        if segment[KIND] == FLOAT32:
            single = f32_1d(field, count)
            for n in range(count):
                single[n] = np.float32(new[n] if part >= 1.0 else fma(part, new[n] - old[n], old[n]))
        elif segment[KIND] == FLOAT64:
            double = f64_1d(field, count)
            for n in range(count):
                double[n] = new[n] if part >= 1.0 else fma(part, new[n] - old[n], old[n])


class Change(NamedTuple):
    """A change in memory. It has to live until the audio thread has given it back."""

    address: int
    keep: Any


def way_between(old: Op, new: Op, fields: list[Field], frames: int) -> Change | None:
    """The change with which a plan's operation goes on from the parameters of the one whose state it takes over.

    It belongs to its plan. None if these may not be walked between.
    """
    if not _smooth(old.node, new.node):
        return None
    made = _make(fields, tuple(old.params or ()), tuple(new.params or ()), frames)
    if made is not None:
        made.keep[0][OWN] = 1
    return made


def layout_of(node: Any, fields: list[Field]) -> tuple[object, ...]:
    """What two operations must have in common for one's parameters and state to be the other's."""
    return (type(node), *((f.name, f.dtype, f.rank, f.array.shape if f.array is not None else ()) for f in fields))


def change_between(op: Op, fields: list[Field], before: Any, after: Any, frames: int,
                   made: tuple[Any, Any] | None = None) -> Change | None:
    """The change from one node to another of its kind, in about `frames` frames; None if it takes another plan.

    It can be walked to if all parameters that differ may be interpolated, and if `prepare` makes memory of the same
    shape, the same latency and the same channels of both.
    :param made: what `prepare` made of the new one, if it has been asked.
    :raises ParameterError: what `prepare` says.
    """
    params, state = after.prepare(op.format) if made is None else made
    if (not _smooth(before, after) or after.latency(op.format) != before.latency(op.format)
            or after.output_channels(op.format) != before.output_channels(op.format)
            or _shapes(params) != _shapes(op.params) or _shapes(state) != _shapes(op.state)):
        return None
    return _make(fields, tuple(op.params or ()), tuple(params or ()), frames)


def _smooth(before: Any, after: Any) -> bool:
    """Whether the parameters that differ may be interpolated; lists of records are looked into."""
    if type(before) is not type(after):
        return False
    for name, known in parameters(type(before)).items():
        old, new = getattr(before, name), getattr(after, name)
        if old == new or known.interpolated:
            continue
        if known.kind != "items" or len(old) != len(new) or not all(map(_smooth, old, new)):
            return False
    return True


def _shapes(values: Any) -> list[tuple[str, object]]:
    """Names, types and shapes of what `prepare` returned."""
    made: list[tuple[str, object]] = []
    for name in getattr(values, "_fields", ()):
        value = getattr(values, name)
        array = isinstance(value, np.ndarray)
        made.append((name, (value.dtype.str, value.shape) if array else isinstance(value, (float, np.floating))))
    return made


def _make(fields: list[Field], before: tuple[Any, ...], after: tuple[Any, ...], frames: int) -> Change | None:
    """All fields are in it, changed or not: a change on top of another one brings along what that one had begun."""
    segments: list[int] = []
    keep: list[Any] = []
    for field, old, new in zip(fields, before, after, strict=False):
        if field.array is not None and field.array.size > MOST:
            if not np.array_equal(old, new):
                return None
            continue
        kind = {"<f4": FLOAT32, "<f8": FLOAT64}.get(field.dtype, BYTES)
        if kind == BYTES:
            target = np.array([new], np.int64) if field.array is None else np.ascontiguousarray(new)
        else:
            # Rounded to the float32 that a kernel may read only at the end, as `prepare`'s own numbers are.
            target = np.array([new] if field.array is None else new, np.float64).reshape(-1)
        start = np.zeros(target.size)
        keep += [target, start]
        segments += [field.place, kind, target.nbytes if kind == BYTES else target.size, address(target),
                     address(start)]
    length = -(-frames // STEP) * STEP
    told = np.array([length, 0, len(segments) // SEGMENT, 0, 0, 0, *segments], np.int64)
    return Change(address(told), (told, keep))
