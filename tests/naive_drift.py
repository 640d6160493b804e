"""Two sound cards in simulated time, as compiled code: hours take seconds, and the true latency is known.

Card A writes a signal into a ring, block by block; card B pulls through a :class:`Drift`. Each has a clock of its own,
and calls late by a random time. The signal repeats after PERIOD frames and says where it is: its first two channels
are the cosine and the sine of the place. So what B puts out tells, without asking the resampler, which input frame
it is; when that was captured is known, and so is the latency.
"""

import math
from typing import Any

import numpy as np
from support import at

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d, f64_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.runtime.drift import RATIO as DRIFT_RATIO
from flowaudio.runtime.drift import WORDS as DRIFT_WORDS
from flowaudio.runtime.drift import Drift, drift_pull, drift_wrote, least_ring_frames, safe_target_frames
from flowaudio.runtime.ring import Ring, ring_write

__all__ = ["PERIOD", "Cards", "place_tone"]

PERIOD = 8192
"""Frames after which the usual signal repeats: latencies up to 170 ms at 48 kHz can be told apart."""

# float64: when the cards call next (ns), were they on time; true rates; greatest lateness; times before which they do
# not call; the time of the newest frame; the least and the greatest latency since the last row of the log.
# int64: the same call as it will be; blocks that they will miss; calls that come at once, as one, and calls so far;
# frames of a block, and of the parts that it is handled in; and what stands behind the names.
(A_DUE, B_DUE, A_RATE, B_RATE, A_JITTER, B_JITTER, A_HELD, B_HELD, REACHED, LEAST, MOST,
 A_CALL, B_CALL, A_MISSES, B_MISSES, A_GROUP, B_GROUP, A_INDEX, B_INDEX, A_BLOCK, B_BLOCK, A_PART, B_PART,
 DRIFT, RING, TABLE, LENGTH, CHANNELS, Y, Y_ROOM, Y_DONE, SEED, WRITTEN, UNTIL,
 LOG, LOG_ROOM, LOG_DONE, LOG_EVERY, CALLS, SILENT, WORDS) = range(41)

APART_NS = 20_000
"""Between two calls that catch up."""

# Columns of the log.
TIME, LOW, HIGH, RATIO, QUIET, COLUMNS = range(6)


@kernel
def _random(sim: int) -> float:
    """From 0 to 1 (Marsaglia's xorshift)."""
    w = i64_1d(sim, WORDS)
    s = w[SEED]
    s ^= s << 13
    s ^= (s >> 7) & 0x01FFFFFFFFFFFFFF
    s ^= s << 17
    w[SEED] = s
    return ((s >> 11) & 0x1FFFFFFFFFFFFF) * 2.0 ** -53


@kernel
def _capture(sim: int) -> None:
    """Card A has a block, and calls if it does not miss it."""
    w, f = i64_1d(sim, WORDS), f64_1d(sim, WORDS)
    if w[A_MISSES] > 0:
        w[A_MISSES] -= 1
    else:
        source, frames = w[TABLE] + 4 * (w[WRITTEN] % w[LENGTH]), 0
        for done in range(0, w[A_BLOCK], w[A_PART]):
            count = min(w[A_PART], w[A_BLOCK] - done)
            written = ring_write(w[RING], source + 4 * done, w[LENGTH] + w[A_BLOCK], count)
            drift_wrote(w[DRIFT], w[A_CALL], written)
            frames += written
        w[WRITTEN] += frames
        f[REACHED] = f[A_DUE] - (w[A_BLOCK] - frames) * 1e9 / f[A_RATE]
    f[A_DUE] += w[A_BLOCK] * 1e9 / f[A_RATE]
    w[A_INDEX] += 1
    early = (w[A_GROUP] - 1 - w[A_INDEX] % w[A_GROUP]) * w[A_BLOCK] * 1e9 / f[A_RATE]
    w[A_CALL] = int(max(f[A_DUE] + early + f[A_JITTER] * _random(sim), f[A_HELD], w[A_CALL] + APART_NS))


@kernel
def _play(sim: int) -> None:
    """Card B wants a block, and calls if it does not miss it."""
    w, f = i64_1d(sim, WORDS), f64_1d(sim, WORDS)
    if w[B_MISSES] > 0:
        w[B_MISSES] -= 1
    else:
        if w[Y_DONE] + w[B_BLOCK] > w[Y_ROOM]:
            w[Y_DONE] = 0
        y = w[Y] + 4 * w[Y_DONE]
        for done in range(0, w[B_BLOCK], w[B_PART]):
            count = min(w[B_PART], w[B_BLOCK] - done)
            w[SILENT] += drift_pull(w[DRIFT], w[RING], y + 4 * done, w[Y_ROOM], count, w[B_CALL])
        w[Y_DONE] += w[B_BLOCK]
        if w[CHANNELS] > 1:
            _note(sim, y)
    f[B_DUE] += w[B_BLOCK] * 1e9 / f[B_RATE]
    w[B_INDEX] += 1
    late = w[B_INDEX] % w[B_GROUP] * w[B_BLOCK] * 1e9 / f[B_RATE]
    w[B_CALL] = int(max(f[B_DUE] - late + f[B_JITTER] * _random(sim), f[B_HELD], w[B_CALL] + APART_NS))


