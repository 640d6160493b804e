"""Instruments, rooms and a mixing desk of NumPy: what the pieces of the labelled set are made of.

Every function takes the rate in hertz and returns float64 of about full scale, mono; a seed makes it repeatable.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import signal

__all__ = ["Desk", "bell", "breath", "cast", "choir", "clap", "cymbal", "drum", "hat", "kick", "note_hz", "organ",
           "piano", "pluck", "room", "snare", "synth", "without_dc"]

Array = np.ndarray[Any, Any]
TABLE = 16_384


def note_hz(midi: float) -> float:
    """Frequency of a note, A4 = 69 = 440 Hz."""
    return float(440 * 2 ** ((midi - 69) / 12))


def _time(rate: int, seconds: float) -> Array:
    return np.arange(max(8, int(seconds * rate))) / rate


def _shape(rate: int, n: int, attack_ms: float, release_ms: float) -> Array:
    """One, with a raised cosine at both ends."""
    shape = np.ones(n)
    a, r = min(n, max(1, int(attack_ms * rate / 1000))), min(n, max(1, int(release_ms * rate / 1000)))
    shape[:a] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(a) / a)
    shape[n - r:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(r) + 1) / r)
    return shape


def breath(rate: int, seconds: float, low_hz: float, high_hz: float, rng: np.random.Generator) -> Array:
    """Noise between two frequencies, of about unit power."""
    x = rng.standard_normal(max(64, int(seconds * rate)))
    high = min(high_hz, 0.46 * rate)
    y = signal.sosfilt(signal.butter(2, [low_hz, high], "bandpass", fs=rate, output="sos"), x)
    return y / (np.sqrt(np.mean(y * y)) + 1e-9)


@functools.lru_cache(maxsize=256)
def _table(kind: str, harmonics: int) -> Array:
    """One period, of so many harmonics that nothing folds."""
    k = np.arange(1, harmonics + 1)
    amplitude = {"saw": 1 / k, "square": (k % 2) / k, "pulse": np.sin(np.pi * k / 4) / k,
                 "soft": 1 / k ** 2, "triangle": (k % 2) * (-1.0) ** (k // 2) / k ** 2}[kind]
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[k] = -1j * amplitude
    x = np.fft.irfft(spectrum, TABLE)
    return np.asarray(x / np.abs(x).max())


def _wave(kind: str, rate: int, hz: Array | float, n: int, phase: float) -> Array:
    """A band-limited waveform whose frequency may move."""
    top = float(np.max(hz))
    table = _table(kind, int(min(TABLE // 8, max(1, 0.44 * rate / top))))
    step = np.asarray(np.asarray(hz, float) * (2 ** 32 / rate)).astype(np.uint32)
    turns = np.cumsum(np.broadcast_to(step, (n,)), dtype=np.uint32)         # of 2**32: it wraps by itself
    turns += np.uint32(phase * 2 ** 32 * 0.999)
    return table[turns >> np.uint32(18)]


def synth(rate: int, hz: float, seconds: float, kind: str, rng: np.random.Generator, attack_ms: float = 1.0,
          release_ms: float = 15.0, vibrato: float = 0.0, decay_s: float = 0.0, hard: bool = False) -> Array:
    """An analogue-like voice: a bright waveform over a dull one, its filter closing; `hard` starts at phase 0."""
    t = _time(rate, seconds)
    pitch: Array | float = hz
    if vibrato:
        pitch = hz * (1 + vibrato * np.sin(2 * np.pi * 5.3 * t + rng.uniform(0, 6)))
    phase = 0.0 if hard else rng.uniform()
    bright, dull = (_wave(k, rate, pitch, len(t), phase) for k in (kind, "soft"))
    opening = 0.25 + 0.75 * np.exp(-t / max(0.05, 0.4 * seconds))
    y = opening * bright + (1 - opening) * dull
    if decay_s:
        y *= np.exp(-t / decay_s)
    return y * _shape(rate, len(t), attack_ms, release_ms)


def pluck(rate: int, hz: float, seconds: float, rng: np.random.Generator, bright: float = 0.5) -> Array:
    """Karplus and Strong's string: a burst of noise in a loop of one period with a gentle low-pass in it."""
    n, period = max(8, int(seconds * rate)), rate / hz - 0.5
    whole, part = int(period), period - int(period)
    burst = np.zeros(n)
    burst[:min(n, whole)] = rng.uniform(-1, 1, min(n, whole))
    burst = signal.lfilter([bright], [1, bright - 1], burst)
    loop = 0.5 ** (1 / (hz * 1.2))
    a = np.zeros(whole + 3)
    a[0] = 1
    a[whole:whole + 3] = -loop * np.array([0.5 * (1 - part), 0.5, 0.5 * part])
    y = signal.lfilter([1.0], a, burst)
    return y / (np.abs(y).max() + 1e-9) * _shape(rate, n, 0.05, 30)


