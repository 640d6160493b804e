"""The one compiled loop that walks any plan. It allocates nothing, waits for nothing and knows nothing of Python.

A plan is an int64 header and an int64 row for each operation; the names of their fields stand here.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import (
    call_entry,
    clear,
    copy,
    flush_to_zero,
    i32_1d,
    i64_1d,
    monotonic_ns,
    restore_fpu,
)
from flowaudio.core.native import native
from flowaudio.core.simd import LANES, any_true, load, load_part, splat, vmax

__all__ = ["below", "process", "reset", "reset_all", "walk", "walk_native", "walk_timed_native"]

# Header. LIMIT: the bits of the float32 at which an output is taken for an explosion; see INFINITE. POSITION: the
# frame, since the start of the stream, that is walked next. LOGS: address of (log, frames by which its node is behind)
# pairs. SECOND: frames for which a node that explodes again and again is kept silent at first; 0: it never is.
(OPS, COUNT, IN, IN_CHANNELS, OUT, OUT_CHANNELS, BLOCK, LIMIT, POSITION, LOGS, LOG_COUNT, SECOND, HEADER) = range(13)

# One row of OPS. OUTPUTS: address of (samples, channels) pairs. RESETS: address of (memory, image or 0, bytes) triples.
# TAP: 0, or the address of a record that begins with the address of what is called as tap(record, frames) when the
# operation has run. BUSY_NS: time that it took, where somebody measures. UNTIL: 0, or one more than the frame at which
# it began anew or until which it is kept silent; HOLD: for how long it was kept silent last, while that goes on.
ENTRY, TABLE, OUTPUTS, OUTPUT_COUNT, RESETS, RESET_COUNT, TROUBLE, TAP, BUSY_NS, UNTIL, HOLD, ROW = range(12)

LONGEST_HOLD = 8
"""Times as long as at first: a node that explodes whenever it begins anew is kept silent for so long."""

INFINITE = 0x7F800000
"""Bits of an infinite float32; a NaN has more."""
MAGNITUDE = 0x7FFFFFFF
"""All bits of a float32 but its sign."""
ZERO = np.int32(0)


@kernel
def below(address: int, count: int, limit: int) -> bool:
    """Whether all of float32[count] are numbers below a limit, given by its bits.

    Compares bits, in lanes: 16 samples cost 2 ns, a plain loop 15.
    """
    bits = i32_1d(address, count)
    whole = count - count % LANES
    largest = splat(ZERO)
    for n in range(0, whole, LANES):
        largest = vmax(largest, load(bits, n) & MAGNITUDE)
    largest = vmax(largest, load_part(bits, whole, count - whole) & MAGNITUDE)
    return not any_true(largest >= np.int32(limit))


@kernel
def reset(row: int) -> None:
    """Put an operation's state back to what it was at the start."""
    op = i64_1d(row, ROW)
    for k in range(op[RESET_COUNT]):
        memory = i64_1d(op[RESETS] + 24 * k, 3)
        if memory[1]:
            copy(memory[0], memory[1], memory[2])
        else:
            clear(memory[0], memory[2])


@kernel
def hold(row: int, now: int, second: int) -> None:
    """It begins anew at the frame `now`: keep it silent if that comes within a second of the last time."""
    op = i64_1d(row, ROW)
    again = op[UNTIL] > 0 and now - op[UNTIL] < second
    op[HOLD] = min(max(2 * op[HOLD], second), LONGEST_HOLD * second) if again else 0
    op[UNTIL] = now + op[HOLD] + 1


