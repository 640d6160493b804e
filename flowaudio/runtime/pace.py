"""How fast a card's clock runs and where it stands, learnt from the jittery times at which the card calls.

A delay-locked loop: it predicts when the next call is due and corrects time and period by a part of the error. The
parts are the gains of a Kalman filter with two unknowns, the time of a frame and the length of a frame. So it believes
the first calls nearly at their word and ends as a second-order loop that remembers some twenty seconds: 1 ms of jitter
moves it by a few hundredths of that, a clock that changes by 50 ppm leads it astray by 0.2 ms.

Calls of any length do. A call that is far out counts as if it were less far. If calls stay out to one side for a tenth
of a second, frames have been lost or the card has paused: the loop begins anew from there and keeps the period.

The idea of the loop: F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005.
"""

import math
from typing import Any

from flowaudio.core.atomics import load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import f64_1d, i64_1d

__all__ = ["AT", "CALLED", "COUNT", "NOTE", "NOTE_PERIOD", "NOTE_UNIT", "PACE", "PERIOD", "SHAKEN", "UNSURE",
           "pace_anew", "pace_note", "pace_publish", "pace_read", "pace_tick", "put_pace"]

# A pace. int64: frames COUNT were reached at AT ns, as the loop has it; calls, and when the last came; to which side
# they stay out (-1, 0, 1; AWAY: the next one begins anew) and since when; how long that is borne, in ns.
# float64: mean error of the last calls, and mean magnitude of the errors of a second, in ns; ns a frame; variances of
# time and period and their covariance, in ns; what the card promises (ns a frame) and its user (variance of a call's
# time, ns squared); the loop's angular frequency (radians a ns).
(COUNT, AT, CALLS, CALLED, SIDE, SIDE_FROM, PATIENCE,
 BIAS, SPREAD, PERIOD, TIME_VAR, BOTH_VAR, PERIOD_VAR, NOMINAL, PROMISED, TURN, PACE) = range(17)

# What one thread notes for the other, in int64: COUNT, AT, the period in units of 2**-32 ns, and how unsure that is
# (ppb), or SHAKEN.
NOTE_PERIOD, UNSURE, NOTE = 2, 3, 4
NOTE_UNIT = 2.0 ** -32
SHAKEN = 1 << 40
"""While calls seem to stay out, and until the first four after a new beginning are in."""

PRIOR = 250e-6
"""Clocks of cards are within this of what they promise, two times of three."""
RANGE = 2000e-6
"""A period further from what is promised is not believed."""
FAR, OUT = 5.0, 2.0
"""In standard deviations: a single call is far out, and the mean of calls stays out, beyond these."""
SPREAD_NS, SPREADS = 1e9, 4.0
"""Over how long the mean magnitude of errors is taken, at least; and in patiences: calls that stay out must not pass
for jitter before patience is at its end."""
AWAY = 2
MOST = 10.0
"""A single error counts in it as at most so many standard deviations."""


def put_pace(whole: Any, real: Any, rate: float, jitter_ms: float, memory_s: float) -> None:
    """Write the constants of a pace into int64 and float64 views of its PACE words."""
    whole[CALLED] = -1 << 63            # no time that is ever told
    whole[PATIENCE] = round(max(100.0, 20 * jitter_ms) * 1e6)
    real[NOMINAL] = real[PERIOD] = 1e9 / rate
    real[PROMISED] = (0.5e6 * jitter_ms) ** 2
    # The loop's frequency that remembers as long as a straight line through the calls of the last `memory_s` seconds.
    real[TURN] = math.sqrt(6) / (memory_s * 1e9)


@kernel
def pace_tick(pace: int, now_ns: int, frames: int) -> None:
    """The card calls now, `frames` frames after its last call."""
    whole, real = i64_1d(pace, PACE), f64_1d(pace, PACE)
    whole[COUNT] += frames
    whole[CALLS] += 1
    if whole[CALLS] == 1:
        real[PERIOD_VAR] = (PRIOR * real[NOMINAL]) ** 2
        _begin(pace, now_ns)
    else:
        passed = frames * real[PERIOD]
        error = (now_ns - whole[AT]) - passed
        noise = _noise(pace)
        _predict(pace, frames, passed, noise)
        bound = FAR * math.sqrt(real[TIME_VAR] + noise)
        near = min(max(error, -bound), bound)
        away = whole[SIDE] == AWAY or abs(error) > 5.0 * whole[PATIENCE]
        if away or _lost(pace, now_ns, passed, near):
            _begin(pace, now_ns)
        else:
            _correct(pace, passed, near, noise)
            # By the time that went by, and not for each call of one that catches up.
            span = max(SPREAD_NS, SPREADS * whole[PATIENCE])
            part = min((now_ns - whole[CALLED]) / span, 4.0 * passed / span, 1.0)
            real[SPREAD] += part * (min(abs(error), MOST * math.sqrt(noise)) - real[SPREAD])
    whole[CALLED] = now_ns


@kernel
def pace_anew(pace: int) -> None:
    """It was away: the next call comes when it comes, and says nothing of the time before."""
    i64_1d(pace, PACE)[SIDE] = AWAY


