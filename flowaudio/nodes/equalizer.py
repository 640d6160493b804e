"""A parametric equaliser of any number of bands, run as a systolic cascade in lanes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, items, param, record
from flowaudio.core.simd import Vector, lane, load, put, select, shuffle, splat, store
from flowaudio.nodes import _svf

__all__ = ["Band", "Equalizer"]

PASS = 4
"""Sections in one pass, each on two channels: eight lanes of float64 in two vectors."""

SILENT: _svf.Coefficients = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

STARTS = np.array([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0])
"""The step of a pass at which each lane takes its first sample."""


class Params(NamedTuple):
    """The bands, laid out in lanes: 0 and 1 are the first band on two channels, 2 and 3 the second band, ..."""

    coefficients: Any                   # float64 [pass, d11 a2 a3 c0 c1 c2, lane]
    bands: int                          # in all


class State(NamedTuple):
    """What the integrators hold."""

    integrators: Any                    # float64 [pair of channels, pass, s1 of 0-3, s2 of 0-3, s1 of 4-7, s2 of 4-7]


@record
class Band:
    """One band of an :class:`Equalizer`, as a :class:`Biquad` alone would be."""

    kind: str = choice(_svf.KINDS, "what it does", default="peak")
    frequency_hz: float = param(1.0, 96_000.0, "middle, corner, or middle of the slope", default=1000.0)
    gain_db: float = param(-60.0, 36.0, "gain of a peak or shelf", default=0.0)
    q: float = param(0.05, 50.0, "quality: middle frequency over bandwidth", default=0.7071)


@node(in_place=True)
class Equalizer:
    """Any number of bands, one behind the other.

    Each band is a :class:`Biquad`: the cookbook's responses, as a trapezoidal state variable filter that stays bounded
    however its coefficients change (Andrew Simper, Cytomic 2013). A peak or shelf of 0 dB changes no bit. Frequencies
    above 0.49 of the rate are taken as 0.49. No latency.

    Float64 inside, float32 after each four bands: against float64 references (SciPy's `sosfilt`) the error is that of
    rounding to float32: -149 dB of full scale with four bands, -141 dB with ten.
    """

    bands: Sequence[Band] = items(Band, "bands, in the order in which they are passed", default=())

    def prepare(self, format: Format) -> tuple[Params, State]:
        sections = [_svf.section(b.kind, b.frequency_hz, b.q, b.gain_db, format.rate) for b in self.bands]
        sections = sections or [_svf.IDENTITY]
        passes = -(-len(sections) // PASS)
        table = np.array(sections + [SILENT] * (passes * PASS - len(sections))).reshape(passes, PASS, 6)
        lanes = np.repeat(table.transpose(0, 2, 1), 2, axis=2)
        return Params(lanes, len(sections)), State(np.zeros(((format.channels + 1) // 2, passes, 16)))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        last = x.shape[0] - 1
        for pair in range(s.integrators.shape[0]):
            left = 2 * pair
            right = min(left + 1, last)  # of an odd number, the last channel runs in both lanes
            source, source2 = x[left], x[right]
            for k in range(s.integrators.shape[1]):
                _pass(source, source2, y[left], y[right], p.coefficients[k], s.integrators[pair, k],
                      min(PASS, p.bands - PASS * k))
                source, source2 = y[left], y[right]


@kernel
def _coefficients(table: Any, first: int) -> Any:
    return (load(table[0], first), load(table[1], first), load(table[2], first),
            load(table[3], first), load(table[4], first), load(table[5], first))


@kernel
def _pass(x: Any, x2: Any, y: Any, y2: Any, table: Any, state: Any, bands: int) -> None:
    """Up to four bands over two channels.

    At step t the first band takes sample t, the second one sample t - 1 from what the first put out a step before, and
    so on: what comes out of a lane moves two lanes up. All bands work in every step, and none waits for another. In the
    first and the last ``bands - 1`` steps those that have no sample rest, so that the block comes out whole.
    """
    frames = x.size
    lag = bands - 1
    upper = lag >= 2                    # where the last band's lanes are
    at = 2 * (lag % 2)
    k, k2 = _coefficients(table, 0), _coefficients(table, 4)
    s = (load(state, 0), load(state, 4), load(state, 8), load(state, 12))
    out, out2 = splat(0.0), splat(0.0)
    begin, end = 0, lag
    for edge in range(2):
        for t in range(begin, end):
            v, v2 = _push(out, out2, x, x2, min(t, frames - 1))
            out, low, low2 = _svf.tick(v, s[0], s[1], k)
            out2, high, high2 = _svf.tick(v2, s[2], s[3], k2)
            works, works2 = _working(t, frames, 0), _working(t, frames, 4)
            s = (select(works, low, s[0]), select(works, low2, s[1]),
                 select(works2, high, s[2]), select(works2, high2, s[3]))
            if t >= lag:
                _pull(out, out2, y, y2, t - lag, upper, at)
        if edge == 0:
            ahead, ahead2 = x[lag:], x2[lag:]
            for n in range(frames - lag):
                v, v2 = _push(out, out2, ahead, ahead2, n)
                out, low, low2 = _svf.tick(v, s[0], s[1], k)
                out2, high, high2 = _svf.tick(v2, s[2], s[3], k2)
                s = (low, low2, high, high2)
                _pull(out, out2, y, y2, n, upper, at)
        begin, end = max(lag, frames), frames + lag
    store(state, 0, s[0])
    store(state, 4, s[1])
    store(state, 8, s[2])
    store(state, 12, s[3])


@kernel
def _push(out: Vector, out2: Vector, x: Any, x2: Any, n: int) -> Any:
    """A new frame into the lowest lanes; what came out moves on to the next band."""
    frame = put(splat(np.float64(x[n])), 1, np.float64(x2[n]))
    return shuffle(frame, out, "0145"), shuffle(out, out2, "2345")


@kernel
def _pull(out: Vector, out2: Vector, y: Any, y2: Any, n: int, upper: bool, at: int) -> None:
    """What comes out of the last band."""
    last = out2 if upper else out
    y[n], y2[n] = np.float32(lane(last, at)), np.float32(lane(last, at + 1))


@kernel
def _working(t: int, frames: int, first: int) -> Any:
    """Which lanes have a sample at step t."""
    starts = load(STARTS, first)
    return (splat(np.float64(t)) >= starts) & (splat(np.float64(t - frames)) < starts)
