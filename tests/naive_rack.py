"""The running plan as it is defined, slow and obvious: what `flowaudio.runtime.rack` has to agree with, bit for bit.

It walks a plan operation by operation, in pieces that end wherever something happens, and knows nothing of letters,
agendas, voices or native loops. Only two things are taken from the engine: how a graph becomes a `Plan`, and the
machine code of a node's kernel.
"""

import ctypes
import itertools
from typing import Any

import numpy as np

from flowaudio.core.memory import call_entry, f64_1d, flush_to_zero, restore_fpu
from flowaudio.core.native import native
from flowaudio.core.node import declaration
from flowaudio.core.params import parameters
from flowaudio.core.simd import fma
from flowaudio.core.units import ms_to_frames
from flowaudio.graph import walk
from flowaudio.graph.graph import IN, OUT
from flowaudio.graph.plan import Plan

__all__ = ["NaiveRack", "fused", "line", "with_values"]

STEP = 4
MOST = 4096
LOUDEST = 1000.0
LEAST_NORMAL = np.float32(2.0**-126)


@native
def run_entry(entry: int, table: int, frames: int) -> int:
    """One kernel, as the walk runs it: denormal numbers are zero."""
    before = flush_to_zero()
    result = call_entry(entry, table, frames)
    restore_fpu(before)
    return result


@native
def fuse(y: int, a: int, b: int, c: int, count: int) -> int:
    """``y = a b + c`` in float64, rounded once."""
    yy, aa, bb, cc = f64_1d(y, count), f64_1d(a, count), f64_1d(b, count), f64_1d(c, count)
    for n in range(count):
        yy[n] = fma(aa[n], bb[n], cc[n])
    return 0


