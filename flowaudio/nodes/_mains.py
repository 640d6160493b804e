"""Lines of the mains in a slow signal: their turning vectors, and whether these stand still for seconds.

A window of 0.34 s gives each harmonic a vector (amplitude and phase), twice as often. Hum's vectors are all alike once
they are turned back at its frequency; what music puts over them is louder and turns as it likes. So hum is what many
windows agree about, however loud the others are: the mode of the vectors, not their mean.
"""

import functools
import math
from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, hsum, load, splat, store

__all__ = ["GRIDS", "HARMONICS", "HOP", "IMAGINARY", "LINES", "OFFSETS", "REAL", "SIZE", "STANDS", "adopt", "agree",
           "agreement", "best_offset", "hear", "offsets", "pulses", "turn", "turning", "waves"]

GRIDS, HARMONICS = 2, 6                 # 50 and 60 Hz
LINES = GRIDS * HARMONICS
SIZE = 512                              # slow frames in a window: 0.34 s
HOP = 256
OFFSETS = 64                            # places between the limits of the mains' frequency
ALIKE = 0.35                            # of a vector's length: vectors that are no further away agree with it
CALM = 0.3                              # quantile of a line's amplitudes: louder windows count for less
COHERENT = 0.07                         # part of its power that a line must keep when its windows are added up
BESIDE = 2.5                            # bins: 7.3 Hz, where a line itself is 31 dB weaker
LOUDER, LEAKS = np.float32(0.25), np.float32(3e-6)
HIDDEN, NONE = np.float32(1e6), 1e10     # the length of what cannot be seen, and what is none, squared
STEADY = 3                              # times as many windows must agree as are less than half as long, and as lie
SIDEWAYS = 0.3                          # in the same direction and are longer or shorter
JUMPY = 0.25                            # of its length by which a line may change from window to window, RMS
AROUND, OUTSIDE = 0.75, 2.0             # of its length: no further away is looked for a beat; what is further away
BEATING, SLIGHT = 0.4, 0.08             # part of its changes that may be one beat; RMS of what may, whatever it is
BEATS, SLOWEST = 120, 10                # a beat is looked for at this many parts of the windows' rate, from this one on
SLOWLY = 0.125                          # of what a vector moves towards the one that was heard
REAL, IMAGINARY, STANDS = range(3)
LEAST = 1e-9
ZERO = np.float32(0.0)


@functools.cache
def waves(rate: int, step: int) -> Any:
    """float32 [6 * LINES, SIZE], Hann: by these a sine of amplitude 1 has the magnitude 1.

    Cosine and sine of each line, of BESIDE bins below it and of as many above.
    """
    beside = BESIDE * rate / step / SIZE
    hz = _lines()[:, np.newaxis] + beside * np.array([0.0, -1.0, 1.0])
    angle = 2 * np.pi * hz[:, :, np.newaxis, np.newaxis] * np.arange(SIZE) * step / rate
    made = np.concatenate([np.cos(angle), -np.sin(angle)], axis=2) * np.hanning(SIZE) * (4 / SIZE)
    table = made.reshape(6 * LINES, SIZE).astype(np.float32)
    table.setflags(write=False)
    return table


def _lines() -> Any:
    return np.array([(50.0 + 10.0 * grid) * (h + 1) for grid in range(GRIDS) for h in range(HARMONICS)])


def offsets(tolerance_hz: float) -> Any:
    """float64 [OFFSETS], Hz that the mains may be off."""
    return np.linspace(-tolerance_hz, tolerance_hz, OFFSETS)


def turning(rate: int, step: int, tolerance_hz: float) -> Any:
    """float32 [LINES, 2, OFFSETS]: cosine and sine of what a line turns in a hop, for each offset of the mains."""
    harmonic = np.tile(np.arange(1, HARMONICS + 1), GRIDS)[:, np.newaxis]
    angle = 2 * np.pi * (_lines()[:, np.newaxis] + harmonic * offsets(tolerance_hz)) * HOP * step / rate
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


@kernel
def hear(slow: Any, table: Any, past: Any, at: int) -> None:
    """Vectors of all lines in a window, to place `at` of `past` [LINES, 2, window].

    What is beside a line and 6 dB louder, or anywhere and 55 dB louder, leaks into it: the vector is then made so long
    that it agrees with none.
    """
    loud, _ = along(slow, slow, slow)
    loud *= np.float32(2.0 / SIZE)
    for line in range(LINES):
        real, imaginary = along(slow, table[6 * line], table[6 * line + 1])
        a, b = along(slow, table[6 * line + 2], table[6 * line + 3])
        c, d = along(slow, table[6 * line + 4], table[6 * line + 5])
        least = max(LOUDER * max(a * a + b * b, c * c + d * d), LEAKS * loud)
        hidden = real * real + imaginary * imaginary < least
        past[line, 0, at] = HIDDEN if hidden else real
        past[line, 1, at] = ZERO if hidden else imaginary