def piano(rate: int, hz: float, seconds: float, rng: np.random.Generator, force: float = 0.7) -> Array:
    """Stretched partials that die the sooner the higher they are, and the hammer's knock."""
    t, y = _time(rate, seconds), 0.0
    for k in range(1, int(min(14, 0.42 * rate / hz)) + 1):
        f = hz * k * np.sqrt(1 + 4e-4 * k * k)
        if f < 0.44 * rate:
            y = y + (force ** (0.6 * k) / k ** 0.5) * np.exp(-t * (0.6 + 0.5 * k * hz / 440)) * np.sin(
                2 * np.pi * f * t + rng.uniform(0, 0.5))
    knock = np.zeros(len(t))
    m = min(len(t), int(0.03 * rate))
    knock[:m] = (breath(rate, 0.03, 120, 2500, rng)[:m] * np.exp(-t[:m] / 0.006))[:m]
    return (y / 2.5 + 0.1 * force * knock) * _shape(rate, len(t), 1.2, 60)


def bell(rate: int, hz: float, seconds: float, rng: np.random.Generator) -> Array:
    """Two frequency-modulated pairs whose brightness decays faster than their sound (Chowning's bell)."""
    t = _time(rate, seconds)
    ratio = rng.choice([1.4, 2.76, 3.5])
    decay = np.exp(-t / (0.25 * seconds))
    index = min(4.0, 0.15 * rate / (hz * ratio)) * np.exp(-t / (0.12 * seconds))
    turning = 2 * np.pi * hz * t + index * np.sin(2 * np.pi * hz * ratio * t)
    return decay * np.sin(turning) * _shape(rate, len(t), 0.4, 80)


def organ(rate: int, hz: float, seconds: float, rng: np.random.Generator) -> Array:
    """Drawbars with a key click and a slow tremolo."""
    t, y = _time(rate, seconds), 0.0
    for k, level in ((0.5, 0.6), (1, 1.0), (1.5, 0.5), (2, 0.7), (3, 0.35), (4, 0.4), (6, 0.2), (8, 0.2)):
        if hz * k < 0.44 * rate:
            y = y + level * np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6))
    return y / 3 * (1 - 0.25 * (1 + np.sin(2 * np.pi * 6.1 * t + rng.uniform(0, 6))) / 2) * _shape(rate, len(t), 2, 25)


def choir(rate: int, hz: float, seconds: float, rng: np.random.Generator) -> Array:
    """A few detuned voices through two formants."""
    n = len(_time(rate, seconds))
    x = sum(synth(rate, hz * 2 ** (rng.normal(0, 8) / 1200), seconds, "saw", rng, 120, 200, 0.006) for _ in range(4))
    y = 0.15 * np.asarray(x)
    for formant in rng.choice([(700, 1200), (400, 2000), (350, 800)]):
        b, a = signal.iirpeak(min(formant, 0.4 * rate), 4, fs=rate)
        y = y + signal.lfilter(b, a, x)
    return 0.3 * y[:n]


