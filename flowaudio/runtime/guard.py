"""A guard against howling: a loudspeaker that its microphone hears, over and over, louder each time.

A howl is loud, lasts, and is close to a sine; so is a flute. What tells them apart is that a howl comes back: the guard
makes the output softer by 2 dB, for some of 31 chips of 20 ms as a pseudo-random sequence says (an m-sequence, Golomb
1967), and looks whether what comes in does the same, later by some delay. Where input and delayed output stay in one
ratio the output fades out, for two seconds; a tone that is played in does not know of the chips.

Each channel is looked at by itself: one that howls is enough.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d, f64_1d, i64_1d

__all__ = ["guard_output", "guard_words"]

# int64. STRUCK: how often it struck. SLOT: frames of a slot; SEEN: in this one; SLOTS: in this window. ROW: suspicious
# windows in a row; CALM: others. PAUSE: windows until a tone is tried again, WAIT: the pause after that. TRIED: slots
# since a trial has begun, or IDLE. SUSPECT: the output that is tried. DOWN: slots for which the output stays down.
# OUTPUTS, INPUTS: channels. Then float64: the gain, now; its step a frame; power of the suspect in the window before
# a trial; the most that was found to be no howl; what the suspect has sent in this slot. SENT: of each slot of a trial.
(STRUCK, SLOT, SEEN, SLOTS, ROW, CALM, PAUSE, WAIT, TRIED, SUSPECT, DOWN, OUTPUTS, INPUTS, GAIN, STEP, TRIAL, KNOWN,
 PART, SENT) = range(19)

# float64 of each channel, outputs first: peak and power of this window, power of this slot. Behind them, of each input,
# its power in each slot of a trial.
PEAK, POWER, SLOT_POWER, CHANNEL = range(4)

WINDOW_SLOTS = 4                        # of 5 ms
WINDOWS = 10
LOUD, AUDIBLE = 0.25, 1e-4              # -12 dBFS at the output, -80 dBFS at the input
CREST = 2.5                             # peak squared over mean square: 4 dB
CHIPS, CODE = 31, 0b0000100101100111110001101110101
CODE_SLOTS = CHIPS * WINDOW_SLOTS
LATEST = 60                             # slots after which an answer is no longer waited for
TRIAL_SLOTS = CODE_SLOTS + LATEST
SOFTER = 10 ** (-2.0 / 20)
ANSWER = 0.02
"""Variance of the ratio of input and output, as a part of its square, below which it is an answer: where only the
output has the chips it is 0.05, in a loop without noise 0.003 at most."""

DOWN_SLOTS = 400
FIRST_PAUSE, LONGEST_PAUSE, FORGOTTEN = 50, 400, 500    # windows
FADE_MS = 5
IDLE = -1


def guard_words(rate: int, inputs: int, outputs: int) -> Any:
    """Memory of a guard: int64, its first word is how often it has struck."""
    words = np.zeros(SENT + CODE_SLOTS + CHANNEL * (outputs + inputs) + TRIAL_SLOTS * inputs, np.int64)
    words[SLOT], words[TRIED], words[WAIT] = max(rate // 200, 1), IDLE, FIRST_PAUSE
    words[OUTPUTS], words[INPUTS] = outputs, inputs
    words[GAIN:STEP + 1].view(float)[:] = 1.0, 1000.0 / (FADE_MS * rate)
    return words


@kernel
def channel_of(guard: int, k: int) -> int:
    """Address of what is known of an output, or of an input (behind all outputs)."""
    return guard + 8 * (SENT + CODE_SLOTS + CHANNEL * k)


@kernel
def heard_of(guard: int, c: int) -> int:
    """Address of what an input has heard in a trial."""
    g = i64_1d(guard, SENT)
    return channel_of(guard, g[OUTPUTS] + g[INPUTS]) + 8 * TRIAL_SLOTS * c


@kernel
def tonal(channel: int, frames: int, loud: float) -> bool:
    """Whether a channel was loud, and close to a sine or a square, in this window."""
    v = f64_1d(channel, CHANNEL)
    found: bool = v[PEAK] > loud and v[PEAK] * v[PEAK] * frames < CREST * v[POWER]
    return found


@kernel
def judge(guard: int) -> None:
    """At the end of a window: begin a trial where something has been suspicious for long enough."""
    g, v = i64_1d(guard, SENT), f64_1d(guard, SENT)
    frames, outputs = g[SLOT] * WINDOW_SLOTS, g[OUTPUTS]
    out, into = IDLE, IDLE
    for c in range(outputs):
        if tonal(channel_of(guard, c), frames, LOUD):
            out = c
    for c in range(g[INPUTS]):
        if tonal(channel_of(guard, outputs + c), frames, AUDIBLE):
            into = c
    g[PAUSE] = max(g[PAUSE] - 1, 0)
    if out == IDLE or into == IDLE:
        g[ROW] = 0
        g[CALM] += 1
        if g[CALM] >= FORGOTTEN:
            g[WAIT], v[KNOWN] = FIRST_PAUSE, 0.0
        return
    g[ROW] += 1
    g[CALM] = 0
    power = f64_1d(channel_of(guard, out), CHANNEL)[POWER]
    if g[ROW] >= WINDOWS and (g[PAUSE] == 0 or power > 2.0 * v[KNOWN]):
        g[ROW], g[TRIED], g[SUSPECT] = 0, 0, out
        v[TRIAL] = power


@kernel
def answered(guard: int, c: int, late: int) -> bool:
    """Whether an input did what the output has done, so many slots later: in each chip in the same ratio to it."""
    sent = f64_1d(guard + 8 * SENT, CODE_SLOTS)
    heard = f64_1d(heard_of(guard, c), TRIAL_SLOTS)
    total, squares = 0.0, 0.0
    for chip in range(CHIPS):
        out, into = 1e-20, 0.0
        for k in range(chip * WINDOW_SLOTS, (chip + 1) * WINDOW_SLOTS):
            out += sent[k]
            into += heard[k + late]
        total += into / out
        squares += (into / out) * (into / out)
    mean = total / CHIPS
    found: bool = mean > 0.0 and squares / CHIPS - mean * mean < ANSWER * mean * mean
    return found


@kernel
def go_on(guard: int) -> None:
    """At the end of a trial's slot: note it, and look for an answer when all chips are sent."""
    g, v = i64_1d(guard, SENT), f64_1d(guard, SENT)
    now = g[TRIED]
    if now < CODE_SLOTS:
        f64_1d(guard + 8 * SENT, CODE_SLOTS)[now] = v[PART]
    for c in range(g[INPUTS]):
        f64_1d(heard_of(guard, c), TRIAL_SLOTS)[now] = f64_1d(channel_of(guard, g[OUTPUTS] + c), CHANNEL)[SLOT_POWER]
    g[TRIED] = now + 1
    late = now + 1 - CODE_SLOTS
    if late < 0:
        return
    for c in range(g[INPUTS]):
        if answered(guard, c, late):
            g[STRUCK] += 1
            g[DOWN], g[TRIED] = DOWN_SLOTS, IDLE
            return
    if late == LATEST:
        v[KNOWN] = max(v[KNOWN], v[TRIAL])
        g[PAUSE], g[WAIT] = g[WAIT], min(2 * g[WAIT], LONGEST_PAUSE)
        g[TRIED] = IDLE


