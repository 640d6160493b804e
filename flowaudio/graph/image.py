"""A schedule in memory: buffers coloured like registers, parameters and state packed, the int64 tables of the walk."""

import struct
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.entry import entry_for, fields_of
from flowaudio.core.errors import GraphError
from flowaudio.core.eventlog import LOG, event_log
from flowaudio.core.node import Declaration, declaration
from flowaudio.graph import walk
from flowaudio.graph.schedule import Buffer, Op, Schedule

__all__ = ["Field", "Image", "address", "aligned", "build"]

ALIGN = 64          # bytes: a cache line, and the widest vector
SHARED = "ring"     # a state of this name may have two owners, and stays where prepare() put it
BIG = 1 << 16       # bytes: state from this size on stays where prepare() put it, smaller state is packed

FLOAT, INTEGER = struct.Struct("<f4x").pack, struct.Struct("<q").pack
"""A plain number in 8 bytes."""

Array = np.ndarray[Any, Any]


class Field(NamedTuple):
    """Where a parameter or state of an operation stands."""

    name: str
    offset: int                         # in the packed memory, or -1: the array stays where prepare() put it
    array: Array | None                 # as prepare() made it; None for a plain number
    dtype: str
    rank: int
    place: int                          # in the operation's table, where its address stands
    state: bool                         # of the state; there may be a parameter of the same name


class Image(NamedTuple):
    """Everything that the walk touches. The arrays own the memory that the tables point to."""

    header: Array                       # int64 [HEADER]
    rows: Array                         # int64 [op, ROW]
    fields: list[list[Field]]           # for each operation: its parameters and state
    logs: dict[int, Array]              # of those operations that find something
    memory: Array                       # uint8: parameters and small state, packed
    tables: Array                       # int64: the operations' tables, one behind the other
    pristine: Array                     # uint8: as `memory` was at the start
    arena: Array                        # uint8: the buffers between operations
    keep: tuple[object, ...]

    def view(self, op: int, name: str, *, state: bool = False) -> Array:
        """A parameter, or with `state` a state, as the kernel sees it: writing to it changes what the kernel reads."""
        field = next(f for f in self.fields[op] if f.name == name and f.state == state)
        if field.offset < 0:
            assert field.array is not None
            return field.array
        shape = (1,) if field.array is None else field.array.shape
        return np.ndarray(shape, field.dtype, self.memory, field.offset)


def aligned(size: int) -> Array:
    """uint8[size], zero, at an address that is a multiple of ALIGN."""
    memory = np.zeros(size + ALIGN, np.uint8)
    start = -address(memory) % ALIGN
    return memory[start:start + size]


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.__array_interface__["data"][0])


