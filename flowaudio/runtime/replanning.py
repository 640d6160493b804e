"""How a running graph becomes another one: changes of what runs, plans in each other's place, and which plan waits.

A plan that has not begun gives its place to one that is asked for later. So there is one that runs, at most one that
is being faded to, and one that waits, however fast somebody asks.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from flowaudio.core.entry import fields_of
from flowaudio.core.errors import FlowaudioError, GraphError, ParameterError
from flowaudio.core.node import declaration
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.plan import Plan
from flowaudio.runtime import rack
from flowaudio.runtime.change import CANCELLED, Change, change_between
from flowaudio.runtime.joint import blended_entry, kept_entry
from flowaudio.runtime.post import Post
from flowaudio.runtime.ring import set_native
from flowaudio.runtime.slots import Slots
from flowaudio.runtime.timeline import Moment, Timeline, without
from flowaudio.runtime.turn import Turn, give
from flowaudio.runtime.underway import Underway, with_values
from flowaudio.runtime.voice import Voice

__all__ = ["Ready", "Replanning"]


class Ready(NamedTuple):
    """What was found out about values before the lock was taken, and holds if nothing has changed since."""

    voice: Voice                        # whose node they were tried on
    graph: Graph | None = None          # with the last of them, if that takes another plan,
    plan: Plan | None = None            # and that plan

    def of(self, graph: Graph) -> Plan | None:
        """The plan of that very graph, if there is one."""
        same = self.graph is not None and (
            list(self.graph.nodes(data=True)) == list(graph.nodes(data=True))
            and list(self.graph.edges(keys=True, data=True)) == list(graph.edges(keys=True, data=True)))
        return self.plan if same else None


class _Sent(NamedTuple):
    """A change of the plan that waits."""

    change: int                         # address of what the audio thread is told
    planned: Moment | None              # what goes on if another plan takes the place: it was planned for its time


class Replanning:
    """To be used with the rack's lock held, but for what says otherwise."""

    def __init__(self, graph: Graph, rate: int, channels: int, block: int, fade_frames: int, post: Post,
                 soon: Callable[[], int]) -> None:
        """:param soon: the first frame at which the audio thread can know of what it is told now."""
        self.rate, self.channels, self.block = rate, channels, block
        self._fade_frames, self._post, self._soon = fade_frames, post, soon
        self.slots = Slots()
        self.layouts: dict[tuple[object, ...], int] = {}
        self.timeline = Timeline()
        self.values = Underway(graph, post, self.now)
        self._turn: Turn | None = None
        self._for_what_waits: list[_Sent] = []
        self._swap_at = self._swap_end = 0
        self.voice = self._voice(Plan(graph, rate, channels, block), graph, None)
        """The newest plan: the one that waits, or is being faded to, or runs."""
        self.output_channels = self.voice.plan.output_channels
        post.keep(self.voice.address, self.voice)
        for each in (kept_entry, blended_entry, give, set_native):
            _ = each.address            # compiled now, not when somebody is in a hurry

    def now(self) -> int:
        """The frame at which something can be made that is asked for now: behind the last swap, which it is about."""
        return max(self._soon(), self._swap_at)

    def plan(self, graph: Graph) -> Plan:
        """A plan for a graph, with its kernels compiled. No lock is needed.

        :raises GraphError, ParameterError: what is wrong with it.
        """
        made = Plan(graph, self.rate, self.channels, self.block)
        if made.output_channels != self.output_channels:
            raise GraphError(f"the new graph puts out {made.output_channels} channels where the engine has "
                             f"{self.output_channels}: end it with a ChannelMap(channels={self.output_channels})")
        return made

    def foresee(self, name: str, wanted: Iterable[Mapping[str, Any]], lock: Any) -> Ready:
        """Try values that a node is to have, each by itself, and compile what they take. To be called without the
        lock, which it takes for moments.

        :raises GraphError, ParameterError: what is wrong with them.
        """
        with lock:
            ready, before = Ready(self.voice), self.values.node(name)
        for values in wanted:
            after = with_values(before, values)
            if not _try(ready.voice, name, before, after):
                with lock:
                    graph = self.values.foreseen({name: after})
                ready = Ready(ready.voice, graph, self.plan(graph))
        return ready

    def holds(self, ready: Ready, name: str, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Try values again, if the graph has become another one since they were tried."""
        before = self.values.node(name)
        if ready.voice is not self.voice:
            for values in wanted:
                _try(self.voice, name, before, with_values(before, values))

    def replan(self, name: str, parameters: set[str]) -> None:
        """Take back what is on its way to a node, and plan it anew, without what concerns some parameters."""
        if parameters:
            self.timeline.drop(name, parameters)
            self._for_what_waits = [_without(sent, name, parameters) for sent in self._for_what_waits]
        for moment in self.values.recall(name):
            self.timeline.add(iter(without(moment, parameters)))

    def make(self, moment: Moment, later: list[Moment] | None = None, ready: Ready | None = None) -> int:
        """Send a change, or the plan that makes it; the frame at which it begins.

        :param later: what was planned, and cannot be sent ahead of its time, goes there.
        :param ready: what was foreseen of what was not planned. That is about the newest plan, and gone with it.
        """
        name, soon = moment.name, self._soon()
        now = max(soon, self._swap_at)
        at = max(moment.frame, now)
        if name not in self.values.graph:      # the graph has been swapped meanwhile
            return at
        if self.values.overtakes(name, at):    # what comes behind it builds upon it
            self.replan(name, set())
        before = self.values.planned(name)
        after = with_values(before, moment.values)
        change: Change | None = None
        if after != before and name in self.voice.names:
            index = self.voice.index(name)
            op, fields = self.voice.plan.ops[index], self.voice.plan.image.fields[index]
            change = change_between(op, fields, before, after, moment.frames)
            if change is None and later is not None and at > now:
                later.append(moment)
                return at
            if change is None:
                graph = self.values.copy({name: after})
                at = self.swap(graph, ready.of(graph) if ready is not None else None, changed=True)
                self._remember(soon, 0, moment, later)
                return at
            self._post.send(at, rack.CHANGE_KIND, change.address, self.slots[name],
                            self.layouts[self.voice.layout(name)], owner=change)
        sent = change.address if change else 0
        if at > now:
            self.values.note(moment._replace(frame=at), sent, after)
        else:
            self.values.graph.nodes[name]["node"] = after
            self._remember(soon, sent, moment, later)
        return at

    def swap(self, graph: Graph, plan: Plan | None = None, *, changed: bool = False) -> int:
        """Send another plan, or let it take the place of the one that waits; the frame at which it begins.

        :param plan: of that graph, if it has been made.
        :param changed: it is the newest graph with other values, all that was asked of it among them. Else it has
            values of its own, and what was planned for later goes on in it.
        """
        plan = plan or self.plan(graph)
        soon = self._soon()
        waited = self._swap_at > soon and self._take_place(plan, graph)
        at = self._swap_at if waited else self._queue(plan, graph, max(soon, self._swap_end))
        kept = [sent for sent in self._for_what_waits if waited and sent.planned and sent.planned.frame > soon]
        again = [sent.planned for sent in kept if sent.planned and not changed]
        self._for_what_waits = [sent._replace(change=0) for sent in kept if changed]
        recalled = self.values.replace(graph)
        self._swap_at, self._swap_end = at, at + self.voice.warm_frames + self._fade_frames
        for moment in (*again, *recalled):
            self.timeline.add(iter([moment]))
        return at

    def _queue(self, plan: Plan, graph: Graph, at: int) -> int:
        """Send a plan."""
        voice = self._voice(plan, graph, self.voice)
        turn = Turn(voice.address)
        self._post.send(at, rack.SWAP_KIND, turn.address, owner=turn)
        self._post.keep(voice.address, voice)
        self.voice, self._turn = voice, turn
        return at

    def _take_place(self, plan: Plan, graph: Graph) -> bool:
        """Put a plan in the place of the newest one, if that has not begun; whether it is in time for that.

        It takes over the state of the one that runs before. What was sent to the other one is taken back.
        """
        before = self.voice.before
        if self._turn is None or before is None:
            return False
        voice = self._voice(plan, graph, before)
        for sent in self._for_what_waits:       # first: behind the turn they would be made in the other plan
            if sent.change in self._post:
                set_native(sent.change + 8 * CANCELLED, 1)
        self._post.keep(voice.address, voice)
        if not self._turn.give(voice.address):
            self._post.drop(voice.address)
            return False
        self._post.drop(self.voice.address)
        self.voice = voice
        return True

    def _remember(self, soon: int, change: int, moment: Moment, later: list[Moment] | None) -> None:
        """Note what was asked of the newest plan, if that has not begun."""
        if self._swap_at > soon:
            self._for_what_waits.append(_Sent(change, moment if later is not None else None))

    def _voice(self, plan: Plan, graph: Graph, before: Voice | None) -> Voice:
        wanted = [name for name in graph if name not in (IN, OUT)]
        used = {*self.values.graph, *(before.names if before is not None else ())}
        return Voice(plan, self.slots.of(wanted, used), self.layouts, before, self._fade_frames)


def _try(voice: Voice, name: str, before: Any, after: Any) -> bool:
    """Raise what `prepare` has against values that are to come; whether they can be walked to."""
    if name not in voice.names:
        return True
    k = voice.index(name)
    op, fields = voice.plan.ops[k], voice.plan.image.fields[k]
    try:
        made = after.prepare(op.format)
        fields_of(declaration(after).name, made[0], state=False)
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from error
    except FlowaudioError:
        raise
    except Exception as error:          # a user's own
        raise ParameterError(f"{name}: its prepare() fails: {type(error).__name__}: {error}") from error
    return change_between(op, fields, before, after, 0, made) is not None


def _without(sent: _Sent, name: str, parameters: set[str]) -> _Sent:
    if sent.planned is None or sent.planned.name != name:
        return sent
    left = without(sent.planned, parameters)
    return sent._replace(planned=left[0] if left else None)
