"""Atomics under two threads at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from support import at

from flowaudio.core.atomics import add, compare_exchange, exchange, load_acquire, store_release
from flowaudio.core.memory import i64_1d, nanosleep
from flowaudio.core.native import native

ROUNDS = 100_000


def together(*calls: Any) -> list[int]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result(60) for f in [pool.submit(function, *arguments) for function, *arguments in calls]]


@native
def each_once(address: int, expected: int, new: int, out: int) -> int:
    results = i64_1d(out, 6)
    results[0] = exchange(address, 5)
    results[1] = add(address, 3)
    results[2] = int(compare_exchange(address, expected, new))
    results[3] = load_acquire(address)
    store_release(address, -1)
    results[4] = load_acquire(address)
    return 0


def test_what_they_return() -> None:
    word, out = np.array([1], np.int64), np.zeros(6, np.int64)
    each_once(at(word), 8, 1 << 62, at(out))
    assert out.tolist() == [1, 5, 1, 1 << 62, -1, 0]
    each_once(at(word), 7, 0, at(out))
    assert out.tolist() == [-1, 5, 0, 8, -1, 0]


@native
def count_up(address: int, rounds: int) -> int:
    for _ in range(rounds):
        add(address, 1)
    return 0


def test_no_addition_is_lost() -> None:
    word = np.zeros(1, np.int64)
    together((count_up, at(word), ROUNDS), (count_up, at(word), ROUNDS), (count_up, at(word), ROUNDS))
    assert word[0] == 3 * ROUNDS


@native
def count_locked(lock: int, counter: int, rounds: int) -> int:
    plain = i64_1d(counter, 1)
    for _ in range(rounds):
        tries = 0
        while not compare_exchange(lock, 0, 1):
            tries += 1
            if tries % 1000 == 0:
                nanosleep(10_000)
        plain[0] += 1
        exchange(lock, 0)
    return 0


def test_a_lock_of_compare_exchange_and_exchange() -> None:
    words = np.zeros(32, np.int64)
    together(*[(count_locked, at(words), at(words) + 128, ROUNDS)] * 2)
    assert words[16] == 2 * ROUNDS


@native
def tell(flag: int, data: int, rounds: int) -> int:
    """Writes two words, then says so, and waits for the answer."""
    words = i64_1d(data, 2)
    for k in range(1, rounds + 1):
        words[0], words[1] = k, -k
        store_release(flag, k)
        tries = 0
        while load_acquire(flag) == k:
            tries += 1
            if tries % 1000 == 0:
                nanosleep(10_000)
    return 0


@native
def listen(flag: int, data: int, rounds: int) -> int:
    wrong = 0
    words = i64_1d(data, 2)
    for k in range(1, rounds + 1):
        tries = 0
        while load_acquire(flag) != k:
            tries += 1
            if tries % 1000 == 0:
                nanosleep(10_000)
        if words[0] != k or words[1] != -k:
            wrong += 1
        store_release(flag, 0)
    return wrong


def test_what_is_written_before_a_release_is_seen_after_an_acquire() -> None:
    words = np.zeros(64, np.int64)
    tell_and_listen = together((tell, at(words), at(words) + 256, 5_000), (listen, at(words), at(words) + 256, 5_000))
    assert tell_and_listen == [0, 0]
