"""Faults put into clean material at known places. The conditions in the docstrings define what a detector must find.

Every function takes a :class:`Tape`, changes it and adds labels. Faults stand at least 3 s apart. A label starts at the
first sample that was changed and ends behind the last; where a condition is not met at a place, another one is tried.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage, signal

__all__ = ["EVERY", "FAULTS", "Label", "Tape", "damaged"]

Array = np.ndarray[Any, Any]
EVERY = -1
APART_S = 3.0


class Label(NamedTuple):
    """What was done. `must` is false where the fault is there but too small to be asked for."""

    kind: str
    start: int                          # frames, [start, end)
    end: int
    channel: int                        # or EVERY
    variant: str
    must: bool = True


class Tape:
    """A copy of clean sound to be damaged, and what was done to it."""

    def __init__(self, x: Array, rate: int, rng: np.random.Generator) -> None:
        self.x, self.y = x, x.copy()
        self.rate, self.rng = rate, rng
        self.frames = x.shape[1]
        self.labels: list[Label] = []
        self._taken: list[tuple[int, int]] = []

    def place(self, frames: int, suits: Callable[[int, int, list[int]], bool], channels: list[int],
              tries: int = 40) -> tuple[int, int] | None:
        """Somewhere free, 1 s from the ends, that `suits`; then it is taken."""
        margin, edge = int(APART_S * self.rate), self.rate
        if frames > self.frames - 2 * edge:
            return None
        for _ in range(tries):
            a = int(self.rng.integers(edge, self.frames - edge - frames + 1))
            b = a + frames
            if all(b + margin < s or a > e + margin for s, e in self._taken) and suits(a, b, channels):
                self._taken.append((a, b))
                return a, b
        return None

    def some_channels(self, one: float = 0.5) -> tuple[list[int], int]:
        """Both, or with a probability one of them; and how a label says so."""
        if self.rng.uniform() < one:
            c = int(self.rng.integers(self.x.shape[0]))
            return [c], c
        return list(range(self.x.shape[0])), EVERY

    def add(self, kind: str, a: int, b: int, channel: int, variant: str, must: bool = True) -> None:
        """A label, trimmed to the samples that did change."""
        rows = slice(None) if channel == EVERY else slice(channel, channel + 1)
        changed = np.flatnonzero((self.y[rows, a:b] != self.x[rows, a:b]).any(axis=0))
        if len(changed):
            self.labels.append(Label(kind, a + int(changed[0]), a + int(changed[-1]) + 1, channel, variant, must))

    def rms(self, a: int, b: int, channels: list[int]) -> float:
        """Of the weakest of these channels, in dBFS."""
        part = self.x[channels, max(0, a):max(0, b)].astype(float)
        return float(10 * np.log10(np.mean(part * part, axis=1).min() + 1e-12)) if part.size else -120.0

    def ms(self, milliseconds: float) -> int:
        """As frames."""
        return max(1, round(milliseconds * self.rate / 1000))


def _ramp(n: int, fade: int) -> Array:
    """Zero in the middle of `n` frames, with straight fades from and to one."""
    gain = np.zeros(n)
    if fade:
        gain[:fade] = 1 - np.arange(1, fade + 1) / (fade + 1)
        gain[n - fade:] = np.arange(1, fade + 1) / (fade + 1)
    return gain


def silence(tape: Tape) -> None:
    """2.5 to 30 s of zeros, or of noise at -75 dBFS, in one or all channels, cut hard.

    The programme is above -50 dBFS RMS for 1 s before and after, above -45 in the 20 ms at each edge.
    """
    for _ in range(max(2, tape.frames // (30 * tape.rate))):
        channels, channel = tape.some_channels(0.35)
        seconds = float(tape.rng.choice([2.5, 3.1, 4.0, 7.0, 11.0])) if tape.rng.uniform() < 0.93 else 30.0

        def suits(a: int, b: int, c: list[int]) -> bool:
            r, s = tape.rate, tape.ms(20)
            return (min(tape.rms(a - r, a, c), tape.rms(b, b + r, c)) > -50
                    and min(tape.rms(a - s, a, c), tape.rms(b, b + s, c)) > -45)

        at = tape.place(int(seconds * tape.rate), suits, channels)
        if at:
            noise = tape.rng.uniform() < 0.5
            tape.y[channels, at[0]:at[1]] = (
                10 ** (-75 / 20) * tape.rng.standard_normal((len(channels), at[1] - at[0])) if noise else 0)
            tape.add("silence", *at, channel, "noise" if noise else "zeros")


def dropout(tape: Tape) -> None:
    """1 ms to 3 s of zeros in one or both channels: hard edges, or holes of 10, 20, 26 ms with fades up to 1 ms.

    The 40 ms before and after are above -30 dBFS RMS in each of these channels, and so are the 3 ms at each edge
    above -36 dBFS; what is lost in the first and last millisecond is above -40 dBFS: a cut can be seen.
    """
    for _ in range(tape.frames // (7 * tape.rate)):
        channels, channel = tape.some_channels()
        way = str(tape.rng.choice(["short", "middle", "long", "packet", "packet", "packet_faded"]))
        low, high = {"short": (1, 10), "middle": (10, 300), "long": (300, 3000)}.get(way, (0, 0))
        length = (float(np.exp(tape.rng.uniform(np.log(low), np.log(high)))) if high else
                  float(tape.rng.choice([10, 20, 26])) * int(tape.rng.integers(1, 4)))

        def suits(a: int, b: int, c: list[int]) -> bool:
            w, s, m = tape.ms(40), tape.ms(3), tape.ms(1)
            return (min(tape.rms(a - w, a, c), tape.rms(b, b + w, c)) > -30
                    and min(tape.rms(a - s, a, c), tape.rms(b, b + s, c)) > -36
                    and min(tape.rms(a, a + m, c), tape.rms(b - m, b, c)) > -40)

        at = tape.place(tape.ms(length), suits, channels)
        if at:
            fade = tape.ms(tape.rng.uniform(0.2, 1.0)) if way == "packet_faded" else 0
            tape.y[channels, at[0]:at[1]] *= _ramp(at[1] - at[0], fade).astype(np.float32)
            tape.add("dropout", *at, channel, way)


def cut_start(tape: Tape) -> None:
    """The piece begins in the middle of its sound: 40 ms above -30 dBFS, its first 5 ms above -36 dBFS RMS."""
    every = list(range(tape.x.shape[0]))
    for _ in range(300):
        a = int(tape.rng.integers(2 * tape.rate, tape.frames // 2))
        if tape.rms(a, a + tape.ms(40), every) > -30 and tape.rms(a, a + tape.ms(5), every) > -36:
            tape.y = tape.y[:, a:].copy()
            tape.labels.append(Label("cut_start", 0, 1, EVERY, "cut"))
            return


def _runs(tape: Tape, hit: Array, gap: int, least: int) -> list[tuple[int, int, int]]:
    """Stretches of `hit` runs of 3 frames and more, joined over gaps of `gap` frames: start, end, runs."""
    edges = np.diff(np.concatenate([[0], hit.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = ends - starts >= least
    made: list[tuple[int, int, int]] = []
    for a, b in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        if made and a - made[-1][1] < gap:
            made[-1] = (made[-1][0], b, made[-1][2] + 1)
        else:
            made.append((a, b, 1))
    return made


def clipping(tape: Tape) -> None:
    """Passages of 1 to 8 s driven 1 to 12 dB over full scale and clipped; in half of the cases turned down after it.

    Turned down: the whole piece, by 1 to 10 dB, after clipping. Some become 16 bit numbers (plain, or dithered).
    Labels: per channel, the runs of 3 and more clipped samples, joined where less than 1 s lies between them; asked for
    are those of 5 runs and more.
    """
    rng, full = tape.rng, 1.0
    down = 10 ** (-rng.uniform(1, 10) / 20) if rng.uniform() < 0.5 else 1.0
    bits = str(rng.choice(["float", "int16", "int16_dithered" if down < 1 else "int16"]))
    y, passages = tape.x.astype(float), []
    for _ in range(max(2, tape.frames // (15 * tape.rate))):
        at = tape.place(int(rng.uniform(1, 8) * tape.rate), lambda a, b, c: tape.rms(a, b, c) > -40, [0, 1])
        if at:
            peak = float(np.abs(tape.x[:, at[0]:at[1]]).max())
            gain = np.ones(at[1] - at[0])
            fade = tape.ms(50)
            rise = (10 ** (rng.uniform(1, 12) / 20) / peak) - 1
            gain += rise * np.clip(np.minimum(np.arange(len(gain)), np.arange(len(gain))[::-1]) / fade, 0, 1)
            y[:, at[0]:at[1]] *= gain
            passages.append(at)
    over = np.abs(y) >= full
    y = np.clip(y, -full, full) * down
    if bits != "float":
        noise = rng.uniform(-0.5, 0.5, (2, *y.shape)).sum(axis=0) if bits.endswith("dithered") else 0
        y = np.clip(np.round(y * 32768 + noise), -32768, 32767) / 32768
    tape.y = y.astype(np.float32)
    for a, b in passages:
        for c in range(y.shape[0]):
            for s, e, runs in _runs(tape, over[c, a:b], tape.rate, 3):
                tape.labels.append(Label("clipping", a + s, a + e, c, f"{'down' if down < 1 else 'full'}_{bits}",
                                         runs >= 5))
            if over[c, a:b].any() and not any(k.channel == c and a <= k.start < b for k in tape.labels):
                tape.labels.append(Label("clipping", a, b, c, "few", False))


def intersample(tape: Tape) -> None:
    """Passages of 2 to 6 s limited by their samples only: these reach 0.999, the sound between them more.

    Read at 8 times the rate. Labels: where that is above +0.1 dBFS, joined over less than 1 s, per channel; asked for
    are those that reach +0.6 dBTP.
    """
    for _ in range(max(1, tape.frames // (20 * tape.rate))):
        at = tape.place(int(tape.rng.uniform(2, 6) * tape.rate), lambda a, b, c: tape.rms(a, b, c) > -30, [0, 1])
        if at is None:
            continue
        a, b = at
        part = tape.x[:, a:b].astype(float)
        tilt = signal.lfilter([1, -0.7], [1.0], part, axis=1)               # brighter: more between the samples
        part = tilt / np.abs(tilt).max() * 10 ** (tape.rng.uniform(3, 7) / 20)
        need = ndimage.maximum_filter1d(np.abs(part).max(axis=0), 5)
        gain = 0.999 / np.maximum(0.999, ndimage.maximum_filter1d(need, tape.ms(1)))
        part *= ndimage.minimum_filter1d(gain, 9)
        part *= np.clip(np.minimum(np.arange(b - a), np.arange(b - a)[::-1]) / tape.ms(30), 0, 1)
        tape.y[:, a:b] = np.clip(part, -0.999, 0.999)
        for c in range(2):
            fine = np.abs(signal.resample_poly(tape.y[c, a:b].astype(float), 8, 1, window=("kaiser", 8.0)))
            peak = fine[:8 * (b - a)].reshape(-1, 8).max(axis=1)
            for s, e, _ in _runs(tape, peak > 10 ** 0.005, tape.rate, 1):
                high = peak[s:e].max() > 10 ** 0.03
                tape.labels.append(Label("intersample_clipping", a + s, a + e, c, "overs", bool(high)))


def _high(x: Array, rate: int) -> Array:
    """What is above 4 kHz."""
    return np.asarray(signal.sosfilt(signal.butter(4, 4000, "high", fs=rate, output="sos"), x))


def stands_out(fault: Array, around: Array, rate: int) -> bool:
    """Whether a fault (alone) is 20 dB over the RMS and 6 dB over the peak of what is around it, above 4 kHz."""
    part, local = np.abs(_high(fault, rate)).max(), _high(around, rate)[rate // 500:]
    return bool(part > 10 * np.sqrt(np.mean(local ** 2)) and part > 2 * np.abs(local).max())


def click(tape: Tape) -> None:
    """Impulses of one sample, vinyl's clicks of 0.1 to 1 ms that decay, turned bits of 16 bit samples.

    Above 4 kHz the click's peak is 20 dB over the RMS and 6 dB over the peak of the 20 ms around it; it is above
    -40 dBFS and nothing leaves ±1.
    """
    rng, rate = tape.rng, tape.rate
    for _ in range(tape.frames // (6 * rate)):
        channels, channel = tape.some_channels(0.6)
        way = str(rng.choice(["impulse", "vinyl", "vinyl", "bit"]))
        n = 1 if way != "vinyl" else tape.ms(rng.uniform(0.1, 1.0))
        t = np.arange(n)
        size = 10 ** (rng.uniform(-32, -3) / 20)
        shape = size * float(rng.choice([-1, 1])) * np.ones(n)
        if way == "vinyl":
            ring = np.cos(2 * np.pi * rng.uniform(2500, 9000) * t / rate) + 0.3 * rng.standard_normal(n)
            shape *= np.exp(-t / (0.3 * n)) * ring
        bit = int(rng.integers(10, 15))

        def fault(a: int, c: int, way: str = way, shape: Array = shape, bit: int = bit) -> Array:
            if way != "bit":
                return shape
            word = int(np.clip(np.round(tape.x[c, a] * 32768), -32768, 32767))
            turned = ((word & 0xFFFF) ^ (1 << bit)) & 0xFFFF
            return np.array([(turned - 65536 * (turned > 32767)) / 32768 - float(tape.x[c, a])])

        def suits(a: int, b: int, c: list[int], fault: Callable[..., Array] = fault) -> bool:
            for k in c:
                d, w = fault(a, k), tape.ms(10)
                padded = np.concatenate([d, np.zeros(w)])
                if not stands_out(padded, tape.x[k, a - w - tape.ms(2):b + w].astype(float), rate):
                    return False
                here = tape.x[k, a:b]
                if np.abs(d).max() < 0.01 or np.abs(here + d).max() > 1 or np.abs(here).max() < 1e-4:
                    return False
            return True

        at = tape.place(n, suits, channels, 60)
        if at:
            for c in channels:
                tape.y[c, at[0]:at[1]] += fault(at[0], c).astype(np.float32)
            tape.add("click", *at, channel, way)


def splice(tape: Tape) -> None:
    """Samples are missing: 32 to 4000 frames are taken out of all channels, or the sound jumps that far.

    Made in the whole piece: what follows moves up. The step's high part (above 4 kHz, within 0.5 ms) stands 20 dB over
    the RMS and 6 dB over the peak of the 20 ms around it, in a channel at least.
    """
    rng, rate = tape.rng, tape.rate
    parts, at = [], 0
    made = 0
    w = tape.ms(10)
    while True:
        goal = at + int(rng.uniform(4, 9) * rate)
        if goal > tape.frames - 2 * rate:
            break
        for _ in range(60):
            a = goal + int(rng.integers(0, rate // 2))
            b = a + int(rng.integers(32, 4000))
            near = np.concatenate([tape.x[:, a - 2 * w:a], tape.x[:, b:b + w]], axis=1).astype(float)
            high = np.abs(_high(near, rate))
            step = high[:, 2 * w:2 * w + tape.ms(0.5)].max(axis=1)
            calm = np.concatenate([_high(tape.x[:, a - 2 * w:a + w].astype(float), rate)[:, w // 2:],
                                   _high(tape.x[:, b - 2 * w:b + w].astype(float), rate)[:, w // 2:]], axis=1)
            if ((step > 10 * np.sqrt(np.mean(calm ** 2, axis=1))) & (step > 2 * np.abs(calm).max(axis=1))).any():
                parts.append(tape.x[:, at:a])
                made += a - at
                tape.labels.append(Label("splice", made - 1, made + 1, EVERY, "removed"))
                at = b
                break
        else:
            a = goal
            parts.append(tape.x[:, at:a])
            made += a - at
            at = a
    tape.y = np.concatenate([*parts, tape.x[:, at:]], axis=1)


def noise_burst(tape: Tape) -> None:
    """White noise of 5 to 300 ms at the programme's level (1 s around) up to 12 dB above, in one or both channels.

    Above -30 dBFS RMS, and above 4 kHz 12 dB over the loudest 5 ms of the 200 ms before and after it.
    """
    rng, rate = tape.rng, tape.rate
    for _ in range(tape.frames // (8 * rate)):
        channels, channel = tape.some_channels()
        n = tape.ms(float(np.exp(rng.uniform(np.log(5), np.log(300)))))
        rise = rng.uniform(0, 12)

        def level(a: int, b: int, c: int, rise: float = rise) -> float:
            return min(0.25, 10 ** ((tape.rms(a - rate // 2, b + rate // 2, [c]) + rise) / 20))

        def suits(a: int, b: int, c: list[int], level: Callable[..., float] = level) -> bool:
            for k in c:
                local = _high(tape.x[k, a - rate // 5:b + rate // 5].astype(float), rate)[rate // 500:]
                cells = local[:len(local) // tape.ms(5) * tape.ms(5)].reshape(-1, tape.ms(5))
                loud = np.sqrt(np.mean(cells ** 2, axis=1)).max()
                if level(a, b, k) < 0.032 or 0.9 * level(a, b, k) < 4 * loud:
                    return False
            return True

        at = tape.place(n, suits, channels, 80)
        if at:
            for c in channels:
                burst = level(*at, c) * rng.standard_normal(n)
                tape.y[c, at[0]:at[1]] = np.clip(tape.x[c, at[0]:at[1]] + burst, -0.99, 0.99)
            tape.add("noise_burst", *at, channel, "short" if n < tape.ms(40) else "long")


def dc_offset(tape: Tape) -> None:
    """0.015 to 0.2 of either sign for 3 to 12 s, or to the end; switched on, or ramped over 100 ms."""
    rng = tape.rng
    plans = [float(rng.uniform(3, 12)) for _ in range(max(2, tape.frames // (25 * tape.rate)))]
    for seconds in plans:
        channels, channel = tape.some_channels()
        at = tape.place(int(seconds * tape.rate), lambda a, b, c: True, channels)
        if at is None:
            continue
        a, b = at
        ramp = rng.uniform() < 0.5
        size = 10 ** rng.uniform(np.log10(0.015), np.log10(0.2)) * float(rng.choice([-1, 1]))
        last = a == max(s for s, _ in tape._taken) and rng.uniform() < 0.4
        b = tape.frames if last else b
        shape = np.full(b - a, size, np.float32)
        if ramp:
            n = tape.ms(100)
            shape[:n] *= np.arange(1, n + 1) / n
            if not last:
                shape[-n:] *= np.arange(n, 0, -1) / n
        tape.y[channels, a:b] += shape
        if last:
            tape._taken.append((a, b))
        tape.add("dc_offset", a, b, channel, ("ramp" if ramp else "step") + ("_to_end" if last else ""))


def _correlation(x: Array) -> float:
    p = np.mean(x.astype(float) ** 2, axis=1)
    return float(np.mean(x[0].astype(float) * x[1]) / np.sqrt(p[0] * p[1] + 1e-12))


def _in_phase(tape: Tape) -> Callable[[int, int, list[int]], bool]:
    def suits(a: int, b: int, c: list[int]) -> bool:
        s = tape.rate
        return (_correlation(tape.x[:, a:b]) > 0.45 and min(_correlation(tape.x[:, a:a + s]),
                                                            _correlation(tape.x[:, b - s:b])) > 0.35
                and min(tape.rms(a, b, c), tape.rms(a, a + s, c), tape.rms(b - s, b, c)) > -40)
    return suits


def phase_inversion(tape: Tape) -> None:
    """A channel is inverted for 5 to 20 s where the two correlate: 0.45 in all, 0.35 in the first and last second.

    The programme is above -40 dBFS RMS there, also in these two seconds.
    """
    for _ in range(max(2, tape.frames // (25 * tape.rate))):
        at = tape.place(int(tape.rng.uniform(5, 20) * tape.rate), _in_phase(tape), [0, 1])
        if at:
            c = int(tape.rng.integers(2))
            tape.y[c, at[0]:at[1]] *= -1
            tape.labels.append(Label("phase_inversion", *at, EVERY, "inverted"))


def mono_loss(tape: Tape) -> None:
    """The middle is 20 dB down for 6 to 15 s, as by a wrongly soldered lead: folded to mono little is left."""
    for _ in range(max(2, tape.frames // (30 * tape.rate))):
        def suits(a: int, b: int, c: list[int]) -> bool:
            side = (tape.x[0, a:b].astype(float) - tape.x[1, a:b]) / 2
            cells = side[:len(side) // tape.rate * tape.rate].reshape(-1, tape.rate)
            return bool(np.mean(cells ** 2, axis=1).min() > 10 ** -4.2) and _in_phase(tape)(a, b, c)

        at = tape.place(int(tape.rng.uniform(6, 15) * tape.rate), suits, [0, 1])
        if at:
            part = tape.x[:, at[0]:at[1]].astype(float)
            middle, side = part.sum(axis=0) / 2, (part[0] - part[1]) / 2
            tape.y[:, at[0]:at[1]] = np.stack([0.1 * middle + side, 0.1 * middle - side])
            if _correlation(tape.y[:, at[0]:at[1]]) < -0.4:
                tape.labels.append(Label("mono_loss", *at, EVERY, "no_middle"))
            else:
                tape.y[:, at[0]:at[1]] = tape.x[:, at[0]:at[1]]


def hum(tape: Tape) -> None:
    """50 or 60 Hz with harmonics at -30 to -50 dBFS, for 5 to 20 s; switched on, or faded in over a second.

    Two of the first six harmonics stand 12 dB over the 20th percentile of what the programme has within ±6 Hz of them
    (windows of 0.5 s).
    """
    rng, rate = tape.rng, tape.rate
    for _ in range(max(2, tape.frames // (25 * rate))):
        base = float(rng.choice([50.0, 60.0])) * (1 + rng.normal(0, 2e-4))
        n = int(rng.uniform(5, 20) * rate)
        t = np.arange(n) / rate
        level = 10 ** (rng.uniform(-50, -30) / 20)
        sizes = level * np.array([1, *(10 ** (-rng.uniform(3, 18, 5) / 20))])
        turns = 2 * np.pi * base * t
        y = np.sqrt(2) * sum(a * np.sin((k + 1) * turns + rng.uniform(0, 6)) for k, a in enumerate(sizes))
        faded = rng.uniform() < 0.5
        if faded:
            y = y * np.clip(np.minimum(t, t[::-1]) / 1.0, 0, 1)
        channels, channel = tape.some_channels(0.4)

        def suits(a: int, b: int, c: list[int], base: float = base, sizes: Array = sizes) -> bool:
            for k in c:
                f, _, z = signal.stft(tape.x[k, a:b].astype(float), rate, nperseg=rate // 2, boundary=None)
                quiet = np.percentile(np.abs(z) ** 2, 20, axis=1)
                clear = sum(s * s / 2 > 16 * quiet[np.abs(f - base * (i + 1)) <= 6].max() for i, s in enumerate(sizes))
                if clear < 2:
                    return False
            return True

        at = tape.place(n, suits, channels, 25)
        if at:
            tape.y[channels, at[0]:at[1]] += np.asarray(y, np.float32)
            tape.add("hum", *at, channel, f"{base:.0f}_{'faded' if faded else 'switched'}")


def bandwidth_loss(tape: Tape) -> None:
    """A low-pass (elliptic, 60 dB) at 4 to 11 kHz, for 10 to 30 s or from some moment to the end.

    What was above 1.2 times that is above -65 dBFS RMS, and so in the first and last 3 s.
    """
    rng, rate = tape.rng, tape.rate
    for _ in range(max(1, tape.frames // (45 * rate))):
        hz = rng.uniform(4000, 11_000)
        upper = signal.butter(6, 1.2 * hz, "high", fs=rate, output="sos")

        def suits(a: int, b: int, c: list[int], upper: Array = upper) -> bool:
            h = signal.sosfilt(upper, tape.x[:, a:b], axis=1)
            ends = (h, h[:, :3 * rate], h[:, -3 * rate:])
            return bool(min(np.mean(e ** 2, axis=1).min() for e in ends) > 10 ** -6.5)

        at = tape.place(int(rng.uniform(10, 30) * rate), suits, [0, 1])
        if at:
            low = signal.ellip(9, 0.3, 60, hz, fs=rate, output="sos")
            filtered = signal.sosfiltfilt(low, tape.x[:, at[0]:at[1]].astype(float), axis=1)
            n = tape.ms(20)
            mix = np.clip(np.minimum(np.arange(at[1] - at[0]), np.arange(at[1] - at[0])[::-1]) / n, 0, 1)
            tape.y[:, at[0]:at[1]] = mix * filtered + (1 - mix) * tape.x[:, at[0]:at[1]]
            tape.add("bandwidth_loss", *at, EVERY, f"{hz / 1000:.0f}k")


def level_jump(tape: Tape) -> None:
    """12 to 20 dB down, or up in a piece that was turned down 20 dB before, for 10 to 25 s; within 1 to 20 ms.

    The programme is above -50 dBFS RMS in the 3 s before and after the jump, also when turned down, and itself changes
    by less than 3 dB there; the piece has gone on for 3 s by then.
    """
    rng, rate = tape.rng, tape.rate
    up = rng.uniform() < 0.5
    base = 0.1 if up else 1.0
    tape.x = tape.x * np.float32(base)
    tape.y = tape.x.copy()
    for _ in range(max(1, tape.frames // (35 * rate))):
        db = rng.uniform(12, 20) * (1 if up else -1)

        def suits(a: int, b: int, c: list[int], db: float = db) -> bool:
            w = 3 * rate
            before, after = tape.rms(a - w, a, [0, 1]), tape.rms(a, a + w, [0, 1])
            return a >= w and min(before, after, after + db) > -50 and abs(before - after) < 3

        at = tape.place(int(rng.uniform(10, 25) * rate), suits, [0, 1])
        if at:
            n, fade = at[1] - at[0], tape.ms(rng.uniform(1, 20))
            move = np.clip(np.minimum(np.arange(1, n + 1), np.arange(1, n + 1)[::-1]) / fade, 0, 1)
            tape.y[:, at[0]:at[1]] *= (10 ** (db * move / 20)).astype(np.float32)
            tape.add("level_jump", *at, EVERY, "up" if up else "down")


def stuck(tape: Tape) -> None:
    """A value held for 20 ms to 2 s, or a buffer of 64 to 1024 frames played over and over for 60 ms to 2 s.

    The programme is above -35 dBFS RMS in the 40 ms before and after and in the buffer; what is held is above -40 dBFS.
    """
    rng = tape.rng
    for _ in range(tape.frames // (9 * tape.rate)):
        channels, channel = tape.some_channels()
        held = rng.uniform() < 0.5
        length = int(2 ** rng.uniform(6, 10))
        n = tape.ms(float(np.exp(rng.uniform(np.log(20 if held else 60), np.log(2000)))))
        n = n if held else max(n, 4 * length)

        def suits(a: int, b: int, c: list[int], held: bool = held, length: int = length) -> bool:
            w = tape.ms(40)
            last = np.abs(tape.x[c, a - 1]).min() > 0.01 if held else tape.rms(a - length, a, c) > -35
            return bool(last) and min(tape.rms(a - w, a, c), tape.rms(b, b + w, c)) > -35

        at = tape.place(n, suits, channels)
        if at:
            a, b = at
            tape.y[channels, a:b] = (tape.x[channels, a - 1:a] if held else
                                     np.tile(tape.x[channels, a - length:a], n // length + 1)[:, :n])
            tape.add("stuck", a, b, channel, "value" if held else "buffer")


FAULTS: dict[str, Callable[[Tape], None]] = {
    "silence": silence, "dropout": dropout, "cut_start": cut_start, "clipping": clipping,
    "intersample_clipping": intersample, "click": click, "splice": splice, "noise_burst": noise_burst,
    "dc_offset": dc_offset, "phase_inversion": phase_inversion, "mono_loss": mono_loss, "hum": hum,
    "bandwidth_loss": bandwidth_loss, "level_jump": level_jump, "stuck": stuck,
}


def damaged(kind: str, x: Array, rate: int, seed: int) -> tuple[Array, list[Label]]:
    """A copy of `x` with faults of one kind, and their labels."""
    tape = Tape(x, rate, np.random.default_rng([seed, sum(map(ord, kind))]))
    FAULTS[kind](tape)
    return np.ascontiguousarray(tape.y, np.float32), sorted(tape.labels, key=lambda k: k.start)
