"""The running plan: it takes changes, another plan in its place, taps and mutes, each at its frame, and never waits.

One compiled function serves every driver: the callback of a sound card, a thread between rings, a simulation, an array.
Whatever the blocks that the driver brings, things happen at the same frames and give the same samples.
"""

import numpy as np

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import call_entry, f32_1d, f64_1d, flush_to_zero, i64_1d, monotonic_ns, restore_fpu
from flowaudio.core.native import native
from flowaudio.graph import walk
from flowaudio.graph.walk import below
from flowaudio.runtime.agenda import agenda_add, agenda_first, agenda_full, agenda_next, agenda_take
from flowaudio.runtime.change import CANCELLED, CHANGE, OWN
from flowaudio.runtime.fader import FADER, GONE, LENGTH, fader_gain, fader_mix, fader_move, fader_set, fader_still
from flowaudio.runtime.mailbox import LETTER, mail_put, mail_take
from flowaudio.runtime.tap import BEGAN, IN_SLOT, LINKED, OUT_SLOT, SLOT, TAP, tap_fill, tap_link, tap_unlink
from flowaudio.runtime.turn import turn_take
from flowaudio.runtime.voice_walk import (
    ACTIVE,
    EXPLODED,
    EXPLODED_BITS,
    HEADER,
    LIST,
    VOICE,
    WARM,
    voice_advance,
    voice_alone,
    voice_change,
    voice_dry,
    voice_inherit,
    voice_publish,
    voice_room,
    voice_row,
    voice_walk,
)

__all__ = ["rack_entry", "rack_run", "run_rack"]

# Byte offsets in the rack. First what is set before the start, then what the audio thread writes, two cache lines
# apart. INBOX: what is to happen. AGENDA: that in order. OUTBOX: what is given back. ENTRY: what runs a rack.
INBOX, OUTBOX, AGENDA, TAPS, SCRATCH, BLOCK, RATE, CHANNELS, OUT_CHANNELS, FADE, ENTRY = range(0, 88, 8)
(POSITION, CURRENT, NEXT, WARMING, TAP_COUNT, CALLS, BUSY_NS, PEAK_PPM, LATE_BLOCKS, LATE_LETTERS,
 STALE, NOW, MENDED, BEGIN_NS) = range(256, 368, 8)
CROSSFADE, OUTPUT_GAIN, BYPASS, ARGUMENTS, PAPER = 384, 424, 464, 512, 576
RACK_BYTES = 640

# The arguments of one call.
X, X_STRIDE, Y, Y_STRIDE, FRAMES, CALL = range(6)

# A letter: the frame, a number in the order of sending, what it is, and three words of its own.
AT, NUMBER, KIND, FIRST, SECOND, THIRD = range(6)

CHANGE_KIND, SWAP_KIND, GAIN_KIND, BYPASS_KIND, TAP_KIND, UNTAP_KIND = range(6)
"""What a letter may be: FIRST is the address of what it is about, or the bits of a gain.

CHANGE: SECOND slot, THIRD layout. SWAP: of a turn. GAIN, BYPASS: SECOND frames. The others: nothing more.
"""

SILENCE = np.float32(0.0)
MOST_TAPS = 64
TIMED_EVERY = 16
"""One call of so many is timed node by node."""


@kernel
def word(address: int) -> int:
    """An int64 of the rack."""
    value: int = i64_1d(address, 1)[0]
    return value


@kernel
def put(address: int, value: int) -> None:
    """Set one."""
    i64_1d(address, 1)[0] = value


@kernel
def give_back(rack: int, what: int) -> None:
    """Tell the control thread that the audio thread needs it no more. There is room: as many letters as are on their
    way fit into the outbox."""
    if what:
        put(rack + PAPER, what)
        mail_put(word(rack + OUTBOX), rack + PAPER)


@kernel
def receive(rack: int) -> None:
    """Put what has come in on the agenda, as long as there is room: the sender notices that the box stays full."""
    while not agenda_full(word(rack + AGENDA)) and mail_take(word(rack + INBOX), rack + PAPER):
        if i64_1d(rack + PAPER, LETTER)[AT] < word(rack + POSITION):
            put(rack + LATE_LETTERS, word(rack + LATE_LETTERS) + 1)
        agenda_add(word(rack + AGENDA), rack + PAPER)


@kernel
def change(rack: int, letter: int) -> None:
    """Begin a change, in the newest plan, unless what it was made for is gone or it was taken back."""
    told = i64_1d(letter, LETTER)
    newest = word(rack + NEXT) if word(rack + NEXT) else word(rack + CURRENT)
    row = voice_row(newest, told[SECOND], told[THIRD])
    what = told[FIRST]
    if row == 0 or load_acquire(what + 8 * CANCELLED):
        put(rack + STALE, word(rack + STALE) + 1)
        give_back(rack, what)
    else:
        give_back(rack, voice_change(newest, what, row))


