"""Threads that work on one stream together, and how they end: all well, or all stopped.

A stage is a thread that owns one driver: a decoder, a plan, an encoder. Rings are the only thing between stages. When
one fails, or the user presses Ctrl-C, every ring is cancelled: nobody waits for somebody who is gone.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from flowaudio.graph.plan import Plan
from flowaudio.runtime.plan_stage import run_plan
from flowaudio.runtime.ring import Cancelled, Ring

__all__ = ["RING_FRAMES", "Sink", "Stage", "decode_into", "encode_from", "run_stages", "walk_between"]

Array = np.ndarray[Any, Any]

RING_FRAMES = 1 << 15
"""Frames between two stages: 0.7 s at 48 kHz. Enough that neither waits for the other's blocks, little to hold."""

READ_FRAMES = 1 << 13
"""Frames that a sink is given at once."""

TICK_S = 0.05


class Sink(Protocol):
    """What takes float32 ``[channels, frames]``: an encoder, for example."""

    def write(self, block: Array) -> None:
        """Take one block of any length."""


class Stage:
    """One thread's work, and the rings it waits on."""

    def __init__(self, name: str, work: Callable[[], None], rings: Sequence[Ring]) -> None:
        self.name = name
        self.rings = rings
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"flowaudio-{name}", daemon=True)
        self._work = work

    def wait(self) -> None:
        """Until it has ended.

        To join the thread is not enough: CPython takes a thread for ended when a signal interrupts its `join`.
        """
        self.ended.wait()
        self.thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # whatever it is, the others must not wait for this thread
            if not isinstance(error, Cancelled):  # then another stage has failed, and says why
                self.error = error
            for ring in self.rings:
                ring.cancel()
        finally:
            self.ended.set()


def run_stages(stages: Sequence[Stage], tick: Callable[[], None] | None = None) -> None:
    """Start all stages and wait for their end. `tick` is called some twenty times a second meanwhile.

    :raises BaseException: the first error of a stage, when all have stopped; or KeyboardInterrupt.
    """
    rings = [ring for stage in stages for ring in stage.rings]
    try:
        for stage in stages:
            stage.thread.start()
        for stage in stages:
            while not stage.ended.is_set():
                stage.ended.wait(TICK_S)
                if tick is not None:
                    tick()
            stage.wait()
    except BaseException:
        for ring in rings:
            ring.cancel()
        for stage in stages:
            if stage.thread.ident is not None:  # it was started
                stage.wait()
        raise
    for stage in stages:
        if stage.error is not None:
            raise stage.error


def decode_into(blocks: Iterable[Array], ring: Ring) -> Stage:
    """A stage that fills a ring."""
    def work() -> None:
        for block in blocks:
            ring.write(block)
        ring.close()

    return Stage("decoder", work, [ring])


def walk_between(plan: Plan, source: Ring, sink: Ring | None) -> Stage:
    """A stage that runs a plan from ring to ring."""
    rings = [source] if sink is None else [source, sink]

    def work() -> None:
        if not run_plan(plan, source, sink):
            raise Cancelled("a ring of the plan was cancelled")

    return Stage("plan", work, rings)


def encode_from(ring: Ring, sink: Sink) -> Stage:
    """A stage that empties a ring."""
    def work() -> None:
        while (block := ring.read(READ_FRAMES)).shape[1]:
            sink.write(block)

    return Stage("encoder", work, [ring])
