"""The ring: every frame once and in order, for any lengths, under two threads, and an end for everybody."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowaudio.core.atomics import load_acquire
from flowaudio.core.errors import ParameterError
from flowaudio.core.memory import f32_2d, nanosleep
from flowaudio.core.native import native
from flowaudio.core.waking import CAN_WAKE
from flowaudio.runtime.ring import (
    LONG_NS,
    SHORT_NS,
    Cancelled,
    Ring,
    ring_await,
    ring_close,
    ring_overwrite,
    ring_read,
    ring_wait_read,
    ring_write_all,
)


def ramp(start: int, frames: int, channels: int = 2) -> np.ndarray:
    """Frames that know their own place; exact in float32 up to 2**24."""
    return np.stack([np.arange(start, start + frames) + c * 0.5 for c in range(channels)]).astype(np.float32)


@given(capacity=st.integers(1, 50), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=60))
@settings(max_examples=150, deadline=None)
def test_behaves_like_a_queue(capacity: int, steps: list[tuple[bool, int]]) -> None:
    ring, written, read = Ring(2, capacity), 0, 0
    for writes, frames in steps:
        if writes:
            count = ring.try_write(ramp(written, frames))
            assert count == min(frames, capacity - (written - read))
            written += count
        else:
            got = ring.try_read(frames)
            assert got.shape[1] == min(frames, written - read)
            np.testing.assert_array_equal(got, ramp(read, got.shape[1]))
            read += got.shape[1]
        assert ring.fill == written - read
        assert ring.written == written


@given(capacity=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_two_python_threads_lose_nothing(capacity: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = min(20_000, 100 * capacity)
    ring, got = Ring(2, capacity), []

    def produce() -> None:
        done = 0
        while done < total:
            frames = min(int(rng.integers(1, 2 * capacity + 2)), total - done)
            ring.write(ramp(done, frames))
            done += frames
        ring.close()

    thread = threading.Thread(target=produce)
    thread.start()
    while (block := ring.read(capacity)).shape[1]:
        got.append(block)
    thread.join()
    np.testing.assert_array_equal(np.concatenate(got, axis=1), ramp(0, total))


@native
def produce_counted(ring: int, block: int, length: int, total: int) -> int:
    """Write `total` frames in ragged pieces out of a block that holds a ramp of `length` frames again and again."""
    done = 0
    while done < total:
        offset = done % length
        frames = min(1 + done % 37, length - offset, total - done)
        ring_write_all(ring, block + 4 * offset, length, frames)
        done += frames
    ring_close(ring)
    return done


@native
def check_counted(ring: int, scratch: int, source: int, length: int, total: int) -> int:
    """Frames that differ from the ramp, plus those that are missing."""
    done, wrong = 0, 0
    while True:
        frames = ring_wait_read(ring, 64, SHORT_NS, LONG_NS)
        if frames <= 0:
            break
        ring_read(ring, scratch, 64, frames)
        got, want = f32_2d(scratch, 2, 64), f32_2d(source, 2, length)
        for c in range(2):
            for n in range(frames):
                wrong += got[c, n] != want[c, (done + n) % length]
        done += frames
    return wrong + total - done


def test_two_compiled_threads_keep_ten_million_frames_in_order() -> None:
    length, total = 4096, 10_000_000
    ring = Ring(2, 1000)
    source = ramp(0, length)
    scratch = np.zeros((2, 64), np.float32)
    threading_result: list[int] = []
    thread = threading.Thread(target=lambda: threading_result.append(
        produce_counted(ring.address, source.ctypes.data, length, total)))
    thread.start()
    wrong = check_counted(ring.address, scratch.ctypes.data, source.ctypes.data, length, total)
    thread.join()
    assert threading_result == [total]
    assert wrong == 0


def test_a_cancelled_ring_frees_both_sides() -> None:
    ring = Ring(1, 4)
    outcome: list[type[BaseException]] = []

    def blocked_writer() -> None:
        try:
            ring.write(np.zeros((1, 100), np.float32))
        except Cancelled as error:
            outcome.append(type(error))

    thread = threading.Thread(target=blocked_writer)
    thread.start()
    ring.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert outcome == [Cancelled]
    with pytest.raises(Cancelled, match="given up"):
        ring.read(1)


@native
def pass_on(source: int, sink: int, scratch: int, frames: int) -> int:
    """Frames from one ring to the other, one by one, asleep for 0.9 s at most; how many, -1 if there comes no more."""
    for _ in range(frames):
        if ring_await(source, 48_000, 900_000_000) <= 0:
            return -1
        ring_read(source, scratch, 1, 1)
        ring_write_all(sink, scratch, 1, 1)
    return frames


@pytest.mark.skipif(not CAN_WAKE, reason="nobody is woken on this system")
def test_a_reader_is_woken_by_every_frame() -> None:
    """One frame goes round between two threads. If one wake in fifty were lost, they would not be done in time."""
    rings, scratch, rounds = (Ring(1, 4), Ring(1, 4)), np.zeros((2, 16), np.float32), 2000
    done: list[int] = []

    def go_round(k: int) -> None:
        done.append(pass_on(rings[k].address, rings[1 - k].address, scratch[k].ctypes.data, rounds))

    threads = [threading.Thread(target=go_round, args=(k,), daemon=True) for k in range(2)]
    for thread in threads:
        thread.start()
    rings[0].write(np.full((1, 1), 0.5, np.float32))
    for thread in threads:
        thread.join(30)
    assert done == [rounds, rounds]
    np.testing.assert_array_equal(rings[0].read(1), [[0.5]])


@native
def await_native(ring: int) -> int:
    return ring_await(ring, 48_000, 900_000_000)


@pytest.mark.parametrize(("end", "told"), [(Ring.close, 0), (Ring.cancel, -1)])
def test_who_awaits_a_frame_hears_of_the_end(end: Callable[[Ring], None], told: int) -> None:
    ring, heard = Ring(1, 4), []
    ring.write(np.zeros((1, 2), np.float32))
    assert await_native(ring.address) == 2
    ring.read(2)
    thread = threading.Thread(target=lambda: heard.append(await_native(ring.address)))
    thread.start()
    end(ring)
    thread.join()
    assert heard == [told]
    assert await_native(ring.address) == told


def test_what_was_written_before_the_end_is_read() -> None:
    ring = Ring(1, 16)
    ring.write(np.ones((1, 5), np.float32))
    ring.close()
    assert ring.read(16).shape == (1, 5)
    assert ring.read(16).shape == (1, 0)


@pytest.mark.parametrize(("channels", "capacity"), [(0, 5), (2, 0)])
def test_an_empty_ring_is_refused(channels: int, capacity: int) -> None:
    with pytest.raises(ParameterError, match="at least one channel and one frame"):
        Ring(channels, capacity)


def test_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"takes float32 \[2, frames\]"):
        Ring(2, 8).write(np.zeros((1, 4), np.float32))


@native
def flood(ring: int, block: int, length: int, stop: int) -> int:
    """Write over the oldest, a ramp again and again, in pieces, with a breath in between; how many frames."""
    done = 0
    while load_acquire(stop) == 0:
        ring_overwrite(ring, block + 4 * (done % length), 2 * length, 256)
        done += 256
        nanosleep(1000)
    return done


def test_the_last_frames_are_those_of_one_moment() -> None:
    """Read while they are written over: never some of then and some of now."""
    ring, length = Ring(1, 4096), 1 << 16
    block, stop = ramp(0, length, 1), np.zeros(1, np.int64)
    block = np.concatenate([block, block], axis=1)
    thread = threading.Thread(target=flood, args=(ring.address, block.ctypes.data, length, stop.ctypes.data))
    thread.start()
    reads = 0
    try:
        while reads < 10_000:
            got, end = ring.last(4096)
            if end >= 4096:
                np.testing.assert_array_equal(got[0], np.arange(end - 4096, end) % length)
                reads += 1
    finally:
        stop[0] = 1
        thread.join()