@kernel
def along(slow: Any, cosine: Any, sine: Any) -> Any:
    """A window's part of one frequency."""
    a, b, c, d = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    for n in range(0, SIZE, 16):
        v, w = load(slow, n), load(slow, n + 8)
        a, b = fma(v, load(cosine, n), a), fma(v, load(sine, n), b)
        c, d = fma(w, load(cosine, n + 8), c), fma(w, load(sine, n + 8), d)
    return hsum(a + c), hsum(b + d)


@kernel
def weigh(past: Any, first: int, count: int, ordered: Any, calm: Any) -> None:
    """Vectors of a line, those longer than usual made shorter, into `calm` [2, count]: gaps count, beats do not."""
    for n in range(count):
        a, b = np.float64(past[0, first + n]), np.float64(past[1, first + n])
        size, m = a * a + b * b, n
        while m > 0 and ordered[m - 1] > size:
            ordered[m] = ordered[m - 1]
            m -= 1
        ordered[m] = size
    usual = ordered[int(CALM * count)] + LEAST * LEAST
    root = np.sqrt(usual)
    for n in range(count):
        a, b = np.float64(past[0, first + n]), np.float64(past[1, first + n])
        part = 2.0 * root / ((a * a + b * b + usual) * count) if a * a + b * b < NONE else 0.0
        calm[0, n], calm[1, n] = part * a, part * b


@kernel
def best_offset(past: Any, first: int, count: int, grid: int, turns: Any, work: Any) -> int:
    """With which offset the `count` windows from `first` on add up best, all harmonics together."""
    for h in range(HARMONICS):
        weigh(past[grid * HARMONICS + h], first, count, work.ordered, work.calm[h])
    best, most = 0, np.float32(-1.0)
    for k in range(0, OFFSETS, 8):
        total = splat(ZERO)
        for h in range(HARMONICS):
            calm = work.calm[h]
            cosine, sine = load(turns[grid * HARMONICS + h, 0], k), load(turns[grid * HARMONICS + h, 1], k)
            a, b = splat(ZERO), splat(ZERO)
            for n in range(count - 1, -1, -1):      # a polynomial in e^-jw, the last window first
                a, b = (fma(a, cosine, fma(b, sine, splat(calm[0, n]))),
                        fma(b, cosine, splat(calm[1, n]) - a * sine))
            power = fma(a, a, b * b)
            total = fma(power, power, total)
        store(work.powers, k, total)
    for k in range(OFFSETS):
        if work.powers[k] > most:
            best, most = k, work.powers[k]
    return best


@kernel
def agreement(past: Any, first: int, count: int, cosine: float, sine: float, need: int, calm: Any, work: Any,
              to: Any) -> int:
    """How many windows of a line agree with the one with which most do, of those that may be hum; 0 if under `need`.

    Each third of the time has some of them, for hum outlasts notes; and few of the others are less than half as long,
    or have the same direction: what is put over hum is louder and turns as it likes, what beats or fades does not.
    Their mean, as it is in the first window, goes into `to` [2].
    """
    turned: Any = work.turned
    a, b, p, q = np.float64(1.0), np.float64(0.0), np.float64(0.0), np.float64(0.0)
    for n in range(count):
        x, y = np.float64(past[0, first + n]), np.float64(past[1, first + n])
        turned[0, n], turned[1, n] = x * a - y * b, x * b + y * a
        p += calm[0, n] * a - calm[1, n] * b
        q += calm[0, n] * b + calm[1, n] * a
        a, b = a * cosine + b * sine, b * cosine - a * sine
    if p * p + q * q < COHERENT:
        return 0
    most = need - 1
    for m in range(count):
        size = turned[0, m] * turned[0, m] + turned[1, m] * turned[1, m]
        if size < LEAST * LEAST or size > NONE:
            continue
        alike, weak = 0, 0
        for n in range(count):
            p, q = turned[0, n] - turned[0, m], turned[1, n] - turned[1, m]
            weak += 4.0 * (turned[0, n] * turned[0, n] + turned[1, n] * turned[1, n]) < size
            alike += p * p + q * q < ALIKE * ALIKE * size
        if alike > most and alike >= STEADY * weak and lasting(turned, m, alike, count, to):
            most = alike
    return most if most >= need else 0


