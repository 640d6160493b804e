"""The running plan against its definition, sample by sample: changes, swaps, fades, taps, in any order and cutting."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, note, reject, settings
from hypothesis import strategies as st
from naive_rack import NaiveRack

import flowaudio as fa
import flowaudio.nodes
from flowaudio.core.params import parameters
from flowaudio.runtime.control import Rack
from flowaudio.testing.signals import signal
from flowaudio.testing.strategies import cuts, graph_of, nodes, values

POOL: dict[str, type] = {
    "gain": fa.Gain, "tone": fa.Biquad, "eq": fa.Equalizer, "soft": fa.OnePole, "comp": fa.Compressor,
    "limit": fa.Limiter, "echo": fa.Delay, "room": fa.Reverb, "pan": fa.Pan, "level": fa.LevelMeter,
    "auto": fa.Normalizer, "desk": fa.Mix, "loud": fa.LoudnessMeter, "map": fa.ChannelMap,
}
"""By the name that such a node has in every graph: what stays can be seen."""

TAME = {"gain_db": 6.0, "makeup_db": 6.0, "max_gain_db": 10.0, "q": 4.0, "time_ms": 60.0, "predelay_ms": 20.0,
        "lookahead_ms": 6.0, "window_ms": 300.0, "room_size": 0.5}
"""No louder and no longer than this: nothing reaches what is taken for an explosion, and memory is made quickly."""

CHANNELS = 2


def tame(node: Any) -> Any:
    changed = {name: min(getattr(node, name), TAME[name]) for name in parameters(type(node)) if name in TAME}
    if hasattr(node, "bands"):
        changed["bands"] = tuple(map(tame, node.bands))
    return type(node)(**{name: changed.get(name, getattr(node, name)) for name in parameters(type(node))})


def pool_nodes(name: str) -> st.SearchStrategy[Any]:
    made = nodes(POOL[name]).map(tame)
    if name == "map":
        made = st.just(fa.ChannelMap(channels=CHANNELS))
    return made


@st.composite
def graphs(draw: Any) -> fa.Graph:
    """Chains, parallel ways with different delays, and loops, of nodes from the pool."""
    graph = fa.Graph()
    names = draw(st.lists(st.sampled_from(list(POOL)), unique=True, max_size=4))
    for name in names:
        graph.add(draw(pool_nodes(name)), name)
    shape = draw(st.sampled_from(["chain", "chain", "parallel", "loop"])) if names else "chain"
    for source, target in itertools.pairwise(["in", *names, "out"]):
        graph.connect(source, target)
    if shape == "parallel":
        graph.connect("in", "out", delay_ms=draw(st.sampled_from([0.0, 2.5])))
    elif shape == "loop":
        soft = graph.add(fa.Gain(gain_db=-30.0), "back")
        graph.connect(names[-1], soft)
        graph.connect(soft, names[0], delay_ms=40.0)
    return graph


def names_of(graph: fa.Graph) -> list[str]:
    return [name for name in graph if name not in ("in", "out")]


def walkable_values(node: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Values that need no other plan."""
    smooth = {name: values(name, known) for name, known in parameters(type(node)).items() if known.interpolated}
    chosen = st.fixed_dictionaries({}, optional=smooth).map(lambda v: as_tame(node, v))
    if not isinstance(node, fa.Equalizer) or not node.bands:
        return chosen
    bands = st.tuples(*[walkable_values(band).map(lambda v, band=band: with_(band, v)) for band in node.bands])
    return bands.map(lambda made: {"bands": made})


def with_(node: Any, changed: dict[str, Any]) -> Any:
    return type(node)(**{name: changed.get(name, getattr(node, name)) for name in parameters(type(node))})


def as_tame(node: Any, changed: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(tame(with_(node, changed)), name) for name in changed}


