"""Two clocks joined: what comes into a ring at one card's pace goes out at another's, resampled to fit.

::

    card A ─► ring_write, drift_wrote ─► ░░░░░░ ─► drift_pull ─► card B

The fill of the ring jumps by a block and says little. Each side's calls go through a loop that knows the card's clock
(see :mod:`flowaudio.runtime.pace`), so both positions are smooth: frames that A has captured by now, and the frame
that B plays now. Their difference is the delay. The ratio is that of the two periods, plus what brings the delay back
to its target: at most 500 ppm, 375 for an error of 1 ms, and the last of it in some eight seconds. It changes by at
most 500 ppm in a second, usually by a few: no ear hears that.

The sound pauses when the ring runs dry, or when the delay is more than 20 ms from its target, for a card has lost
frames or paused. Then the input is faded out in 5 ms (in the half of the filter that is left, if no more is there),
silence follows until the delay can be right again, and the input fades in.

The idea of steering by two loops: F. Adriaensen, "Controlling adaptive resampling", Linux Audio Conference 2012.
"""

import math
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import copy, f64_1d, i64_1d
from flowaudio.runtime import intake
from flowaudio.runtime.intake import FLOWING, INTAKE, intake_ahead, intake_end, intake_fetch, intake_forget
from flowaudio.runtime.interpolation import FRACTION, filter_bank, filter_taps, interpolate
from flowaudio.runtime.pace import (
    AT,
    CALLED,
    COUNT,
    NOTE,
    NOTE_PERIOD,
    NOTE_UNIT,
    PACE,
    PERIOD,
    SHAKEN,
    UNSURE,
    pace_anew,
    pace_note,
    pace_publish,
    pace_read,
    pace_tick,
    put_pace,
)
from flowaudio.runtime.ring import ring_readable

__all__ = ["Drift", "drift_anew", "drift_pull", "drift_wrote", "least_ring_frames", "safe_target_frames"]

# Words of 8 bytes. What the producer writes, what the consumer writes, and what both only read lie 128 bytes apart.
# The producer's: a pace, and as it was before this call; its note, the board that it hangs on; frames of this call.
PRODUCER, BEFORE, PRODUCER_NOTE, BOARD, WROTE = 0, 20, 40, 44, 62
# The consumer's: a pace, its note, the producer's note as last read, the intake.
CONSUMER, CONSUMER_NOTE, SEEN, TAKEN = 80, 100, 104, 112
# int64: input frames an output frame, with FRACTION binary places; frames of the last call; whether the delay is as it
# should be; faults. float64: the ratio as it is, that of the clocks, the delay in input frames.
STEP, LAST, LOCKED, UNDERRUNS, RESYNCS, RATIO, CLOCKS, DELAY = range(136, 144)
# Fixed: the filters; float64: the error that is too much and the one to be locked, in input frames; input frames a
# second; RECOVERY and HASTE, so that an error of e seconds is met with e / RECOVERY + e² / HASTE; seconds to ease a new
# ratio in; seconds an output frame; input frames an output frame, as promised.
BANK, TOO_MUCH, CLOSE, RATE, RECOVERY, HASTE, EASE, TICK, PROMISED = range(160, 169)
WORDS = 176

PIECE = 128
"""Output frames made at a time."""
MEMORY_S = 20.0
"""How long the loops remember, and by that how calm the ratio is: 1 to 4 ppm around the clocks' with 1 ms of jitter.
A clock that jumps by 50 ppm moves the delay by 0.4 ms for half a minute, one that jumps by 200 ppm by 2 ms."""
RECOVERY_S, HASTE_S, EASE_S = 8.0, 0.004, 1.0
PULL = 500e-6
"""By how much the ratio may differ from that of the clocks to correct the delay."""
SLEW = 500e-6
"""By how much the ratio may change in a second, of itself."""
SURE_PPB = 50_000
"""Both clocks are known when each is known as well as this."""
FADE_MS, RESYNC_MS, LOCK_MS = 5.0, 20.0, 1.0
MARGIN = 2.5
"""Spare delay, in jitters: one for each side, and the error of the loops when they have just begun."""


