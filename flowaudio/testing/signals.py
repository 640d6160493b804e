"""Signals to test with: what sounds, what is silent, what is at the limit of a number."""

from typing import Any

import numpy as np

__all__ = ["KINDS", "NUMBERS", "signal"]

Array = np.ndarray[Any, Any]

KINDS = ("noise", "sine", "sweep", "speech", "impulses", "bursts", "steps", "full_scale", "denormals", "silence")
"""Kinds of sane signals: no sample is louder than asked for."""

NUMBERS = ("extremes", "nan")
"""Whatever a float32 can be: huge, tiny, with `nan` also what is no number."""


def signal(kind: str, seed: int, channels: int, frames: int, loudest: float = 1.0, rate: int = 48_000) -> Array:
    """float32 ``[channels, frames]`` of one of KINDS or NUMBERS; the same for the same arguments.

    :param loudest: no sample's magnitude is greater (of KINDS).
    """
    rng = np.random.default_rng(seed)
    if kind in NUMBERS:
        return _numbers(kind, rng, (channels, frames))
    makers: dict[str, Any] = {"sine": _sine, "sweep": _sweep, "speech": _speech}
    noise = rng.uniform(-1.0, 1.0, (channels, frames))
    if kind in makers:
        x = makers[kind](rng, channels, frames, rate)
    elif kind == "noise":
        x = noise
    elif kind == "impulses":
        x = np.where(rng.random(noise.shape) < 0.01, noise, 0.0)
    elif kind == "bursts":
        x = noise * (np.arange(frames) // max(1, frames // 6) % 2)
    elif kind == "steps":
        x = np.sign(noise[:, :1]) * (np.arange(frames) > frames // 3)
    elif kind == "full_scale":
        x = np.sign(noise)
    elif kind == "denormals":
        x, loudest = noise, 1e-39
    elif kind == "silence":
        x = np.zeros(noise.shape)
    else:
        raise ValueError(f"there is no kind of signal called {kind!r} (there are: {', '.join((*KINDS, *NUMBERS))})")
    made: Array = (x * loudest).astype(np.float32)
    return made


def _sine(rng: np.random.Generator, channels: int, frames: int, rate: int) -> Array:
    turns: Array = np.arange(frames) * 10 ** rng.uniform(-3.0, 0.4, (channels, 1))
    return np.sin(turns)


def _sweep(rng: np.random.Generator, channels: int, frames: int, rate: int) -> Array:
    """From 20 Hz up, exponentially, to 0.45 of the rate; each channel begins at a phase of its own."""
    part = np.arange(frames) / max(frames, 1)
    span = np.log(0.45 * rate / 20.0)
    turns = 2 * np.pi * 20.0 * frames / rate / span * np.expm1(part * span)
    made: Array = np.sin(turns + rng.uniform(0.0, 2 * np.pi, (channels, 1)))
    return made


def _speech(rng: np.random.Generator, channels: int, frames: int, rate: int) -> Array:
    """Like a voice: harmonics of a pitch that moves, in syllables with pauses, noise where there is no voice."""
    t = np.arange(frames) / rate
    pitch = rng.uniform(90.0, 220.0) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.3, 1.0) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.maximum(0.0, np.sin(2 * np.pi * rng.uniform(2.5, 4.5) * t + rng.uniform(0, 6))) ** 2
    hiss = rng.standard_normal(frames) * np.maximum(0.0, -np.sin(2 * np.pi * 3.1 * t)) ** 8
    made = 0.3 * voice * syllables + 0.05 * hiss
    louder: Array = made * rng.uniform(0.5, 1.0, (channels, 1))
    return np.clip(louder, -1.0, 1.0)


def _numbers(kind: str, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    pool = [0.0, -0.0, 1e-45, -1e-40, 1.2e-38, 1.0, -1.0, 3.4e38, -3.4e38, 1e20, 32768.0]
    if kind == "nan":
        pool += [np.nan, np.inf, -np.inf]
    made: Array = rng.choice(np.array(pool), shape).astype(np.float32)
    return made