class Both:
    """A rack and its definition, asked for the same. The rack gets its frames in ragged calls, the other at once."""

    def __init__(self, graph: fa.Graph, rate: int, block: int, naive_block: int, lengths: list[int],
                 fade_ms: float) -> None:
        self.rack = Rack(graph, rate, CHANNELS, block, fade_ms=fade_ms)
        self.naive = NaiveRack(graph, rate, CHANNELS, naive_block, fade_ms)
        self.lengths = itertools.cycle(lengths)
        self.taps: dict[str, Any] = {}

    def ask(self, what: str, *args: Any) -> None:
        note(f"at {self.naive.position}: {what} {args}")
        assert getattr(self.rack, what)(*args) == getattr(self.naive, what)(*args)

    def tap(self, point: str) -> None:
        """Once for each point."""
        if point in self.taps or (point not in ("in", "out") and self.naive.newest.index(point) < 0):
            return
        note(f"at {self.naive.position}: tap {point}")
        self.naive.tap(point)
        self.taps[point] = self.rack.tap(point, 1 << 16)

    def automate(self, data: Any, name: str, node: Any, rate: int) -> None:
        smooth = [key for key, known in parameters(type(node)).items() if known.interpolated]
        if not smooth:
            return
        parameter = data.draw(st.sampled_from(smooth))
        amounts = values(parameter, parameters(type(node))[parameter])
        line = data.draw(st.lists(st.tuples(st.integers(0, 3000), amounts), min_size=1, max_size=4))
        begin = data.draw(st.integers(-500, 500)) + self.naive.position
        times = itertools.accumulate([max(begin, 0), *[gap for gap, _ in line[1:]]])
        points = [(at / rate, as_tame(node, {parameter: value})[parameter])
                  for at, (_, value) in zip(times, line, strict=True)]
        self.ask("automate", name, parameter, points)

    def run(self, x: Any) -> None:
        note(f"at {self.naive.position}: run {x.shape[1]}")
        expected, done = self.naive.process(x), 0
        got = []
        while done < x.shape[1]:
            count = min(next(self.lengths), x.shape[1] - done)
            got.append(self.rack.process(x[:, done:done + count], count))
            self.rack.feed()
            done += count
        assert self.rack.position == self.naive.position
        same(np.concatenate(got, axis=1) if got else expected, expected)
        for point, tap in self.taps.items():
            if point in self.naive.taps:
                channels, pieces = self.naive.taps[point]
                heard = np.concatenate([np.zeros((channels, 0), np.float32), *pieces], axis=1)
                pieces.clear()
                same(tap.ring.try_read(1 << 16), heard)
                assert tap.missed == 0


def same(got: Any, expected: Any) -> None:
    if not np.array_equal(got, expected):
        assert got.shape == expected.shape
        wrong = np.argwhere(got != expected)
        first = wrong[np.argmin(wrong[:, 1])]
        raise AssertionError(f"{len(wrong)} samples differ, the first one at {first}: {got[tuple(first)]!r}, expected "
                             f"{expected[tuple(first)]!r}, the largest by {np.abs(got - expected).max()}")


def thorough(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large])


@given(data=st.data(), graph=graphs(), rate=st.sampled_from([8000, 48_000]),
       blocks=st.tuples(st.integers(1, 512), st.integers(1, 512)), lengths=cuts(),
       fade_ms=st.sampled_from([20.0, 5.0, 0.0]), seed=st.integers(0, 2**31))
@thorough(60)
def test_it_is_as_defined(data: Any, graph: fa.Graph, rate: int, blocks: tuple[int, int], lengths: list[int],
                          fade_ms: float, seed: int) -> None:
    both = Both(graph, rate, *blocks, lengths, fade_ms)
    x = signal(data.draw(st.sampled_from(["noise", "sine", "bursts"])), seed, CHANNELS, 8000, 0.5)
    at = 0
    for _ in range(data.draw(st.integers(1, 9))):
        names = names_of(both.naive.newest.graph)
        kinds = ["run", "run", "swap", "gain", "bypass", "tap"] + ["change", "change", "plan", "automate"] * bool(names)
        what = data.draw(st.sampled_from(kinds))
        name = data.draw(st.sampled_from(names)) if names else ""
        node = both.naive.asked()[name] if name else None
        if what == "run":
            count = data.draw(st.integers(0, 800))
            both.run(x[:, at:at + count])
            at += count
        elif what == "swap":
            both.ask("swap", data.draw(graphs()))
        elif what in ("gain", "bypass"):
            both.ask(what, data.draw(st.sampled_from([0.0, 0.3, 1.0])), data.draw(st.sampled_from([None, 0.0, 7.0])))
        elif what == "tap":
            both.tap(data.draw(st.sampled_from(["in", "out", *names])))
        elif what == "change":
            wanted = data.draw(pool_nodes(name) if name in POOL else nodes(fa.Gain).map(tame))
            some = data.draw(st.sets(st.sampled_from(sorted(parameters(type(node))))))
            both.ask("change", name, {k: getattr(wanted, k) for k in some}, None, data.draw(ramps))
        elif what == "plan":
            later = data.draw(st.integers(0, 2000))
            both.ask("change", name, data.draw(walkable_values(node)), both.naive.now + later, data.draw(ramps))
        else:
            both.automate(data, name, node, rate)
    both.run(x[:, at:at + 2500])
    assume(both.naive.trouble == 0)


ramps = st.sampled_from([None, 0.0, 3.0, 50.0])


