"""`Plan`: a graph ready to run at one rate and channel count. `render`: a whole array through a graph."""

import warnings
from typing import Any

import numpy as np

from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.core.node import declaration
from flowaudio.graph import image, walk
from flowaudio.graph.findings import Findings, NodeEvent
from flowaudio.graph.schedule import Schedule, schedule
from flowaudio.graph.wiring import read

__all__ = ["Plan", "render"]

Array = np.ndarray[Any, Any]

MAX_CHANNELS = 64


class Plan:
    """A graph, laid out: an int64 table and one arena, that one compiled loop walks.

    Making one takes milliseconds and compiles nothing when the kernels are known. All faults of the graph are raised
    here (GraphError, ParameterError); running raises nothing.
    """

    def __init__(self, graph: Any, rate: int, channels: int, block: int = 256) -> None:
        _check("rate", rate, 1000, 1_000_000)
        _check("channels", channels, 1, MAX_CHANNELS)
        _check("block", block, 1, 1 << 20)
        made = schedule(read(graph), rate, channels, block)
        self.ops = made.ops
        """The operations in the order in which they run."""
        self.image = self._lay_out(made)
        """Their memory."""
        self._findings = Findings(self.ops, self.image.logs)
        self.rate = rate
        self.channels = channels
        self.output_channels = made.output.channels
        self.block = made.block
        """Frames, at most, in one walk: what was asked for, or the shortest feedback."""
        self.latency = made.output.latency
        """Frames by which the output is behind the input."""

    @staticmethod
    def _lay_out(made: Schedule) -> image.Image:
        """In memory; whoever tries a node lays it out in another way."""
        return image.build(made)

    @property
    def header(self) -> int:
        """Address that the compiled loops take; it holds as long as the plan does."""
        return image.address(self.image.header)

    @property
    def order(self) -> list[str]:
        """Names of the operations in the order in which they run."""
        return [op.name for op in self.ops]

    @property
    def arena_bytes(self) -> int:
        """Size of the memory for the signals between operations."""
        return self.image.arena.nbytes

    @property
    def trouble(self) -> dict[str, int]:
        """Nodes that failed or put out a NaN or an infinity, and how many blocks of theirs were silenced for it."""
        counts = self.image.rows[:, walk.TROUBLE]
        return {op.name: int(n) for op, n in zip(self.ops, counts, strict=True) if n}

    def process(self, x: Array, block: int | None = None) -> Array:
        """float32 ``[channels, frames]`` through the graph, as late as its latency; state goes on from call to call."""
        x = _signal(x, self.channels)
        frames = x.shape[1]
        y = np.zeros((self.output_channels, frames), np.float32)
        self.process_into(x, y, block)
        return y

    def process_into(self, x: Array, y: Array, block: int | None = None) -> None:
        """As `process`, into an array that is there already: float32, each channel contiguous.

        :raises ParameterError: an array that is anything else; nothing is written then.
        """
        _check_rows("x", x, self.channels, x.shape[-1])
        _check_rows("y", y, self.output_channels, x.shape[-1])
        if not y.flags.writeable:
            raise ParameterError("y must be an array that can be written to")
        if block is not None:
            _check("block", block, 1, 1 << 20)
        walk.process(self.header, image.address(x), x.strides[0] // 4, image.address(y), y.strides[0] // 4,
                     x.shape[1], block or self.block)

    def reset(self) -> None:
        """Back to the state before the first sample."""
        walk.reset_all(self.header)
        self.image.rows[:, walk.TROUBLE] = 0
        self.image.header[walk.POSITION] = 0
        for log in self.image.logs.values():
            log[0] = 0
        self._findings.forget()

    def events(self) -> list[NodeEvent]:
        """What detectors have found since it was last asked for, by nodes, each in its order.

        Each keeps 255 events for it; ask once a second of sound and nothing is lost (`lost_events`).
        """
        return self._findings.new()

    @property
    def lost_events(self) -> dict[str, int]:
        """Detectors that found more than they could keep until they were asked, and how many events were lost."""
        return self._findings.lost

    def read(self, name: str) -> dict[str, Array]:
        """What the node `name` measures: a copy of each array, by name."""
        for k, op in enumerate(self.ops):
            if op.name == name and declaration(op.node).measures:
                return {key: self.image.view(k, key, state=True).copy() for key in declaration(op.node).measures}
        known = ", ".join(op.name for op in self.ops if declaration(op.node).measures) or "none"
        raise GraphError(f"the graph has no node called {name!r} that measures (those that do: {known})")


def _check(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ParameterError(f"{name} must be a whole number between {low} and {high} (got {value!r})")


def _check_rows(name: str, array: Any, channels: int, frames: int) -> None:
    """The compiled code goes by addresses: what is no float32 [channels, frames] would be garbage, or a crash."""
    fits = (isinstance(array, np.ndarray) and array.dtype == np.float32 and array.shape == (channels, frames)
            and (array.strides[1] == 4 or frames <= 1) and array.strides[0] >= 0)
    if not fits:
        got = f"{array.dtype} {list(array.shape)}, strides {array.strides}" if isinstance(array, np.ndarray) else array
        raise ParameterError(f"{name} must be float32 [{channels}, {frames}] with contiguous channels (got {got})")


def _signal(x: Any, channels: int | None = None) -> Array:
    array = np.asarray(x)
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ParameterError(f"a signal must be an array of numbers [channels, frames] (got shape {np.shape(x)}, "
                             f"{array.dtype})")
    if array.dtype.kind != "f":
        raise ParameterError(f"a signal must be floating point with full scale at 1.0 (got {array.dtype}): "
                             "divide 16-bit samples by 32768")
    if channels is None and not 1 <= array.shape[0] <= MAX_CHANNELS:
        raise ParameterError(f"a signal must be [channels, frames] with 1 to {MAX_CHANNELS} channels "
                             f"(got shape {array.shape}): transpose it if frames come first")
    if channels is not None and array.shape[0] != channels:
        raise ParameterError(f"the plan takes {channels} channels (got an array of shape {array.shape})")
    return np.ascontiguousarray(array, np.float32)


def render(graph: Any, x: Any = None, rate: int = 48_000, block: int = 256, *, frames: int | None = None) -> Array:
    """A whole signal through a graph.

    :param x: float ``[channels, frames]``, or one channel ``[frames]``; None for graphs that are sources themselves.
    :param rate: samples a second.
    :param block: frames in one call of a kernel; the sound does not depend on it.
    :param frames: how many to make when `x` is None.
        A node that fails, or puts out a NaN, is silent for the block and begins anew; a RuntimeWarning says so.
    :returns: float32 ``[channels, frames]``, as long as the input and aligned with it: latency is compensated.
    :raises GraphError: what is wrong with the graph. ParameterError: what is wrong with a value.
    """
    if x is None:
        if frames is None:
            raise ParameterError("render needs a signal, or frames= for a graph that makes its own")
        _check("frames", frames, 0, 1 << 40)
        x = np.zeros((1, frames), np.float32)
    x = _signal(x)
    plan = Plan(graph, rate, x.shape[0], block)
    length = x.shape[1]
    if plan.latency:
        x = np.concatenate([x, np.zeros((x.shape[0], plan.latency), np.float32)], axis=1)
    y = plan.process(x)[:, plan.latency:plan.latency + length]
    for name, count in plan.trouble.items():
        warnings.warn(f"{name} failed or put out what is no number, and was silent for {count} blocks of {plan.block} "
                      "frames", RuntimeWarning, stacklevel=2)
    return y
