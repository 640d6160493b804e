"""The function that a sound card calls: PortAudio's callback, compiled. It runs the plan itself, or feeds rings.

With a rack, what comes in (from the card, or from a ring) goes through it and out (to the card, to a ring). Without
one, the card's input goes into one ring and its output comes from another; a thread has the plan. It takes no lock,
waits for nobody, and gives silence where there is nothing to give; what went wrong is counted. The thread that has the
plan is told last of all: if it is woken it may take the processor from us, and what is to be played is there then.
"""

from typing import NamedTuple

import numpy as np

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import clear, f32_1d, flush_to_zero, i64_1d, monotonic_ns, restore_fpu, thread_id
from flowaudio.core.native import native
from flowaudio.graph.image import address, aligned
from flowaudio.runtime.drift import drift_pull, drift_wrote
from flowaudio.runtime.guard import guard_output, guard_words
from flowaudio.runtime.rack import rack_run
from flowaudio.runtime.ring import CLOSED, ring_read, ring_readable, ring_told, ring_write

__all__ = ["CallbackCounters", "Caller", "card_callback"]

# What the callback is told: RACK (or 0); channels of the card and of the plan; scratch rows of BLOCK frames; the ring
# that it takes from and the one that it writes to (or 0), each with what follows the clocks' difference (or 0); CLOCK:
# address of a virtual time (or 0); HOWL: a guard against howling (or 0).
(RACK, CARD_IN, CARD_OUT, PLAN_IN, PLAN_OUT, X, Y, BLOCK, SOURCE, SOURCE_DRIFT, SINK, SINK_DRIFT, CLOCK, HOWL,
 TOLD) = range(15)

# What it counts. DEBT: frames of silence that went out instead of some that came later, and are left out then. THREAD:
# who calls, 0 before the first call.
(CALLS, FRAMES, INPUT_UNDERFLOWS, INPUT_OVERFLOWS, OUTPUT_UNDERFLOWS, OUTPUT_OVERFLOWS, UNDERRUN_CALLS, UNDERRUN_FRAMES,
 OVERRUN_CALLS, OVERRUN_FRAMES, DEBT, ENDED, LEAST, MOST, THREAD) = range(16, 31)
WORDS = 32

ONE = np.float32(1.0)
ZERO = np.float32(0.0)
BLOCK_FRAMES = 1024


@kernel
def take_in(card: int, card_channels: int, x: int, channels: int, block: int, count: int) -> None:
    """From frames side by side to rows. A mono card feeds all rows."""
    samples = f32_1d(card, card_channels * count)
    for c in range(channels):
        row = f32_1d(x + 4 * c * block, count)
        k = c if c < card_channels else (0 if card_channels == 1 else -1)
        if k < 0:
            clear(x + 4 * c * block, 4 * count)
        else:
            for n in range(count):
                row[n] = samples[n * card_channels + k]


@kernel
def put_out(y: int, channels: int, block: int, card: int, card_channels: int, count: int) -> None:
    """From rows to frames side by side, nothing beyond full scale. One row goes to all of the card's channels."""
    samples = f32_1d(card, card_channels * count)
    for k in range(card_channels):
        c = k if k < channels else (0 if channels == 1 else -1)
        if c < 0:
            for n in range(count):
                samples[n * card_channels + k] = ZERO
        else:
            row = f32_1d(y + 4 * c * block, count)
            for n in range(count):
                samples[n * card_channels + k] = min(max(row[n], -ONE), ONE)


@kernel
def pull(user: int, y: int, channels: int, count: int, now: int) -> None:
    """`count` frames from the source's ring, silence where there are none."""
    u = i64_1d(user, WORDS)
    ring, missing = u[SOURCE], 0
    if ring == 0:
        for c in range(channels):
            clear(y + 4 * c * u[BLOCK], 4 * count)
        return
    closed = load_acquire(ring + CLOSED)        # before the cursor: what came before the close is then seen
    if u[SOURCE_DRIFT]:
        missing = drift_pull(u[SOURCE_DRIFT], ring, y, u[BLOCK], count, now)
        if closed and missing:
            u[ENDED], missing = 1, 0
    else:
        while u[DEBT] > 0 and ring_readable(ring, min(u[DEBT], count)) > 0:
            u[DEBT] -= ring_read(ring, y, u[BLOCK], min(u[DEBT], count))
        got = ring_read(ring, y, u[BLOCK], count)
        for c in range(channels):
            clear(y + 4 * (c * u[BLOCK] + got), 4 * (count - got))
        if closed and got < count:
            u[ENDED] = 1
        else:
            missing = count - got
            u[DEBT] += missing
    if missing:
        u[UNDERRUN_CALLS] += 1
        u[UNDERRUN_FRAMES] += missing


