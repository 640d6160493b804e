"""Faders: straight lines, exact at their ends, the same in whatever pieces."""

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_rack import line
from support import at

from flowaudio.core.memory import f64_1d
from flowaudio.core.native import native
from flowaudio.runtime.fader import (
    FADER,
    fader_at,
    fader_gain,
    fader_mix,
    fader_move,
    fader_set,
    fader_still,
    put_fader,
)
from flowaudio.testing.strategies import cuts


@native
def set_to(fader: int, to: int, length: int) -> int:
    fader_set(fader, f64_1d(to, 1)[0], length)
    return 0


@native
def gained(fader: int, y: int, stride: int, channels: int, count: int) -> int:
    fader_gain(fader, y, stride, channels, count)
    fader_move(fader, count)
    return int(fader_still(fader))


@native
def mixed(fader: int, y: int, stride: int, x: int, x_stride: int, channels: int, count: int) -> int:
    fader_mix(fader, y, stride, x, x_stride, channels, count)
    fader_move(fader, count)
    return int(fader_still(fader))


@native
def value(fader: int, frame: int, to: int) -> int:
    f64_1d(to, 1)[0] = fader_at(fader, frame)
    return 0


class Fader:
    def __init__(self, gain: float) -> None:
        self.words = np.zeros(FADER, np.int64)
        put_fader(self.words, gain)

    def go(self, to: float, length: int) -> None:
        target = np.array([to])
        set_to(at(self.words), at(target), length)

    def at(self, frame: int) -> float:
        got = np.zeros(1)
        value(at(self.words), frame, at(got))
        return float(got[0])

    def gain(self, y: Any, first: int, count: int) -> bool:
        return gained(at(self.words), at(y) + 4 * first, y.shape[1], y.shape[0], count) == 1

    def mix(self, y: Any, x: Any, first: int, count: int) -> bool:
        return mixed(at(self.words), at(y) + 4 * first, y.shape[1], at(x) + 4 * first, x.shape[1], y.shape[0],
                     count) == 1


def noise(frames: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (2, frames)).astype(np.float32)


FRAMES = 5000                           # more than all lines of an example have together

gains = st.sampled_from([0.0, 1.0, 0.5]) | st.floats(0.0, 1.0)


@given(lengths=cuts(), goals=st.lists(st.tuples(gains, st.integers(0, 700), st.integers(1, 900)), max_size=4),
       begin=gains)
@settings(max_examples=60, deadline=None)
def test_a_line_is_the_same_in_any_pieces(lengths: list[int], goals: list[tuple[float, int, int]],
                                          begin: float) -> None:
    whole, pieces = Fader(begin), Fader(begin)
    turn = itertools.cycle(lengths)
    x = noise(FRAMES)
    one, other, third = x.copy(), x.copy(), noise(FRAMES, 2)
    expected, mixture = x.astype(np.float64), third.copy()
    mixer, now, place = Fader(begin), begin, 0
    for to, length, until in [*goals, (1.0, 64, 1000)]:
        for fader in (whole, pieces, mixer):
            fader.go(to, length)
        g = line(now, to, 0, length, until)
        expected[:, place:place + until] *= g
        end = place + until
        whole.gain(one, place, until)
        mixer.mix(mixture, x, place, until)
        while place < end:
            count = min(next(turn), end - place)
            pieces.gain(other, place, count)
            place += count
        now = float(line(now, to, until - 1, length, 1)[0])
        assert pieces.at(-1) == now == whole.at(-1)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one[:, :place], expected[:, :place].astype(np.float32))
    assert whole.gain(one, place, FRAMES - place)             # it has arrived
    np.testing.assert_array_equal(one[:, place:], x[:, place:])
    inside = (mixture[:, :place] >= np.minimum(x, third)[:, :place]) & (
        mixture[:, :place] <= np.maximum(x, third)[:, :place])
    assert inside.all()                 # a mixture lies between what it is made of


def test_the_ends_are_exact() -> None:
    fader, y, x = Fader(0.0), noise(300), noise(300, 2)
    before = y.copy()
    assert fader.mix(y, x, 0, 100)      # standing at 0, nothing is touched
    np.testing.assert_array_equal(y, before)
    fader.go(1.0, 100)
    assert not fader.mix(y, x, 100, 99)
    assert fader.mix(y, x, 199, 1)
    np.testing.assert_array_equal(y[:, 199], x[:, 199])
    assert not np.array_equal(y[:, 198], x[:, 198])
    assert fader.mix(y, x, 200, 100)
    np.testing.assert_array_equal(y[:, 200:], x[:, 200:])
    fader.go(0.0, 0)
    assert fader.gain(y, 0, 300)
    assert not y.any()


@given(length=st.integers(1, 5000), begin=gains, end=gains)
@settings(max_examples=40, deadline=None)
def test_a_line_never_turns_back(length: int, begin: float, end: float) -> None:
    fader = Fader(begin)
    fader.go(end, length)
    frames = {-1, 0, length // 3, length // 2, length - 2, length - 1, length + 5}
    values = np.array([fader.at(n) for n in sorted(frames) if n >= -1])
    steps = np.diff(values)
    assert (steps * np.sign(end - begin) >= -1e-16).all()
    assert (values[0], values[-1]) == (begin, end)
