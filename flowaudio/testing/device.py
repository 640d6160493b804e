"""The inside of a simulated sound card: a stream in memory, and the compiled loop that calls what streams call.

A stream owns its words and its buffers. Python fills the queue of what is heard and empties the buffer of what was
played; the loop stops where it needs one or the other.
"""

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import call_callback, clear, copy, f32_1d, f64_1d, i64_1d
from flowaudio.core.native import native
from flowaudio.runtime.card import INPUT_OVERFLOW, OUTPUT_UNDERFLOW

__all__ = ["NOBODY", "due", "hear", "make_call", "next_length", "play", "run_streams", "schedule_stream", "skip_frames",
           "starved"]

# A stream's int64 words. Frames are interleaved float32. SINCE, NEXT, LAST: times in ns, of the start, of the next
# and of the last call. BEGUN: frames since the start; TOTAL: in the stream's life; STOP: at how many of them the loop
# returns, or 0. LENGTHS: int64 [LENGTH_COUNT], frames of a call, over and over. HEARD: the queue, from frame HEARD_AT
# to HEARD_END; MORE: Python has more for it. PLAYED: PLAYED_AT of PLAYED_SIZE frames have gone out; 0 if nobody keeps
# them. LOOP: a ring of LOOP_SIZE frames that went out, heard LOOP_LAG frames later; or 0. TIMES: float64 [3], seconds.
# Then float64: ns a frame, gain of the loop.
(ACTIVE, SINCE, NEXT, LAST, BEGUN, TOTAL, STOP, CALLS, LENGTHS, LENGTH_COUNT, CALLBACK, USER, INPUTS, OUTPUTS, IN, OUT,
 HEARD, HEARD_AT, HEARD_END, MORE, PLAYED, PLAYED_AT, PLAYED_SIZE, LOOP, LOOP_SIZE, LOOP_LAG, FLAGS, JITTER, DICE,
 TIMES, IN_LATENCY, OUT_LATENCY, NS_A_FRAME, LOOP_GAIN, STREAM) = range(35)

NOBODY = -1
"""What the loop returns when time has come to its end."""

NO_NUMBER = np.float32(np.nan)


@kernel
def next_length(stream: int) -> int:
    """Frames of the next call."""
    s = i64_1d(stream, STREAM)
    count: int = i64_1d(s[LENGTHS], s[LENGTH_COUNT])[s[CALLS] % s[LENGTH_COUNT]]
    return count


@kernel
def due(stream: int) -> None:
    """Note when the next call comes: as soon as its frames are there, and as late as the dice say."""
    s = i64_1d(stream, STREAM)
    frames = s[BEGUN] + next_length(stream)
    at = s[SINCE] + int(frames * f64_1d(stream, STREAM)[NS_A_FRAME] + 0.5)
    s[DICE] = s[DICE] * 6364136223846793005 + 1442695040888963407
    at += (((s[DICE] >> 33) & 0x7FFFFFFF) * s[JITTER]) >> 31
    s[NEXT] = max(at, s[LAST])


@kernel
def starved(stream: int, count: int) -> bool:
    """Whether Python has to fill the queue, or to empty the other buffer, before `count` frames can go through."""
    s = i64_1d(stream, STREAM)
    empty: bool = s[MORE] and s[HEARD_END] - s[HEARD_AT] < count
    full: bool = s[PLAYED] and s[PLAYED_SIZE] - s[PLAYED_AT] < count
    return empty or full


@kernel
def hear(stream: int, count: int) -> None:
    """What the microphone has heard, into the callback's input: the queue, silence behind it, and the loop."""
    s = i64_1d(stream, STREAM)
    width = s[INPUTS]
    known = min(count, s[HEARD_END] - s[HEARD_AT])
    copy(s[IN], s[HEARD] + 4 * width * s[HEARD_AT], 4 * width * known)
    clear(s[IN] + 4 * width * known, 4 * width * (count - known))
    s[HEARD_AT] += known
    if s[LOOP]:
        gain = np.float32(f64_1d(stream, STREAM)[LOOP_GAIN])
        samples, loop = f32_1d(s[IN], width * count), f32_1d(s[LOOP], s[OUTPUTS] * s[LOOP_SIZE])
        for n in range(count):
            at = s[TOTAL] - s[LOOP_LAG] + n
            if at >= 0:
                for c in range(width):
                    samples[n * width + c] += gain * loop[at % s[LOOP_SIZE] * s[OUTPUTS] + c % s[OUTPUTS]]