@kernel
def drift_wrote(drift: int, now_ns: int, frames: int) -> None:
    """Producer, after each write: `frames` frames went into the ring. Never waits.

    Writes with the same `now_ns` are parts of one call of the card.
    """
    if frames > 0:
        w, clock = i64_1d(drift, WORDS), drift + 8 * PRODUCER
        if now_ns == i64_1d(clock, PACE)[CALLED]:
            copy(clock, drift + 8 * BEFORE, 8 * PACE)       # as if the parts before had not been told
            w[WROTE] += frames
        else:
            copy(drift + 8 * BEFORE, clock, 8 * PACE)
            w[WROTE] = frames
        pace_tick(clock, now_ns, w[WROTE])
        pace_note(drift + 8 * PRODUCER, drift + 8 * PRODUCER_NOTE)
        pace_publish(drift + 8 * PRODUCER_NOTE, drift + 8 * BOARD)


@kernel
def drift_anew(drift: int) -> None:
    """Producer, before the first write after a pause: what would have come meanwhile never will."""
    pace_anew(drift + 8 * PRODUCER)


@kernel
def drift_pull(drift: int, ring: int, y: int, stride: int, frames: int, now_ns: int) -> int:
    """Consumer: `frames` frames of float32 rows at `y`, `stride` frames apart. Never waits.

    How many of them are silence, for the ring ran dry or the delay had to be set right. Silence before the first
    sound does not count. Pulls with the same `now_ns` are parts of one call of the card.
    """
    if frames <= 0:
        return 0
    w, f = i64_1d(drift, WORDS), f64_1d(drift, WORDS)
    taken = drift + 8 * TAKEN
    x = i64_1d(taken, INTAKE)
    _steer(drift, frames, now_ns)
    x[intake.REST] = _wanted(drift, frames)
    _watch(drift, ring)
    done = 0
    while done < frames:
        count = min(PIECE, frames - done)
        intake_fetch(taken, ring, _wanted(drift, count))
        interpolate(w[BANK], x[intake.TAPS], x[intake.WINDOW], x[intake.WIDTH], x[intake.CHANNELS],
                    x[intake.POSITION], w[STEP], y + 4 * done, stride, count)
        x[intake.POSITION] += count * w[STEP]
        intake_forget(taken)
        done += count
    left = f64_1d(taken, INTAKE)
    silent = min(int(left[intake.SILENT] / f[RATIO]), frames)
    left[intake.SILENT] -= silent * f[RATIO]
    return silent


@kernel
def _wanted(drift: int, frames: int) -> int:
    """Input frames that the next `frames` need and the window has not."""
    x = i64_1d(drift + 8 * TAKEN, INTAKE)
    last = x[intake.POSITION] + (frames - 1) * i64_1d(drift, WORDS)[STEP]
    return (last >> FRACTION) + x[intake.TAPS] - x[intake.END]


@kernel
def _steer(drift: int, frames: int, now_ns: int) -> None:
    """Take the time, find the delay and choose the ratio for this call."""
    w, f = i64_1d(drift, WORDS), f64_1d(drift, WORDS)
    clock, ticks = i64_1d(drift + 8 * CONSUMER, PACE), f64_1d(drift + 8 * CONSUMER, PACE)
    own, seen = i64_1d(drift + 8 * CONSUMER_NOTE, NOTE), i64_1d(drift + 8 * SEEN, NOTE)
    x, exact = i64_1d(drift + 8 * TAKEN, INTAKE), f64_1d(drift + 8 * TAKEN, INTAKE)
    if now_ns != clock[CALLED]:
        pace_tick(drift + 8 * CONSUMER, now_ns, w[LAST])
        pace_note(drift + 8 * CONSUMER, drift + 8 * CONSUMER_NOTE)
        w[LAST] = 0
    before, w[LAST] = w[LAST], w[LAST] + frames
    if not pace_read(drift + 8 * BOARD, drift + 8 * SEEN):
        return
    x[intake.STEADY] = own[UNSURE] < SHAKEN and seen[UNSURE] < SHAKEN
    period = seen[NOTE_PERIOD] * NOTE_UNIT
    f[CLOCKS] = ticks[PERIOD] / period
    # From the newest frame that the producer has captured by now back to the one that this call begins with.
    since = (clock[AT] - seen[AT]) + before * ticks[PERIOD]
    captured = (seen[COUNT] - x[intake.FETCHED]) + since / period
    f[DELAY] = captured + intake_ahead(drift + 8 * TAKEN)
    surplus = f[DELAY] - exact[intake.TARGET]
    exact[intake.SURPLUS] = surplus
    if x[intake.MODE] == FLOWING:
        astray = surplus / f[RATE]
        pull = min(max(astray / f[RECOVERY] + astray * abs(astray) / f[HASTE], -PULL), PULL)
        passed = frames * f[TICK]
        change = (f[CLOCKS] * (1.0 + pull) - f[RATIO]) * min(passed / f[EASE], 1.0)
        most = SLEW * passed * f[PROMISED]
        f[RATIO] += min(max(change, -most), most)
    else:
        f[RATIO] = f[CLOCKS]
    w[STEP] = int(f[RATIO] * (1 << FRACTION) + 0.5)