@kernel
def start_swap(rack: int, voice: int) -> None:
    """Let the next plan run beside the current one, with the state of what both have. All of that is copied at once."""
    before = monotonic_ns()
    voice_inherit(voice, rack + CROSSFADE)
    put(rack + BEGIN_NS, max(word(rack + BEGIN_NS), monotonic_ns() - before))
    put(rack + NEXT, voice)
    put(rack + WARMING, i64_1d(voice, VOICE)[WARM])
    fader_set(rack + CROSSFADE, 0.0, 0)
    if word(rack + WARMING) == 0:
        start_fade(rack)


@kernel
def start_fade(rack: int) -> None:
    """From one plan to the next; taps hear the new one from here on."""
    fader_set(rack + CROSSFADE, 1.0, word(rack + FADE))
    for k in range(word(rack + TAP_COUNT)):
        tap = word(word(rack + TAPS) + 8 * k)
        tap_unlink(tap)
        tap_link(tap, word(rack + NEXT))
    if word(rack + FADE) == 0:
        finish_swap(rack)


@kernel
def finish_swap(rack: int) -> None:
    """The next plan is the current one."""
    old = word(rack + CURRENT)
    put(rack + CURRENT, word(rack + NEXT))
    put(rack + NEXT, 0)
    voice_alone(word(rack + CURRENT))
    fader_set(rack + CROSSFADE, 0.0, 0)
    drop_changes(rack, old)
    give_back(rack, old)                # from here on its memory is not ours


@kernel
def drop_changes(rack: int, voice: int) -> None:
    """Give back the changes that a plan had not finished."""
    told = i64_1d(voice, VOICE)
    active = i64_1d(told[LIST], told[ACTIVE])
    for k in range(told[ACTIVE]):
        if i64_1d(active[k], CHANGE)[OWN] == 0:
            give_back(rack, active[k])
    told[ACTIVE] = 0


@kernel
def add_tap(rack: int, tap: int) -> None:
    """Let a tap hear what passes from here on."""
    count = word(rack + TAP_COUNT)
    put(word(rack + TAPS) + 8 * count, tap)
    put(rack + TAP_COUNT, count + 1)
    i64_1d(tap, TAP)[BEGAN] = word(rack + POSITION)
    fading = word(rack + NEXT) != 0 and word(rack + WARMING) == 0
    tap_link(tap, word(rack + NEXT) if fading else word(rack + CURRENT))


@kernel
def remove_tap(rack: int, tap: int) -> None:
    """It hears nothing more."""
    taps = i64_1d(word(rack + TAPS), MOST_TAPS)
    count = word(rack + TAP_COUNT)
    for k in range(count):
        if taps[k] == tap:
            tap_unlink(tap)
            taps[k] = taps[count - 1]
            put(rack + TAP_COUNT, count - 1)
            give_back(rack, tap)
            return


@kernel
def happen(rack: int) -> None:
    """Everything whose frame has come. A plan that waits for its turn holds up what follows it."""
    agenda = word(rack + AGENDA)
    while agenda_next(agenda) <= word(rack + POSITION):
        letter = agenda_first(agenda)
        told = i64_1d(letter, LETTER)
        if told[KIND] == SWAP_KIND and word(rack + NEXT):
            return
        if told[KIND] == CHANGE_KIND:
            change(rack, letter)
        elif told[KIND] == SWAP_KIND:
            start_swap(rack, turn_take(told[FIRST]))
            give_back(rack, told[FIRST])
        elif told[KIND] == GAIN_KIND:
            fader_set(rack + OUTPUT_GAIN, f64_1d(letter + 8 * FIRST, 1)[0], told[SECOND])
        elif told[KIND] == BYPASS_KIND:
            fader_set(rack + BYPASS, f64_1d(letter + 8 * FIRST, 1)[0], told[SECOND])
        elif told[KIND] == TAP_KIND:
            add_tap(rack, told[FIRST])
        else:
            remove_tap(rack, told[FIRST])
        agenda_take(agenda)


@kernel
def room(rack: int, count: int) -> int:
    """How many of `count` frames can be walked in one go."""
    current, next_ = word(rack + CURRENT), word(rack + NEXT)
    count = min(count, word(rack + BLOCK), i64_1d(i64_1d(current, VOICE)[HEADER], walk.HEADER)[walk.BLOCK])
    upcoming = agenda_next(word(rack + AGENDA)) - word(rack + POSITION)
    if upcoming > 0:
        count = min(count, upcoming)
    count = voice_room(current, count)
    if next_:
        count = voice_room(next_, min(count, i64_1d(i64_1d(next_, VOICE)[HEADER], walk.HEADER)[walk.BLOCK]))
        if word(rack + WARMING):
            count = min(count, word(rack + WARMING))
        else:
            fader = i64_1d(rack + CROSSFADE, FADER)
            count = min(count, fader[LENGTH] - fader[GONE])
    return count


@kernel
def mend(rack: int, y: int, stride: int, channels: int, count: int) -> None:
    """What came in and went by all nodes is no number, or far too loud: silence, sample by sample."""
    for c in range(channels):
        if not below(y + 4 * c * stride, count, EXPLODED_BITS):
            put(rack + MENDED, word(rack + MENDED) + 1)
            row = f32_1d(y + 4 * c * stride, count)
            for n in range(count):
                if not abs(row[n]) < EXPLODED:
                    row[n] = SILENCE


