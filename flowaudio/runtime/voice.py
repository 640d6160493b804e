"""A plan as a running engine has it: with changes on their way, with what another plan leaves to it, and read while it
runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowaudio.core.node import declaration
from flowaudio.graph import walk
from flowaudio.graph.findings import Findings, NodeEvent
from flowaudio.graph.image import Field, address
from flowaudio.graph.plan import Plan
from flowaudio.runtime.change import MOST, Change, layout_of, way_between
from flowaudio.runtime.joint import NO_JOINTS, join
from flowaudio.runtime.voice_walk import (
    COPIES,
    COPY_COUNT,
    DRY,
    DRY_AT,
    DRY_SIZE,
    EXPLODED_BITS,
    HEADER,
    LIST,
    MEASURE_COUNT,
    MEASURES,
    NEW_COUNT,
    NEWS,
    OLD_COUNT,
    OLDS,
    REALS,
    SEQUENCE,
    SLOT_COUNT,
    SLOTS,
    SNAPSHOT,
    TIMED,
    VOICE,
    WALK,
    WALK_TIMED,
    WARM,
    WAY_COUNT,
    WAYS,
    snapshot,
    touch,
)

__all__ = ["Voice", "found"]

RISE_PART = 4
"""Before a plan is faded in, what is new in it hears its input rise for this part of the fade's time."""

Array = np.ndarray[Any, Any]
Key = tuple[str, type, int]


