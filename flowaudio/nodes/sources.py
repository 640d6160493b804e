"""Test signals that repeat exactly: a tone and a sweep."""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, flag, integer, param
from flowaudio.core.simd import fma
from flowaudio.core.units import db_to_gain

__all__ = ["Sine", "Sweep"]

HIGHEST = 0.49
"""Of the sampling rate: where a frequency is held that would not fit below half of it."""

# sin(2 pi t) = t (C0 + C1 t^2 + ...) for |t| <= 1/4, a minimax fit with an error of 1.3e-11.
C0, C1, C2 = np.float32(6.283185306487498), np.float32(-41.341701929770146), np.float32(81.60520943082048)
C3, C4, C5 = np.float32(-76.70366781705525), np.float32(41.99998964030965), np.float32(-14.337023499421775)
TURN = np.float32(2.0**-32)
HALF_TURN = 1 << 31
WHOLE = 6755399441055744.0
"""1.5 * 2^52: what is added to it is rounded to a whole number."""
PIECE = 1024
"""Frames of a sweep that share one entry of the coarse table."""


@kernel
def sine(t: Any) -> Any:
    """sin(2 pi t) for -1/4 <= t <= 1/4, in float32."""
    q = t * t
    return t * fma(fma(fma(fma(fma(C5, q, C4), q, C3), q, C2), q, C1), q, C0)


@kernel
def spread(y: Any) -> None:
    """The first channel goes to all others."""
    for c in range(1, y.shape[0]):
        for n in range(y.shape[1]):
            y[c, n] = y[0, n]


class SineParams(NamedTuple):
    """For Sine's kernel."""

    step: int                           # turns a frame, times 2^64
    level: float                        # linear


class SineState(NamedTuple):
    """Where the tone is."""

    phase: Any                          # int64 [1], turns times 2^64; it wraps as a turn does


@node(inputs=(), silent=False)
class Sine:
    """A tone, the same in all channels.

    ``y[n] = level sin(2 pi (f n / rate + phase / 360))``. The phase is a whole number of 2^-64 turns: it neither
    drifts nor loses precision, and after a day at 48 kHz it is right to 10^-10 turns. A frequency above 0.49 of the
    sampling rate is held there.

    `level_dbfs` is the peak level. Latency: none. Error against float64: 2e-7 of full scale.
    """

    frequency_hz: float = param(0.0, 96_000.0, "frequency", default=1000.0, interpolated=False)
    level_dbfs: float = param(-120.0, 0.0, "peak level", default=-20.0)
    phase_deg: float = param(-360.0, 360.0, "phase of the first frame", default=0.0, interpolated=False)
    channels: int = integer(1, 64, "channels that go out", default=2)

    def prepare(self, format: Format) -> tuple[SineParams, SineState]:
        turns = min(Fraction(self.frequency_hz) / format.rate, Fraction(HIGHEST))
        phase = round(Fraction(self.phase_deg) / 360 * 2**64) % 2**64
        params = SineParams(round(turns * 2**64), db_to_gain(self.level_dbfs))
        return params, SineState(np.array([phase], np.uint64).view(np.int64))

    def output_channels(self, format: Format) -> int:
        return self.channels

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        phase = s.phase[0]
        for n in range(y.shape[1]):
            turn = (phase + n * p.step) >> 32
            # The outer quarters are the inner ones mirrored; whole numbers do it without a rounding.
            turn = min(turn, HALF_TURN - turn)
            turn = max(turn, -HALF_TURN - turn)
            y[0, n] = p.level * sine(np.float32(np.int32(turn)) * TURN)
        s.phase[0] = phase + y.shape[1] * p.step
        spread(y)


class SweepParams(NamedTuple):
    """For Sweep's kernel: the phase in turns is ``scale (coarse fine - 1)``, or ``n (a + b n)``."""

    length: int                         # frames
    repeat: bool
    linear: bool
    level: float
    scale: Any                          # float64 [3]: scale, a, b
    coarse: Any                         # float64 [piece], growth of the frequency to the beginning of a piece
    fine: Any                           # float64 [PIECE], and from there on