@kernel
def _watch(drift: int, ring: int) -> None:
    """Whether the sound can go on for this call, and whether the clocks are known and the delay is right."""
    w, f = i64_1d(drift, WORDS), f64_1d(drift, WORDS)
    x = i64_1d(drift + 8 * TAKEN, INTAKE)
    error = abs(f64_1d(drift + 8 * TAKEN, INTAKE)[intake.SURPLUS])
    good = x[intake.MODE] == FLOWING and x[intake.LEFT] == intake.ENDLESS
    if good:
        known = ring_readable(ring, x[intake.REST])
        if known < x[intake.REST]:
            good = False
            w[UNDERRUNS] += 1
            intake_end(drift + 8 * TAKEN, known)
        elif error > f[TOO_MUCH] and x[intake.STEADY]:
            good = False
            w[RESYNCS] += 1
            intake_end(drift + 8 * TAKEN, min(known, x[intake.FADE]))
    unsure = max(i64_1d(drift + 8 * CONSUMER_NOTE, NOTE)[UNSURE], i64_1d(drift + 8 * SEEN, NOTE)[UNSURE])
    close = f[CLOSE] * (1 + w[LOCKED])  # once locked, twice the error is let pass
    w[LOCKED] = good and unsure < SURE_PPB and error < close


def safe_target_frames(input_rate: float, output_rate: float, input_block: int, output_block: int,
                       jitter_ms: float = 1.0) -> int:
    """The least delay, in input frames, with which neither side can starve the other.

    A block of each side, half the filter, and two and a half times the jitter of a call. Of blocks that vary the
    longest counts, and blocks that come in a group, without a pause between them, count as one.
    """
    played = math.ceil(output_block * input_rate / output_rate)
    spare = math.ceil(MARGIN * jitter_ms * 1e-3 * input_rate)
    return input_block + played + filter_taps(input_rate, output_rate) // 2 + 1 + spare


def least_ring_frames(input_rate: float, target_frames: int, input_block: int, jitter_ms: float = 1.0) -> int:
    """The smallest ring that cannot run over while both cards call.

    A longer one bears it when the consumer pauses. One that runs over all the time also spoils the clocks: what is
    lost there is not counted as captured.
    """
    return 2 * target_frames + input_block + math.ceil(_too_much_ms(jitter_ms) * 1e-3 * input_rate)


def _too_much_ms(jitter_ms: float) -> float:
    return max(RESYNC_MS, 4 * jitter_ms)


