"""`compare`: by what two sounds differ: delay, gain, polarity, what is left, loudness, spectrum."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.units import gain_to_db, power_to_db
from flowaudio.nodes import LoudnessMeter
from flowaudio.stream._extremes import LIMIT
from flowaudio.stream.analysis import Progress
from flowaudio.stream.instruments import Instruments
from flowaudio.stream.reporting import known
from flowaudio.stream.sounds import AnySound, ArraySound, FileSound, open_sound

__all__ = ["BAND_HZ", "Comparison", "compare"]

Array = np.ndarray[Any, Any]
Sound = FileSound | ArraySound

COARSE_HZ = 8000
COARSE_S = 300.0
"""The first five minutes of both are searched for the delay, as mono at this rate."""

FINE = 1 << 17
"""Frames, of the loudest part that both have, in which the delay is found to a part of a sample."""

REACH = 64
"""Frames on each side of the coarse delay that are searched for the fine one, times rate / COARSE_HZ."""

HALF_TAPS = 32
"""Of the filter that delays by a part of a sample: flat within 0.01 dB up to 0.45 of the rate."""

RELATED = 0.2
"""Correlation under which two sounds have nothing in common that could be aligned."""

STEP = 1 << 14
SPECTRUM = 1 << 13
SMALL = 2e-3
"""Frames: a delay that is nearer to a whole number is one."""

NOTHING_DB = -140.0
"""A difference that is softer is rounding."""

BAND_HZ = tuple(1000.0 * 10.0 ** (k / 10.0) for k in range(-16, 14))
"""Middles of the third-octave bands from 25 Hz to 20 kHz (IEC 61260-1, base ten)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """By what `b` differs from `a`. None is what could not be had; `reasons` says why, by the field's name."""

    a: str
    b: str
    sample_rate: int
    """At which they were compared: that of `a`."""
    channels: int
    """In which they were compared: one, a mix, where the two have not as many."""
    identical: bool
    """Every sample is the same, at the same rate, in as many channels and frames."""
    delay_samples: float | None
    """By how much `b` comes later, in frames of `a`."""
    delay_s: float | None
    gain_db: float | None
    """By how much `b` is louder, sample by sample, where both are aligned."""
    polarity: int | None
    """1, or -1 where `b` is upside down."""
    correlation: float | None
    """Of the aligned two, from 0 to 1: how much of one is the other."""
    residual_db: float | None
    """What is left when `b`, aligned and brought to the level of `a`, is taken from `a`, against it; -140: nothing."""
    residual_dbfs: float | None
    """The same as a level."""
    loudness_a_lufs: float | None
    loudness_b_lufs: float | None
    loudness_difference_lu: float | None
    """Of `b` over `a`."""
    band_hz: tuple[float, ...]
    """Middles of third-octave bands."""
    band_difference_db: tuple[float | None, ...]
    """Of `b` over `a` in each band, gain included; None where one of them has nothing above -100 dB there."""
    duration_a_s: float
    duration_b_s: float
    rate_a: int
    rate_b: int
    channels_a: int
    channels_b: int
    remarks: tuple[str, ...] = ()
    """What else is different, a sentence each: rates, channels, lengths, damage."""
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)


def compare(
    a: AnySound,
    b: AnySound,
    *,
    sample_rate: int | None = None,
    allowed_protocols: Iterable[str] = ("file",),
    progress: Progress | None = None,
) -> Comparison:
    """Align two sounds and say by what they differ.

    The delay is where the cross-correlation of the first five minutes is largest, then, around it and in the loudest
    part of both, to about 0.01 frames. Gain and residual are those of the least squares: ``a ≈ g · b``, over
    everything that both have. `b` is resampled to the rate of `a`.

    :param a, b: as :func:`~flowaudio.analyze` takes them.
    :param sample_rate: of arrays, in Hz.
    :raises SourceError: one cannot be read. ParameterError: a value is wrong.
    """
    show = progress or (lambda *_: None)
    allowed = tuple(allowed_protocols)
    with _opened(a, sample_rate, allowed, "the first array") as first, \
            _opened(b, sample_rate, allowed, "the second array") as second:
        pair = _Pair(first, second)
        show("aligning", 0.0, None)
        delay = _delay(pair)
        sums = _Sums(pair)
        for done in sums.over(delay):
            show("comparing", done / pair.rate, first.duration_s)
        return _comparison(pair, delay, sums)