@kernel
def run(row: int, frames: int, limit: int, now: int, second: int) -> None:
    """One operation. If it fails or its output is no number below the limit, it is silent for this block, begins anew
    and is counted: nothing of it spreads. What does that again within a second is silent for a second, and counted;
    then for two, four, eight: by the limit an explosion is only found when it has been at full scale for a while.

    :param second: frames; 0: it goes on at once, however often it fails.
    """
    op = i64_1d(row, ROW)
    held = op[UNTIL] > now + 1
    good = call_entry(op[ENTRY], op[TABLE], frames) == 0 and not held   # others may need what its entry leaves
    for k in range(op[OUTPUT_COUNT]):
        out = i64_1d(op[OUTPUTS] + 16 * k, 2)
        good = good and below(out[0], out[1] * frames, limit)
    if not good:
        op[TROUBLE] += 1
        reset(row)
        if second and not held:
            hold(row, now, second)
        for k in range(op[OUTPUT_COUNT]):
            out = i64_1d(op[OUTPUTS] + 16 * k, 2)
            clear(out[0], 4 * out[1] * frames)
    if op[TAP]:
        call_entry(i64_1d(op[TAP], 1)[0], op[TAP], frames)


@kernel
def tell_time(plan: Any) -> None:
    """Let each log know at which frame the block begins. Its node is late: what it hears came in earlier."""
    for k in range(plan[LOG_COUNT]):
        pair = i64_1d(plan[LOGS] + 16 * k, 2)
        i64_1d(pair[0], 1)[0] = plan[POSITION] - pair[1]


@kernel
def patience(header: int, frames: int) -> int:
    """How long nodes are kept silent at first if they fail in this block. What came in may be no number: that is not
    their fault."""
    plan = i64_1d(header, HEADER)
    second: int = plan[SECOND]
    return second if second and below(plan[IN], plan[IN_CHANNELS] * frames, plan[LIMIT]) else 0


@kernel
def walk(header: int, frames: int) -> None:
    """Run every operation once, on `frames` frames, at most as many as the plan was made for."""
    plan = i64_1d(header, HEADER)
    tell_time(plan)
    row, second = plan[OPS], patience(header, frames)
    for _ in range(plan[COUNT]):
        run(row, frames, plan[LIMIT], plan[POSITION], second)
        row += 8 * ROW
    plan[POSITION] += frames


@kernel
def walk_timed(header: int, frames: int) -> None:
    """As :func:`walk`, and adds to each operation's time. The clock costs 25 ns an operation: for one block of many."""
    plan = i64_1d(header, HEADER)
    tell_time(plan)
    row, second = plan[OPS], patience(header, frames)
    before = monotonic_ns()
    for _ in range(plan[COUNT]):
        run(row, frames, plan[LIMIT], plan[POSITION], second)
        now = monotonic_ns()
        i64_1d(row, ROW)[BUSY_NS] += now - before
        before = now
        row += 8 * ROW
    plan[POSITION] += frames


@native
def walk_native(header: int, frames: int) -> int:
    """:func:`walk`, to be called by address: compiled once for all that run plans."""
    walk(header, frames)
    return 0


@native
def walk_timed_native(header: int, frames: int) -> int:
    """:func:`walk_timed`, to be called by address."""
    walk_timed(header, frames)
    return 0


@native
def reset_all(header: int) -> int:
    """Put every operation's state back."""
    plan = i64_1d(header, HEADER)
    for k in range(plan[COUNT]):
        reset(plan[OPS] + 8 * ROW * k)
    return 0


@native
def process(header: int, x: int, x_stride: int, y: int, y_stride: int, frames: int, block: int) -> int:
    """Walk the plan over `frames` frames in blocks.

    `x` and `y` are addresses of float32 rows, one a channel, `x_stride` and `y_stride` frames apart.
    """
    before = flush_to_zero()
    plan = i64_1d(header, HEADER)
    done = 0
    while done < frames:
        count = min(block, plan[BLOCK], frames - done)
        for c in range(plan[IN_CHANNELS]):
            copy(plan[IN] + 4 * c * count, x + 4 * (c * x_stride + done), 4 * count)
        walk(header, count)
        for c in range(plan[OUT_CHANNELS]):
            copy(y + 4 * (c * y_stride + done), plan[OUT] + 4 * c * count, 4 * count)
        done += count
    restore_fpu(before)
    return 0