class Voice:
    """A plan in memory that a rack can take up, made on the control thread."""

    def __init__(self, plan: Plan, slots: Mapping[str, int], layouts: dict[tuple[object, ...], int],
                 before: "Voice | None" = None, fade_frames: int = 0) -> None:
        """
        :param slots: the number of each name, for good.
        :param layouts: the number of each way to lay out a node's memory; those that are new are added.
        :param before: the voice whose state this one takes over, where the nodes are the same.
        :param fade_frames: how long it is faded in.
        """
        self.plan = plan
        self.before = before            # its memory is read when this one begins
        plan.image.header[[walk.LIMIT, walk.SECOND]] = EXPLODED_BITS, plan.rate
        self._layout_keys = [layout_of(op.node, fields) for op, fields in
                             zip(plan.ops, plan.image.fields, strict=True)]
        self._base = address(plan.image.memory)
        self.made_rows = plan.image.rows.copy()     # the audio thread may have others for a time
        self._rows: dict[str, int] = {op.name: k for k, op in reversed(list(enumerate(plan.ops)))}
        self._slots = np.zeros((max(slots.values(), default=0) + 1, 2), np.int64)
        for name, slot in slots.items():
            if name in self._rows:
                k = self._rows[name]
                self._slots[slot] = self.row(k), layouts.setdefault(self._layout_keys[k], len(layouts) + 1)
        self._words = np.zeros(VOICE, np.int64)
        self._dry = np.zeros((plan.channels, max(plan.latency, 1)), np.float32)
        stays = self._stays(before)
        self.stays = stays
        """Operations that go on with the state of one of `before`, and which that is."""
        self.findings = Findings(plan.ops, plan.image.logs)
        copies = self._inherited(before, stays)
        self._ways, self._way_list = self._walked(before, stays, fade_frames, copies)
        self._copies = np.array(copies or [(0, 0, 0)], np.int64)
        self._joints = NO_JOINTS if before is None else join(plan, before.plan, before.made_rows, stays,
                                                             fade_frames // RISE_PART)
        self._measures, self._places, size = self._measured()
        self._snapshot = np.zeros(max(size, 8), np.uint8)
        self._list = np.zeros(len(plan.ops) + 1, np.int64)
        self._fill(before)
        self._publish()
        _settle(plan)

    @property
    def address(self) -> int:
        """Of its words: what the compiled functions take."""
        return address(self._words)

    def row(self, k: int) -> int:
        """Address of the row of an operation."""
        return address(self.plan.image.rows) + 8 * walk.ROW * k

    def index(self, name: str) -> int:
        """Which operation a node is; KeyError if this plan has none of that name."""
        return self._rows[name]

    @property
    def names(self) -> Mapping[str, int]:
        """All operations by name."""
        return self._rows

    def layout(self, name: str) -> tuple[object, ...]:
        """How a node's parameters and state lie in memory."""
        return self._layout_keys[self.index(name)]

    def read(self, name: str) -> dict[str, Array]:
        """What a node measures, as it was at the end of one block."""
        data = np.zeros_like(self._snapshot)
        snapshot(self.address, address(data), data.nbytes)
        return {key: np.ndarray(shape, dtype, data, offset).copy()
                for key, (shape, dtype, offset) in self._places[name].items()}

    @property
    def heard(self) -> bool:
        """Whether it has run: before, it measures nothing."""
        return bool(self._words[SEQUENCE])

    @property
    def warm_frames(self) -> int:
        """Frames for which it runs unheard before it is faded in."""
        return int(self._words[WARM])

    @property
    def measuring(self) -> list[str]:
        """Names of the nodes that measure."""
        return list(self._places)

    @property
    def busy_ns(self) -> dict[str, float]:
        """Time for a frame, of each operation, in nanoseconds; of the blocks that were timed."""
        timed = int(self._words[TIMED])
        made: dict[str, float] = {}
        for op, ns in zip(self.plan.ops, self.plan.image.rows[:, walk.BUSY_NS], strict=True):
            made[op.name] = made.get(op.name, 0.0) + (ns / timed if timed else 0.0)
        return made

    def _fill(self, before: "Voice | None") -> None:
        words = self._words
        words[HEADER], words[SLOTS], words[LIST] = self.plan.header, address(self._slots), address(self._list)
        words[SLOT_COUNT] = len(self._slots)
        words[WALK], words[WALK_TIMED] = walk.walk_native.address, walk.walk_timed_native.address
        words[COPIES], words[COPY_COUNT] = address(self._copies), len(self._copies) if self._copies[0, 2] else 0
        # What is new needs as long as this to put out what belongs to the present; what stays needs no time.
        words[WARM] = self.plan.latency if before is not None and not self._same_as(before) else 0
        words[WARM] += self._joints.rise_frames
        words[MEASURES], words[MEASURE_COUNT] = address(self._measures), len(self._places) and len(self._measures)
        words[SNAPSHOT] = address(self._snapshot)
        words[DRY], words[DRY_SIZE] = address(self._dry), self.plan.latency
        joints = self._joints
        words[OLDS], words[OLD_COUNT] = address(joints.olds), len(joints.olds)
        words[NEWS], words[REALS], words[NEW_COUNT] = address(joints.news), address(joints.reals), len(joints.news)
        words[WAYS], words[WAY_COUNT] = address(self._way_list), len(self._ways)

    def _same_as(self, before: "Voice") -> bool:
        return self._keys() == before._keys() and self._layout_keys == before._layout_keys

    def _keys(self) -> list[Key]:
        counts: dict[tuple[str, type], int] = {}
        keys = []
        for op in self.plan.ops:
            key = (op.name, type(op.node))
            counts[key] = counts.get(key, -1) + 1
            keys.append((*key, counts[key]))
        return keys

    def _place(self, field: Field) -> int:
        """Where a parameter or state of this plan stands."""
        if field.offset >= 0:
            return self._base + field.offset
        assert field.array is not None
        return address(field.array)

    def _stays(self, before: "Voice | None") -> dict[int, int]:
        """Operations that are the same in another plan, and which they are there."""
        if before is None:
            return {}
        theirs = {key: k for k, key in enumerate(before._keys())}
        pairs = ((k, theirs[key]) for k, key in enumerate(self._keys()) if key in theirs)
        return {k: j for k, j in pairs
                if before._layout_keys[j] == self._layout_keys[k] and _alike(self, k, before, j)}

    def _inherited(self, before: "Voice | None", stays: Mapping[int, int]) -> list[tuple[int, int, int]]:
        """(to, from, bytes) of the state of the nodes that are the same in both."""
        if before is None:
            return []
        copies: list[tuple[int, int, int]] = []
        for k, j in stays.items():
            for new, old in zip(self.plan.image.fields[k], before.plan.image.fields[j], strict=True):
                if new.state and (size := _size(new)):
                    copies.append((self._place(new), before._place(old), size))
        if self.plan.latency and before.plan.latency == self.plan.latency and (
                before.plan.channels == self.plan.channels):
            copies.append((address(self._dry), address(before._dry), self._dry.nbytes))
            copies.append((self.address + 8 * DRY_AT, before.address + 8 * DRY_AT, 8))
        return copies

    def _walked(self, before: "Voice | None", stays: Mapping[int, int], fade_frames: int,
                copies: list[tuple[int, int, int]]) -> tuple[list[Change], Array]:
        """Ways from the old plan's parameters to these, of nodes that have a state: its lines shall hear no step.

        What there is to be copied at the beginning is added to `copies`.
        """
        ways: list[Change] = []
        pairs: list[tuple[int, int]] = []
        for k, j in stays.items():
            if before is None or not _state_names(self.plan.ops[k]):
                continue
            op, fields = self.plan.ops[k], self.plan.image.fields[k]
            way = way_between(before.plan.ops[j], op, fields, fade_frames)
            if way is None:
                continue
            ways.append(way)
            pairs.append((way.address, self.row(k)))
            for new, old in zip(fields, before.plan.image.fields[j], strict=True):
                large = new.array is not None and new.array.size > MOST     # that is the same in both
                if not new.state and new.dtype[1] == "f" and not large:
                    copies.append((self._place(new), before._place(old), _size(new)))
        return ways, np.array(pairs or [(0, 0)], np.int64)

    def _measured(self) -> tuple[Array, dict[str, dict[str, Any]], int]:
        pairs: list[tuple[int, int]] = []
        places: dict[str, dict[str, Any]] = {}
        size = 0
        for k, op in enumerate(self.plan.ops):
            for key in declaration(op.node).measures:
                view = self.plan.image.view(k, key, state=True)
                places.setdefault(op.name, {})[key] = (view.shape, view.dtype, size)
                pairs.append((address(view), view.nbytes))
                size += -(-view.nbytes // 8) * 8
        return np.array(pairs or [(0, 0)], np.int64), places, size

    def _publish(self) -> None:
        """Before the first block: what prepare() made."""
        for name, fields in self._places.items():
            for key, (shape, dtype, offset) in fields.items():
                measured = self.plan.image.view(self._rows[name], key, state=True)
                np.ndarray(shape, dtype, self._snapshot, offset)[...] = measured


def found(voices: Sequence[Voice]) -> list[NodeEvent]:
    """What the nodes of several plans have newly found, the oldest plan first.

    A node that goes on in a younger plan has taken its log along, with what nobody has read yet.
    """
    made: list[NodeEvent] = []
    for voice in voices:
        heirs = {j: (k, heir) for heir in voices if heir.before is voice and heir.heard for k, j in heir.stays.items()}
        for j in voice.plan.image.logs:
            if j in heirs:
                k, heir = heirs[j]
                heir.findings.follow(k, voice.findings, j)
            else:
                made += voice.findings.of(j)
    return made


def _state_names(op: Any) -> tuple[str, ...]:
    return tuple(getattr(op.state, "_fields", ()))


def _alike(new: Voice, k: int, old: Voice, j: int) -> bool:
    """Whether all whole numbers among the parameters agree: lengths and modes that the state was made for."""
    whole = [field.name for field in new.plan.image.fields[k] if not field.state and field.dtype[1] != "f"]
    return all(np.array_equal(new.plan.image.view(k, name), old.plan.image.view(j, name)) for name in whole)


def _settle(plan: Plan) -> None:
    """Have every page of large states in memory, so that the audio thread need not ask the system for them."""
    for fields in plan.image.fields:
        for field in fields:
            if field.state and field.offset < 0 and field.array is not None:
                touch(address(field.array), field.array.nbytes)


def _size(field: Field) -> int:
    """Bytes of a parameter or state."""
    return field.array.nbytes if field.array is not None else int(field.dtype[-1])