def _opened(source: Any, rate: int | None, allowed: Iterable[str], name: str) -> Sound:
    is_array = isinstance(source, np.ndarray)
    return open_sound(source, rate if is_array else None, allowed, name)


class _Pair:
    """Two sounds with a common rate and channels."""

    def __init__(self, a: Sound, b: Sound) -> None:
        self.a, self.b = a, b
        self.rate = a.rate
        self.channels = a.channels if a.channels == b.channels else 1

    def blocks(self, sound: Sound, frames: int, rate: int | None = None,
               channels: int | None = None) -> Iterator[Array]:
        """Of one of them, without samples that are no numbers."""
        rate, channels = rate or self.rate, channels or self.channels
        for block in sound.blocks(frames, rate, channels):
            with np.errstate(invalid="ignore"):
                fine = np.abs(block).max(initial=0.0) <= LIMIT
            yield block if fine else np.clip(np.nan_to_num(block, nan=0, posinf=0, neginf=0), -LIMIT, LIMIT)


class _Delay(NamedTuple):
    frames: float                       # by which b comes later, at the rate of a
    polarity: int
    found: bool


def _delay(pair: _Pair) -> _Delay:
    """Coarse at a low rate over all of the first minutes, then fine at the full rate in a loud part."""
    low = min(COARSE_HZ, pair.rate)
    x, y = (_excerpt(pair, each, low, 0, round(COARSE_S * low)) for each in (pair.a, pair.b))
    if not x.any() or not y.any():
        return _Delay(0.0, 1, False)
    lag, polarity, strength = _lag(x, y, None)
    if strength < RELATED:
        return _Delay(0.0, 1, False)
    begin = _loudest(x, y, lag, round(FINE * low / pair.rate))
    coarse = round(lag * pair.rate / low)
    start = max(round(begin * pair.rate / low), 0, -coarse)
    u = _excerpt(pair, pair.a, pair.rate, start, FINE)
    v = _excerpt(pair, pair.b, pair.rate, start + coarse, FINE)
    if not u.any() or not v.any():
        return _Delay(float(coarse), polarity, True)
    fine, polarity, _ = _lag(u, v, round(REACH * pair.rate / low))
    return _Delay(coarse + _settled(u, v, fine), polarity, True)


def _settled(u: Array, v: Array, lag: float) -> float:
    """The whole number next to `lag`, if `v` fits `u` no worse there: most delays are one."""
    whole = round(lag)
    if abs(lag - whole) > 0.1 or lag == whole:
        return lag
    matches = []
    for shift in (float(whole), lag):
        begin = math.floor(shift)
        taps = _taps(shift - begin)
        first = max(0, HALF_TAPS - 1 - begin)
        moved = _filtered(v[np.newaxis, first + begin - HALF_TAPS + 1:], taps)[0]
        there = u[first:first + moved.size]
        moved = moved[:there.size]
        norm = float(np.dot(there, there)) * float(np.dot(moved, moved))
        matches.append(float(np.dot(there, moved)) ** 2 / norm if norm else 0.0)
    return float(whole) if matches[0] >= matches[1] else lag