@kernel
def sound(rack: int, x: int, x_stride: int, y: int, y_stride: int, count: int, timed: bool) -> None:
    """`count` frames of sound, for which there is room."""
    current, next_ = word(rack + CURRENT), word(rack + NEXT)
    channels, out_channels, block = word(rack + CHANNELS), word(rack + OUT_CHANNELS), word(rack + BLOCK)
    other = word(rack + SCRATCH)
    dry = other + 4 * out_channels * block
    next_dry = dry + 4 * channels * block
    bypassable = channels == out_channels
    voice_walk(current, x, x_stride, y, y_stride, count, word(rack + POSITION), timed)
    if bypassable:
        voice_dry(current, x, x_stride, dry, block, channels, count)
    if next_:
        voice_walk(next_, x, x_stride, other, block, count, word(rack + POSITION), False)
        fader_mix(rack + CROSSFADE, y, y_stride, other, block, out_channels, count)
        if bypassable:
            voice_dry(next_, x, x_stride, next_dry, block, channels, count)
            fader_mix(rack + CROSSFADE, dry, block, next_dry, block, channels, count)
    if bypassable:
        fader_mix(rack + BYPASS, y, y_stride, dry, block, channels, count)
    mend(rack, y, y_stride, out_channels, count)
    fader_gain(rack + OUTPUT_GAIN, y, y_stride, out_channels, count)
    for k in range(word(rack + TAP_COUNT)):
        tap = word(word(rack + TAPS) + 8 * k)
        told = i64_1d(tap, TAP)
        if told[SLOT] == IN_SLOT:
            tap_fill(tap, x, x_stride, channels, count)
        elif told[SLOT] == OUT_SLOT:
            tap_fill(tap, y, y_stride, out_channels, count)
        elif told[LINKED] == 0:
            tap_fill(tap, 0, 0, 0, count)


@kernel
def move_on(rack: int, count: int) -> None:
    """`count` frames have gone."""
    retired, letter = word(rack + OUTBOX), rack + PAPER
    voice_advance(word(rack + CURRENT), count, retired, letter)
    fader_move(rack + OUTPUT_GAIN, count)
    fader_move(rack + BYPASS, count)
    put(rack + POSITION, word(rack + POSITION) + count)
    if word(rack + NEXT):
        voice_advance(word(rack + NEXT), count, retired, letter)
        if word(rack + WARMING):
            put(rack + WARMING, word(rack + WARMING) - count)
            if word(rack + WARMING) == 0:
                start_fade(rack)
        else:
            fader_move(rack + CROSSFADE, count)
            if fader_still(rack + CROSSFADE):
                finish_swap(rack)


@native
def rack_entry(rack: int, call: int) -> int:
    """The frames of one call, of any number. Compiled once, and called by address by whatever drives a rack."""
    told = i64_1d(call, CALL)
    frames = told[FRAMES]
    before = monotonic_ns()
    put(rack + NOW, before)
    receive(rack)
    timed = word(rack + CALLS) % TIMED_EVERY == 0
    done = 0
    while done < frames:
        happen(rack)
        count = room(rack, frames - done)
        sound(rack, told[X] + 4 * done, told[X_STRIDE], told[Y] + 4 * done, told[Y_STRIDE], count, timed)
        move_on(rack, count)
        done += count
    happen(rack)                        # what is due at the very next frame: a tap then has all that is asked of it
    voice_publish(word(rack + CURRENT))
    if word(rack + NEXT):
        voice_publish(word(rack + NEXT))
    spent = monotonic_ns() - before
    put(rack + CALLS, word(rack + CALLS) + 1)
    put(rack + BUSY_NS, word(rack + BUSY_NS) + spent)
    lasts = frames * 1_000_000_000 // word(rack + RATE)
    put(rack + PEAK_PPM, max(word(rack + PEAK_PPM), spent * 1_000_000 // max(lasts, 1)))
    if spent > lasts:
        put(rack + LATE_BLOCKS, word(rack + LATE_BLOCKS) + 1)
    store_release(rack + POSITION, word(rack + POSITION))
    return 0


@kernel
def rack_run(rack: int, x: int, x_stride: int, y: int, y_stride: int, frames: int) -> None:
    """`frames` frames from rows at `x` to rows at `y`, one a channel, so many frames apart."""
    call = rack + ARGUMENTS
    told = i64_1d(call, CALL)
    told[X], told[X_STRIDE], told[Y], told[Y_STRIDE], told[FRAMES] = x, x_stride, y, y_stride, frames
    call_entry(word(rack + ENTRY), rack, call)


@native
def run_rack(rack: int, x: int, x_stride: int, y: int, y_stride: int, frames: int, block: int) -> int:
    """As many frames as there are, in calls of `block` frames, as a device would make them."""
    before = flush_to_zero()
    done = 0
    while done < frames:
        count = min(block, frames - done)
        rack_run(rack, x + 4 * done, x_stride, y + 4 * done, y_stride, count)
        done += count
    restore_fpu(before)
    return 0