@kernel
def _noise(pace: int) -> float:
    """Variance of a call's time, in ns squared: what was promised, or what is seen if it is more.

    Some systems make calls in groups, far from their times on both sides. If they were bounded too much, the middle
    between them would pull no more than any other place.
    """
    real = f64_1d(pace, PACE)
    return max(real[PROMISED], (1.25 * real[SPREAD]) ** 2)


@kernel
def _begin(pace: int, now_ns: int) -> None:
    """Take this call's time as it is. What is known of the period stays."""
    whole, real = i64_1d(pace, PACE), f64_1d(pace, PACE)
    whole[AT] = now_ns
    whole[SIDE] = 0
    real[BIAS] = 0.0
    real[TIME_VAR], real[BOTH_VAR] = _noise(pace), 0.0


@kernel
def _predict(pace: int, frames: int, passed: float, noise: float) -> None:
    """How unsure it is, `frames` frames later. A clock's rate is taken to wander just so much that the loop settles at
    the frequency TURN: its fourth power is the ratio of the wander's density to that of the noise."""
    real = f64_1d(pace, PACE)
    both = real[BOTH_VAR] + frames * real[PERIOD_VAR]
    real[TIME_VAR] += frames * (real[BOTH_VAR] + both)
    real[BOTH_VAR] = both
    turned = (real[TURN] * passed) ** 2
    real[PERIOD_VAR] += noise * (turned / frames) ** 2


@kernel
def _correct(pace: int, passed: float, error: float, noise: float) -> None:
    """Take in a call that came `error` ns after it was due. Times are kept in whole ns: no sum of them is rounded."""
    whole, real = i64_1d(pace, PACE), f64_1d(pace, PACE)
    time_part = real[TIME_VAR] / (real[TIME_VAR] + noise)
    period_part = real[BOTH_VAR] / (real[TIME_VAR] + noise)
    real[PERIOD_VAR] -= period_part * real[BOTH_VAR]
    real[BOTH_VAR] *= 1.0 - time_part
    real[TIME_VAR] *= 1.0 - time_part
    whole[AT] += math.floor(passed + time_part * error + 0.5)
    nominal = real[NOMINAL]
    real[PERIOD] = min(max(real[PERIOD] + period_part * error, nominal * (1.0 - RANGE)), nominal * (1.0 + RANGE))


@kernel
def _lost(pace: int, now_ns: int, passed: float, error: float) -> bool:
    """Whether calls have stayed out to one side for so long that they will not come back.

    A card that catches up, with calls in quick succession, does not take long; nor do calls in groups.
    """
    whole, real = i64_1d(pace, PACE), f64_1d(pace, PACE)
    real[BIAS] += min(2.0 * passed / whole[PATIENCE], 1.0) * (error - real[BIAS])
    out = OUT * math.sqrt(_noise(pace))
    side = int(real[BIAS] > out) - int(real[BIAS] < -out)
    if side != whole[SIDE]:
        whole[SIDE], whole[SIDE_FROM] = side, now_ns
    return side != 0 and now_ns - whole[SIDE_FROM] >= whole[PATIENCE]


@kernel
def pace_note(pace: int, note: int) -> None:
    """Note how it stands."""
    whole, real, told = i64_1d(pace, PACE), f64_1d(pace, PACE), i64_1d(note, NOTE)
    told[COUNT], told[AT] = whole[COUNT], whole[AT]
    told[NOTE_PERIOD] = int(real[PERIOD] / NOTE_UNIT)
    noise = _noise(pace)
    steady = abs(real[BIAS]) < 0.5 * OUT * math.sqrt(noise) and real[TIME_VAR] < 0.3 * noise
    if whole[CALLS] > 0 and steady:
        told[UNSURE] = int(1e9 * math.sqrt(real[PERIOD_VAR]) / real[NOMINAL])
    else:
        told[UNSURE] = SHAKEN


@kernel
def pace_publish(note: int, board: int) -> None:
    """Hang up a note for another thread, on a board with a number and four places; never waits."""
    number = i64_1d(board, 1)[0] + 1
    place = board + 8 * (1 + NOTE * (number % 4))
    for k in range(NOTE):
        store_release(place + 8 * k, i64_1d(note, NOTE)[k])
    store_release(board, number)


@kernel
def pace_read(board: int, note: int) -> bool:
    """Take down the newest note; False, and `note` is as it was, if there is none. Never waits.

    A place is written again three notes later. If that happens meanwhile, the note that one has is no older than a
    few calls, and will do.
    """
    number = load_acquire(board)
    if number == 0:
        return False
    place = board + 8 * (1 + NOTE * (number % 4))
    a, b, c, d = (load_acquire(place), load_acquire(place + 8), load_acquire(place + 16), load_acquire(place + 24))
    told = i64_1d(note, NOTE)
    # Each word was stored with release and loaded with acquire: who has seen one of a newer note, sees its number.
    if load_acquire(board) - number < 3:
        told[0], told[1], told[2], told[3] = a, b, c, d
    return told[NOTE_PERIOD] != 0