def _excerpt(pair: _Pair, sound: Sound, rate: int, start: int, frames: int) -> Array:
    """Some frames of one of them, as mono; shorter if there are no more."""
    parts, at = [], 0
    for block in pair.blocks(sound, STEP, rate, 1 if sound.channels <= 8 else sound.channels):
        mono = block.mean(axis=0)
        parts.append(mono[max(start - at, 0):max(start + frames - at, 0)])
        at += mono.size
        if at >= start + frames:
            break
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _lag(x: Array, y: Array, reach: int | None) -> tuple[float, int, float]:
    """By how many frames `y` comes later, the sign of the best agreement, and how good it is, 0 to 1.

    :param reach: how far to look; None for as far as they reach.
    """
    size = 1 << (x.size + y.size - 1).bit_length()
    spectrum = np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size))
    scores = np.fft.irfft(spectrum, size)
    lags = np.fft.fftfreq(size, 1 / size)
    allowed = (lags > -x.size) & (lags < y.size) if reach is None else np.abs(lags) <= reach
    best = int(np.argmax(np.where(allowed, np.abs(scores), -1.0)))
    norm = math.sqrt(float(np.dot(x, x)) * float(np.dot(y, y)))
    polarity = 1 if scores[best] >= 0 else -1
    return (float(lags[best]) + _between(polarity * scores, best), polarity,
            abs(float(scores[best])) / norm if norm else 0.0)


def _between(scores: Array, best: int) -> float:
    """Where, from -0.5 to 0.5 of a sample around `best`, a band-limited correlation has its top."""
    around = scores[(best + np.arange(-HALF_TAPS, HALF_TAPS)) % scores.size].astype(np.float64)
    places = np.arange(-HALF_TAPS, HALF_TAPS)

    def value(at: float) -> float:
        taps = np.sinc(at - places) * np.cos(np.pi * (at - places) / (2 * HALF_TAPS + 2)) ** 2
        return float(np.dot(taps, around))

    low, high = -0.6, 0.6
    for _ in range(30):
        third = (high - low) / 3
        low, high = (low + third, high) if value(low + third) < value(high - third) else (low, high - third)
    middle = (low + high) / 2
    return middle if abs(middle) > SMALL else 0.0


