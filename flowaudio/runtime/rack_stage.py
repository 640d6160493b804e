"""A rack between two rings, in a thread of its own: for files, taps, and plans that are not to run in a callback."""

import numpy as np

from flowaudio.core.memory import clear, flush_to_zero, i64_1d, restore_fpu
from flowaudio.core.native import native
from flowaudio.core.waking import CAN_WAKE
from flowaudio.graph.image import address, aligned
from flowaudio.runtime.control import Rack
from flowaudio.runtime.rack import rack_run
from flowaudio.runtime.ring import (
    LONG_NS,
    SHORT_NS,
    Ring,
    ring_await,
    ring_close,
    ring_read,
    ring_readable,
    ring_wait_read,
    ring_write_all,
)

__all__ = ["rack_between", "run_rack_between"]

LONGEST_NS = 200_000_000
"""How long a plan sleeps at most where it can be woken: nothing depends on it."""
LEAST_NS = 100_000
"""Where it is not woken, it sleeps so long between two looks, at least: nobody's core is burnt."""

# What the compiled loop is told. BLOCK: frames that are taken at once, at most; RATE: Hz. SKIP: frames of output that
# are dropped at the start; FLUSH: frames of silence that follow the end of the source. LIVE_NS: how long it sleeps at
# most when it takes what there is; 0 if it waits for whole blocks.
RACK, SOURCE, SINK, X, Y, CHANNELS, BLOCK, RATE, SKIP, FLUSH, LIVE_NS, TOLD = range(12)


@native
def rack_between(control: int) -> int:
    """Run until the source is closed and empty; 1 at a good end, 0 if a ring was cancelled."""
    told = i64_1d(control, TOLD)
    block = told[BLOCK]
    before = flush_to_zero()
    good = 1
    while good:
        if told[LIVE_NS]:
            frames = ring_await(told[SOURCE], told[RATE], told[LIVE_NS])
        else:
            frames = ring_wait_read(told[SOURCE], block, SHORT_NS, LONG_NS)
        if frames < 0:
            good = 0
            break
        if frames > 0:
            frames = ring_read(told[SOURCE], told[X], block, min(block, ring_readable(told[SOURCE], block)))
        elif told[FLUSH] > 0:
            frames = min(block, told[FLUSH])
            told[FLUSH] -= frames
            for c in range(told[CHANNELS]):
                clear(told[X] + 4 * c * block, 4 * frames)
        else:
            break
        rack_run(told[RACK], told[X], block, told[Y], block, frames)
        dropped = min(told[SKIP], frames)
        told[SKIP] -= dropped
        if told[SINK]:
            kept = frames - dropped
            if ring_write_all(told[SINK], told[Y] + 4 * dropped, block, kept) < kept:
                good = 0
    if good and told[SINK]:
        ring_close(told[SINK])
    restore_fpu(before)
    return good


def run_rack_between(rack: Rack, source: Ring, sink: Ring | None, *, block: int, live: bool) -> bool:
    """Run until the source ring is closed and empty, without the GIL; False if a ring was cancelled.

    :param block: frames that are taken at once, at most.
    :param live: take what there is as soon as it is there, and put it out as late as the plan makes it. Otherwise wait
        for whole blocks, and put out what is as long as the source and aligned with it, by the latency of the first
        plan.
    """
    x, y = aligned(4 * rack.channels * block), aligned(4 * rack.output_channels * block)
    late = 0 if live else rack.latency
    # Where nobody wakes it, it sleeps a quarter of a block: longer, and what follows would wait; shorter, and a core is
    # kept busy.
    live_ns = LONGEST_NS if CAN_WAKE else max(round(0.25e9 * block / rack.rate), LEAST_NS)
    told = np.zeros(TOLD, np.int64)
    told[:] = (rack.address, source.address, sink.address if sink is not None else 0, address(x), address(y),
               rack.channels, block, rack.rate, late, late, live_ns if live else 0)
    return rack_between(address(told)) == 1