@kernel
def push(user: int, x: int, count: int, now: int) -> None:
    """`count` frames to the sink's ring, as far as there is room."""
    u = i64_1d(user, WORDS)
    lost = count - ring_write(u[SINK], x, u[BLOCK], count)
    if u[SINK_DRIFT]:
        drift_wrote(u[SINK_DRIFT], now, count - lost)
    if lost:
        u[OVERRUN_CALLS] += 1
        u[OVERRUN_FRAMES] += lost
        u[DEBT] = max(u[DEBT] - lost, 0)        # what never comes need not be left out


@kernel
def count_flags(user: int, flags: int, inp: int, out: int) -> None:
    """Note what the driver says that it could not do. Of a side that is not there it may say so, too."""
    u = i64_1d(user, WORDS)
    for k in range(4):
        if (inp if k < 2 else out) != 0:
            u[INPUT_UNDERFLOWS + k] += (flags >> k) & 1


@native
def card_callback(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """``int callback(const void *in, void *out, unsigned long frames, times, unsigned long flags, void *user)``.

    As an int64 function of int64 arguments it can be called so by the C of all 64-bit machines; an unsigned long may
    have 32 bits, and what stands above them is not ours.
    """
    before = flush_to_zero()
    u = i64_1d(user, WORDS)
    frames, flags = frames & 0xFFFFFFFF, flags & 0xFFFFFFFF
    now = i64_1d(u[CLOCK], 1)[0] if u[CLOCK] else monotonic_ns()
    count_flags(user, flags, inp, out)
    done = 0
    while done < frames:
        count = min(frames - done, u[BLOCK])
        if inp:
            take_in(inp + 4 * done * u[CARD_IN], u[CARD_IN], u[X], u[PLAN_IN], u[BLOCK], count)
        if u[RACK]:
            if inp == 0:
                pull(user, u[X], u[PLAN_IN], count, now)
            rack_run(u[RACK], u[X], u[BLOCK], u[Y], u[BLOCK], count)
            if u[SINK]:
                push(user, u[Y], count, now)
        else:
            if inp:
                push(user, u[X], count, now)
            if out:
                pull(user, u[Y], u[PLAN_OUT], count, now)
        if out:
            if u[HOWL]:
                guard_output(u[HOWL], u[X], u[Y], u[BLOCK], count)
            put_out(u[Y], u[PLAN_OUT], u[BLOCK], out + 4 * done * u[CARD_OUT], u[CARD_OUT], count)
        done += count
    if u[SINK]:
        ring_told(u[SINK])
    if u[THREAD] == 0:
        u[THREAD] = thread_id()
    u[FRAMES] += frames
    u[LEAST] = min(u[LEAST], frames) if u[CALLS] else frames
    u[MOST] = max(u[MOST], frames)
    store_release(user + 8 * CALLS, u[CALLS] + 1)
    restore_fpu(before)
    return 0


class CallbackCounters(NamedTuple):
    """What a callback has counted."""

    calls: int
    frames: int
    input_underflows: int               # as the driver says: input that was not there in time
    input_overflows: int                # input that nobody fetched in time
    output_underflows: int
    output_overflows: int
    underrun_calls: int                 # calls in which the ring to play from had run dry
    underrun_frames: int
    overrun_calls: int                  # calls in which the ring to record to was full
    overrun_frames: int
    ended: int                          # 1: the source has come to its end and all of it was played
    least_frames: int                   # in a call
    most_frames: int


class Caller:
    """The memory of one callback: what it is told, what it counts."""

    def __init__(self, *, rack: int = 0, card_in: int = 0, card_out: int = 0, plan_in: int = 0, plan_out: int = 0,
                 source: int = 0, source_drift: int = 0, sink: int = 0, sink_drift: int = 0, clock: int = 0,
                 howl: bool = False, rate: int = 48_000) -> None:
        self._memory = aligned(8 * WORDS)
        self._words = self._memory.view(np.int64)
        self._x, self._y = aligned(4 * max(plan_in, 1) * BLOCK_FRAMES), aligned(4 * max(plan_out, 1) * BLOCK_FRAMES)
        self._guard = guard_words(rate, plan_in, plan_out)
        self._words[:TOLD] = (rack, card_in, card_out, plan_in, plan_out, address(self._x), address(self._y),
                              BLOCK_FRAMES, source, source_drift, sink, sink_drift, clock,
                              address(self._guard) if howl else 0)

    @property
    def address(self) -> int:
        """What the callback takes as its last argument."""
        return address(self._memory)

    @property
    def counters(self) -> CallbackCounters:
        """What has been counted; each number by itself is exact."""
        words = self._words[CALLS:MOST + 1].tolist()
        del words[DEBT - CALLS]
        return CallbackCounters._make(words)

    @property
    def calls(self) -> int:
        """How often it was called: whether the device is alive."""
        return int(self._words[CALLS])

    @property
    def thread(self) -> int:
        """The system's number of the thread that calls; 0 while it is not known. May be set to 0, to be found anew."""
        return int(self._words[THREAD])

    @thread.setter
    def thread(self, value: int) -> None:
        self._words[THREAD] = value

    @property
    def howls(self) -> int:
        """How often the guard has turned the output down."""
        return int(self._guard[0])