def kick(rate: int, rng: np.random.Generator, click: float = 0.5) -> Array:
    """A falling sine with a beater's click at its start."""
    t = _time(rate, 0.45)
    low = rng.uniform(43, 55)
    phase = 2 * np.pi * np.cumsum(low + rng.uniform(90, 200) * np.exp(-t / 0.03)) / rate
    y = np.sin(phase) * np.exp(-t / rng.uniform(0.09, 0.16))
    m = int(0.006 * rate)
    y[:m] += click * breath(rate, 0.006, 1500, 9000, rng)[:m] * np.exp(-t[:m] / 0.0012)
    return 0.8 * y * _shape(rate, len(t), 0.1, 20)


def snare(rate: int, rng: np.random.Generator) -> Array:
    """Two modes of the skin and the wires' noise."""
    t = _time(rate, 0.35)
    skin = sum(np.sin(2 * np.pi * f * t) * np.exp(-t / 0.05) for f in (rng.uniform(170, 210), rng.uniform(300, 350)))
    wires = breath(rate, 0.35, 900, 14_000, rng)[:len(t)] * np.exp(-t / rng.uniform(0.05, 0.1))
    return (0.35 * skin + 0.28 * wires) * _shape(rate, len(t), 0.05, 30)


def hat(rate: int, rng: np.random.Generator, open_s: float = 0.03) -> Array:
    """Metal: high noise and clusters of squares."""
    t = _time(rate, 4 * open_s + 0.02)
    x = breath(rate, 4 * open_s + 0.02, 6500, 17_000, rng)[:len(t)]
    metal = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in (3119.0, 4177.0, 5333.0))
    metal = signal.sosfilt(signal.butter(2, 7000, "high", fs=rate, output="sos"), metal)
    return 0.25 * (x + 0.5 * metal) * np.exp(-t / open_s) * _shape(rate, len(t), 0.05, 10)


def cymbal(rate: int, rng: np.random.Generator, seconds: float = 1.5) -> Array:
    """A crash or a ride: noise whose highs die first."""
    t = _time(rate, seconds)
    high = breath(rate, seconds, 5000, 17_000, rng)[:len(t)] * np.exp(-t / (0.18 * seconds))
    low = breath(rate, seconds, 1800, 6000, rng)[:len(t)] * np.exp(-t / (0.3 * seconds))
    return (0.25 * high + 0.15 * low) * _shape(rate, len(t), 0.2, 100)


def drum(rate: int, hz: float, rng: np.random.Generator, seconds: float = 0.8) -> Array:
    """A tom or kettledrum: modes of a round skin."""
    t = _time(rate, seconds)
    y = sum(a * np.sin(2 * np.pi * hz * r * t * (1 + 0.02 * np.exp(-t / 0.05))) * np.exp(-t * r / (0.25 * seconds))
            for a, r in ((1, 1.0), (0.6, 1.5), (0.4, 1.99), (0.3, 2.44)))
    m = int(0.01 * rate)
    y[:m] += 0.4 * breath(rate, 0.01, 500, 5000, rng)[:m] * np.exp(-t[:m] / 0.003)
    return 0.5 * y * _shape(rate, len(t), 0.3, 50)


def cast(rate: int, rng: np.random.Generator) -> Array:
    """A castanet: two shells that ring for some milliseconds, struck hard."""
    t = _time(rate, 0.12)
    y = sum(a * np.sin(2 * np.pi * f * rng.uniform(0.97, 1.03) * t) * np.exp(-t / d)
            for a, f, d in ((1, 1150, 0.012), (0.8, 2300, 0.009), (0.7, 3900, 0.006), (0.4, 7400, 0.003)))
    m = int(0.004 * rate)
    y[:m] += 0.6 * breath(rate, 0.004, 2000, 14_000, rng)[:m] * np.exp(-t[:m] / 0.0006)
    return 0.5 * y * _shape(rate, len(t), 0.05, 10)


