"""Slow, obvious versions of what the meters beside loudness compute, and signals for them."""

import itertools
import math
from typing import Any

import numpy as np

from flowaudio.core.node import snake_case
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan

Array = Any
CUTTINGS = (1, 7, 32, 33, 256, 4096)


def read(node: Any, x: Array, rate: int = 48_000, block: Any = 8192) -> dict[str, Array]:
    """What a meter measures; `block` is a number of frames, or a function that gives one after the other."""
    x = np.ascontiguousarray(np.atleast_2d(x), np.float32)
    plan = Plan(chain(node), rate, x.shape[0], 8192)
    at = 0
    while at < x.shape[1]:
        count = block() if callable(block) else x.shape[1]
        piece = np.ascontiguousarray(x[:, at:at + count])
        np.testing.assert_array_equal(plan.process(piece) if callable(block) else plan.process(piece, block), piece)
        at += count
    assert not any(plan.trouble.values()), plan.trouble
    return {key: np.array(value) for key, value in plan.read(snake_case(type(node).__name__)).items()}


def same_in_any_cutting(node: Any, x: Array, rate: int = 48_000) -> dict[str, Array]:
    """Asserts it, bit by bit; gives what it measures."""
    whole, rng = read(node, x, rate), np.random.default_rng(3)
    for block in (*CUTTINGS, lambda: int(rng.integers(1, 2000))):
        for name, values in read(node, x, rate, block).items():
            np.testing.assert_array_equal(values, whole[name], err_msg=f"{name} in blocks of {block}")
    return whole


def slices(x: Array, rate: int) -> list[Array]:
    """Whole slices of 20 ms, at the frames that are next below their true places."""
    ends = [k * rate // 50 for k in range(x.shape[-1] * 50 // rate + 1)]
    return [x[..., a:b].astype(float) for a, b in itertools.pairwise(ends)]


def dynamic_range(x: Array, rate: int) -> Array:
    """dB by channel, from sorted blocks of 3 s."""
    made = []
    blocks = [x[:, n:n + 3 * rate].astype(float) for n in range(0, x.shape[1], 3 * rate)]
    blocks = [b for b in blocks if b.shape[1] >= rate // 2]
    for c in range(x.shape[0]):
        powers = sorted((2 * np.mean(b[c] ** 2) for b in blocks), reverse=True)
        peaks = sorted((abs(b[c]).max() for b in blocks), reverse=True)
        loud = max(1, len(blocks) // 5)
        made.append(20 * math.log10(peaks[1]) - 10 * math.log10(sum(powers[:loud]) / loud))
    return np.array(made)


def noise_floor(x: Array, rate: int) -> float:
    """dBFS of one channel: the 10th percentile of the RMS of slices that are not silent."""
    powers = sorted(np.mean(s ** 2) for s in slices(x, rate) if s.any())
    return 10 * math.log10(powers[math.ceil(0.1 * len(powers)) - 1])


def stereo(left: Array, right: Array) -> dict[str, float]:
    """Correlation, balance, mid against side, loss, of everything."""
    left, right = left.astype(float), right.astype(float)
    mid, side = (left + right) / 2, (left - right) / 2
    ll, rr, mm, ss = (np.mean(v * v) for v in (left, right, mid, side))
    return {"correlation": float(np.mean(left * right) / math.sqrt(ll * rr)),
            "balance_db": 10 * math.log10(rr / ll), "mid_side_db": 10 * math.log10(mm / ss),
            "fold_down_loss_db": 10 * math.log10((ll + rr) / (2 * mm))}


def harmonic(frequency: Any, rate: int, seconds: float, orders: Any, falls: float = 1.0) -> Array:
    """Partials below 0.45 of the rate, each with a phase of its own; `frequency` may be an array."""
    n = int(seconds * rate)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, n)) / rate
    top = float(np.max(frequency))
    x = sum(np.sin(k * phase + k * k) / k ** falls for k in orders if k * top < 0.45 * rate)
    return 0.2 * x / np.std(x)