@kernel
def lasting(turned: Any, m: int, alike: int, count: int, to: Any) -> bool:
    """Whether windows that agree with window m are in each third of the time, and others seldom in its direction."""
    early, late, fading, third = 0, 0, 0, count // 3
    x, y = np.float64(0.0), np.float64(0.0)
    size = turned[0, m] * turned[0, m] + turned[1, m] * turned[1, m]
    for n in range(count):
        p, q = turned[0, n] - turned[0, m], turned[1, n] - turned[1, m]
        ahead, across = p * turned[0, m] + q * turned[1, m] + size, q * turned[0, m] - p * turned[1, m]
        if p * p + q * q < ALIKE * ALIKE * size:
            early, late = early + (n < third), late + (n >= 2 * third)
            x, y = x + turned[0, n], y + turned[1, n]
        elif abs(across) < SIDEWAYS * ahead < SIDEWAYS * NONE:
            fading += 1
    if alike < STEADY * fading or 10 * min(early, alike - early - late, late) < count:
        return False
    to[0], to[1] = x / alike, y / alike
    return True


@kernel
def pulses(mean: Any, count: int, work: Any) -> bool:
    """Whether the windows around their mean, as `agreement` left them, keep time as those of a drum on the beat do.

    Those of hum are steady: neighbours have one level (0.06 apart, 0.2 under music; drums 0.2 and more). And what is
    left of those around it is no beat: one frequency holds 0.2 of its power, with drums half and more.
    """
    turned, left = work.turned, work.ordered
    size = mean[REAL] * mean[REAL] + mean[IMAGINARY] * mean[IMAGINARY]
    change, total, before = np.float64(0.0), np.float64(0.0), np.float64(0.0)
    pairs, found = 0, 0
    agreed: Any = False
    for n in range(count):
        ahead = (turned[0, n] * mean[REAL] + turned[1, n] * mean[IMAGINARY]) / size - 1.0
        across = (turned[1, n] * mean[REAL] - turned[0, n] * mean[IMAGINARY]) / size
        away = ahead * ahead + across * across
        agrees = away < ALIKE * ALIKE
        if agrees and agreed:
            change, pairs = change + (ahead - before) * (ahead - before), pairs + 1
        before, agreed = ahead, agrees
        left[n] = ahead if away < AROUND * AROUND else OUTSIDE
        if left[n] < OUTSIDE:
            total, found = total + ahead, found + 1
    if pairs == 0 or change > JUMPY * JUMPY * pairs:
        return True
    level, total = total / found, np.float64(0.0)
    for n in range(count):
        left[n] = left[n] - level if left[n] < OUTSIDE else 0.0
        total += left[n] * left[n]
    if total < SLIGHT * SLIGHT * found:
        return False
    beating: bool = beat(left, count) > BEATING * total * count
    return beating


@kernel
def beat(values: Any, count: int) -> Any:
    """Power of the strongest oscillation in `count` values, by their number."""
    most = np.float64(0.0)
    for k in range(SLOWEST, BEATS // 2 + 1):
        cosine, sine = math.cos(2.0 * math.pi * k / BEATS), math.sin(2.0 * math.pi * k / BEATS)
        a, b = np.float64(0.0), np.float64(0.0)
        for n in range(count):
            a, b = a * cosine - b * sine + values[n], b * cosine + a * sine
        most = max(most, 2.0 * (a * a + b * b))
    return most


@kernel
def turn(vector: Any, cosine: float, sine: float) -> None:
    """By one hop."""
    a, b = vector[REAL], vector[IMAGINARY]
    vector[REAL], vector[IMAGINARY] = a * cosine - b * sine, b * cosine + a * sine


@kernel
def agree(past: Any, place: int, held: Any, grid: int, k: int, way: float, turns: Any) -> Any:
    """Turn what stands by a hop (`way` -1: back), and let it follow what is alike in the window at `place`.

    Whether enough lines agree (two, or the only one), and how many are 6 dB too weak.
    """
    alike, weak, lines = 0, 0, 0
    for h in range(HARMONICS):
        if held[h, STANDS] > 0.0:
            line, vector = grid * HARMONICS + h, held[h]
            turn(vector, np.float64(turns[line, 0, k]), way * np.float64(turns[line, 1, k]))
            a, b = np.float64(past[line, 0, place]), np.float64(past[line, 1, place])
            size = vector[REAL] * vector[REAL] + vector[IMAGINARY] * vector[IMAGINARY]
            real, imaginary = a - vector[REAL], b - vector[IMAGINARY]
            lines += 1
            weak += 4.0 * (a * a + b * b) < size
            if real * real + imaginary * imaginary < ALIKE * ALIKE * size:
                alike += 1
                vector[REAL] += SLOWLY * real
                vector[IMAGINARY] += SLOWLY * imaginary
    return alike > 1 or alike == lines, weak


@kernel
def adopt(held: Any, tried: Any) -> None:
    """What was tried holds."""
    for h in range(HARMONICS):
        held[h, REAL], held[h, IMAGINARY], held[h, STANDS] = tried[h, REAL], tried[h, IMAGINARY], tried[h, STANDS]
