"""Echoes."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import flag, param
from flowaudio.core.simd import fma, load, load_part, splat, store, store_part
from flowaudio.core.units import ms_to_frames

__all__ = ["Delay"]

ALL_HZ = 20_000.0
"""The highest cut of the treble: none."""

ZERO = np.float32(0.0)


class Params(NamedTuple):
    """What an echo is like."""

    feedback: float
    dry: float
    wet: float
    keep: float                         # what the low-pass in the feedback keeps of itself; 0: no low-pass
    take: float                         # 1 - keep
    ping_pong: bool
    share: float                        # of each channel in the sum that ping-pong begins with


class State(NamedTuple):
    """The line: as long as the delay, so what is read at a place makes room for what is written."""

    ring: Any                           # float32 [channel, delay]
    at: Any                             # int64 [1], the oldest frame
    low: Any                            # float32 [channel], the low-passes


@kernel
def part(row: Any, n: int, count: int) -> Any:
    """Up to eight frames."""
    return load(row, n) if count == 8 else load_part(row, n, count)


@kernel
def put_part(row: Any, n: int, count: int, value: Any) -> None:
    """Up to eight frames."""
    if count == 8:
        store(row, n, value)
    else:
        store_part(row, n, count, value)


@kernel
def listen(x: Any, y: Any, start: int, run: int, p: Any, s: Any) -> None:
    """What goes out: the signal, and the line's oldest frames."""
    dry, wet, at = splat(p.dry), splat(p.wet), s.at[0]
    for c in range(x.shape[0]):
        source, target, ring = x[c], y[c], s.ring[c]
        for n in range(0, run, 8):
            count = min(8, run - n)
            old = part(ring, at + n, count)
            put_part(target, start + n, count, fma(dry, part(source, start + n, count), wet * old))


@kernel
def damp(run: int, p: Any, s: Any) -> None:
    """The oldest frames lose treble, where they stand."""
    for c in range(s.ring.shape[0]):
        low = s.low[c]
        for n in range(s.at[0], s.at[0] + run):
            low = fma(p.keep, low, p.take * s.ring[c, n])
            s.ring[c, n] = low
        s.low[c] = low


@kernel
def renew(x: Any, start: int, run: int, p: Any, s: Any) -> None:
    """What comes in takes the place of the oldest frames, with what is fed back of them."""
    feedback, at, channels = splat(p.feedback), s.at[0], x.shape[0]
    for n in range(0, run, 8):
        count = min(8, run - n)
        if p.ping_pong:  # from channel to channel: each line feeds the next, the last feeds the first
            last = part(s.ring[channels - 1], at + n, count)
            total = splat(ZERO)
            for c in range(channels):
                total += part(x[c], start + n, count)
            for c in range(channels - 1, 0, -1):
                put_part(s.ring[c], at + n, count, feedback * part(s.ring[c - 1], at + n, count))
            put_part(s.ring[0], at + n, count, fma(feedback, last, p.share * total))
        else:
            for c in range(channels):
                old = part(s.ring[c], at + n, count)
                put_part(s.ring[c], at + n, count, fma(feedback, old, part(x[c], start + n, count)))


@node
class Delay:
    """Echoes: the signal again after `time_ms`, and again, softer each time.

    ``y[n] = dry x[n] + wet w[n-D]`` with ``w[n] = x[n] + feedback w[n-D]``. D is `time_ms` in whole frames, rounded to
    the nearest; at least one. So an echo loses nothing by itself, and is at most half a frame from its time.

    - `high_cut_hz`: what is fed back goes through ``z[n] = z[n-1] + a (w[n-D] - z[n-1])`` with
      ``a = 1 - exp(-2 pi f / rate)``: each echo is darker than the one before. At 20000, the highest, nothing is taken.
    - `ping_pong`: the first line takes the mean of all channels, each feeds the next, the last feeds the first. The
      first echo comes from the left, the second from the right.

    Latency: none; the delay is the effect, so nothing compensates for it. Error against float64: two roundings (2^-23)
    an echo. Any number of channels.
    """

    time_ms: float = param(0.0, 10_000.0, "time to the first echo, and from one to the next", default=350.0,
                           interpolated=False)
    feedback: float = param(0.0, 0.99, "level of an echo beside the one before, linear", default=0.4)
    wet: float = param(0.0, 1.0, "level of the first echo, linear", default=0.5)
    dry: float = param(0.0, 1.0, "level of the signal itself, linear", default=1.0)
    high_cut_hz: float = param(20.0, ALL_HZ, "-3 dB frequency of each further echo; 20000 is off", default=ALL_HZ)
    ping_pong: bool = flag("let echoes wander from channel to channel", default=False)

    def prepare(self, format: Format) -> tuple[Params, State]:
        frames = max(ms_to_frames(self.time_ms, format.rate), 1)
        keep = math.exp(-2.0 * math.pi * self.high_cut_hz / format.rate) if self.high_cut_hz < ALL_HZ else 0.0
        params = Params(self.feedback, self.dry, self.wet, keep, 1.0 - keep, self.ping_pong, 1.0 / format.channels)
        return params, State(np.zeros((format.channels, frames), np.float32), np.zeros(1, np.int64),
                             np.zeros(format.channels, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        done, delay = 0, s.ring.shape[1]
        while done < x.shape[1]:
            # No frame of a run depends on another of it: they are a delay apart at least.
            run = min(x.shape[1] - done, delay - s.at[0])
            listen(x, y, done, run, p, s)
            if p.keep > ZERO:
                damp(run, p, s)
            renew(x, done, run, p, s)
            s.at[0] = s.at[0] + run if s.at[0] + run < delay else 0
            done += run
