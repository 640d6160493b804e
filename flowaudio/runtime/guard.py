"""A guard against howling: a loudspeaker that its microphone hears, over and over, louder each time.

A howl is loud, lasts, and is close to a sine: its peak lies little above its RMS (3 dB for a sine, 0 dB once it is
clipped), where speech and music have 10 dB and more. After 0.4 s of that the output fades out, for two seconds.
"""

from typing import Any

from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f32_1d, f64_1d, i64_1d

__all__ = ["GUARD", "guard_output", "put_guard"]

# int64: how often it struck; frames of a window; frames in this window; suspicious windows in a row; frames for which
# the output stays down. float64: peak and power of this window; the gain, now; its step a frame.
STRUCK, WINDOW, SEEN, ROW, DOWN, PEAK, POWER, GAIN, SLOPE, GUARD = range(10)

WINDOWS = 20                            # of 20 ms
LOUD = 0.25                             # -12 dBFS
CREST = 2.5                             # peak squared over mean square: 4 dB
FADE_MS = 5


def put_guard(words: Any, rate: int) -> None:
    """A guard for a rate, into int64[GUARD]."""
    words[:] = 0
    words[WINDOW] = max(rate // 50, 1)
    words[GAIN:SLOPE + 1].view(float)[:] = 1.0, 1000.0 / (FADE_MS * rate)


@kernel
def judge(guard: int, channels: int) -> None:
    """At the end of a window."""
    g, v = i64_1d(guard, GUARD), f64_1d(guard, GUARD)
    mean = v[POWER] / (g[WINDOW] * channels)
    if v[PEAK] > LOUD and v[PEAK] * v[PEAK] < CREST * mean:
        g[ROW] += 1
    else:
        g[ROW] = 0
    if g[ROW] >= WINDOWS:
        g[STRUCK] += 1
        g[ROW] = 0
        g[DOWN] = 100 * g[WINDOW]
    g[SEEN] = 0
    v[PEAK], v[POWER] = 0.0, 0.0


@kernel
def guard_output(guard: int, y: int, stride: int, channels: int, count: int) -> None:
    """Watch what goes out, and turn it down where it howls."""
    g, v = i64_1d(guard, GUARD), f64_1d(guard, GUARD)
    start = 0
    while start < count:
        part = min(count - start, g[WINDOW] - g[SEEN])
        gain = v[GAIN]
        for c in range(channels):
            row = f32_1d(y + 4 * (c * stride + start), part)
            for n in range(part):
                sample = float(row[n])
                v[PEAK] = max(v[PEAK], abs(sample))
                v[POWER] += sample * sample
        if g[DOWN] > 0 or gain < 1.0:
            for c in range(channels):
                row = f32_1d(y + 4 * (c * stride + start), part)
                gain = v[GAIN]
                for n in range(part):
                    gain = max(gain - v[SLOPE], 0.0) if n < g[DOWN] else min(gain + v[SLOPE], 1.0)
                    row[n] = row[n] * gain
            v[GAIN] = gain
            g[DOWN] = max(g[DOWN] - part, 0)
        g[SEEN] += part
        if g[SEEN] >= g[WINDOW]:
            judge(guard, channels)
        start += part