def pieces(rack: Rack, x: Any, lengths: list[int], at: int = 0) -> Any:
    """What a rack makes of a signal in calls of these lengths, over and over."""
    made, turn = [np.zeros((rack.output_channels, 0), np.float32)], itertools.cycle(lengths)
    while at < x.shape[1]:
        count = next(turn)
        made.append(rack.process(x[:, at:at + count], count))
        rack.feed()
        at += count
    return np.concatenate(made, axis=1)


ALL = sorted((cls for cls in vars(flowaudio.nodes).values() if hasattr(cls, "__declaration__")),
             key=lambda cls: str(cls.__name__))
each_node = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)


@each_node
@given(data=st.data(), lengths=cuts(), places=st.lists(st.integers(0, 3000), max_size=4), seed=st.integers(0, 2**31),
       count=st.integers(1, 3))
@thorough(5)
def test_a_swap_to_the_same_graph_changes_no_bit(cls: type, data: Any, lengths: list[int], places: list[int], seed: int,
                                                 count: int) -> None:
    """All state goes over: of filters, lines, sources, meters."""
    graph = graph_of(data.draw(nodes(cls).map(tame)))
    x = signal("noise", seed, count, 4000, 0.5)
    plan = planned(graph, 8000, count, 64)
    rack = Rack(graph, 8000, count, 64)
    expected, got, at = plan.process(x), [], 0
    for place in [*sorted(places), 4000]:
        got.append(pieces(rack, x[:, at:place], lengths))
        at = max(at, place)
        rack.swap(graph)
    assume(not plan.trouble)
    same(np.concatenate(got, axis=1), expected)
    rack.process(np.zeros((count, 1000), np.float32))       # all swaps are over
    plan.process(np.zeros((count, 1000), np.float32))
    for name in rack.measuring:
        for key, value in plan.read(name).items():
            np.testing.assert_array_equal(rack.read(name)[key], value)
    assert rack.counters.late_letters == 0


def planned(graph: Any, rate: int, count: int, block: int) -> Any:
    try:
        return fa.Plan(graph, rate, count, block)
    except (fa.GraphError, fa.ParameterError):
        reject()


@each_node
@given(data=st.data(), lengths=cuts(), seed=st.integers(0, 2**31))
@thorough(5)
def test_a_change_of_nothing_changes_no_bit(cls: type, data: Any, lengths: list[int], seed: int) -> None:
    node = data.draw(nodes(cls).map(tame))
    graph = graph_of(node)
    name = next(n for n in graph if n not in ("in", "out"))
    x = signal("noise", seed, 2, 2000, 0.5)
    plan, rack = planned(graph, 8000, 2, 64), Rack(graph, 8000, 2, 64)
    got = [pieces(rack, x[:, :700], lengths)]
    some = data.draw(st.sets(st.sampled_from(sorted(parameters(cls))))) if parameters(cls) else set()
    rack.change(name, {key: getattr(node, key) for key in some})
    rack.change(name, {key: getattr(node, key) for key in some}, rack.position + 100)
    got.append(pieces(rack, x[:, 700:], lengths))
    expected = plan.process(x)
    assume(not plan.trouble)
    same(np.concatenate(got, axis=1), expected)
    assert rack.node(name) == node


@each_node
@given(data=st.data(), seed=st.integers(0, 2**31))
@thorough(5)
def test_every_parameter_can_be_changed(cls: type, data: Any, seed: int) -> None:
    """By a walk, or by another plan: in the end the rack holds the node that was asked for, and nothing went wrong."""
    before, after = data.draw(nodes(cls).map(tame)), data.draw(nodes(cls).map(tame))
    if hasattr(before, "channels"):
        after = with_(after, {"channels": before.channels})
    graph = graph_of(before)
    name = next(n for n in graph if n not in ("in", "out"))
    first, last = planned(graph, 8000, 2, 64), planned(graph_of(after), 8000, 2, 64)    # it may not fit two channels
    assume(first.output_channels == last.output_channels)
    rack = Rack(graph, 8000, 2, 64)
    x = signal("sine", seed, 2, 3000, 0.1)
    rack.process(x[:, :500])
    rack.change(name, {key: getattr(after, key) for key in parameters(cls)})
    y = rack.process(x[:, 500:])
    assert rack.node(name) == after
    assert rack.graph.nodes[name]["node"] == after
    assert np.isfinite(y).all()
    assert rack.counters.late_letters == rack.counters.stale_changes == 0
    now, fresh = rack._plans.voice.plan, fa.Plan(graph_of(after), 8000, 2, 64)
    k = fresh.order.index(name)
    for field in getattr(fresh.ops[k].params, "_fields", ()):
        kept, wanted = (plan.image.view(k, field).astype(np.float64) for plan in (now, fresh))
        np.testing.assert_allclose(kept, wanted, rtol=0.0, atol=2.0**-126)      # denormal numbers are zero there


