"""A card's clock from the times of its calls: found under jitter, kept through trouble, told to others whole."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at

from flowaudio.core.memory import i64_1d
from flowaudio.core.native import native
from flowaudio.runtime import pace as p


@native
def tick_all(pace: int, times: int, frames: int, count: int) -> int:
    """Calls at int64[count] times, each after int64[count] frames."""
    when, many = i64_1d(times, count), i64_1d(frames, count)
    for k in range(count):
        p.pace_tick(pace, when[k], many[k])
    return 0


@native
def note_of(pace: int, note: int) -> int:
    """Note how it stands; how unsure it is."""
    p.pace_note(pace, note)
    return i64_1d(note, p.NOTE)[p.UNSURE]


class Clock:
    """A card of a true rate that calls late by up to a jitter, and the pace that listens to it."""

    def __init__(self, ppm: float = 0.0, jitter_ms: float = 1.0, seed: int = 0) -> None:
        self.words = np.zeros(p.PACE, np.int64)
        self.real = self.words.view(np.float64)
        p.put_pace(self.words, self.real, 48000, 1.0, 10.0)
        self.rate, self.jitter_ms = 48000 * (1 + ppm * 1e-6), jitter_ms
        self.now, self.rng = 10**16, np.random.default_rng(seed)

    def run(self, seconds: float, blocks: Any = (256,)) -> None:
        frames = np.resize(np.array(blocks, np.int64), max(int(seconds * 48000 / np.mean(blocks)), 1))
        due = self.now + np.rint(np.cumsum(frames) / self.rate * 1e9).astype(np.int64)
        late = np.rint(self.rng.uniform(0, self.jitter_ms * 1e6, due.size)).astype(np.int64)
        self.calls(due + late, frames)
        self.now = int(due[-1])

    def calls(self, times: Any, frames: Any) -> None:
        """At these times, in ns, after these frames."""
        times, frames = np.array(times, np.int64), np.array(frames, np.int64)
        tick_all(at(self.words), at(times), at(frames), times.size)

    @property
    def ppm(self) -> float:
        return (1e9 / 48000 / self.real[p.PERIOD] - 1) * 1e6

    @property
    def astray_ms(self) -> float:
        """How far the time of the last frame is from where it should be: due, and half the jitter."""
        return (self.words[p.AT] - self.now) * 1e-6 - self.jitter_ms / 2

    @property
    def unsure(self) -> int:
        note = np.zeros(p.NOTE, np.int64)
        return note_of(at(self.words), at(note))


@pytest.mark.parametrize("block", [64, 256, 1024, 4096])
@pytest.mark.parametrize("ppm", [-500.0, 0.0, 200.0])
def test_finds_the_clock(block: int, ppm: float) -> None:
    clock = Clock(ppm)
    clock.run(5, (block,))
    assert abs(clock.ppm - ppm) < 50
    clock.run(60, (block,))
    assert abs(clock.ppm - ppm) < 25
    assert abs(clock.astray_ms) < 0.15
    assert clock.unsure < 25_000


@given(blocks=st.lists(st.integers(16, 2000), min_size=1, max_size=7), ppm=st.floats(-400, 400))
@settings(max_examples=30, deadline=None)
def test_blocks_of_any_lengths(blocks: list[int], ppm: float) -> None:
    clock = Clock(ppm)
    clock.run(60, blocks)
    assert abs(clock.ppm - ppm) < 30
    assert abs(clock.astray_ms) < 0.2


def test_a_late_call_is_borne() -> None:
    clock = Clock(100.0)
    clock.run(60)
    before = clock.words.copy()
    clock.calls([clock.now + 40_000_000], [256])
    moved_ms = (clock.words[p.AT] - before[p.AT]) * 1e-6 - 256 / clock.rate * 1e3
    assert 0 < moved_ms < 0.05
    clock.now += round(256 / clock.rate * 1e9)
    clock.run(0.2)
    assert abs(clock.astray_ms) < 0.15


@pytest.mark.parametrize("lost_ms", [-30.0, 2.7, 30.0, 400.0, 3_600_000.0])
def test_lost_frames_are_noticed_soon_and_the_period_stays(lost_ms: float) -> None:
    clock = Clock(100.0)
    clock.run(60)
    clock.now += round(lost_ms * 1e6)
    clock.run(0.04 if lost_ms < 1000 else 0.01, (480,))     # after an hour the first call tells
    assert clock.unsure == p.SHAKEN
    clock.run(0.4)
    assert abs(clock.astray_ms) < 0.7
    assert abs(clock.ppm - 100.0) < 40
    assert clock.unsure < p.SHAKEN


def test_a_clock_that_changes_is_followed() -> None:
    clock = Clock(0.0)
    clock.run(60)
    clock.rate *= 1 + 50e-6
    worst = 0.0
    for _ in range(60):
        clock.run(0.5)
        worst = max(worst, abs(clock.astray_ms))
    assert worst < 0.3
    assert abs(clock.ppm - 50.0) < 10


@pytest.mark.parametrize("group", [2, 4, 8])
def test_calls_in_groups_find_their_middle(group: int) -> None:
    """Some systems hand over several blocks at once."""
    clock = Clock(150.0)
    frames = np.full(40_000, 128, np.int64)
    due = np.cumsum(frames) / clock.rate * 1e9
    called = np.repeat(due[group - 1::group], group) + np.tile(np.arange(group) * 30_000.0, due.size // group)
    clock.calls(clock.now + called, frames)
    assert abs(clock.ppm - 150.0) < 5
    middle = (called - due).mean() * 1e-6
    assert abs((clock.words[p.AT] - clock.now - due[-1]) * 1e-6 - middle) < 0.5


@native
def publish_many(note: int, board: int, count: int) -> int:
    """Notes whose words belong together."""
    told = i64_1d(note, p.NOTE)
    for k in range(1, count + 1):
        told[0], told[1], told[2], told[3] = k, 3 * k, 5 * k, 7 * k
        p.pace_publish(note, board)
    return count


@native
def read_many(note: int, board: int, count: int) -> int:
    """Read until the last one has come; notes that do not belong together, or are older than the one before."""
    told = i64_1d(note, p.NOTE)
    wrong, before = 0, 0
    while told[0] < count:
        if p.pace_read(board, note):
            k = told[0]
            wrong += told[1] != 3 * k or told[2] != 5 * k or told[3] != 7 * k or k < before
            before = k
    return wrong


def test_notes_reach_another_thread_whole() -> None:
    mine, theirs, board = np.zeros(p.NOTE, np.int64), np.zeros(p.NOTE, np.int64), np.zeros(32, np.int64)
    assert read_many(at(theirs), at(board), 0) == 0     # none yet, and compiled before the race
    count = 3_000_000
    thread = threading.Thread(target=publish_many, args=(at(mine), at(board), count))
    thread.start()
    wrong = read_many(at(theirs), at(board), count)
    thread.join()
    assert wrong == 0
    assert list(theirs) == [count, 3 * count, 5 * count, 7 * count]
