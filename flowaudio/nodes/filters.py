"""Filters of one section: OnePole and Biquad."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, param
from flowaudio.core.simd import Vector, lane, lanes, load, low_f64, narrow, splat, store
from flowaudio.nodes import _svf

__all__ = ["Biquad", "OnePole"]

GROUP = 4
"""Channels in one vector."""

ZERO = np.float32(0.0)


class Params(NamedTuple):
    """One section."""

    coefficients: Any                   # float64 [6]: d11, a2, a3, c0, c1, c2


class State(NamedTuple):
    """What the two integrators of each channel hold."""

    integrators: Any                    # float64 [group of channels, 2 * 4]


def _prepared(coefficients: _svf.Coefficients, channels: int) -> tuple[Params, State]:
    return Params(np.array(coefficients)), State(np.zeros((-(-channels // GROUP), 2 * GROUP)))


@kernel
def _frame(rows: Any, n: int) -> Vector:
    """Sample `n` of four channels."""
    a, b, c, d = rows
    return low_f64(lanes(a[n], b[n], c[n], d[n], ZERO, ZERO, ZERO, ZERO))


@kernel
def _rows(x: Any, c: int) -> Any:
    """Four channels from `c` on. Behind the last channel comes the last one again: its lanes all hold the same."""
    last = x.shape[0] - 1
    return x[c], x[min(c + 1, last)], x[min(c + 2, last)], x[min(c + 3, last)]


@kernel
def _filter(x: Any, y: Any, p: Any, s: Any) -> None:
    """One section over all channels, four at a time."""
    k = (splat(p.coefficients[0]), splat(p.coefficients[1]), splat(p.coefficients[2]),
         splat(p.coefficients[3]), splat(p.coefficients[4]), splat(p.coefficients[5]))
    for group in range(s.integrators.shape[0]):
        state = s.integrators[group]
        s1, s2 = load(state, 0), load(state, GROUP)
        rows = _rows(x, GROUP * group)
        a, b, c, d = _rows(y, GROUP * group)
        for n in range(x.shape[1]):
            wide, s1, s2 = _svf.tick(_frame(rows, n), s1, s2, k)
            out = narrow(wide, wide)
            a[n], b[n], c[n], d[n] = lane(out, 0), lane(out, 1), lane(out, 2), lane(out, 3)
        store(state, 0, s1)
        store(state, GROUP, s2)


@node(in_place=True)
class OnePole:
    """Low-pass or high-pass, 6 dB an octave, -3 dB at its frequency.

    The trapezoidal one-pole: ``s[n+1] = s[n] + 2 G (x[n] - s[n])`` with ``G = g / (1 + g)``, ``g = tan(pi f / rate)``;
    low-pass ``G x + (1 - G) s``, high-pass ``(1 - G) (x - s)``. Gain is exactly 1 at 0 Hz (low-pass) or at half the
    rate (high-pass), and 0 at the other end. Frequencies above 0.49 of the rate are taken as 0.49. No latency.

    Float64 inside: against a float64 reference the error is that of rounding the output to float32, 150 dB below the
    signal, at any frequency and rate.

    Reference: Vadim Zavalishin, "The Art of VA Filter Design", rev. 2.1.2, section 3.10.
    """

    kind: str = choice(("lowpass", "highpass"), "which side of the frequency passes", default="lowpass")
    frequency_hz: float = param(1.0, 96_000.0, "-3 dB frequency", default=1000.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        return _prepared(_svf.one_pole(self.kind, self.frequency_hz, format.rate), format.channels)

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        _filter(x, y, p, s)


@node(in_place=True)
class Biquad:
    """One second-order section: a peak, shelf, low-pass, high-pass, band-pass, notch or all-pass.

    Responses, and the meaning of `q` and `gain_db`, are those of Robert Bristow-Johnson's "Audio EQ Cookbook" (the
    band-pass has a gain of 0 dB at its middle; a shelf has half its gain at its frequency). It runs as a trapezoidal
    state variable filter (Andrew Simper, Cytomic 2013), which stays bounded however fast its coefficients are changed.
    `gain_db` counts for peak and shelves. Frequencies above 0.49 of the rate are taken as 0.49. No latency.

    Float64 inside: against a float64 reference the error is that of rounding the output to float32, 150 dB below the
    louder of input and output; so at 1 kHz and 48 kHz, and at 20 Hz, q 10 and 192 kHz.
    """

    kind: str = choice(_svf.KINDS, "what it does", default="lowpass")
    frequency_hz: float = param(1.0, 96_000.0, "corner, middle, or middle of the slope", default=1000.0)
    q: float = param(0.05, 50.0, "quality: middle frequency over bandwidth; 0.7071 is the flattest corner",
                     default=0.7071)
    gain_db: float = param(-60.0, 36.0, "gain of a peak or shelf", default=0.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        coefficients = _svf.section(self.kind, self.frequency_hz, self.q, self.gain_db, format.rate)
        return _prepared(coefficients, format.channels)

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        _filter(x, y, p, s)
