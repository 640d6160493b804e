"""A plan between two rings, in a thread of its own: one call of compiled code from the first sample to the last."""

import numpy as np

from flowaudio.core.memory import clear, flush_to_zero, i64_1d, restore_fpu
from flowaudio.core.native import native
from flowaudio.graph import walk
from flowaudio.graph.plan import Plan
from flowaudio.runtime.ring import LONG_NS, SHORT_NS, Ring, ring_close, ring_read, ring_wait_read, ring_write_all

__all__ = ["run_plan", "walk_rings"]

# What the compiled loop is told.
HEADER, SOURCE, SINK, LATENCY, CONTROL = range(5)


@native
def walk_rings(control: int) -> int:
    """Walk the plan from ring to ring until the source ends; 1 at a good end, 0 if a ring was cancelled.

    The first `LATENCY` frames of output are dropped and as many of silence are fed at the end: the output is as long
    as the input and aligned with it. Without a sink (0) the plan runs for what its nodes measure.
    """
    told = i64_1d(control, CONTROL)
    header, source, sink = told[HEADER], told[SOURCE], told[SINK]
    plan = i64_1d(header, walk.HEADER)
    skip = told[LATENCY]
    flush = told[LATENCY]
    before = flush_to_zero()
    good = 1
    while good:
        frames = ring_wait_read(source, plan[walk.BLOCK], SHORT_NS, LONG_NS)
        if frames < 0:
            good = 0
        elif frames > 0:
            ring_read(source, plan[walk.IN], frames, frames)
        elif flush > 0:
            frames = min(plan[walk.BLOCK], flush)
            flush -= frames
            clear(plan[walk.IN], 4 * plan[walk.IN_CHANNELS] * frames)
        else:
            break
        if frames > 0:
            walk.walk(header, frames)
            dropped = min(skip, frames)
            skip -= dropped
            if sink:
                kept = frames - dropped
                if ring_write_all(sink, plan[walk.OUT] + 4 * dropped, frames, kept) < kept:
                    good = 0
    if good and sink:
        ring_close(sink)
    restore_fpu(before)
    return good


def run_plan(plan: Plan, source: Ring, sink: Ring | None) -> bool:
    """Run until the source ring is closed and empty, without the GIL; False if a ring was cancelled."""
    control = np.zeros(CONTROL, np.int64)
    control[HEADER], control[SOURCE], control[LATENCY] = plan.header, source.address, plan.latency
    control[SINK] = sink.address if sink is not None else 0
    return walk_rings(control.__array_interface__["data"][0]) == 1