class SweepState(NamedTuple):
    """Where the sweep is."""

    at: Any                             # int64 [1], frames so far


@kernel
def sine_of_turns(turns: float) -> Any:
    """sin(2 pi turns) as float32, for a float64 of any size."""
    t = turns - ((turns + WHOLE) - WHOLE)
    t = min(t, 0.5 - t)
    t = max(t, -0.5 - t)
    return sine(np.float32(t))


@kernel
def sweep(y: Any, start: int, count: int, at: int, p: Any) -> None:
    """`count` frames of the sweep from its frame `at` on, to y[0, start] and behind it; all within one piece."""
    if p.linear:
        a, b = p.scale[1], p.scale[2]
        for n in range(count):
            m = np.float64(at + n)
            y[0, start + n] = p.level * sine_of_turns(m * (a + b * m))
    else:
        scale = p.scale[0]
        growth = p.coarse[at // PIECE]
        first = at % PIECE
        for n in range(count):
            y[0, start + n] = p.level * sine_of_turns(scale * (growth * p.fine[first + n]) - scale)


@node(inputs=(), silent=False)
class Sweep:
    """A sine that runs from one frequency to another, the same in all channels; after it silence, or the next one.

    Logarithmic: ``y(t) = level sin(2 pi f1 L (exp(t / L) - 1))`` with ``L = T / ln(f2 / f1)``: the same time for every
    octave. Linear: ``y(t) = level sin(2 pi (f1 t + (f2 - f1) t^2 / 2T))``. It may run downwards. Frequencies above 0.49
    of the sampling rate are held there.

    `level_dbfs` is the peak level. Latency: none. Error against float64: 2e-7 of full scale.
    Reference: A. Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique",
    108th AES Convention, 2000, section 3.
    """

    start_hz: float = param(1.0, 96_000.0, "frequency at the beginning", default=20.0, interpolated=False)
    end_hz: float = param(1.0, 96_000.0, "frequency at the end", default=20_000.0, interpolated=False)
    duration_s: float = param(0.01, 600.0, "length", default=10.0, interpolated=False)
    shape: str = choice(("logarithmic", "linear"), "how the frequency runs", default="logarithmic")
    level_dbfs: float = param(-120.0, 0.0, "peak level", default=-20.0)
    repeat: bool = flag("begin again at the end", default=False)
    channels: int = integer(1, 64, "channels that go out", default=2)

    def prepare(self, format: Format) -> tuple[SweepParams, SweepState]:
        first, last = (min(f / format.rate, HIGHEST) for f in (self.start_hz, self.end_hz))
        length = max(round(self.duration_s * format.rate), 1)
        rise = math.log(last / first) / length
        linear = self.shape == "linear" or first == last
        coarse = np.exp(rise * PIECE * np.arange(1 if linear else -(-length // PIECE)))
        fine = np.exp(rise * np.arange(1 if linear else PIECE))
        scale = np.array([0.0 if linear else first / rise, first, 0.5 * (last - first) / length])
        level = db_to_gain(self.level_dbfs)
        return (SweepParams(length, self.repeat, linear, level, scale, coarse, fine),
                SweepState(np.zeros(1, np.int64)))

    def output_channels(self, format: Format) -> int:
        return self.channels

    @kernel
    def process(y: Any, p: Any, s: Any) -> None:
        done = 0
        while done < y.shape[1]:
            at = s.at[0] + done
            if p.repeat:
                at = at % p.length
            count = y.shape[1] - done
            if at < p.length:
                count = min(count, p.length - at, PIECE - at % PIECE)
                sweep(y, done, count, at, p)
            else:
                for n in range(done, y.shape[1]):
                    y[0, n] = np.float32(0.0)
            done += count
        s.at[0] += y.shape[1]
        spread(y)
