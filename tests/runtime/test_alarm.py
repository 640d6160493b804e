"""The alarm clock: it learns when frames are due, and who is to wake whom."""

import numpy as np
import pytest
from support import at

from flowaudio.core.memory import monotonic_ns
from flowaudio.core.native import native
from flowaudio.runtime.alarm import ALARM_BYTES, alarm_off, alarm_rings, alarm_set

BLOCK, PERIOD = 480, 10_000_000            # frames at 48 kHz, and how long they last in ns
WAKE_BEFORE, PAUSE, DUE, TOLD_AT = 0, 1, 2, 16      # words of it
FOREVER = 1 << 61


@native
def look(alarm: int, looked: int, frames: int, longest_ns: int) -> int:
    alarm_set(alarm, looked, frames, 48_000, longest_ns)
    return 0


@native
def ring_it(alarm: int) -> int:
    alarm_rings(alarm)
    return 0


@native
def turn_off(alarm: int) -> int:
    alarm_off(alarm)
    return 0


@native
def now_ns() -> int:
    return monotonic_ns()


class Follower:
    """Somebody who takes frames as soon as they are there."""

    def __init__(self) -> None:
        self.words = np.zeros(ALARM_BYTES // 8, np.int64)
        self.start = now_ns() + FOREVER // 2        # far enough away that no time of ours is reached meanwhile
        self.frames = 0

    def take(self, at_ns: int, frames: int = BLOCK) -> None:
        """They came at a time after the start; now it looks for more."""
        self.words[TOLD_AT] = self.start + at_ns
        self.frames += frames
        look(at(self.words), 0, self.frames, FOREVER)

    @property
    def due(self) -> int:
        """When the next are expected, after the start."""
        return int(self.words[DUE]) - self.start


def test_frames_are_due_when_they_last_came_in_time() -> None:
    follower = Follower()
    for k in range(10):
        follower.take(k * PERIOD)
    assert follower.due == 10 * PERIOD
    assert follower.words[WAKE_BEFORE] == (follower.start + 10 * PERIOD - PERIOD // 12) | 1
    pause = int(follower.words[PAUSE]) - FOREVER // 2
    assert pause <= 10 * PERIOD + PERIOD // 6       # from a time after the start was chosen


def test_it_is_not_led_astray_by_one_that_is_late_and_follows_those_that_stay_late() -> None:
    follower = Follower()
    for k in range(10):
        follower.take(k * PERIOD + (PERIOD // 2 if k == 5 else 0))
        assert k < 2 or follower.due <= (k + 1) * PERIOD + PERIOD // 16
    for k in range(10, 40):
        follower.take(k * PERIOD + PERIOD // 4)
    assert follower.due == pytest.approx(40 * PERIOD + PERIOD // 4, abs=PERIOD // 40)


def test_it_goes_back_at_once_with_one_that_is_early() -> None:
    follower = Follower()
    for k in range(10):
        follower.take(k * PERIOD - (PERIOD // 3 if k == 9 else 0))
    assert follower.due == 10 * PERIOD - PERIOD // 3


def test_frames_that_come_in_pairs_are_waited_for_together_but_two_at_once_are_not() -> None:
    follower = Follower()
    for k in range(10):
        follower.take(k * PERIOD)
    follower.take(11 * PERIOD, 2 * BLOCK)           # it was held up and missed one
    assert follower.due == 12 * PERIOD
    for k in range(13, 33, 2):
        follower.take(k * PERIOD, 2 * BLOCK)
    assert follower.due == 33 * PERIOD


def test_who_has_nothing_looks_once_more_and_then_waits_to_be_woken() -> None:
    follower = Follower()
    for k in range(3):
        follower.take(k * PERIOD)
    look(at(follower.words), 1, follower.frames, FOREVER)
    assert follower.words[PAUSE] == PERIOD // 4
    assert follower.words[WAKE_BEFORE] == 1         # no time is before that: who comes leaves it asleep
    look(at(follower.words), 2, follower.frames, 1000)
    assert follower.words[PAUSE] == 1000
    ring_it(at(follower.words))
    assert follower.words[WAKE_BEFORE] == 0


@pytest.mark.parametrize("left", [True, False])
def test_only_who_would_sleep_on_is_woken(left: bool) -> None:
    words, now = np.zeros(ALARM_BYTES // 8, np.int64), now_ns()
    words[WAKE_BEFORE] = asleep = (now - 2 if left else now + FOREVER) | 1
    ring_it(at(words))
    assert (words[WAKE_BEFORE] == asleep) == left
    assert words[TOLD_AT] >= now
    turn_off(at(words))
    assert words[WAKE_BEFORE] == 0
