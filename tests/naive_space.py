"""Slow, obvious float64 versions of the nodes for levels, channels, delays, rooms, sources and meters."""

from typing import Any

import numpy as np
from support import in_pieces

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan, render

Array = np.ndarray[Any, Any]


def noise(channels: int, frames: int, seed: int = 1) -> Array:
    """float32 [channels, frames] between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


def source(node: Any, frames: int, rate: int = 48_000, block: int = 256) -> Array:
    """What a source makes."""
    return render(chain(node), frames=frames, rate=rate, block=block)


def assert_any_cutting(node: Any, x: Array, rate: int = 48_000) -> Array:
    """The node's output, which must be the same, bit by bit, in however many pieces it is made."""
    graph = chain(node)
    whole = Plan(graph, rate, x.shape[0], 8192).process(x)
    for block in (1, 5, 8, 31, 32, 100, 256):
        np.testing.assert_array_equal(Plan(graph, rate, x.shape[0], block).process(x), whole, err_msg=f"block {block}")
    ragged = in_pieces(Plan(graph, rate, x.shape[0], 8192), x, np.random.default_rng(2).integers(1, 99, 100))
    np.testing.assert_array_equal(ragged, whole, err_msg="ragged blocks")
    return whole


def delay(x: Array, rate: int, time_ms: float, feedback: float, wet: float, dry: float, high_cut_hz: float,
          ping_pong: bool) -> Array:
    """`Delay`, frame by frame."""
    channels, frames = x.shape
    d = max(int(np.floor(time_ms * rate / 1000 + 0.5)), 1)
    keep = np.exp(-2 * np.pi * high_cut_hz / rate) if high_cut_hz < 20_000 else 0.0
    w, y, low = np.zeros((channels, frames + d)), np.zeros((channels, frames)), np.zeros(channels)
    for n in range(frames):
        old = w[:, n]
        y[:, n] = dry * x[:, n] + wet * old
        low = keep * low + (1 - keep) * old
        if ping_pong:
            w[:, n + d] = feedback * np.roll(low, 1)
            w[0, n + d] += x[:, n].astype(float).mean()
        else:
            w[:, n + d] = x[:, n] + feedback * low
    return y


COMBS = np.array([1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617])
ALLPASSES = [556, 441, 341, 225]
WALSH = np.array([[(-1.0) ** bin(row & comb).count("1") for comb in range(8)] for row in (1, 2, 3, 4, 6, 7, 5)])


def reverb(x: Array, rate: int, room_size: float, damping: float, wet: float, dry: float, width: float,
           predelay_ms: float) -> Array:
    """`Reverb`: the combs frame by frame, the all-passes as recurrences."""
    channels, frames = x.shape
    late = round(predelay_ms * rate / 1000)
    fed = np.concatenate([np.zeros(late), x.sum(axis=0, dtype=float)])[:frames] * 0.28 / channels
    rooms = np.stack([_room(fed, rate, c, room_size, damping) for c in range(channels)])
    return dry * x + wet * (width * rooms + (1 - width) * rooms.mean(axis=0))


def _room(fed: Array, rate: int, channel: int, room_size: float, damping: float) -> Array:
    def scaled(frames: Any) -> Any:
        return np.maximum(np.round((frames + 23 * channel) * rate / 44_100).astype(int), 8)

    feedback, keep = 0.7 + 0.28 * room_size, (0.4 * damping) ** (44_100 / rate)
    lengths, frames = scaled(COMBS), len(fed)
    longest = lengths.max()
    w, low, out = np.zeros((8, longest + frames)), np.zeros(8), np.zeros(frames)
    lines = np.arange(8)
    for n in range(frames):
        old = w[lines, n + longest - lengths]
        low = keep * low + (1 - keep) * old
        w[:, n + longest] = fed[n] + feedback * low
        out[n] = WALSH[channel % 7] @ old
    for length in map(int, scaled(np.array(ALLPASSES))):
        v, y = np.zeros(frames + length), np.zeros(frames)
        for n in range(frames):
            v[n + length] = out[n] + 0.5 * v[n]
            y[n] = v[n] - 0.5 * v[n + length]
        out = y
    return out


def uniform(keys: Array, counter: Array) -> Array:
    """`Noise`'s hash, in unsigned numbers."""
    with np.errstate(over="ignore"):
        first, second = keys.astype(np.int32).view(np.uint32)
        v = counter.astype(np.uint32) ^ first
        v = (v ^ v >> np.uint32(16)) * np.uint32(0x7FEB352D)
        v = (v ^ v >> np.uint32(15)) * np.uint32(0x846CA68B) + second
        v = (v ^ v >> np.uint32(16)) * np.uint32(0x7FEB352D)
        v ^= v >> np.uint32(15)
    return v.view(np.int32) / 2.0**31


def meter(x: Array, rate: int, integration_ms: float, fall_db_per_s: float) -> dict[str, Array]:
    """`LevelMeter`, with windows that move frame by frame."""
    x = x.astype(float)
    keep, fall = np.exp(-1000 / (integration_ms * rate)), 10 ** (-fall_db_per_s / rate / 20)
    mean, peak = np.zeros(len(x)), np.zeros(len(x))
    for n in range(x.shape[1]):
        mean = keep * mean + (1 - keep) * x[:, n] ** 2
        peak = np.maximum(abs(x[:, n]), fall * peak)
    return {"peak_dbfs": 20 * np.log10(peak), "rms_dbfs": 10 * np.log10(mean),
            "max_peak_dbfs": 20 * np.log10(abs(x).max(axis=1)),
            "mean_rms_dbfs": 10 * np.log10((x * x).mean(axis=1)), "clipped": (abs(x) >= 1).sum(axis=1)}
