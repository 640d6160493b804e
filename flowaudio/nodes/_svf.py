"""The trapezoidal state variable filter: coefficients of every kind, and its one step.

Two integrators, solved by the trapezoidal rule without a delay in the loop (Andrew Simper, "Solving the continuous SVF
equations using trapezoidal integration and equivalent currents", Cytomic 2013)::

    v3   = v - s2
    out  = c0 v + c1 s1 + c2 s2
    s1' = s1 + d11 s1 + a2 v3
    s2' = s2 + a2 s1 + a3 v3

The rule is the bilinear transform: responses are those of Robert Bristow-Johnson's "Audio EQ Cookbook", whose kinds and
meanings of q and gain these are. It differs from the direct forms in two ways that matter here:

- The matrix of (s1, s2) is the Cayley transform of a dissipative one, so its 2-norm is at most 1 whatever the
  frequency, q and gain. Matrices with that property form a convex set: coefficients may be changed at any sample, by
  any amount, or interpolated linearly between two settings, and the filter stays bounded. Of a direct form that is not
  true.
- Coefficients and states stay well scaled when the frequency is a tiny part of the rate. States are float64: in float32
  a band at 20 Hz and q 10 at 192 kHz was only 80 dB exact at its own frequency, because what s2 gains in one step comes
  near the last bit of s2. Float64 costs next to nothing, since the loop waits for its recursion and not for arithmetic.

The recursion is two fused multiply-adds long (s2 to v3 to both states is a subtraction and one more): 8 cycles a sample
on processors with a latency of 4.
"""

import math
from typing import Any

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import Vector, fma

__all__ = ["HIGHEST", "IDENTITY", "KINDS", "Coefficients", "one_pole", "section", "tick"]

KINDS = ("peak", "lowshelf", "highshelf", "lowpass", "highpass", "bandpass", "notch", "allpass")

HIGHEST = 0.49
"""Frequencies above this part of the rate are taken as this part: the bilinear transform ends at one half."""

Coefficients = tuple[float, float, float, float, float, float]
"""d11, a2, a3, c0, c1, c2."""

IDENTITY: Coefficients = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def _warped(frequency_hz: float, rate: int) -> float:
    return math.tan(math.pi * min(frequency_hz / rate, HIGHEST))


def section(kind: str, frequency_hz: float, q: float, gain_db: float, rate: int) -> Coefficients:
    """A second-order section. `gain_db` counts for peak and shelves only."""
    g = _warped(frequency_hz, rate)
    k = 1.0 / q
    root = 10.0 ** (gain_db / 40.0)  # square root of the gain
    # Output: m0 times the input, m1 times the band-pass output, m2 times the low-pass output.
    m0, m1, m2 = 0.0, 0.0, 0.0
    if kind == "peak":
        k /= root
        m0, m1 = 1.0, k * (root * root - 1.0)
    elif kind == "lowshelf":
        g /= math.sqrt(root)
        m0, m1, m2 = 1.0, k * (root - 1.0), root * root - 1.0
    elif kind == "highshelf":
        g *= math.sqrt(root)
        m0, m1, m2 = root * root, k * root * (1.0 - root), 1.0 - root * root
    elif kind == "lowpass":
        m2 = 1.0
    elif kind == "highpass":
        m0, m1, m2 = 1.0, -k, -1.0
    elif kind == "bandpass":
        m1 = k
    elif kind == "notch":
        m0, m1 = 1.0, -k
    else:
        m0, m1 = 1.0, -2.0 * k
    a1 = 1.0 / (1.0 + g * (g + k))
    a2 = g * a1
    a3 = g * a2
    direct = m1 * a2 + m2 * a3
    return -2.0 * g * (g + k) * a1, 2.0 * a2, 2.0 * a3, m0 + direct, m1 * a1 + m2 * a2, m2 - direct


def one_pole(kind: str, frequency_hz: float, rate: int) -> Coefficients:
    """A first-order low-pass or high-pass; only s2 moves."""
    g = _warped(frequency_hz, rate)
    low, high = g / (1.0 + g), 1.0 / (1.0 + g)
    if kind == "lowpass":
        return 0.0, 0.0, 2.0 * low, low, 0.0, high
    return 0.0, 0.0, 2.0 * low, high, 0.0, -high


@kernel
def tick(v: Vector, s1: Vector, s2: Vector, k: Any) -> Any:
    """One sample: the output, and both integrators after it. Every rounding is written out: no loop may differ."""
    d11, a2, a3, c0, c1, c2 = k
    v3 = v - s2
    out = fma(c0, v, fma(c1, s1, c2 * s2))
    return out, fma(a2, v3, fma(d11, s1, s1)), fma(a3, v3, fma(a2, s1, s2))