def clap(rate: int, rng: np.random.Generator, hands: int = 4) -> Array:
    """Hands that meet within some 30 ms."""
    t = _time(rate, 0.25)
    y = np.zeros(len(t))
    x = breath(rate, 0.25, rng.uniform(700, 1100), rng.uniform(3500, 9000), rng)[:len(t)]
    for start in [0.0, *rng.uniform(0.004, 0.03, hands - 1)]:
        m = int(start * rate)
        y[m:] += x[:len(t) - m] * np.exp(-t[:len(t) - m] / (0.003 if hands > 1 else 0.006))
    y += 0.15 * x * np.exp(-t / 0.05)
    return 0.35 * y * _shape(rate, len(t), 0.05, 20)


@functools.lru_cache(maxsize=8)
def room(rate: int, seconds: float, seed: int) -> Array:
    """Impulse response of a room, stereo, without the direct sound: reflections, then noise that dulls as it decays."""
    rng = np.random.default_rng(seed)
    n = int(1.2 * seconds * rate)
    t = np.arange(n) / rate
    made = np.zeros((2, n))
    for c in range(2):
        late = rng.standard_normal(n) * 10 ** (-3 * t / seconds)
        dull = signal.sosfilt(signal.butter(1, 2500, fs=rate, output="sos"), late)
        share = np.exp(-t / (0.3 * seconds))
        made[c] = (share * late + (1 - share) * dull) * (1 - np.exp(-t / 0.01))
        for _ in range(10):
            made[c, int(rng.uniform(0.004, 0.05) * rate)] += rng.choice([-1, 1]) * rng.uniform(1, 4)
    return made / np.sqrt(np.sum(made * made, axis=1, keepdims=True))


def without_dc(x: Array, rate: int) -> Array:
    """What a coupling capacitor leaves: a high-pass at 8 Hz."""
    return np.asarray(signal.sosfilt(signal.butter(1, 8, "high", fs=rate, output="sos"), x, axis=-1))


class Desk:
    """A mix in the making: sounds are added at their times, panned, some of each to a room."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate = rate
        self.frames = int(seconds * rate)
        self.dry = np.zeros((2, self.frames))
        self.wet = np.zeros((2, self.frames))
        self._takes: dict[Any, list[Array]] = {}

    def play(self, instrument: Callable[..., Array], *args: Any, **named: Any) -> Array:
        """A note: one of three takes of it, as samplers have them. `args` are the instrument's, save the rate."""
        rng = next(a for a in args if isinstance(a, np.random.Generator))
        takes = self._takes.setdefault((instrument, *[a for a in args if a is not rng], *named.items()), [])
        if len(takes) < 3 and rng.uniform() < 1 / (1 + len(takes)):
            takes.append(instrument(self.rate, *args, **named))
            return takes[-1]
        return takes[int(rng.integers(len(takes)))]

    def add(self, sound: Array, at: float, gain: float = 1.0, pan: float = 0.0, send: float = 0.2) -> None:
        """`sound` mono or stereo, at a time in seconds; `pan` from -1 to 1, equal power."""
        start = int(at * self.rate)
        m = min(sound.shape[-1], self.frames - start)
        if m <= 0 or start < 0:
            return
        angle = (pan + 1) * np.pi / 4
        sides = gain * np.array([np.cos(angle), np.sin(angle)])[:, None] * np.sqrt(2)
        placed = sides * np.atleast_2d(sound)[:, :m]
        self.dry[:, start:start + m] += placed
        if send:
            self.wet[:, start:start + m] += send * placed

    def mixed(self, reverb_s: float, seed: int) -> Array:
        """Dry and room together, without what is under 8 Hz."""
        y = self.dry
        if reverb_s:
            cross = np.stack([0.8 * self.wet[0] + 0.2 * self.wet[1], 0.2 * self.wet[0] + 0.8 * self.wet[1]])
            response = room(self.rate, reverb_s, seed).astype(np.float32)
            wet = signal.oaconvolve(cross.astype(np.float32), response, axes=1)
            y = y + wet[:, :self.frames]
        return without_dc(y, self.rate)