@kernel
def play(stream: int, count: int) -> None:
    """The callback's output, to where it is kept and into the loop."""
    s = i64_1d(stream, STREAM)
    width = s[OUTPUTS]
    if s[PLAYED]:
        copy(s[PLAYED] + 4 * width * s[PLAYED_AT], s[OUT], 4 * width * count)
        s[PLAYED_AT] += count
    if s[LOOP]:
        for n in range(count):
            at = (s[TOTAL] + n) % s[LOOP_SIZE]
            copy(s[LOOP] + 4 * width * at, s[OUT] + 4 * width * n, 4 * width)


@kernel
def make_call(stream: int, now_ns: int) -> None:
    """One call of the callback. It finds no numbers in the memory that it has to write to."""
    s, count = i64_1d(stream, STREAM), next_length(stream)
    if s[INPUTS]:
        hear(stream, count)
    samples = f32_1d(s[OUT], s[OUTPUTS] * count)
    for n in range(samples.size):
        samples[n] = NO_NUMBER
    times = f64_1d(s[TIMES], 3)
    frame_ns = f64_1d(stream, STREAM)[NS_A_FRAME]
    times[1] = 1e-9 * now_ns
    times[0] = times[1] - 1e-9 * frame_ns * s[IN_LATENCY]
    times[2] = times[1] + 1e-9 * frame_ns * s[OUT_LATENCY]
    flags, s[FLAGS] = s[FLAGS], 0
    ended = call_callback(s[CALLBACK], s[IN] if s[INPUTS] else 0, s[OUT] if s[OUTPUTS] else 0, count, s[TIMES], flags,
                          s[USER])
    if s[OUTPUTS]:
        play(stream, count)
    s[BEGUN] += count
    s[TOTAL] += count
    s[CALLS] += 1
    s[LAST] = now_ns
    if ended != 0:
        s[ACTIVE] = 0
    due(stream)


@native
def run_streams(clock: int, streams: int, count: int, until_ns: int) -> int:
    """Make all calls that are due until `until_ns`, in the order of their times.

    Returns NOBODY then; or, before, the number of a stream that needs Python, or that has come to its STOP.
    """
    addresses = i64_1d(streams, count)
    while True:
        first, soonest = NOBODY, until_ns + 1
        for k in range(count):
            s = i64_1d(addresses[k], STREAM)
            if s[ACTIVE] and s[NEXT] < soonest:
                first, soonest = k, s[NEXT]
        if first == NOBODY:
            i64_1d(clock, 1)[0] = max(i64_1d(clock, 1)[0], until_ns)
            return NOBODY
        if starved(addresses[first], next_length(addresses[first])):
            return first
        i64_1d(clock, 1)[0] = max(i64_1d(clock, 1)[0], soonest)
        make_call(addresses[first], soonest)
        s = i64_1d(addresses[first], STREAM)
        if s[STOP] and s[TOTAL] >= s[STOP]:
            return first


@native
def schedule_stream(stream: int) -> int:
    """Note when the first call comes."""
    due(stream)
    return 0


@native
def skip_frames(stream: int, frames: int) -> int:
    """Let frames pass without a call, as far as the queues reach; how many. The driver says so at the next call."""
    s = i64_1d(stream, STREAM)
    count = min(frames, next_length(stream))
    if starved(stream, count):
        return 0
    if s[INPUTS]:
        s[HEARD_AT] += min(count, s[HEARD_END] - s[HEARD_AT])
        s[FLAGS] |= INPUT_OVERFLOW
    if s[OUTPUTS]:
        clear(s[OUT], 4 * s[OUTPUTS] * count)
        play(stream, count)
        s[FLAGS] |= OUTPUT_UNDERFLOW
    s[BEGUN] += count
    s[TOTAL] += count
    due(stream)
    return count