@kernel
def end_slot(guard: int) -> None:
    """Draw conclusions, and begin the next slot."""
    g, v = i64_1d(guard, SENT), f64_1d(guard, SENT)
    free = g[DOWN] == 0 and g[TRIED] == IDLE
    if g[TRIED] != IDLE:
        go_on(guard)
    g[DOWN] = max(g[DOWN] - 1, 0)
    g[SEEN], v[PART] = 0, 0.0
    g[SLOTS] += 1
    if g[SLOTS] == WINDOW_SLOTS and free:
        judge(guard)
    for c in range(g[OUTPUTS] + g[INPUTS]):
        known = f64_1d(channel_of(guard, c), CHANNEL)
        known[SLOT_POWER] = 0.0
        if g[SLOTS] == WINDOW_SLOTS:
            known[PEAK], known[POWER] = 0.0, 0.0
    if g[SLOTS] == WINDOW_SLOTS:
        g[SLOTS] = 0


@kernel
def measure(channel: int, x: int, count: int) -> None:
    """Peak and power of a channel's samples."""
    v, row = f64_1d(channel, CHANNEL), f32_1d(x, count)
    peak, power = v[PEAK], 0.0
    for n in range(count):
        sample = float(row[n])
        peak = max(peak, abs(sample))
        power += sample * sample
    v[PEAK] = peak
    v[POWER] += power
    v[SLOT_POWER] += power


@kernel
def wanted(guard: int) -> float:
    """The gain in this slot: 0 while it is down, softer in some chips of a trial."""
    g = i64_1d(guard, SENT)
    if g[DOWN] > 0:
        return 0.0
    chip = g[TRIED] // WINDOW_SLOTS
    return SOFTER if g[TRIED] != IDLE and chip < CHIPS and (CODE >> chip) & 1 else 1.0


@kernel
def turn(guard: int, y: int, stride: int, channels: int, count: int, to: float) -> None:
    """Let the gain go towards `to`. It is a gain of what a card can play: what is beyond full scale would not get
    softer. Note what the suspect sends."""
    g, v = i64_1d(guard, SENT), f64_1d(guard, SENT)
    gain, step = v[GAIN], v[STEP]
    for c in range(channels):
        row = f32_1d(y + 4 * c * stride, count)
        gain = v[GAIN]
        for n in range(count):
            gain = max(gain - step, to) if gain > to else min(gain + step, to)
            sample = min(max(float(row[n]), -1.0), 1.0) * gain
            if c == g[SUSPECT]:
                v[PART] += sample * sample
            row[n] = sample
    v[GAIN] = gain


@kernel
def guard_output(guard: int, x: int, y: int, stride: int, count: int) -> None:
    """Watch what comes in and what goes out, rows `stride` frames apart, and turn it down where it howls."""
    g, v = i64_1d(guard, SENT), f64_1d(guard, SENT)
    start, outputs, inputs = 0, g[OUTPUTS], g[INPUTS]
    while start < count:
        part = min(count - start, g[SLOT] - g[SEEN])
        for c in range(outputs):
            measure(channel_of(guard, c), y + 4 * (c * stride + start), part)
        for c in range(inputs):
            measure(channel_of(guard, outputs + c), x + 4 * (c * stride + start), part)
        to = wanted(guard)
        if to != 1.0 or v[GAIN] != 1.0 or g[TRIED] != IDLE:
            turn(guard, y + 4 * start, stride, outputs, part, to)
        g[SEEN] += part
        if g[SEEN] >= g[SLOT]:
            end_slot(guard)
        start += part