def _loudest(x: Array, y: Array, lag: float, length: int) -> int:
    """Where in `x` the loudest `length` frames begin that `y` has too."""
    shift = round(lag)
    first, end = max(0, -shift), min(x.size, y.size - shift)
    if end - first <= length:
        return first
    power = np.concatenate([[0.0], np.cumsum(np.square(x[first:end], dtype=np.float64))])
    starts = np.arange(0, end - first - length + 1, max(length // 4, 1))
    return first + int(starts[np.argmax(power[starts + length] - power[starts])])


class _Sums:
    """What one pass over both gives: products of the aligned two, spectra and loudness of each as it is."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self.aa = self.bb = self.ab = 0.0
        self.frames = [0, 0]
        self.common = 0
        self.same = pair.a.rate == pair.b.rate and pair.a.channels == pair.b.channels
        self.bands = [np.zeros(len(BAND_HZ)), np.zeros(len(BAND_HZ))]
        self.lufs: list[float | None] = [None, None]

    def over(self, delay: _Delay) -> Iterator[int]:
        """Run; gives the frames that are done, now and then."""
        whole = math.floor(delay.frames + 0.5 * SMALL)
        part = delay.frames - whole
        taps = _taps(part) if part > SMALL else None
        margin = 2 * HALF_TAPS - 1 if taps is not None else 0
        x, y = _Reader(self._listened(0), self._pair.channels), _Reader(self._listened(1), self._pair.channels)
        begin = max(0, -whole)
        x.skip(begin)
        y.skip(begin + whole - margin // 2)
        held = y.read(margin)
        at_once = begin == whole == margin == 0
        while True:
            u = x.read(STEP)
            v = y.read(u.shape[1])
            joined = np.concatenate([held, v], axis=1)
            held = joined[:, joined.shape[1] - margin:]
            aligned = joined if taps is None else _filtered(joined, taps)
            self.same = self.same and at_once and bool(np.array_equal(u, v))
            count = min(u.shape[1], aligned.shape[1])
            if not count:
                break
            self._add(u[:, :count], aligned[:, :count])
            yield self.common
        x.drain()
        y.drain()
        self.same &= self.frames[0] == self.frames[1]

    def heard(self) -> bool:
        """Whether there is sound in both."""
        return all(each.any() for each in self.bands)

    def _add(self, u: Array, v: Array) -> None:
        p, q = u.astype(np.float64), v.astype(np.float64)
        self.aa += float(np.vdot(p, p))
        self.bb += float(np.vdot(q, q))
        self.ab += float(np.vdot(p, q))
        self.common += u.shape[1]

    def _listened(self, which: int) -> Iterator[Array]:
        """Blocks of one of them, with its loudness and spectrum measured on the way."""
        pair = self._pair
        sound = (pair.a, pair.b)[which]
        meter = Instruments(pair.rate, pair.channels, {"loudness": LoudnessMeter(true_peak=False)}, STEP)
        spectra = _Bands(pair.rate)
        for block in pair.blocks(sound, STEP):
            meter.hear(block)
            spectra.add(block)
            self.frames[which] += block.shape[1]
            yield block
        self.bands[which] = spectra.power()
        if self.frames[which] >= 0.4 * pair.rate:
            self.lufs[which] = known(meter.measured("loudness")["integrated_lufs"][0])


class _Reader:
    """Blocks of any length as pieces of a wanted length."""

    def __init__(self, blocks: Iterator[Array], channels: int) -> None:
        self._blocks, self._rest = blocks, np.zeros((channels, 0), np.float32)

    def read(self, frames: int) -> Array:
        """The next frames, or what is left of them."""
        parts = [self._rest]
        have = self._rest.shape[1]
        while have < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            have += block.shape[1]
        joined = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        self._rest = joined[:, frames:]
        return joined[:, :frames]

    def skip(self, frames: int) -> None:
        """Leave out as many; below 0: give so much silence first."""
        if frames < 0:
            self._rest = np.concatenate([np.zeros((len(self._rest), -frames), np.float32), self._rest], axis=1)
        while frames > 0:
            got = self.read(min(frames, STEP)).shape[1]
            if not got:
                break
            frames -= got

    def drain(self) -> None:
        """To the end."""
        for _ in self._blocks:
            pass


def _taps(part: float) -> Array:
    """Of a filter that takes a signal forward by a part of a frame: a sinc under a Kaiser window."""
    places = np.arange(-HALF_TAPS + 1, HALF_TAPS + 1)
    taps = np.sinc(places - part) * np.kaiser(2 * HALF_TAPS, 9.0)
    return taps / taps.sum()  # type: ignore[no-any-return]  # NumPy types it as Any


def _filtered(x: Array, taps: Array) -> Array:
    """Each channel, where the filter lies wholly on it."""
    if x.shape[1] < taps.size:
        return x[:, :0]
    return np.stack([np.convolve(row, taps[::-1], mode="valid") for row in x])


class _Bands:
    """Mean power in third-octave bands, from windows that overlap by half."""

    def __init__(self, rate: int) -> None:
        self._size = 1 << (rate // 6).bit_length()
        self._window = np.hanning(self._size + 1)[:-1]
        self._scale = 2.0 / float(np.sum(self._window**2)) / self._size
        self._rate, self._count = rate, 0
        self._power = np.zeros(self._size // 2 + 1)
        self._held: Array | None = None

    def add(self, x: Array) -> None:
        """The next frames."""
        x = x if self._held is None else np.concatenate([self._held, x], axis=1)
        half, begin = self._size // 2, 0
        while begin + self._size <= x.shape[1]:
            bins = np.fft.rfft(x[:, begin:begin + self._size] * self._window, axis=1)
            self._power += np.mean(bins.real**2 + bins.imag**2, axis=0)
            self._count += 1
            begin += half
        self._held = x[:, begin:]

    def power(self) -> Array:
        """Of each band, 1.0 is the power of a sine at full scale twice over; 0 where the rate does not reach."""
        if not self._count and self._held is not None and self._held.shape[1]:
            self.add(np.zeros((len(self._held), self._size - self._held.shape[1]), np.float32))
        hz = np.arange(self._power.size) * self._rate / self._size
        edge = 10.0**0.05
        power = self._power * self._scale / max(self._count, 1)
        inside = [(hz >= middle / edge) & (hz < middle * edge) for middle in BAND_HZ]
        return np.array([power[each].sum() if each.any() and middle * edge <= self._rate / 2 else 0.0
                         for each, middle in zip(inside, BAND_HZ, strict=True)])


def _comparison(pair: _Pair, delay: _Delay, sums: _Sums) -> Comparison:
    a, b = pair.a, pair.b
    found = delay.found and sums.aa > 0 and sums.bb > 0
    match = min(sums.ab * sums.ab / (sums.aa * sums.bb), 1.0) if found else 0.0
    found = found and match >= RELATED**2
    left = max(power_to_db(1.0 - match), NOTHING_DB) if match < 1 else NOTHING_DB
    left = NOTHING_DB if sums.same else left
    level = power_to_db(sums.aa / (sums.common * pair.channels)) if found else 0.0
    first, second = sums.lufs
    return Comparison(
        a=a.name, b=b.name, sample_rate=pair.rate, channels=pair.channels, identical=sums.same,
        delay_samples=delay.frames if found else None, delay_s=delay.frames / pair.rate if found else None,
        gain_db=gain_to_db(abs(sums.ab) / sums.aa) if found else None,
        polarity=(1 if sums.ab >= 0 else -1) if found else None, correlation=math.sqrt(match) if found else None,
        residual_db=left if found else None, residual_dbfs=max(left + level, 2 * NOTHING_DB) if found else None,
        loudness_a_lufs=first, loudness_b_lufs=second,
        loudness_difference_lu=second - first if first is not None and second is not None else None,
        band_hz=BAND_HZ, band_difference_db=tuple(map(_band, *sums.bands)),
        duration_a_s=sums.frames[0] / pair.rate, duration_b_s=sums.frames[1] / pair.rate,
        rate_a=a.rate, rate_b=b.rate, channels_a=a.channels, channels_b=b.channels,
        remarks=tuple(_remarks(pair, sums, delay if found else None)), reasons=_reasons(sums, found))


def _band(first: float, second: float) -> float | None:
    return power_to_db(second / first) if min(first, second) > 1e-10 else None


def _remarks(pair: _Pair, sums: _Sums, delay: _Delay | None) -> list[str]:
    a, b = pair.a, pair.b
    said = [sound.damage for sound in (a, b) if sound.damage]
    if a.rate != b.rate:
        said.append(f"{a.name} has {a.rate} Hz and {b.name} {b.rate} Hz; they were compared at {pair.rate} Hz")
    if a.channels != b.channels:
        said.append(f"{a.name} has {a.channels} channels and {b.name} {b.channels}; they were compared as mono")
    longer = (sums.frames[1] - sums.frames[0]) / pair.rate
    if sums.frames[0] != sums.frames[1]:
        said.append(f"{b.name if longer > 0 else a.name} is {abs(longer):.6g} s longer"
                    + (f"; {sums.common / pair.rate:.6g} s of both were compared" if delay is not None else ""))
    return said


def _reasons(sums: _Sums, found: bool) -> dict[str, str]:
    reasons = {}
    if not found:
        why = ("there is nothing but silence in one of them" if not sums.heard() else
               "the two have nothing in common that they could be aligned by")
        reasons = dict.fromkeys(("delay_samples", "delay_s", "gain_db", "polarity", "correlation", "residual_db",
                                 "residual_dbfs"), why)
    if None in sums.lufs:
        reasons["loudness_difference_lu"] = "one of them is silent, or shorter than 0.4 s"
    return reasons
