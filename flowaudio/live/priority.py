"""An audio thread comes before all others, where the system allows it: Linux, with the right to real-time scheduling.

JACK with real-time scheduling, and the drivers of macOS and Windows, see to that themselves. Elsewhere PortAudio's
thread is one among many, and waits its turn whenever the processors are busy.
"""

import contextlib
import os
import sys

__all__ = ["prefer"]

REALTIME_PRIORITY = 10
"""Above every ordinary thread, below what a sound server gives itself."""
NICE = -11
"""What desktop systems give to sound where real-time scheduling is not allowed."""


def prefer(thread: int) -> bool:
    """Give a thread of this process real-time priority, or at least a better one; whether it has real-time priority."""
    if sys.platform != "linux" or not thread:
        return False
    with contextlib.suppress(OSError):  # it may have ended meanwhile
        if os.sched_getscheduler(thread) != os.SCHED_OTHER:
            return True
        try:
            os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(REALTIME_PRIORITY))
            return True
        except PermissionError:
            os.setpriority(os.PRIO_PROCESS, thread, NICE)
    return False