def fused(a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""
    arrays = [np.ascontiguousarray(v, np.float64) for v in np.broadcast_arrays(a, b, c)]
    y = np.empty(arrays[0].shape)
    fuse(y.ctypes.data, *(v.ctypes.data for v in arrays), y.size)
    return y


def memory(address: int, shape: tuple[int, ...]) -> Any:
    """float32 at an address."""
    size = int(np.prod(shape))
    return np.frombuffer((ctypes.c_float * size).from_address(address), np.float32).reshape(shape)


def words(address: int, size: int) -> Any:
    """int64 at an address."""
    return np.frombuffer((ctypes.c_int64 * size).from_address(address), np.int64) if size else np.zeros(0, np.int64)


def flushed(y: Any) -> Any:
    """float32, denormal numbers as zero."""
    y = np.asarray(y, np.float32)
    return np.where(np.abs(y) < LEAST_NORMAL, np.float32(0), y)


def with_values(node: Any, values: dict[str, Any]) -> Any:
    """A node with some parameters changed."""
    return type(node)(**{name: values.get(name, getattr(node, name)) for name in parameters(type(node))})


def line(begin: float, end: float, gone: int, length: int, count: int) -> Any:
    """float64 ``[count]``: a straight line of `length` frames, of which `gone` are over."""
    at = gone + 1 + np.arange(count)
    return np.where(at >= length, end, fused((end - begin) / max(length, 1), at, begin))


class Fade:
    """A gain that moves."""

    def __init__(self, value: float) -> None:
        self.begin = self.end = value
        self.gone = self.length = 0

    def go(self, to: float, length: int) -> None:
        self.begin, self.end = float(self.values(1, -1)[0]), to
        self.gone, self.length = 0, length

    def values(self, count: int, first: int = 0) -> Any:
        return line(self.begin, self.end, self.gone + first, self.length, count)

    def move(self, count: int) -> None:
        self.gone = min(self.gone + count, self.length)

    @property
    def still(self) -> bool:
        return self.gone >= self.length

    def mix(self, y: Any, x: Any) -> Any:
        """From y to x."""
        if self.still and self.end == 0.0:
            return y
        g = self.values(y.shape[1])
        wide, other = y.astype(np.float64), x.astype(np.float64)
        return np.where(g == 1.0, x, flushed(fused(g, other - wide, wide)))

    def times(self, y: Any) -> Any:
        if self.still and self.end == 1.0:
            return y
        return flushed(y.astype(np.float64) * self.values(y.shape[1]))


class Ramp:
    """Parameters on their way: fields of floating-point numbers in steps, whole numbers at once."""

    def __init__(self, plan: Plan, k: int, params: Any, frames: int) -> None:
        self.gone, self.length = 0, -(-frames // STEP) * STEP
        self.fields: list[tuple[Any, Any, Any]] = []
        for name in getattr(params, "_fields", ()):
            field, new = plan.image.view(k, name), np.asarray(getattr(params, name))
            if new.size > MOST:
                continue
            if field.dtype.kind == "f":
                self.fields.append((field, field.astype(np.float64), new.astype(np.float64).reshape(field.shape)))
            else:
                field[...] = new
        self.step()

    def step(self) -> None:
        part = (self.gone + STEP) / self.length if self.length > STEP else 1.0
        for field, old, new in self.fields:
            field[...] = new if part >= 1.0 else fused(part, new - old, old)

    def move(self, count: int) -> None:
        self.gone += count
        if self.gone % STEP == 0 and not self.over:
            self.step()

    @property
    def over(self) -> bool:
        return self.gone >= self.length

    @property
    def room(self) -> int:
        return STEP - self.gone % STEP


def records(values: Any) -> list[tuple[str, Any]]:
    """Names, types and shapes of parameters or state."""
    made = []
    for name in getattr(values, "_fields", ()):
        value = getattr(values, name)
        made.append((name, (value.dtype, value.shape) if isinstance(value, np.ndarray) else isinstance(value, float)))
    return made


def smooth(before: Any, after: Any) -> bool:
    """Whether one can be walked to from the other, for all that the declarations say."""
    if type(before) is not type(after):
        return False
    for name, known in parameters(type(before)).items():
        old, new = getattr(before, name), getattr(after, name)
        if old != new and not known.interpolated:
            nested = known.kind == "items" and len(old) == len(new)
            if not nested or not all(smooth(a, b) for a, b in zip(old, new, strict=True)):
                return False
    return True


class Running:
    """A plan with its ramps, its nodes' values, and the input that it delays for the bypass."""

    def __init__(self, graph: Any, rate: int, channels: int, block: int, before: "Running | None", fade: int) -> None:
        self.graph, self.before, self.fade = graph, before, fade
        self.plan = Plan(graph, rate, channels, block)
        self.ops = self.plan.ops
        self.nodes = {name: data["node"] for name, data in graph.nodes(data=True) if name not in (IN, OUT)}
        self.played = dict(self.nodes)  # as the audio has them; `nodes` are what they were asked to be
        self.ramps: dict[int, Ramp] = {}
        self.late = np.zeros((channels, self.plan.latency), np.float32)
        self.pristine = [[view.copy() for view in self.state(k)] for k in range(len(self.ops))]
        self.trouble = np.zeros(len(self.ops), int)
        self.outputs: dict[str, Any] = {}
        self.rows = self.plan.image.rows
        self.came_in: dict[int, list[Any]] = {}     # by operation: what came into it in this piece
        self.stays: dict[int, int] = {}             # which operations go on with the state of which of the plan before
        self.gone = 0
        self.warm = self.plan.latency if before is not None and self.kinds() != before.kinds() else 0
        if before is not None:
            self.find_what_stays(before)

    def params(self, k: int) -> list[Any]:
        """What the kernel reads."""
        return [self.plan.image.view(k, name) for name in getattr(self.ops[k].params, "_fields", ())]

    def state(self, k: int) -> list[Any]:
        """What the kernel keeps."""
        return [self.plan.image.view(k, name, state=True) for name in getattr(self.ops[k].state, "_fields", ())]

    def kinds(self) -> list[Any]:
        """What each operation is and how its memory looks; the same twice is told apart by the order."""
        keys: list[Any] = []
        for op in self.ops:
            key = (op.name, type(op.node), records(op.params), records(op.state))
            keys.append((key, sum(k[0][:2] == key[:2] for k in keys)))
        return keys

    def find_what_stays(self, old: "Running") -> None:
        theirs = old.kinds()
        for k, kind in enumerate(self.kinds()):
            if kind not in theirs:
                continue
            j = theirs.index(kind)
            pairs = zip(self.params(k), old.params(j), strict=True)
            if all(np.array_equal(new, past) for new, past in pairs if new.dtype.kind != "f"):
                self.stays[k] = j

    def inherit(self) -> None:
        old = self.before
        assert old is not None
        for k, j in self.stays.items():
            for new, past in zip(self.state(k), old.state(j), strict=True):
                new[...] = past
            params = [np.asarray(value) for value in self.ops[k].params or ()]
            same_tables = all(new.size <= MOST or np.array_equal(new, past)
                              for new, past in zip(params, old.params(j), strict=True))
            if self.state(k) and smooth(old.ops[j].node, self.ops[k].node) and same_tables:
                for new, past in zip(self.params(k), old.params(j), strict=True):
                    if new.dtype.kind == "f":
                        new[...] = past
                self.ramps[k] = Ramp(self.plan, k, self.ops[k].params, self.fade)
        if self.late.shape == old.late.shape:
            self.late = old.late.copy()

    def index(self, name: str) -> int:
        """The first operation of that name, or -1."""
        return next((k for k, op in enumerate(self.ops) if op.name == name), -1)

    def joined(self, k: int) -> bool:
        """Whether an operation has a memory: then what comes in is blended while plans change."""
        ports = declaration(self.ops[k].node).inputs
        return bool(ports) and not any(port.many for port in ports) and any(s.nbytes for s in self.state(k))

    def walk(self, x: Any, blend: Any = None) -> Any:
        """All operations once. `blend` gives what an operation takes in place of what comes in."""
        header, frames = self.plan.image.header, x.shape[1]
        memory(int(header[walk.IN]), x.shape)[...] = x
        for k, row in enumerate(self.rows):
            size = 2 * (len(self.ops[k].inputs) + len(self.ops[k].outputs)) + sum(
                1 + max(field.rank, 0) for field in self.plan.image.fields[k])
            table = words(int(row[walk.TABLE]), size).copy()
            taken = []
            if self.joined(k):
                ends = table[:2 * len(self.ops[k].inputs)].reshape(-1, 2)
                self.came_in[k] = [memory(int(a), (int(channels), frames)).copy() for a, channels in ends]
                if blend is not None:
                    taken = [np.ascontiguousarray(blend(k, i, each)) for i, each in enumerate(self.came_in[k])]
                    table[0:2 * len(taken):2] = [each.ctypes.data for each in taken]
            good = run_entry(int(row[walk.ENTRY]), table.ctypes.data, frames) == 0
            pairs = words(int(row[walk.OUTPUTS]), 2 * int(row[walk.OUTPUT_COUNT])).reshape(-1, 2)
            outs = [memory(int(a), (int(c), frames)) for a, c in pairs]
            with np.errstate(invalid="ignore"):
                good = good and all((np.abs(out) < LOUDEST).all() for out in outs)
            if not good:
                self.trouble[k] += 1
                for state, value in zip(self.state(k), self.pristine[k], strict=True):
                    state[...] = value
                for out in outs:
                    out[...] = 0
            if outs and self.index(self.ops[k].name) == k:
                self.outputs[self.ops[k].name] = outs[0].copy()
        return memory(int(header[walk.OUT]), (self.plan.output_channels, frames)).copy()

    def delayed(self, x: Any) -> Any:
        both = np.concatenate([self.late, x], axis=1)
        self.late = both[:, x.shape[1]:]
        return both[:, :x.shape[1]]

    def room(self, count: int) -> int:
        return min([count, self.plan.block, *(ramp.room for ramp in self.ramps.values())])

    def move(self, count: int) -> None:
        for k, ramp in list(self.ramps.items()):
            ramp.move(count)
            if ramp.over:
                del self.ramps[k]


class Moment:
    """Something that happens at a frame; what comes at the same frame comes in the order of asking."""

    def __init__(self, frame: int, number: int, kind: str, *what: Any) -> None:
        self.frame, self.number, self.kind, self.what = frame, number, kind, what
        self.due = frame                # when it was planned for
        self.goes_on: dict[str, Any] = {}           # what of it is made in another plan that takes this one's place
        self.noted = False              # its values count among those that were asked for


class NaiveRack:
    """As :class:`flowaudio.runtime.control.Rack` without a lead; whatever is asked for is asked between two calls."""

    def __init__(self, graph: Any, rate: int, channels: int, block: int = 256, fade_ms: float = 20.0) -> None:
        self.rate, self.channels, self.block, self.fade = rate, channels, block, ms_to_frames(fade_ms, rate)
        self.rise = self.fade // 4
        self.position = self.number = self.swap_at = self.swap_end = self.warming = 0
        self.current = self.newest = Running(graph.copy(), rate, channels, block, None, self.fade)
        self.next: Running | None = None
        self.agenda: list[Moment] = []
        self.past: list[Moment] = []    # what was asked of a plan that waits and of those whose place it took
        self.crossfade, self.gain_fade, self.bypass_fade = Fade(0.0), Fade(1.0), Fade(0.0)
        self.taps: dict[str, tuple[int, list[Any]]] = {}        # by point: channels, and what was heard
        self.closed: list[Any] = []
        self.past_trouble = 0

    # What is asked for.

    @property
    def now(self) -> int:
        return max(self.position, self.swap_at)

    def asked(self) -> dict[str, Any]:
        """Values of the nodes, with all that happens before anything that is asked for now."""
        now = self.now
        for moment in sorted(self.agenda, key=lambda m: (m.frame, m.number)):
            if moment.kind == "change" and moment.frame <= now:
                self.note(moment)
        return self.newest.nodes

    def note(self, moment: Moment) -> None:
        name, values, _ = moment.what
        if not moment.noted and name in self.newest.nodes:
            self.newest.nodes[name] = with_values(self.newest.nodes[name], values)
        moment.noted = True

    def plan(self, frame: int, kind: str, *what: Any) -> int:
        self.number += 1
        self.agenda.append(Moment(frame, self.number, kind, *what))
        return frame

    def change(self, name: str, values: dict[str, Any], at: int | None = None, ramp_ms: float | None = None) -> int:
        frames = self.fade if ramp_ms is None else ms_to_frames(ramp_ms, self.rate)
        if at is None or at <= self.now:
            self.forget(name, set(values))
            at = self.now
        before = self.asked()[name]
        if at == self.now and not self.walkable(name, before, with_values(before, values)):
            graph = self.asked_graph()
            graph.nodes[name]["node"] = with_values(before, values)
            return self.swap(graph, changed=True)
        planned = at > self.now
        self.plan(at, "change", name, values, frames)
        self.agenda[-1].goes_on = values if planned else {}
        return at

    def forget(self, name: str, parameters: set[str]) -> None:
        """What is planned for these parameters at later times is dropped."""
        self.asked()
        for moment in [*self.agenda, *self.past]:
            if moment.kind == "change" and moment.what[0] == name:
                moment.goes_on = {k: v for k, v in moment.goes_on.items() if k not in parameters}
        for moment in list(self.agenda):
            if moment.kind == "change" and moment.frame > self.now and moment.what[0] == name:
                values = {k: v for k, v in moment.what[1].items() if k not in parameters}
                moment.what = name, values, moment.what[2]
                if not values:
                    self.agenda.remove(moment)

    def asked_graph(self) -> Any:
        nodes = self.asked()
        graph = self.newest.graph.copy()
        for name, node in nodes.items():
            graph.nodes[name]["node"] = node
        return graph

    def walkable(self, name: str, before: Any, after: Any) -> bool:
        """Whether a change can be made in the plan that runs."""
        k = self.newest.index(name)
        if before == after or k < 0:
            return True
        op = self.newest.ops[k]
        params, state = after.prepare(op.format)
        return (smooth(before, after) and records(params) == records(op.params) and records(state) == records(op.state)
                and after.latency(op.format) == before.latency(op.format)
                and all(not isinstance(new, np.ndarray) or new.size <= MOST or np.array_equal(old, new)
                        for old, new in zip(op.params or (), params or (), strict=True)))

    def automate(self, name: str, parameter: str, points: list[tuple[float, float]]) -> None:
        """A line as a list of changes, 20 ms each."""
        self.forget(name, {parameter})
        longest = ms_to_frames(20.0, self.rate)
        at = round(points[0][0] * self.rate)
        pieces = [(at, points[0][1], longest)]
        for (_, start), (end_s, end) in itertools.pairwise(points):
            begin, stop = at, round(end_s * self.rate)
            while at < stop:
                frames = min(longest, stop - at)
                value = start + (end - start) * (at + frames - begin) / (stop - begin)
                value = end if at + frames == stop else float(np.clip(value, min(start, end), max(start, end)))
                pieces.append((at, value, frames))
                at += frames
            if begin == stop:
                pieces.append((at, end, 0))
        left = [piece for piece in pieces if piece[0] + piece[2] >= self.now]
        if pieces[-1] not in left:      # a line that is over holds its last value
            left.append((self.now, *pieces[-1][1:]))
        for frame, value, frames in left:
            self.plan(max(frame, self.now), "change", name, {parameter: value}, frames)
            self.agenda[-1].goes_on = {parameter: value}

    def swap(self, graph: Any, changed: bool = False) -> int:
        self.asked()
        waits = next((m for m in self.agenda if m.kind == "swap" and m.frame == self.swap_at > self.position), None)
        before = waits.what[0].before if waits else self.newest
        made = Running(graph.copy(), self.rate, self.channels, self.block, before, self.fade)
        if any(made.joined(k) and k not in made.stays for k in range(len(made.ops))):
            made.warm += self.rise
        late = [m for m in self.agenda if m.kind == "change" and m.frame > self.now]
        at = self.now if waits else max(self.now, self.swap_end)
        if waits:
            self.past += [m for m in self.agenda if m.kind == "change" and m.frame == at and m.number > waits.number]
            self.agenda = [m for m in self.agenda if m not in self.past]
            waits.what = (made,)
        else:
            self.past = []
            self.plan(at, "swap", made)
        self.newest = made
        self.swap_at, self.swap_end = at, at + made.warm + self.fade
        self.past = [m for m in self.past if m.goes_on and m.due > self.position]
        if not changed:
            for moment in sorted(self.past, key=lambda m: (m.due, m.number)):
                self.again(moment, moment.goes_on)
            self.past = []
        for moment in sorted(late, key=lambda m: (m.frame, m.number)):  # what is planned goes on, in the new plan
            self.agenda.remove(moment)
            self.again(moment, moment.what[1])
        return at

    def again(self, moment: Moment, values: dict[str, Any]) -> None:
        name, _, frames = moment.what
        if name in self.newest.nodes:
            self.plan(max(moment.due, self.swap_at), "change", name, values, frames)
            self.agenda[-1].due, self.agenda[-1].goes_on = moment.due, values

    def gain(self, gain: float, ms: float | None = None) -> int:
        return self.plan(self.position, "gain", gain, self.fade if ms is None else ms_to_frames(ms, self.rate))

    def bypass(self, amount: float, ms: float | None = None) -> int:
        return self.plan(self.position, "bypass", amount, self.fade if ms is None else ms_to_frames(ms, self.rate))

    def tap(self, point: str) -> int:
        if point in (IN, OUT):
            channels = self.channels if point == IN else self.current.plan.output_channels
        else:
            channels = self.newest.ops[self.newest.index(point)].outputs[0].channels
        return self.plan(self.now, "tap", point, channels)

    def untap(self, point: str) -> int:
        return self.plan(self.now, "untap", point)

    # What happens.

    def happen(self) -> None:
        while self.agenda:
            first = min(self.agenda, key=lambda m: (m.frame, m.number))
            if first.frame > self.position or (first.kind == "swap" and self.next is not None):
                return
            self.agenda.remove(first)
            getattr(self, f"do_{first.kind}")(first)

    def do_change(self, moment: Moment) -> None:
        name, values, frames = moment.what
        running = self.next or self.current
        if running is self.newest:
            self.note(moment)
        before = running.played.get(name)
        if before is None:
            return
        running.played[name] = after = with_values(before, values)
        k = running.index(name)
        if k >= 0 and after != before:
            running.ramps[k] = Ramp(running.plan, k, after.prepare(running.ops[k].format)[0], frames)

    def do_swap(self, moment: Moment) -> None:
        self.next = moment.what[0]
        self.next.inherit()
        self.warming = self.next.warm
        self.crossfade = Fade(0.0)
        if self.warming == 0:
            self.start_fade()

    def start_fade(self) -> None:
        self.crossfade.go(1.0, self.fade)
        if self.fade == 0:
            self.finish()

    def finish(self) -> None:
        assert self.next is not None
        self.past_trouble += int(self.current.trouble.sum())
        self.current, self.next = self.next, None
        self.crossfade = Fade(0.0)

    def do_gain(self, moment: Moment) -> None:
        self.gain_fade.go(*moment.what)

    def do_bypass(self, moment: Moment) -> None:
        self.bypass_fade.go(*moment.what)

    def do_tap(self, moment: Moment) -> None:
        self.taps[moment.what[0]] = moment.what[1], []

    def do_untap(self, moment: Moment) -> None:
        self.closed = self.taps.pop(moment.what[0])[1]

    # What is heard.

    def process(self, x: Any) -> Any:
        """float32 ``[channels, frames]``, as it is asked for: in one piece or in several."""
        made = [np.zeros((self.current.plan.output_channels, 0), np.float32)]
        done = 0
        while done < x.shape[1]:
            self.happen()
            count = self.room(x.shape[1] - done)
            made.append(self.sound(np.ascontiguousarray(x[:, done:done + count])))
            self.move(count)
            done += count
        return np.concatenate(made, axis=1)

    def room(self, count: int) -> int:
        upcoming = [m.frame - self.position for m in self.agenda if m.frame > self.position]
        count = min([self.current.room(count), self.block, *upcoming])
        if self.next is not None:
            count = self.next.room(count)
            count = min(count, self.warming or self.crossfade.length - self.crossfade.gone)
        return count

    def sound(self, x: Any) -> Any:
        y, dry = self.current.walk(x), self.current.delayed(x)
        heard = self.current
        if self.next is not None:
            y = self.crossfade.mix(y, self.next.walk(x, self.blend))
            dry = self.crossfade.mix(dry, self.next.delayed(x))
            heard = self.current if self.warming else self.next
        if y.shape[0] == x.shape[0]:
            y = self.bypass_fade.mix(y, dry)
        y = self.gain_fade.times(y)
        for point, (channels, kept) in self.taps.items():
            sound = {IN: x, OUT: y}.get(point, heard.outputs.get(point))
            fits = sound is not None and sound.shape[0] == channels
            kept.append(sound.copy() if fits else np.zeros((channels, x.shape[1]), np.float32))
        return y

    def blend(self, k: int, i: int, live: Any) -> Any:
        """What an operation of the next plan takes: from the old plan's to the new one's; or, if it is new, a rise."""
        assert self.next is not None
        if k in self.next.stays:
            old = self.current.came_in[self.next.stays[k]][i]
            if old.shape == live.shape:
                g = self.crossfade.values(live.shape[1])
                past = old.astype(np.float64)
                return np.where(g == 1.0, live, flushed(fused(g, live.astype(np.float64) - past, past)))
        at = self.next.gone + 1 + np.arange(live.shape[1])
        return np.where(at >= self.rise, live, flushed(live.astype(np.float64) * (1.0 / max(self.rise, 1) * at)))

    def move(self, count: int) -> None:
        self.position += count
        self.current.move(count)
        self.gain_fade.move(count)
        self.bypass_fade.move(count)
        if self.next is not None:
            self.next.move(count)
            self.next.gone += count
            if self.warming:
                self.warming -= count
                if self.warming == 0:
                    self.start_fade()
            else:
                self.crossfade.move(count)
                if self.crossfade.still:
                    self.finish()

    @property
    def trouble(self) -> int:
        return self.past_trouble + sum(int(r.trouble.sum()) for r in (self.current, self.next) if r is not None)
