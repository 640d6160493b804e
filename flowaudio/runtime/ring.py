"""A ring of samples between two threads: one writes, one reads, nobody locks.

Two cursors count frames from the start and never turn back; a frame's place is its number modulo the capacity. The
writer publishes with a release store what the reader takes with an acquire load, and the other way round. Each side
keeps the other's cursor as it last saw it and looks again only when that is not enough. The same functions serve
kernels, callbacks and Python; Python calls them without the GIL.

Who has to wait sleeps, in one of two ways. Between threads that go as fast as they can, it looks again from time to
time, and so finds much to do. A plan that follows a sound card has an alarm clock.
"""

from typing import Any

import numpy as np

from flowaudio.core.atomics import add, exchange, load_acquire, store_release
from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import clear, copy, i64_1d, nanosleep
from flowaudio.core.native import native
from flowaudio.runtime.alarm import ALARM_BYTES, alarm_off, alarm_rings, alarm_set, alarm_sleep

__all__ = ["CANCELLED", "CHANNELS", "CLOSED", "LONG_NS", "SHORT_NS", "Cancelled", "Ring", "cancel_native",
           "close_native", "get_native", "read_native", "ring_await", "ring_close", "ring_overwrite", "ring_read",
           "ring_readable", "ring_told", "ring_wait_read", "ring_writable", "ring_write", "ring_write_all",
           "set_native", "try_read_native", "try_write_native", "write_native"]

Array = np.ndarray[Any, Any]

# Byte offsets in the header. What the writer writes and what the reader writes lie 128 bytes apart: two cache lines,
# because processors fetch them in pairs.
WRITTEN, READ_SEEN, BEGUN = 0, 8, 16
READ, WRITTEN_SEEN = 128, 136
CLOSED, CANCELLED = 256, 264
CAPACITY, CHANNELS, DATA = 384, 392, 400
ALARM = 512                             # of the reader, see there
HEADER_BYTES = ALARM + ALARM_BYTES

SHORT_NS, LONG_NS = 50_000, 3_200_000
"""How long a side sleeps before it looks again: twice as long each time, from less than a block to what is not worth a
core. At 0.2 ms throughout, two waiting threads cost a fifth of one."""

NOTHING_YET = -2


@kernel
def _word(ring: int, offset: int) -> int:
    """An int64 of the header."""
    value: int = i64_1d(ring + offset, 1)[0]
    return value


@kernel
def _put_word(ring: int, offset: int, value: int) -> None:
    """Set an int64 of the header."""
    i64_1d(ring + offset, 1)[0] = value


@kernel
def ring_readable(ring: int, wanted: int) -> int:
    """Frames that can be read; the writer's cursor is looked at only if fewer than `wanted` are known of."""
    read = _word(ring, READ)
    known = _word(ring, WRITTEN_SEEN) - read
    if known < wanted:
        written = load_acquire(ring + WRITTEN)
        _put_word(ring, WRITTEN_SEEN, written)
        known = written - read
    return known


@kernel
def ring_writable(ring: int, wanted: int) -> int:
    """Frames that can be written; the reader's cursor is looked at only if fewer than `wanted` are known of."""
    written, capacity = _word(ring, WRITTEN), _word(ring, CAPACITY)
    known = capacity - (written - _word(ring, READ_SEEN))
    if known < wanted:
        read = load_acquire(ring + READ)
        _put_word(ring, READ_SEEN, read)
        known = capacity - (written - read)
    return known


@kernel
def _move(ring: int, cursor: int, memory: int, stride: int, frames: int, inwards: bool) -> None:
    """Copy between the ring and rows in memory that are `stride` frames apart, in the two regions of the ring.

    Inwards, memory 0 is silence.
    """
    capacity, data = _word(ring, CAPACITY), _word(ring, DATA)
    start = cursor % capacity
    first = min(frames, capacity - start)
    for c in range(_word(ring, CHANNELS)):
        row, lane = data + 4 * c * capacity, memory + 4 * c * stride
        if inwards and memory == 0:
            clear(row + 4 * start, 4 * first)
            clear(row, 4 * (frames - first))
        elif inwards:
            copy(row + 4 * start, lane, 4 * first)
            copy(row, lane + 4 * first, 4 * (frames - first))
        else:
            copy(lane, row + 4 * start, 4 * first)
            copy(lane + 4 * first, row, 4 * (frames - first))


@kernel
def ring_write(ring: int, x: int, stride: int, frames: int) -> int:
    """Write as many of `frames` frames as there is room for; how many."""
    count = min(frames, ring_writable(ring, frames))
    if count > 0:
        written = _word(ring, WRITTEN)
        _move(ring, written, x, stride, count, True)
        store_release(ring + WRITTEN, written + count)
    return count