@pytest.mark.parametrize("node", [
    fa.Gain(gain_db=-3.0), fa.Pan(pan=0.3), fa.Pan(pan=-1.0, stereo="pan", law="linear"), fa.Mix(gain_db=-7.0),
    fa.Biquad(frequency_hz=900.0, q=2.0), fa.Biquad(kind="highshelf", gain_db=4.0), fa.OnePole(kind="highpass"),
    fa.Equalizer(bands=(fa.Band(gain_db=5.0), fa.Band(frequency_hz=300.0, gain_db=-4.0))),
    fa.Compressor(release_ms=20.0, detector="rms"), fa.Limiter(ceiling_dbtp=-9.0, lookahead_ms=2.0, release_ms=5.0),
    fa.Delay(time_ms=11.0, feedback=0.2), fa.Reverb(room_size=0.0, wet=0.1)], ids=repr)
@given(lengths=cuts(), one_by_one=st.booleans())
@thorough(4)
def test_what_has_settled_is_what_was_asked_for(node: Any, lengths: list[int], one_by_one: bool) -> None:
    """A second after changes of all parameters the output is that of a plan that has had them from the start."""
    rate, x = 48_000, signal("noise", 5, 2, 96_000, 0.5)
    rack, plan = Rack(fa.chain(type(node)(**BEFORE.get(type(node), {}))), rate, 2), fa.Plan(fa.chain(node), rate, 2)
    name = plan.order[0]
    asked = {key: getattr(node, key) for key in parameters(type(node))}
    for each in [{key: value} for key, value in asked.items()] if one_by_one else [asked]:
        rack.change(name, each)
    got, expected = pieces(rack, x, [2000 * n for n in lengths]), plan.process(x)
    assert rack.latency == plan.latency
    if isinstance(node, (fa.Gain, fa.Pan, fa.Mix)):
        same(got[:, 20_000:], expected[:, 20_000:])
    np.testing.assert_allclose(got[:, 60_000:], expected[:, 60_000:], atol=2e-6)


BEFORE: dict[type, dict[str, Any]] = {fa.Equalizer: {"bands": (fa.Band(), fa.Band())}}


@given(data=st.data(), graph=graphs(), lead=st.integers(1, 600), lengths=st.tuples(cuts(), cuts()),
       seed=st.integers(0, 2**31))
@thorough(15)
def test_a_lead_only_makes_things_later(data: Any, graph: fa.Graph, lead: int, lengths: tuple[list[int], list[int]],
                                        seed: int) -> None:
    """What is asked for with a lead happens as if it had been asked for that much later, without one."""
    ahead, plain = Rack(graph, 8000, CHANNELS, 64, lead_frames=lead), Rack(graph, 8000, CHANNELS, 200)
    x = signal("noise", seed, CHANNELS, 12_000, 0.5)
    plans, at = [], 0
    for _ in range(data.draw(st.integers(1, 6))):
        at += data.draw(st.integers(0, 500))
        plans.append((at, data.draw(graphs()) if data.draw(st.booleans()) else data.draw(st.integers(0, 2**31))))
    heard = []
    for rack, cut, later in ((ahead, lengths[0], 0), (plain, lengths[1], lead)):
        got = []
        for at, what in plans:
            got.append(pieces(rack, x[:, rack.position:at + later], cut))
            if isinstance(what, fa.Graph):
                assert rack.swap(what) >= at + lead
            elif rack.names:
                name = rack.names[what % len(rack.names)]
                wanted = random_node(type(rack.node(name)), what)
                assert rack.change(name, wanted) >= at + lead
        got.append(pieces(rack, x[:, rack.position:10_000], cut))
        heard.append(np.concatenate(got, axis=1))
    same(*heard)
    assert ahead.trouble.keys() == plain.trouble.keys()
    assume(not ahead.trouble)
    for name in ahead.names:
        assert ahead.node(name) == plain.node(name)


def random_node(cls: type, seed: int) -> dict[str, Any]:
    """Some parameters of a node."""
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name, known in parameters(cls).items():
        if known.kind == "number" and rng.random() < 0.6:
            low, high = max(known.low, -60.0), min(known.high, TAME.get(name, 1000.0))
            made[name] = float(rng.uniform(low, high))
        elif known.kind in ("choice", "flag") and name != "layout":     # which has to fit the channels
            made[name] = known.choices[rng.integers(len(known.choices))] if known.choices else bool(rng.random() < 0.5)
    return made
