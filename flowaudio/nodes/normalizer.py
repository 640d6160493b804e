"""The normalizer: brings a live signal to a loudness, slowly enough not to be heard."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.named_layouts import DEFAULT, layout_speakers
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hsum, lanes, load, load_part, splat, store, store_part
from flowaudio.core.units import db_to_power
from flowaudio.nodes import _kweighting
from flowaudio.nodes._kweighting import CHUNK, HOPS_PER_SECOND, energy, hop_end, loudness_of, weigh

__all__ = ["Normalizer"]

OFFSET = _kweighting.OFFSET
BLOCK = 40                              # hops in 400 ms
PAUSE = db_to_power(-15)               # as a power: under the window by this much, it is a pause
RAMP = tuple(np.float32(n) for n in range(1, 9))


class Params(NamedTuple):
    """Fixed while it runs."""

    rate: int
    coefs: Any                          # float64 [7], K-weighting
    weights: Any                        # float64 [channel]
    aim: Any                            # float64 [6]: target, greatest gain in dB; gate as a power; steps down and up;
    #                                     1 / hops of the window


class State(NamedTuple):
    """Position, filters, the window, and the gain on its way."""

    clock: Any                          # int64 [3]: frames, whole hops, hops of the pause that it is in
    filters: Any                        # float64 [group, …], see _kweighting
    scratch: Any                        # float64 [4 * CHUNK]
    recent: Any                         # float64 [BLOCK], mean squares of the last hops; slot = hop modulo length
    window: Any                         # float64 [hops, rounded up to 4], mean squares of blocks
    place: Any                          # int64 [1], hops that went into the window
    gain: Any                           # float32 [2], at the last hop's end and at the next one's
    gain_db: Any                        # float64 [1], the latter
    loudness_lufs: Any                  # float64 [1], of the window


@node(in_place=True, measures=("gain_db", "loudness_lufs"))
class Normalizer:
    """Slow gain that brings the loudness of a window to a target. One pass, for live sound::

        in ─┬─► K-weighting ─► 400 ms ─► gate ─► mean of the window ─► target - LUFS ─► smoothing ─┐
            └───────────────────────────────────────────────────────────────────── × ◄─ ramps ◄────┘

    Every 10 ms a block of 400 ms, as in the integrated measure, goes into the window if it is louder than the gate:
    gaps between syllables count, silence and noise leave the gain where it is. So do pauses: blocks 15 LU or more under
    the window, until they last longer than it. It begins full of the
    target, so that the gain begins at 0 dB. The gain in dB follows with a time constant of a quarter of the window on
    its way down, of the whole window on its way up, and runs in straight lines from hop to hop: nothing clicks.

    Put a Limiter behind it: the first moment of a louder passage comes through with the gain of what was before.
    Measures `gain_db` and `loudness_lufs` of the window. For files, measuring first and one fixed gain is better.

    Latency: none. Error of the steady state: 0.1 LU. Loudness as in ITU-R BS.1770-5; gain_db is never above
    `max_gain_db` and never under -60.
    """

    target_lufs: float = param(-40.0, 0.0, "loudness to reach", default=-16.0)
    window_ms: float = param(100.0, 10_000.0, "how much sound the loudness is taken of", default=1000.0,
                             interpolated=False)
    max_gain_db: float = param(0.0, 40.0, "gain that it never goes beyond", default=24.0)
    gate_lufs: float = param(-90.0, -20.0, "loudness under which the gain stands still", default=-60.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """A window full of the target, a gain of 1."""
        hops = round(self.window_ms * HOPS_PER_SECOND / 1000)
        hop_ms = 1000 / HOPS_PER_SECOND
        down, up = (1 - math.exp(-hop_ms / ms) for ms in (self.window_ms / 4, self.window_ms))
        aim = np.array([self.target_lufs, self.max_gain_db, _power(self.gate_lufs), down, up, 1 / hops])
        window = np.zeros(-(-hops // 4) * 4)
        window[:hops] = _power(self.target_lufs)
        params = Params(format.rate, _kweighting.coefficients(format.rate),
                        _kweighting.channel_weights(layout_speakers(DEFAULT, format.channels, "Normalizer")), aim)
        return params, State(np.zeros(3, np.int64), _kweighting.filters(format.channels), np.zeros(4 * CHUNK),
                             np.zeros(BLOCK), window,
                             np.zeros(1, np.int64), np.ones(2, np.float32), np.zeros(1), np.full(1, self.target_lufs))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames, done = x.shape[1], 0
        while done < frames:
            begin, end = hop_end(s.clock[1] - 1, p.rate), hop_end(s.clock[1], p.rate)
            count = min(CHUNK, frames - done, end - s.clock[0])
            for group in range(s.filters.shape[0]):
                weigh(x, done, count, group, p.coefs, s.scratch, s.filters[group])
            for c in range(x.shape[0]):
                ramp(x[c], y[c], done, count, s.clock[0] - begin, end - begin, s.gain)
            done += count
            s.clock[0] += count
            if s.clock[0] == end:
                s.clock[1] += 1
                hop(energy(p.weights, s.filters) * HOPS_PER_SECOND / p.rate, p.aim, s)


def _power(lufs: float) -> float:
    return db_to_power(lufs - OFFSET)


@kernel
def hop(power: float, aim: Any, s: Any) -> None:
    """A hop is whole: into the window with it, if it counts, and one step of the gain."""
    target, greatest, gate, down, up, share = aim[0], aim[1], aim[2], aim[3], aim[4], aim[5]
    hops = np.int64(1.0 / share + 0.5)
    s.gain[0] = s.gain[1]
    s.recent[s.clock[1] % BLOCK] = power
    power = mean(s.recent, 1.0 / BLOCK)
    if power > gate:
        s.clock[2] = s.clock[2] + 1 if power < PAUSE * mean(s.window, share) else 0
        if s.clock[2] == 0 or s.clock[2] > hops:
            s.window[s.place[0] % hops] = power
            s.place[0] += 1
            s.loudness_lufs[0] = loudness_of(mean(s.window, share))
            goal = max(-60.0, min(greatest, target - s.loudness_lufs[0]))
            way = goal - s.gain_db[0]
            s.gain_db[0] += way * (down if way < 0.0 else up)
            s.gain[1] = np.float32(10.0 ** (s.gain_db[0] / 20.0))


@kernel
def mean(window: Any, share: float) -> Any:
    """Mean of the window, added up in the order of its slots: a running sum would drift."""
    total = load(window, 0)
    for n in range(4, window.size, 4):
        total += load(window, n)
    return hsum(total) * share


@kernel
def ramp(row: Any, out: Any, start: int, count: int, at: int, length: int, gain: Any) -> None:
    """A straight line from ``gain[0]`` to ``gain[1]`` over a hop of `length` frames, of which `at` are done."""
    first = gain[0]
    step = (gain[1] - first) / np.float32(length)
    place = lanes(*RAMP) + np.float32(at)
    whole, rest = count - count % 8, count % 8
    for n in range(0, whole, 8):
        now = fma(place + np.float32(n), step, splat(first))
        store(out, start + n, load(row, start + n) * now)
    if rest:
        now = fma(place + np.float32(whole), step, splat(first))
        store_part(out, start + whole, rest, load_part(row, start + whole, rest) * now)