class Drift:
    """The memory of a resampler between two clocks. It goes with one ring of as many channels, both new.

    Channels, rates and the filter are fixed; what changes is compiled code's alone, save the target.
    """

    def __init__(self, channels: int, input_rate: float, output_rate: float, target_frames: int,
                 jitter_ms: float = 1.0) -> None:
        """`jitter_ms`: by how much calls may be early or late; some 30 for what comes over a network.

        :raises ParameterError: no channel, a rate that is none, or a target that the filter alone does not fit in.
        """
        if channels < 1:
            raise ParameterError(f"Drift.channels must be at least 1 (got {channels})")
        for name, rate in (("input_rate", input_rate), ("output_rate", output_rate)):
            if not 1000 <= rate <= 1_000_000:
                raise ParameterError(f"Drift.{name} must be between 1000 and 1000000 Hz (got {rate})")
        if not 0.01 <= jitter_ms <= 1000:
            raise ParameterError(f"Drift.jitter_ms must be between 0.01 and 1000 (got {jitter_ms})")
        self._bank = filter_bank(float(input_rate), float(output_rate))
        self.channels, self.taps = channels, self._bank.shape[1]
        ratio = input_rate / output_rate
        width = self.taps + math.ceil(1.01 * PIECE * ratio) + 16
        self._window = np.zeros((channels, width), np.float32)
        memory = np.zeros(WORDS + 16, np.int64)
        first = -_address(memory) % 128 // 8
        self._words = w = memory[first:first + WORDS]
        self._reals = f = w.view(np.float64)
        self.address = _address(w)
        """Where its words stand: what the compiled functions take."""
        longer = max(jitter_ms, 1.0)
        memory_s = MEMORY_S * math.sqrt(longer)
        for begin, rate in ((PRODUCER, input_rate), (CONSUMER, output_rate)):
            put_pace(w[begin:begin + PACE], f[begin:begin + PACE], rate, jitter_ms, memory_s)
        x = w[TAKEN:TAKEN + INTAKE]
        x[intake.CHANNELS], x[intake.TAPS], x[intake.END] = channels, self.taps, self.taps
        x[intake.WINDOW], x[intake.WIDTH] = _address(self._window), width
        x[intake.FADE] = round(FADE_MS * 1e-3 * input_rate)
        w[BANK], w[STEP] = _address(self._bank), round(ratio * (1 << FRACTION))
        f[TOO_MUCH], f[CLOSE] = _too_much_ms(jitter_ms) * 1e-3 * input_rate, LOCK_MS * 1e-3 * input_rate
        f[RATE], f[TICK], f[EASE] = input_rate, 1 / output_rate, EASE_S
        f[RECOVERY], f[HASTE] = RECOVERY_S * math.sqrt(longer), HASTE_S * longer
        f[PROMISED] = f[RATIO] = f[CLOCKS] = ratio
        self.target_frames = target_frames

    @property
    def target_frames(self) -> int:
        """The latency that is kept, in input frames: from a frame's capture (of a block's last frame, its write) to
        the call that puts it out. The filter's own is part of it. See :func:`safe_target_frames`.

        It may be set while all runs: the delay glides there, or, by more than 20 ms, begins anew.
        """
        return int(self._reals[TAKEN + intake.TARGET])

    @target_frames.setter
    def target_frames(self, frames: int) -> None:
        if frames <= self.taps:
            raise ParameterError(f"Drift.target_frames must be more than the {self.taps} frames of its filter "
                                 f"(got {frames}): ask safe_target_frames")
        self._reals[TAKEN + intake.TARGET] = frames

    @property
    def mode(self) -> int:
        """PRIMING until the first sound, FLOWING, or REFILLING after a fault (:mod:`flowaudio.runtime.intake`).

        It stays silent, and does not become FLOWING, while a call wants more than the target has room for.
        """
        return int(self._words[TAKEN + intake.MODE])

    @property
    def delay_frames(self) -> float:
        """The latency as it is, in input frames; what it would be, while there is silence."""
        return float(self._reals[DELAY])

    @property
    def ppm(self) -> float:
        """By how many millionths the input's clock is faster than the output's, against what both promise."""
        return float(self._reals[CLOCKS] / self._reals[PROMISED] - 1) * 1e6

    @property
    def underruns(self) -> int:
        """How many times the ring has run dry."""
        return int(self._words[UNDERRUNS])

    @property
    def resyncs(self) -> int:
        """How many times the delay was so far out that the sound began anew."""
        return int(self._words[RESYNCS])

    @property
    def locked(self) -> bool:
        """Whether both clocks are known and the delay is within 1 ms (later 2 ms) of its target."""
        return bool(self._words[LOCKED])


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])