def _round(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _colour(plan: Schedule) -> tuple[dict[Buffer, int], int]:
    """Offset of each buffer in one arena: as soon as a signal is used up, the next takes its place."""
    last: dict[Buffer, int] = {plan.output: len(plan.ops)}
    for k, op in enumerate(plan.ops):
        for port in op.inputs:
            for buffer in port:
                last[buffer] = max(last.get(buffer, 0), k)
    offsets: dict[Buffer, int] = {}
    free: dict[int, list[int]] = {}
    size = 0

    def take(buffer: Buffer) -> None:
        nonlocal size
        places = free.get(buffer.channels)
        if places:
            offsets[buffer] = places.pop()
        else:
            offsets[buffer] = size
            size += _round(4 * buffer.channels * plan.block)

    take(plan.input)
    for k, op in enumerate(plan.ops):
        dying = {b for port in op.inputs for b in port if last[b] == k}
        first = op.inputs[0][0] if op.inputs else None
        used = sum(b is first for port in op.inputs for b in port)
        for buffer in op.outputs:
            if (first is not None and declaration(op.node).in_place and first in dying and used == 1
                    and buffer is op.outputs[0] and buffer.channels == first.channels):
                offsets[buffer] = offsets[first]
                dying.discard(first)
            else:
                take(buffer)
            if buffer not in last:  # nobody listens: free again after this operation
                dying.add(buffer)
        for buffer in dying:
            free.setdefault(buffer.channels, []).append(offsets[buffer])
    return offsets, size


class _Block:
    """Bytes that grow: what becomes one piece of memory, in the order in which the walk meets it.

    `gap` bytes of nobody's stand in front of the first piece and behind each.
    """

    def __init__(self, gap: int = 0) -> None:
        self.gap = bytes(gap)
        self.parts = [self.gap]
        self.size = gap

    def add(self, content: bytes) -> int:
        """Append at a multiple of 8 bytes; where. Not of a cache line: a small node's state shall fit into one."""
        offset = self.size
        self.parts.append(content)
        behind = bytes(-len(content) % 8) + self.gap
        if behind:
            self.parts.append(behind)
        self.size += len(content) + len(behind)
        return offset

    def memory(self) -> Array:
        made = aligned(self.size)
        made[:] = np.frombuffer(b"".join(self.parts), np.uint8)
        return made


def build(plan: Schedule, *, gap: int = 0, bounds: bool = False) -> Image:
    """Lay a schedule out in memory. Compiles kernels that are not known yet.

    :param gap: bytes, a multiple of 8, that are left free around each parameter and state, so that somebody can look
        whether a kernel touches them. State that is packed only if it is small is packed in any case then.
    :param bounds: let kernels fail at an index beyond the end of an array; slow, and compiled apart.
    """
    return _Builder(plan, gap, bounds).run()


class _Builder:
    """Tables are written with offsets first; addresses are added when all sizes are known."""

    def __init__(self, plan: Schedule, gap: int, bounds: bool) -> None:
        self.plan, self.bounds = plan, bounds
        self.places, arena_size = _colour(plan)
        self.arena = aligned(arena_size)
        self.base = address(self.arena)
        self.packed = _Block(gap)
        self.table: list[int] = []
        self.pairs: list[int] = []      # ports that take many edges
        self.resets: list[int] = []
        self.rows: list[list[int]] = []
        self.in_packed: list[int] = []  # slots of the table that hold an offset into the packed memory
        self.in_pairs: list[int] = []   # and into `pairs`
        self.images: list[Array] = []
        self.fields: list[list[Field]] = []
        self.logs: dict[int, Array] = {}

    def run(self) -> Image:
        for op in self.plan.ops:
            self._add(op)
        return self._finish()

    def _add(self, op: Op) -> None:
        declared = declaration(op.node)
        params, param_values = fields_of(declared.name, op.params, state=False)
        state, state_values = fields_of(declared.name, op.state, state=True)
        if declared.events:
            names = (kind[0] for kind in state.kinds)
            self.logs[len(self.rows)] = _log_of(declared, dict(zip(names, state_values, strict=True)))
        entry = entry_for(declared, params, state, bounds=self.bounds)
        start, table = len(self.table), self.table
        base = self.base
        for port, known in zip(op.inputs, declared.inputs, strict=True):
            if known.many:
                self.in_pairs.append(len(table))
                table += (8 * len(self.pairs), 2 * len(port))
                for buffer in port:
                    self.pairs += (base + self.places[buffer], buffer.channels)
            else:
                table += (base + self.places[port[0]], port[0].channels)
        outputs = len(table)
        for buffer in op.outputs:
            table += (base + self.places[buffer], buffer.channels)
        fields = [self._field(start, *kind, value, state=False)
                  for kind, value in zip(params.kinds, param_values, strict=True)]
        first_reset, first_state = len(self.resets), self.packed.size
        fields += [self._field(start, *kind, value, state=True)
                   for kind, value in zip(state.kinds, state_values, strict=True)]
        self._reset(first_state, [f for f in fields[len(param_values):] if f.offset < 0 and f.name != LOG])
        self.fields.append(fields)
        self.rows.append([entry.address, start, outputs, len(op.outputs), first_reset,
                          (len(self.resets) - first_reset) // 3, *[0] * (walk.ROW - walk.TROUBLE)])

    def _field(self, start: int, name: str, dtype: str, rank: int, value: Any, *, state: bool) -> Field:
        """Put one parameter or state into memory, and its address and dimensions into the table that has begun at
        `start`."""
        place = len(self.table) - start
        if rank < 0:
            offset = self.packed.add(FLOAT(value) if dtype == "<f4" else INTEGER(value))
            self.in_packed.append(len(self.table))
            self.table.append(offset)
            return Field(name, offset, None, dtype, rank, place, state)
        if (value.nbytes >= BIG and not self.packed.gap) or name in (SHARED, LOG):
            self.table.append(address(value))
            offset = -1
        else:
            offset = self.packed.add(value.tobytes())
            self.in_packed.append(len(self.table))
            self.table.append(offset)
        self.table += value.shape
        return Field(name, offset, value, dtype, rank, place, state)

    def _reset(self, first: int, elsewhere: list[Field]) -> None:
        """What has to be restored: the packed state in one piece, and each array that stays elsewhere."""
        if self.packed.size > first:
            self.resets += (first, first, self.packed.size - first)
        for field in elsewhere:
            array = field.array
            assert array is not None
            before = 0
            if array.any():  # zeros need no copy to be restored from
                self.images.append(array.copy())
                before = address(self.images[-1])
            self.resets += (address(array), before, array.nbytes)

    def _finish(self) -> Image:
        memory, pristine = self.packed.memory(), self.packed.memory()
        tables, pairs, resets = (np.array(v or [0], np.int64) for v in (self.table, self.pairs, self.resets))
        tables[self.in_packed] += address(memory)
        tables[self.in_pairs] += address(pairs)
        triples = resets[:len(self.resets)].reshape(-1, 3)
        inside = triples[:, 0] == triples[:, 1]  # offsets into the packed memory
        triples[inside, 0] += address(memory)
        triples[inside, 1] += address(pristine)
        rows = np.array(self.rows, np.int64).reshape(-1, walk.ROW)
        rows[:, [walk.TABLE, walk.OUTPUTS]] = address(tables) + 8 * rows[:, [walk.TABLE, walk.OUTPUTS]]
        rows[:, walk.RESETS] = address(resets) + 8 * rows[:, walk.RESETS]
        plan, base = self.plan, self.base
        header = np.zeros(walk.HEADER, np.int64)
        header[walk.OPS], header[walk.COUNT] = address(rows), len(rows)
        header[walk.IN], header[walk.IN_CHANNELS] = base + self.places[plan.input], plan.input.channels
        header[walk.OUT], header[walk.OUT_CHANNELS] = base + self.places[plan.output], plan.output.channels
        header[walk.BLOCK], header[walk.LIMIT] = plan.block, walk.INFINITE
        late = [(address(log), _lateness(plan.ops[k])) for k, log in self.logs.items()]
        logs = np.array(late or [(0, 0)], np.int64)
        header[walk.LOGS], header[walk.LOG_COUNT] = address(logs), len(late)
        keep = (pairs, resets, self.images, logs)
        return Image(header, rows, self.fields, self.logs, memory, tables, pristine, self.arena, keep)


def _log_of(declared: Declaration, state: dict[str, Array]) -> Array:
    """The log in the state of a node that declares events; GraphError if there is none, or another array."""
    log = state.get(LOG)
    if log is None or log.shape != event_log().shape or log.dtype != np.int64:
        raise GraphError(f"{declared.name} declares events ({', '.join(declared.events)}): its state needs a field "
                         f"{LOG!r} made by event_log()")
    return log


def _lateness(op: Op) -> int:
    """Frames by which what an operation hears is behind the graph's input."""
    return max((buffer.latency for port in op.inputs for buffer in port), default=0)
