"""What the audio thread does with a voice, a plan at work: walks it, moves its changes on, hands its state over.

A voice is int64 words, whose names stand here; `voice.py` fills them.
"""

import numpy as np

from flowaudio.core.atomics import add, compare_exchange, exchange, load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import call_entry, copy, f32_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.graph import walk
from flowaudio.runtime.change import (
    CHANGE,
    GONE,
    LENGTH,
    OWN,
    STEP,
    change_apply,
    change_begin,
    row_word,
)
from flowaudio.runtime.joint import joints_begin, joints_end
from flowaudio.runtime.mailbox import mail_put

__all__ = ["EXPLODED", "EXPLODED_BITS", "snapshot", "touch", "voice_advance", "voice_alone", "voice_change",
           "voice_dry", "voice_inherit", "voice_publish", "voice_room", "voice_row", "voice_walk"]

EXPLODED = np.float32(1000.0)
EXPLODED_BITS = int(EXPLODED.view(np.int32))
"""A node whose output reaches +60 dB over full scale is taken for one that explodes: somebody may be listening."""

# HEADER: of the plan. SLOTS: int64 [SLOT_COUNT, 2], the row of each slot (or 0) and its layout. ACTIVE: how many
# changes are on their way, LIST: their addresses. COPIES: (to, from, bytes) of the state that is taken over. WARM:
# frames to run unheard. MEASURES: (field, bytes). SEQUENCE: odd while SNAPSHOT is being written. DRY, DRY_SIZE, DRY_AT:
# a ring of input, as long as the plan is late. TIMED: frames in which operations were timed. WALK, WALK_TIMED: what
# walks the plan. OLDS, NEWS, REALS: patches of rows while this plan takes another's place, and after; see joint. WAYS:
# (change, row) from the parameters of what was there before to its own.
(HEADER, SLOTS, SLOT_COUNT, ACTIVE, LIST, COPIES, COPY_COUNT, WARM, MEASURES, MEASURE_COUNT, SEQUENCE, SNAPSHOT,
 DRY, DRY_SIZE, DRY_AT, TIMED, WALK, WALK_TIMED, OLDS, OLD_COUNT, NEWS, REALS, NEW_COUNT, WAYS, WAY_COUNT,
 VOICE) = range(26)

PAGE = 4096
"""Bytes that the system brings at once, at least."""


@kernel
def voice_row(voice: int, slot: int, layout: int) -> int:
    """The row of a slot, or 0 if this plan has no node there, or (`layout` not 0) one that is made differently."""
    told = i64_1d(voice, VOICE)
    if slot < 0 or slot >= told[SLOT_COUNT]:
        return 0
    pair = i64_1d(told[SLOTS] + 16 * slot, 2)
    if layout != 0 and pair[1] != layout:
        return 0
    return pair[0]


@kernel
def voice_inherit(voice: int, fader: int) -> None:
    """Take over the state of those nodes that have not changed, and go on from their parameters; what comes into them
    follows a fader."""
    told = i64_1d(voice, VOICE)
    for k in range(told[COPY_COUNT]):
        triple = i64_1d(told[COPIES] + 24 * k, 3)
        copy(triple[0], triple[1], triple[2])
    joints_begin(told[OLDS], told[OLD_COUNT], told[NEWS], told[NEW_COUNT], fader)
    for k in range(told[WAY_COUNT]):
        pair = i64_1d(told[WAYS] + 16 * k, 2)
        voice_change(voice, pair[0], pair[1])


@kernel
def voice_alone(voice: int) -> None:
    """The plan whose place it takes is not there any more."""
    told = i64_1d(voice, VOICE)
    joints_end(told[REALS], told[NEW_COUNT])


@kernel
def voice_change(voice: int, change: int, row: int) -> int:
    """Begin a change of a row; the change that it takes the place of and that is to be given back, or 0."""
    told = i64_1d(voice, VOICE)
    active = i64_1d(told[LIST], told[ACTIVE] + 1)
    place, before = told[ACTIVE], 0
    for k in range(told[ACTIVE]):
        if row_word(active[k]) == row:
            place, before = k, active[k]
    change_begin(change, row)
    active[place] = change
    if before == 0:
        told[ACTIVE] += 1
    elif i64_1d(before, CHANGE)[OWN]:
        before = 0
    length = i64_1d(change, CHANGE)[LENGTH]
    change_apply(change, STEP / length if length > STEP else 1.0)
    return before