@kernel
def _note(sim: int, y: int) -> None:
    """Read the latency off the first frame of a block."""
    w, f = i64_1d(sim, WORDS), f64_1d(sim, WORDS)
    cosine, sine = f32_1d(y, 1)[0], f32_1d(y + 4 * w[Y_ROOM], 1)[0]
    if cosine * cosine + sine * sine > 0.24:     # not while it fades
        place = math.atan2(sine, cosine) * (PERIOD / (2.0 * math.pi))
        captured = w[WRITTEN] % PERIOD + (f[B_DUE] - f[REACHED]) * f[A_RATE] * 1e-9
        latency = captured - place
        latency -= PERIOD * math.floor(latency / PERIOD)
        f[LEAST], f[MOST] = min(f[LEAST], latency), max(f[MOST], latency)
    w[CALLS] += 1
    if w[CALLS] % w[LOG_EVERY] == 0 and w[LOG_DONE] < w[LOG_ROOM]:
        row = f64_1d(w[LOG] + 8 * COLUMNS * w[LOG_DONE], COLUMNS)
        row[TIME], row[LOW], row[HIGH], row[QUIET] = f[B_DUE] * 1e-9, f[LEAST], f[MOST], w[SILENT]
        row[RATIO] = f64_1d(w[DRIFT], DRIFT_WORDS)[DRIFT_RATIO]
        w[LOG_DONE] += 1
        f[LEAST], f[MOST] = 1e9, -1e9


@native
def simulate(sim: int) -> int:
    """Let both cards run until the time that is asked for."""
    w = i64_1d(sim, WORDS)
    while min(w[A_CALL], w[B_CALL]) < w[UNTIL]:
        if w[A_CALL] <= w[B_CALL]:
            _capture(sim)
        else:
            _play(sim)
    return w[LOG_DONE]


def place_tone(channels: int) -> Any:
    """float64 ``[channels, PERIOD]``: cosine and sine of the place."""
    turn = 2 * np.pi * np.arange(PERIOD) / PERIOD
    return np.array([np.cos(turn), np.sin(turn)] * channels)[:channels]


class Cards:
    """Two cards, a ring and a resampler between them. Clocks are off by `a_ppm` and `b_ppm`, jitters in ms."""

    def __init__(self, a_rate: float = 48000, b_rate: float = 48000, a_block: int = 128, b_block: int = 128, *,
                 channels: int = 2, a_ppm: float = 0, b_ppm: float = 0, a_jitter: float = 1.0, b_jitter: float = 1.0,
                 signal: Any = None, target: int = 0, record_s: float = 0.0, log_every: int = 1, ring: int = 0,
                 jitter_ms: float = 1.0, part: int = 0, seed: int = 1) -> None:
        self.rates, self.blocks = (a_rate, b_rate), (a_block, b_block)
        target = target or safe_target_frames(a_rate, b_rate, a_block, b_block, jitter_ms)
        self.drift = Drift(channels, a_rate, b_rate, target, jitter_ms)
        self.ring = Ring(channels, ring or least_ring_frames(a_rate, target, a_block, jitter_ms))
        signal = place_tone(channels) if signal is None else signal
        self.table = np.concatenate([signal, np.resize(signal, (channels, a_block)) if signal.shape[1] < a_block
                                     else signal[:, :a_block]], axis=1).astype(np.float32)
        self.y = np.zeros((channels, max(round(record_s * b_rate), 4 * b_block)), np.float32)
        self.log = np.zeros((1 << 20 if not record_s else 1 << 14, COLUMNS))
        self.w = w = np.zeros(WORDS, np.int64)
        self.f = f = w.view(np.float64)
        f[A_RATE], f[B_RATE] = a_rate * (1 + a_ppm * 1e-6), b_rate * (1 + b_ppm * 1e-6)
        f[A_JITTER], f[B_JITTER] = a_jitter * 1e6, b_jitter * 1e6
        start = 12_345_678_901_234_567      # a machine that has been up for months
        f[A_DUE], f[B_DUE] = start + 2_345_678, start
        w[A_CALL], w[B_CALL], w[UNTIL] = start + 2_345_678, start, start
        w[A_GROUP] = w[B_GROUP] = 1
        w[A_PART], w[B_PART] = part or a_block, part or b_block
        w[A_BLOCK], w[B_BLOCK], w[CHANNELS] = a_block, b_block, channels
        w[DRIFT], w[RING] = self.drift.address, self.ring.address
        w[TABLE], w[LENGTH] = at(self.table), signal.shape[1]
        w[Y], w[Y_ROOM] = at(self.y), self.y.shape[1]
        w[LOG], w[LOG_ROOM], w[LOG_EVERY] = at(self.log), len(self.log), log_every
        w[SEED] = seed * 0x9E3779B97F4A7C1 % (1 << 62)
        f[LEAST], f[MOST] = 1e9, -1e9

    def run(self, seconds: float) -> Any:
        """Go on for so long; the rows that were logged meanwhile."""
        before = self.w[LOG_DONE]
        self.w[UNTIL] += round(seconds * 1e9)
        simulate(at(self.w))
        return self.log[before:self.w[LOG_DONE]]

    def until_locked(self, most_s: float = 30.0) -> float:
        """Go on until the resampler says that it is locked; seconds that it took."""
        gone = 0.0
        while not self.drift.locked:
            assert gone < most_s, "it does not lock"
            self.run(0.1)
            gone += 0.1
        return gone

    def astray_ms(self, rows: Any) -> tuple[float, float]:
        """The least and the greatest true latency in rows of the log, less the target."""
        heard = rows[rows[:, HIGH] >= 0]
        assert len(heard)
        low, high = heard[:, LOW].min(), heard[:, HIGH].max()
        return tuple((v - self.drift.target_frames) * 1e3 / self.rates[0] for v in (low, high))

    def heard(self) -> Any:
        """What card B has played, if it was recorded from the start: float64 ``[channels, frames]``."""
        return self.y[:, :self.w[Y_DONE]].astype(np.float64)
