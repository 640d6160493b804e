"""What a resampler takes in: sound from a ring or silence, faded where one becomes the other.

The newest input frames stand in a window that the interpolation's filters look through. The fades are made here, on
the way in: what comes out of the filters never jumps, whatever happens to the input.
"""

from flowaudio.core.atomics import store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import clear, copy, f32_1d, f64_1d, i64_1d
from flowaudio.runtime.interpolation import FRACTION
from flowaudio.runtime.ring import READ, ring_read, ring_readable

__all__ = ["CHANNELS", "END", "ENDLESS", "FADE", "FETCHED", "FLOWING", "INTAKE", "LEFT", "MODE", "POSITION", "PRIMING",
           "REFILLING", "REST", "SILENT", "STEADY", "SURPLUS", "TAPS", "TARGET", "WIDTH", "WINDOW", "intake_ahead",
           "intake_end", "intake_fetch", "intake_forget"]

PRIMING, FLOWING, REFILLING = range(3)
"""What MODE says: silent before the first sound; sounding; silent after a fault."""

# Words of 8 bytes. Fixed, int64: taps of the filters; the window and frames between its rows; frames of a fade.
# int64: POSITION, where in the window the next output frame's filter begins, with FRACTION binary places; END, frames
# in the window; FETCHED, frames taken from the ring; BEGUN, frames since the sound began; LEFT, frames until it ends;
# LEAVING, frames of the fade at that end; REST, input frames that this call still needs; STEADY, whether SURPLUS can
# be relied on.
# float64, in input frames: TARGET, the delay that is wanted; SURPLUS, by how much it would be too long if the ring's
# next frame followed now; SILENT, silence after a fault that was not told of yet.
(CHANNELS, TAPS, WINDOW, WIDTH, FADE, MODE, POSITION, END, FETCHED, BEGUN, LEFT, LEAVING, REST, STEADY,
 TARGET, SURPLUS, SILENT, INTAKE) = range(18)

ENDLESS = 1 << 62
UNIT = 1.0 / (1 << FRACTION)


@kernel
def intake_ahead(intake: int) -> float:
    """Frames from the one that is played next to the one that is fetched next."""
    w = i64_1d(intake, INTAKE)
    return w[END] + 1 - w[TAPS] // 2 - w[POSITION] * UNIT


@kernel
def intake_fetch(intake: int, ring: int, count: int) -> None:
    """`count` more input frames into the window: sound or silence."""
    w = i64_1d(intake, INTAKE)
    while count > 0:
        if w[MODE] == FLOWING:
            got = min(count, w[LEFT])
            _sound(intake, ring, got)
        else:
            got = _pause(intake, ring, count)
        w[END] += got
        w[REST] -= got
        count -= got


@kernel
def intake_end(intake: int, left: int) -> None:
    """Let the sound end when `left` more frames have come. What is in the window and not played yet fades, too."""
    w = i64_1d(intake, INTAKE)
    ahead = w[END] - (w[POSITION] >> FRACTION) - w[TAPS] // 2
    w[LEFT] = left
    w[LEAVING] = min(w[FADE], left + ahead)
    for c in range(w[CHANNELS]):
        row = f32_1d(w[WINDOW] + 4 * c * w[WIDTH], w[WIDTH])
        for k in range(ahead):
            row[w[END] - 1 - k] *= _gain(left + k, w[LEAVING])
    if left == 0:
        w[MODE] = REFILLING


@kernel
def intake_forget(intake: int) -> None:
    """Let go of what lies before the next position."""
    w = i64_1d(intake, INTAKE)
    gone = w[POSITION] >> FRACTION
    w[POSITION] -= gone << FRACTION
    w[END] -= gone
    for c in range(w[CHANNELS]):
        row = w[WINDOW] + 4 * c * w[WIDTH]
        copy(row, row + 4 * gone, 4 * w[END])


@kernel
def _gain(frame: int, length: int) -> float:
    """Of a fade over `length` frames, flat at both its ends; 1 behind it."""
    x = min((frame + 0.5) / length, 1.0)
    return x * x * (3.0 - 2.0 * x)


@kernel
def _sound(intake: int, ring: int, count: int) -> None:
    """`count` frames of the ring, which has them, with the fades at the sound's begin and end."""
    w = i64_1d(intake, INTAKE)
    ring_read(ring, w[WINDOW] + 4 * w[END], w[WIDTH], count)
    if w[BEGUN] < w[FADE] or w[LEFT] - count < w[LEAVING]:
        for c in range(w[CHANNELS]):
            row = f32_1d(w[WINDOW] + 4 * (c * w[WIDTH] + w[END]), count)
            for k in range(count):
                row[k] *= _gain(w[BEGUN] + k, w[FADE]) * _gain(w[LEFT] - 1 - k, w[LEAVING])
    w[FETCHED] += count
    w[BEGUN] += count
    if w[LEFT] != ENDLESS:
        w[LEFT] -= count
        if w[LEFT] == 0:
            w[MODE] = REFILLING


@kernel
def _pause(intake: int, ring: int, count: int) -> int:
    """At most `count` frames of silence; how many. None, when the sound can begin with just the right delay.

    What is too old by then is dropped. While the clocks are not known, a ring that nobody empties must not fill up.
    """
    w, f = i64_1d(intake, INTAKE), f64_1d(intake, INTAKE)
    known = ring_readable(ring, ENDLESS)
    if not w[STEADY]:
        _drop(intake, ring, known - int(f[TARGET]))
    elif f[SURPLUS] < 0.0:
        count = min(count, 1 + int(-f[SURPLUS]))
    else:
        _drop(intake, ring, min(int(f[SURPLUS]), known))
        if f[SURPLUS] < 1.0 and ring_readable(ring, w[REST]) >= w[REST]:
            w[MODE], w[BEGUN], w[LEFT], w[LEAVING] = FLOWING, 0, ENDLESS, 1
            return 0
    for c in range(w[CHANNELS]):
        clear(w[WINDOW] + 4 * (c * w[WIDTH] + w[END]), 4 * count)
    f[SURPLUS] += count
    if w[MODE] == REFILLING:
        f[SILENT] += count
    return count


@kernel
def _drop(intake: int, ring: int, count: int) -> None:
    """Let `count` frames of the ring go unread."""
    if count > 0:
        i64_1d(intake, INTAKE)[FETCHED] += count
        f64_1d(intake, INTAKE)[SURPLUS] -= count
        store_release(ring + READ, i64_1d(ring + READ, 1)[0] + count)
