"""Two aligned sounds in one pass: products, spectra in third-octave bands, loudness."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from flowaudio.core.named_layouts import DEFAULT
from flowaudio.nodes import LoudnessMeter
from flowaudio.stream.alignment import HALF_TAPS, SMALL, Lateness, filtered, taps_of
from flowaudio.stream.instruments import Instruments
from flowaudio.stream.pair import STEP, Pair
from flowaudio.stream.reporting import known

__all__ = ["BAND_HZ", "Sums"]

Array = np.ndarray[Any, Any]

BAND_HZ = tuple(1000.0 * 10.0 ** (k / 10.0) for k in range(-16, 14))
"""Middles of the third-octave bands from 25 Hz to 20 kHz (IEC 61260-1, base ten)."""


class Sums:
    """What one pass over both gives: products of the aligned two, spectra and loudness of each as it is."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.aa = self.bb = self.ab = 0.0
        self.frames = [0, 0]
        self.common = 0
        self.same = pair.a.rate == pair.b.rate and pair.a.channels == pair.b.channels
        self.bands = [np.zeros(len(BAND_HZ)), np.zeros(len(BAND_HZ))]
        self.lufs: list[float | None] = [None, None]

    def over(self, delay: Lateness) -> Iterator[int]:
        """Run; gives the frames that are done, now and then."""
        whole = math.floor(delay.frames + 0.5 * SMALL)
        part = delay.frames - whole
        taps = taps_of(part) if part > SMALL else None
        channels = self._pair.channels
        margin = 2 * HALF_TAPS - 1 if taps is not None else 0
        x, y = _Reader(self._listened(0), channels), _Reader(self._pair.in_step(self._listened(1)), channels)
        begin = max(0, -whole)
        x.skip(begin)
        y.skip(begin + whole - margin // 2)
        held = y.read(margin)
        at_once = begin == whole == margin == 0 and self._pair.ratio == 1.0
        while True:
            u = x.read(STEP)
            v = y.read(u.shape[1])
            joined = np.concatenate([held, v], axis=1)
            held = joined[:, joined.shape[1] - margin:]
            aligned = joined if taps is None else filtered(joined, taps)
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
        layout = sound.layout if sound.channels == pair.channels else DEFAULT
        loud = {"loudness": LoudnessMeter(true_peak=False, layout=layout)}
        meter = Instruments(pair.rate, pair.channels, loud, STEP)
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
