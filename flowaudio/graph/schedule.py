"""From a wiring to the operations of a plan: order, channels, sums, delays that keep paths aligned, feedback."""

import contextlib
import dataclasses
import functools
from typing import Any

from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.core.node import Format, declaration
from flowaudio.graph.graph import IN, OUT
from flowaudio.graph.plumbing import FeedbackRead, FeedbackWrite, PureDelay, Sum
from flowaudio.graph.wiring import Edge, Wiring, delay_frames

__all__ = ["Buffer", "Op", "Schedule", "schedule"]


@dataclasses.dataclass(eq=False)
class Buffer:
    """A signal between operations, before it has a place in memory."""

    channels: int
    latency: int                        # frames by which it is behind the graph's input


@dataclasses.dataclass(eq=False)
class Op:
    """One call of one kernel."""

    name: str                           # of the vertex, or of what the plan put in
    node: Any
    format: Format
    inputs: list[list[Buffer]]          # for each port, its edges
    outputs: list[Buffer]
    params: Any
    state: Any


@dataclasses.dataclass
class Schedule:
    """All operations in their order."""

    ops: list[Op]
    input: Buffer
    output: Buffer
    block: int                          # the longest block that feedback allows


class _Scheduler:
    def __init__(self, wiring: Wiring, rate: int, channels: int, block: int) -> None:
        self.wiring = wiring
        self.rate, self.channels = rate, channels
        self.block = block
        self.ops: list[Op] = []
        self.input = Buffer(channels, 0)
        self.signals: dict[tuple[str, str], Buffer] = {(IN, "out"): self.input}
        self.readers: dict[Edge, Op] = {}
        self.arriving: dict[tuple[str, str], list[Edge]] = {}
        for edge in wiring.edges:
            self.arriving.setdefault((edge.target, edge.input), []).append(edge)

    def run(self) -> Schedule:
        for name, node in self.wiring.nodes.items():
            self._place(name, node)
        output = self._joined(OUT, self.arriving[(OUT, "in")], self._latency([(OUT, "in")]))
        self._close_feedback()
        return Schedule(self.ops, self.input, output, self.block)

    def _place(self, name: str, node: Any) -> None:
        declared = declaration(node)
        latency = self._latency([(name, p.name) for p in declared.inputs])
        ports: dict[str, list[Buffer]] = {}
        for port in declared.inputs:
            edges = self.arriving.get((name, port.name), [])
            if not edges:
                ports[port.name] = ports[port.default or ""]
            elif port.many:
                ports[port.name] = [self._aligned(e, latency, self._channels(edges)) for e in edges]
            else:
                ports[port.name] = [self._joined(name, edges, latency)]
        counts = tuple(b.channels for port in declared.inputs for b in ports[port.name])
        format = Format(self.rate, counts[0] if counts else self.channels, self.block, counts)
        for port in declared.inputs:
            for buffer in ports[port.name]:
                if buffer.channels != format.channels and not port.any_channels:
                    raise GraphError(f"{name}.{port.name} gets {buffer.channels} channels where {format.channels} are "
                                     f"expected: put a ChannelMap(channels={format.channels}) before it")
        op = self._op(name, node, format, [ports[p.name] for p in declared.inputs], latency)
        for port, buffer in zip(declared.outputs, op.outputs, strict=True):
            self.signals[(name, port.name)] = buffer

    def _op(self, name: str, node: Any, format: Format, inputs: list[list[Buffer]], latency: int) -> Op:
        try:
            made = node.prepare(format)
            if not isinstance(made, tuple) or len(made) != 2 or hasattr(made, "_fields"):
                raise GraphError(f"{name}: {type(node).__name__}.prepare must return two things, "
                                 f"(Params(…), State(…)), either of them None (got {made!r:.80})")
            params, state = made
            behind, channels = node.latency(format), node.output_channels(format)
        except ParameterError as error:
            raise ParameterError(f"{name}: {error}") from error
        outputs = [Buffer(channels, latency + behind) for _ in declaration(node).outputs]
        op = Op(name, node, format, inputs, outputs, params, state)
        self.ops.append(op)
        return op

    def _latency(self, ports: list[tuple[str, str]]) -> int:
        """The latency at which all signals that arrive at a node can meet."""
        edges = [e for port in ports for e in self.arriving.get(port, []) if not e.feedback]
        return max((self._signal(e).latency for e in edges), default=0)

    def _signal(self, edge: Edge) -> Buffer:
        return self.signals[(edge.source, edge.output)]

    def _channels(self, edges: list[Edge]) -> int:
        """Channels that feedback edges have to bring to a port: those of what else arrives there, else what they carry.

        A loop that nothing enters from outside carries as many channels as the graph.
        """
        forward = next((self._signal(e).channels for e in edges if not e.feedback), 0)
        return forward or next((self._carried[e.source] for e in edges if e.source in self._carried), self.channels)

    @functools.cached_property
    def _carried(self) -> dict[str, int]:
        """Channels that come out of each node, wherever it stands; without those that only loops lead to."""
        known, before = {IN: self.channels}, 0
        while len(known) > before:
            before = len(known)
            for name, node in self.wiring.nodes.items():
                arriving = [self.arriving.get((name, port.name)) for port in declaration(node).inputs]
                counts = [next((known[e.source] for e in edges if e.source in known), 0) for edges in arriving if edges]
                if name not in known and all(counts):
                    format = Format(self.rate, counts[0] if counts else self.channels, self.block, tuple(counts))
                    with contextlib.suppress(ParameterError):   # said where the node has its turn
                        known[name] = node.output_channels(format)
        return known

    def _aligned(self, edge: Edge, latency: int, channels: int) -> Buffer:
        """The signal of an edge, delayed as it asks and as far as the others are behind."""
        if edge.feedback:
            node = FeedbackRead(frames=delay_frames(edge, self.rate))
            op = self._op(f"{edge}", node, Format(self.rate, channels, self.block), [], latency)
            self.readers[edge] = op
            return op.outputs[0]
        signal = self._signal(edge)
        frames = delay_frames(edge, self.rate) + latency - signal.latency
        if not frames:
            return signal
        format = Format(self.rate, signal.channels, self.block, (signal.channels,))
        return self._op(f"{edge}", PureDelay(frames=frames), format, [[signal]], latency).outputs[0]

    def _joined(self, name: str, edges: list[Edge], latency: int) -> Buffer:
        """One signal out of all edges that meet at a port."""
        if len(edges) == 1 and not edges[0].feedback:
            return self._aligned(edges[0], latency, 0)
        channels = self._channels(edges)
        signals = [self._aligned(edge, latency, channels) for edge in edges]
        if len(signals) == 1:
            return signals[0]
        expected = signals[0].channels
        for edge, signal in zip(edges, signals, strict=True):
            if signal.channels != expected:
                raise GraphError(f"{edge} brings {signal.channels} channels and {edges[0]} brings {expected} to the "
                                 f"same input: put a ChannelMap(channels={expected}) behind {edge.source}")
        format = Format(self.rate, signals[0].channels, self.block, tuple(s.channels for s in signals))
        return self._op(f"sum at {name}", Sum(), format, [signals], latency).outputs[0]

    def _close_feedback(self) -> None:
        """Give each feedback edge its other end, and the length that makes it come round after just its delay.

        What it brings is late by the latency of the nodes within the loop already: the edge is shorter by that.
        """
        for edge, reader in self.readers.items():
            signal, expected = self._signal(edge), reader.outputs[0].channels
            if signal.channels != expected:
                raise GraphError(f"{edge} feeds back {signal.channels} channels where {expected} are expected: "
                                 f"put a ChannelMap(channels={expected}) behind {edge.source}")
            behind = signal.latency - reader.outputs[0].latency
            frames = delay_frames(edge, self.rate) - behind
            if frames < 1:
                least_ms = (behind + 1) * 1000 / self.rate
                raise GraphError(f"{edge} has a delay of {edge.delay_ms:g} ms, but the nodes of its loop are late by "
                                 f"{behind} frames: give it at least {least_ms:.2f} ms")
            reader.node = FeedbackRead(frames=frames)
            reader.params, reader.state = reader.node.prepare(reader.format)
            self.block = min(self.block, frames)
            format = Format(self.rate, signal.channels, self.block, (signal.channels,))
            writer = self._op(f"{edge}", FeedbackWrite(), format, [[signal]], 0)
            writer.state = writer.state._replace(ring=reader.state.ring)  # one ring, two ends


def schedule(wiring: Wiring, rate: int, channels: int, block: int) -> Schedule:
    """Operations of a wiring for one rate and channel count, in blocks of at most `block` frames."""
    return _Scheduler(wiring, rate, channels, block).run()