@kernel
def ring_overwrite(ring: int, x: int, stride: int, frames: int) -> None:
    """Write all of `frames` frames over the oldest. For a ring that nobody empties, see :meth:`Ring.last`.

    How far it will have come is said before the first of the oldest is gone.
    """
    capacity = _word(ring, CAPACITY)
    done = max(frames - capacity, 0)
    written = _word(ring, WRITTEN)
    exchange(ring + BEGUN, written + frames)
    _move(ring, written + done, x + 4 * done if x else 0, stride, frames - done, True)
    store_release(ring + WRITTEN, written + frames)


@kernel
def ring_read(ring: int, y: int, stride: int, frames: int) -> int:
    """Read as many of `frames` frames as there are; how many."""
    count = min(frames, ring_readable(ring, frames))
    if count > 0:
        read = _word(ring, READ)
        _move(ring, read, y, stride, count, False)
        store_release(ring + READ, read + count)
    return count


@kernel
def ring_write_all(ring: int, x: int, stride: int, frames: int) -> int:
    """Write all frames, asleep while there is no room; fewer only if the ring is cancelled."""
    done = 0
    pause = SHORT_NS
    while done < frames:
        count = ring_write(ring, x + 4 * done, stride, frames - done)
        done += count
        if count > 0:
            ring_told(ring)
            pause = SHORT_NS
        if load_acquire(ring + CANCELLED):
            break
        if count == 0:
            nanosleep(pause)
            pause = min(2 * pause, LONG_NS)
    return done


