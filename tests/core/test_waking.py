"""Threads that wake each other, and sleep for as long as they like."""

import threading

import numpy as np
import pytest
from support import at

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.memory import monotonic_ns, nanosleep
from flowaudio.core.native import native
from flowaudio.core.waking import CAN_WAKE, fence, sleep_on, wake

LONG_NS = 900_000_000
ROUNDS = 2000


@native
def take_turns(mine: int, other: int, rounds: int) -> int:
    """Wait for my word to become 1, set it back, and set the other's."""
    for _ in range(rounds):
        while load_acquire(mine) == 0:
            sleep_on(mine, 0, LONG_NS)
        store_release(mine, 0)
        store_release(other, 1)
        fence()
        wake(other)
    return rounds


@pytest.mark.skipif(not CAN_WAKE, reason="nobody can be woken on this system")
def test_each_wakes_the_other() -> None:
    """If only one wake in fifty came too late or not at all, it would take longer than is waited for here."""
    words, done = np.zeros(32, np.int64), []

    def turns(mine: int, other: int) -> None:
        done.append(take_turns(mine, other, ROUNDS))

    words[0] = 1
    threads = [threading.Thread(target=turns, args=pair, daemon=True)
               for pair in ((at(words), at(words) + 128), (at(words) + 128, at(words)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [ROUNDS, ROUNDS]


@native
def sleep_often(word: int, rounds: int) -> int:
    for _ in range(rounds):
        sleep_on(word, 0, LONG_NS)
    return rounds


@pytest.mark.skipif(not CAN_WAKE, reason="there, a sleep is as long as is allowed")
def test_who_expects_another_value_does_not_sleep() -> None:
    word = np.ones(1, np.int64)
    assert sleep_often(at(word), 1000) == 1000


@native
def look_often(word: int, rounds: int) -> int:
    """All that has a structure of the system's on the stack, again and again."""
    for _ in range(rounds):
        nanosleep(1)
        sleep_on(word, 0, 1)
        if monotonic_ns() == 0:
            return 0
    return rounds


def test_a_thread_that_waits_for_hours_needs_no_more_stack() -> None:
    """Memory on the stack is set aside once, and not in each turn of a loop."""
    word, done = np.ones(1, np.int64), []
    look_often(at(word), 1)             # compiled where there is room
    before = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=lambda: done.append(look_often(at(word), 6000)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert done == [6000]