@kernel
def voice_room(voice: int, count: int) -> int:
    """How many of `count` frames can be walked before a change takes its next step."""
    told = i64_1d(voice, VOICE)
    active = i64_1d(told[LIST], told[ACTIVE])
    for k in range(told[ACTIVE]):
        count = min(count, STEP - i64_1d(active[k], CHANGE)[GONE] % STEP)
    return count


@kernel
def voice_advance(voice: int, count: int, retired: int, letter: int) -> None:
    """`count` frames have gone, not more than there was room for: step, and give back the changes that have arrived."""
    told = i64_1d(voice, VOICE)
    active = i64_1d(told[LIST], told[ACTIVE])
    k = 0
    while k < told[ACTIVE]:
        change = i64_1d(active[k], CHANGE)
        change[GONE] += count
        if change[GONE] >= change[LENGTH]:
            if change[OWN] == 0:
                i64_1d(letter, 1)[0] = active[k]
                mail_put(retired, letter)
            told[ACTIVE] -= 1
            active[k] = i64_1d(told[LIST], told[ACTIVE] + 1)[told[ACTIVE]]
        else:
            if change[GONE] % STEP == 0:
                change_apply(active[k], (change[GONE] + STEP) / change[LENGTH])
            k += 1


@kernel
def voice_walk(voice: int, x: int, x_stride: int, y: int, y_stride: int, count: int, position: int,
               timed: bool) -> None:
    """`count` frames through the plan, from rows to rows, the first of them at frame `position` of the engine."""
    told = i64_1d(voice, VOICE)
    plan = i64_1d(told[HEADER], walk.HEADER)
    plan[walk.POSITION] = position
    for c in range(plan[walk.IN_CHANNELS]):
        copy(plan[walk.IN] + 4 * c * count, x + 4 * c * x_stride, 4 * count)
    if timed:
        call_entry(told[WALK_TIMED], told[HEADER], count)
        told[TIMED] += count
    else:
        call_entry(told[WALK], told[HEADER], count)
    for c in range(plan[walk.OUT_CHANNELS]):
        copy(y + 4 * c * y_stride, plan[walk.OUT] + 4 * c * count, 4 * count)


@kernel
def voice_dry(voice: int, x: int, x_stride: int, y: int, y_stride: int, channels: int, count: int) -> None:
    """The input as late as the plan makes it, without the plan."""
    told = i64_1d(voice, VOICE)
    size = told[DRY_SIZE]
    if size == 0:
        for c in range(channels):
            copy(y + 4 * c * y_stride, x + 4 * c * x_stride, 4 * count)
        return
    for c in range(channels):
        ring, new = f32_1d(told[DRY] + 4 * c * size, size), f32_1d(x + 4 * c * x_stride, count)
        late, at = f32_1d(y + 4 * c * y_stride, count), told[DRY_AT]
        for n in range(count):
            late[n] = ring[at]
            ring[at] = new[n]
            at = at + 1 if at + 1 < size else 0
    told[DRY_AT] = (told[DRY_AT] + count) % size


@kernel
def voice_publish(voice: int) -> None:
    """Copy what the nodes measure to where others may read it. An odd number says that it is being written."""
    told = i64_1d(voice, VOICE)
    exchange(voice + 8 * SEQUENCE, told[SEQUENCE] + 1)
    to = told[SNAPSHOT]
    for k in range(told[MEASURE_COUNT]):
        pair = i64_1d(told[MEASURES] + 16 * k, 2)
        copy(to, pair[0], pair[1])
        to += -(-pair[1] // 8) * 8
    store_release(voice + 8 * SEQUENCE, told[SEQUENCE] + 1)


@native
def snapshot(voice: int, to: int, size: int) -> int:
    """Read what was published last, as it was at one moment; how often it had to be read."""
    tries = 0
    while True:
        tries += 1
        before = load_acquire(voice + 8 * SEQUENCE)
        copy(to, i64_1d(voice, VOICE)[SNAPSHOT], size)
        if add(voice + 8 * SEQUENCE, 0) == before and before % 2 == 0:
            return tries


@native
def touch(memory: int, size: int) -> int:
    """Write to every page of a piece of memory, and change nothing, whoever else may write to it: then it is there.

    What the system has promised, it brings at the first write: four fifths of the time that a large copy took.
    """
    last = memory + size - 8
    at = memory + -memory % 8
    while at <= last:
        compare_exchange(at, 0, 0)      # an addition of 0 would be compiled to a mere load
        at += PAGE
    if size >= 16:
        compare_exchange(last - last % 8, 0, 0)
    return 0
