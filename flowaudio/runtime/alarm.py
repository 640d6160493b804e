"""An alarm clock for a thread that follows a sound card: when to look for the next frames, and when to be woken.

To wake a thread at every block costs more than all the rest of a ring, on both sides: of the callback 40 µs, measured
on a virtual machine. But a sound card is punctual. So who awaits frames learns when they come, sleeps until just after
that, and finds them there. Only if they come too soon, or later than it looks for them, does who brings them wake it.
"""

from flowaudio.core.atomics import exchange, load_acquire, store_release
from flowaudio.core.kernel import kernel
from flowaudio.core.memory import i64_1d, monotonic_ns
from flowaudio.core.waking import fence, sleep_on, wake

__all__ = ["ALARM_BYTES", "alarm_off", "alarm_rings", "alarm_set", "alarm_sleep"]

# Byte offsets. Of who sleeps, in ns: PAUSE, how long; DUE, when the next frames should come; LASTS, how long those will
# last; CAME, how long those lasted that came before; and SLEPT, how many frames there had been. WAKE_BEFORE: who comes
# before that time wakes it; 0 if it is awake, and odd if not, so that its lower half changes when it is set to 0. Of
# who comes, two cache lines away: TOLD_AT, when it came last.
WAKE_BEFORE, PAUSE, DUE, LASTS, CAME, SLEPT = range(0, 48, 8)
TOLD_AT = 128
ALARM_BYTES = 256

NEVER, ALWAYS = 1, (1 << 62) + 1
LATE, EARLY = 6, 12
"""It looks a sixth of what frames last after they are due, and is woken if they are there a twelfth before: together a
quarter, for so long they wait at most."""


@kernel
def alarm_set(alarm: int, looked: int, frames: int, rate: int, longest_ns: int) -> None:
    """Before a look that is the last one before sleep: say how long it will be, and who is to wake us.

    :param looked: how often we slept already since there were frames. At first it is until the next are due, then once
        more a little, and at last until somebody comes, or for `longest_ns`.
    :param frames: all that there have been, `rate` of them a second, some at once.
    """
    if looked == 0:
        lasts = _expect(alarm, frames, rate)
        due = i64_1d(alarm + DUE, 1)[0]
        pause, before = due + lasts // LATE - monotonic_ns(), (due - lasts // EARLY) | 1
    else:
        pause, before = i64_1d(alarm + LASTS, 1)[0] // 4, NEVER
    if looked > 1 or not 0 < pause <= longest_ns:
        pause, before = longest_ns, ALWAYS
    i64_1d(alarm + PAUSE, 1)[0] = pause
    store_release(alarm + WAKE_BEFORE, before)
    fence()                             # either we see what comes from here on, or who brings it sees us sleep


@kernel
def _expect(alarm: int, frames: int, rate: int) -> int:
    """Set DUE and LASTS for the next frames; the latter. As many should come as last time, or as the time before.

    Who brings them is late now and then and seldom early: DUE goes back with them at once, and forward slowly.
    """
    words = i64_1d(alarm, 6)
    came = (frames - words[SLEPT // 8]) * 1_000_000_000 // rate
    lasts = min(came, words[CAME // 8])
    at = load_acquire(alarm + TOLD_AT)
    late = at - (words[DUE // 8] - words[LASTS // 8] + came)
    if 0 < late < lasts:
        at -= late - late // 8
    words[SLEPT // 8], words[CAME // 8], words[LASTS // 8], words[DUE // 8] = frames, came, lasts, at + lasts
    return lasts


@kernel
def alarm_sleep(alarm: int) -> None:
    """Sleep as it was set."""
    words = i64_1d(alarm, 6)
    sleep_on(alarm + WAKE_BEFORE, load_acquire(alarm + WAKE_BEFORE) | 1, words[PAUSE // 8])


@kernel
def alarm_off(alarm: int) -> None:
    """We are awake."""
    store_release(alarm + WAKE_BEFORE, 0)


@kernel
def alarm_rings(alarm: int) -> None:
    """There is something: wake who would sleep on for long. To be called behind every time; never waits."""
    now = monotonic_ns()
    store_release(alarm + TOLD_AT, now)
    fence()
    if now < load_acquire(alarm + WAKE_BEFORE):
        exchange(alarm + WAKE_BEFORE, 0)
        wake(alarm + WAKE_BEFORE)