@kernel
def ring_wait_read(ring: int, frames: int, first_ns: int, longest_ns: int) -> int:
    """Sleep until `frames` frames can be read or no more will come; how many can be, -1 if the ring is cancelled.

    It looks again after `first_ns`, then after twice as long each time, up to `longest_ns`. A ring that is smaller than
    `frames` is waited for until it is half full: the writer needs room to go on.
    """
    frames = min(frames, (_word(ring, CAPACITY) + 1) // 2)
    pause = first_ns
    while True:
        closed = load_acquire(ring + CLOSED)  # before the cursor: what came before the close is then seen
        if load_acquire(ring + CANCELLED):
            return -1
        known = ring_readable(ring, frames)
        if known >= frames or closed:
            return min(known, frames)
        nanosleep(pause)
        pause = min(2 * pause, longest_ns)


@kernel
def ring_await(ring: int, rate: int, longest_ns: int) -> int:
    """Sleep until a frame can be read or no more will come; how many can be, -1 if the ring is cancelled.

    Frames come `rate` times a second, some at once, from somebody who is punctual and calls :func:`ring_told`.
    """
    known, looked = _known(ring), 0
    while known == NOTHING_YET:
        alarm_set(ring + ALARM, looked, _word(ring, READ), rate, longest_ns)
        known = _known(ring)
        if known == NOTHING_YET:
            alarm_sleep(ring + ALARM)
            known = _known(ring)
        looked += 1
    alarm_off(ring + ALARM)
    return known


@kernel
def _known(ring: int) -> int:
    """Frames that can be read, or 0 at the end, -1 if the ring is cancelled, NOTHING_YET."""
    closed = load_acquire(ring + CLOSED)    # before the cursor: what came before the close is then seen
    if load_acquire(ring + CANCELLED):
        return -1
    known = ring_readable(ring, 1)
    return known if known > 0 or closed else NOTHING_YET


@kernel
def ring_told(ring: int) -> None:
    """Let a reader know of what was written, if it sleeps in :func:`ring_await`; never waits."""
    alarm_rings(ring + ALARM)


@kernel
def ring_close(ring: int) -> None:
    """Nothing more will be written."""
    store_release(ring + CLOSED, 1)
    ring_told(ring)


@native
def write_native(ring: int, x: int, stride: int, frames: int) -> int:
    """Write all frames, waiting for room; fewer only if the ring is cancelled."""
    return ring_write_all(ring, x, stride, frames)


@native
def read_native(ring: int, y: int, stride: int, frames: int) -> int:
    """Wait for frames and read them; how many, -1 if the ring is cancelled."""
    known = ring_wait_read(ring, frames, SHORT_NS, LONG_NS)
    return ring_read(ring, y, stride, known) if known > 0 else known


@native
def try_write_native(ring: int, x: int, stride: int, frames: int) -> int:
    """Write what there is room for now; how many frames."""
    done = ring_write(ring, x, stride, frames)
    ring_told(ring)
    return done


@native
def try_read_native(ring: int, y: int, stride: int, frames: int) -> int:
    """Read what is there now; how many frames."""
    return ring_read(ring, y, stride, frames)


@native
def last_native(ring: int, y: int, stride: int, frames: int) -> int:
    """The last `frames` frames of a ring that is written over; their end in frames since the start, -1 if the writer
    has come round meanwhile."""
    end = load_acquire(ring + WRITTEN)
    start, capacity = end - frames, _word(ring, CAPACITY)
    _move(ring, start + (-start // capacity + 1) * capacity if start < 0 else start, y, stride, frames, False)
    return end if add(ring + BEGUN, 0) - start <= capacity else -1


@native
def close_native(ring: int) -> int:
    """Nothing more will be written."""
    ring_close(ring)
    return 0


@native
def cancel_native(ring: int) -> int:
    """Both sides give up."""
    store_release(ring + CANCELLED, 1)
    ring_told(ring)
    return 0


@native
def set_native(address: int, value: int) -> int:
    """Store to a word of a header."""
    store_release(address, value)
    return 0


@native
def get_native(address: int) -> int:
    """Load a word of a header."""
    return load_acquire(address)


class Cancelled(FlowaudioError):
    """The other side has given up; what is raised there says why."""


class Ring:
    """One writer, one reader, float32 ``[channels, capacity]``. Each method belongs to one of the two sides."""

    def __init__(self, channels: int, capacity: int) -> None:
        """:raises ParameterError: `channels` or `capacity` (frames) below 1."""
        if channels < 1 or capacity < 1:
            raise ParameterError(f"a ring needs at least one channel and one frame (got {channels}, {capacity})")
        self.channels, self.capacity = channels, capacity
        self._header = np.zeros((HEADER_BYTES + 128) // 8, np.int64)
        self._data = np.zeros((channels, capacity), np.float32)
        start = self._header.__array_interface__["data"][0]
        self.address = start + -start % 128
        """Where its header stands: what the compiled functions take."""
        offset = (self.address - start) // 8
        self._header[offset + CAPACITY // 8] = capacity
        self._header[offset + CHANNELS // 8] = channels
        self._header[offset + DATA // 8] = self._data.__array_interface__["data"][0]

    def write(self, x: Array) -> None:
        """Writer: all of float32 ``[channels, frames]``, waiting for room. Cancelled if the ring is."""
        x = self._rows(x)
        if write_native(self.address, *_rows_of(x)) < x.shape[1]:
            raise Cancelled("the reader of a ring has given up")

    def try_write(self, x: Array) -> int:
        """Writer: as many frames as there is room for now; how many."""
        return try_write_native(self.address, *_rows_of(self._rows(x)))

    def close(self) -> None:
        """Writer: nothing more will come."""
        close_native(self.address)

    def read(self, frames: int) -> Array:
        """Reader: the next `frames` frames, waiting for them; fewer, or none, at the end. Cancelled if the ring is."""
        y = np.empty((self.channels, frames), np.float32)
        count = read_native(self.address, *_rows_of(y))
        if count < 0:
            raise Cancelled("the writer of a ring has given up")
        return y[:, :count]

    def try_read(self, frames: int) -> Array:
        """Reader: at most `frames` frames of those that are there now."""
        y = np.empty((self.channels, frames), np.float32)
        return y[:, :try_read_native(self.address, *_rows_of(y))]

    def last(self, frames: int) -> tuple[Array, int]:
        """Anybody: the last `frames` frames of a ring that is written over, zeros before its start, and their end.

        :raises ParameterError: more than the ring can have while it is written on.
        """
        if not 0 <= frames <= self.capacity:
            raise ParameterError(f"a ring of {self.capacity} frames cannot give its last {frames}")
        y = np.empty((self.channels, frames), np.float32)
        while (end := last_native(self.address, *_rows_of(y))) < 0:
            pass                        # the writer has overtaken us: there is newer sound
        if end < frames:
            y[:, :frames - end] = 0.0
        return y, end

    def cancel(self) -> None:
        """Anybody: both sides stop waiting and give up."""
        cancel_native(self.address)

    @property
    def fill(self) -> int:
        """Frames in it, as seen from outside: already past when it is read."""
        read = get_native(self.address + READ)
        return get_native(self.address + WRITTEN) - read

    @property
    def written(self) -> int:
        """Frames written since the start."""
        return get_native(self.address + WRITTEN)

    def _rows(self, x: Array) -> Array:
        if x.ndim != 2 or x.shape[0] != self.channels:
            raise ParameterError(f"the ring takes float32 [{self.channels}, frames] (got shape {x.shape})")
        return np.ascontiguousarray(x, np.float32)


def _rows_of(x: Array) -> tuple[int, int, int]:
    """Address, frames between rows, frames."""
    return int(x.__array_interface__["data"][0]), x.strides[0] // 4, x.shape[1]
