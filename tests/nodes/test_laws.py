"""The laws that hold for every node. A node that is exported is tested here without a line of its own."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from strategies import channels, cuts, graph_of, nodes, rates, signal, signals
from support import in_pieces

import flowaudio.nodes
from flowaudio.core.entry import entry_for, fields_of
from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.native import FORBIDDEN
from flowaudio.core.node import Format, declaration, node
from flowaudio.core.params import as_dict, from_dict, parameters
from flowaudio.graph.plan import Plan, render


def exported():
    """All node classes of the package."""
    found = set()
    for module in pkgutil.iter_modules(flowaudio.nodes.__path__, "flowaudio.nodes."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and hasattr(value, "__declaration__") and value.__module__ == module.name:
                found.add(value)
    return sorted(found, key=lambda cls: cls.__name__)


NODES = exported()


def each(wanted=lambda declared: True):
    """The nodes that a law speaks of."""
    chosen = [cls for cls in NODES if wanted(declaration(cls))]
    return pytest.mark.parametrize("cls", chosen, ids=lambda cls: cls.__name__)


each_node = each()
each_silent_node = each(lambda declared: declared.silent)
each_processor = each(lambda declared: declared.inputs)
each_in_place_node = each(lambda declared: declared.in_place)


def law(examples):
    """How hard to try: so many examples of each node."""
    return settings(max_examples=examples, deadline=None, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def planned(node, rate, count, block=1024, all_ports=False):
    """A plan, or no example at all where the node says that it does not fit."""
    try:
        return Plan(graph_of(node, all_ports=all_ports), rate, count, block)
    except (GraphError, ParameterError):
        reject()


def measured(plan, node):
    """All that the node measures."""
    if not declaration(node).measures:
        return {}
    return plan.read(next(name for name in plan.order if plan_holds(name, node)))


def plan_holds(name, node):
    return name.replace("_", "") == type(node).__name__.lower()


def assert_same_bits(one, other):
    np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))


def assert_same_measures(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_all_nodes_are_found():
    assert {"Biquad", "Equalizer", "Gain", "OnePole"} <= {cls.__name__ for cls in NODES}
    assert {cls.__name__ for cls in NODES} <= set(flowaudio.nodes.__all__)


@each_node
@given(data=st.data(), rate=rates, count=channels, lengths=cuts(), all_ports=st.booleans())
@law(20)
def test_no_cut_changes_the_sound(cls, data, rate, count, lengths, all_ports):
    node = data.draw(nodes(cls))
    x = data.draw(signals(count, sum(lengths)))
    whole = planned(node, rate, count, 8192, all_ports)
    pieces = planned(node, rate, count, 8192, all_ports)
    assert_same_bits(whole.process(x), in_pieces(pieces, x, lengths))
    assert_same_measures(measured(whole, node), measured(pieces, node))


@each_node
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 31, 33])
def test_no_short_block_changes_the_sound(cls, length):
    """All of one length, over a signal that is longer than most nodes remember."""
    x = signal("noise", length, 2, 40 * length + 300)
    assert_same_bits(planned(cls(), 48_000, 2).process(x), in_pieces(planned(cls(), 48_000, 2), x, [length]))


@each_silent_node
@given(data=st.data(), rate=rates, count=channels)
@law(8)
def test_silence_stays_silence(cls, data, rate, count):
    plan = planned(data.draw(nodes(cls)), rate, count)
    assert not plan.process(np.zeros((count, 3000), np.float32)).any()
    assert plan.trouble == {}


@each_node
@given(data=st.data(), rate=rates, count=channels, all_ports=st.booleans())
@law(12)
def test_sane_input_makes_no_trouble(cls, data, rate, count, all_ports):
    plan = planned(data.draw(nodes(cls)), rate, count, all_ports=all_ports)
    y = plan.process(data.draw(signals(count, 3000, loudest=10.0)))
    assert plan.trouble == {}
    assert np.all(np.isfinite(y))


@each_node
@given(data=st.data(), rate=rates, count=channels, seed=st.integers(0, 1000))
@law(10)
def test_no_input_makes_a_nan(cls, data, rate, count, seed):
    """Whatever a float32 can be; and when it is over, the node still works."""
    plan = planned(data.draw(nodes(cls)), rate, count, 128)
    assert np.all(np.isfinite(plan.process(signal("extremes", seed, count, 1500))))
    assert np.all(np.isfinite(plan.process(signal("noise", seed, count, 1500))))


@each_node
@given(data=st.data(), rate=rates, count=channels)
@law(8)
def test_reset_brings_back_the_beginning(cls, data, rate, count):
    node = data.draw(nodes(cls))
    x = data.draw(signals(count, 2500))
    plan = planned(node, rate, count)
    first = plan.process(x)
    before = measured(plan, node)
    plan.reset()
    assert_same_bits(plan.process(x), first)
    assert_same_measures(measured(plan, node), before)


@each_node
@given(data=st.data(), rate=rates, count=channels)
@law(8)
def test_equal_nodes_sound_equal(cls, data, rate, count):
    """Nothing but the declared parameters counts, and they survive being written down."""
    node = data.draw(nodes(cls))
    again = from_dict(cls, as_dict(node))
    assert again == node
    x = data.draw(signals(count, 2500))
    assert_same_bits(planned(node, rate, count).process(x), planned(again, rate, count).process(x))


def decibels(value):
    """All that the parameters of a node may add up to, at most."""
    total = 0.0
    for name, known in parameters(type(value)).items():
        current = getattr(value, name)
        if known.kind == "items":
            total += sum(decibels(item) for item in current)
        elif known.unit in ("dB", "dBFS", "dBTP"):
            total += max(0.0, current)
        elif name == "q":
            total += max(0.0, 20 * np.log10(current))
    return total


@each_node
@given(data=st.data(), rate=st.sampled_from([8000, 48_000, 192_000]), seed=st.integers(0, 1000))
@law(8)
def test_limits_of_parameters_are_stable(cls, data, rate, seed):
    """Noise for a second at full scale, then silence: never louder than gains, resonances and 60 dB allow."""
    node = data.draw(nodes(cls, limits=True))
    plan = planned(node, rate, 2)
    bound = 10 ** ((decibels(node) + 60.0) / 20)
    x = signal("noise", seed, 2, rate + rate // 2)
    x[:, rate:] = 0.0
    assert np.abs(plan.process(x)).max() <= bound
    assert plan.trouble == {}


@each_processor
@pytest.mark.parametrize("rate", [8000, 48_000, 192_000])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_declared_latency_is_the_latency(cls, rate, count):
    """The first trace of an impulse comes out exactly that much later, and `render` takes it away."""
    plan = planned(cls(), rate, count)
    x = np.zeros((count, 6000 + plan.latency), np.float32)
    x[:, 1000] = 0.25
    assert np.flatnonzero(np.any(plan.process(x) != 0.0, axis=0))[0] == 1000 + plan.latency
    assert np.flatnonzero(np.any(render(graph_of(cls()), x, rate) != 0.0, axis=0))[0] == 1000


@each_in_place_node
@given(data=st.data(), rate=rates, count=channels)
@law(8)
def test_working_in_place_changes_no_bit(cls, data, rate, count):
    declared = declaration(cls)
    node = data.draw(nodes(cls))
    x = data.draw(signals(count, 2500))
    shared = planned(node, rate, count, all_ports=True)
    cls.__declaration__ = declared._replace(in_place=False)
    try:
        apart = planned(node, rate, count, all_ports=True)
    finally:
        cls.__declaration__ = declared
    assert apart.arena_bytes > shared.arena_bytes
    assert_same_bits(shared.process(x), apart.process(x))


@each_node
def test_machine_code_knows_nothing_of_python(cls):
    """No reference counts, no allocation, no lock, no GIL: neither as a symbol nor as a name in the object code."""
    declared = declaration(cls)
    params, state = cls().prepare(Format(48_000, 2, 256, (2,) * len(declared.inputs)))
    entry = entry_for(declared, fields_of(cls.__name__, params, False)[0], fields_of(cls.__name__, state, True)[0])
    for name in entry.object.externals:
        assert not name.startswith((*FORBIDDEN, "numba_", "Py", "_Py", "pthread", "sem_"))
    for name in (b"NRT_", b"PyGILState", b"PyErr_", b"PyObject_", b"malloc", b"calloc", b"pthread_mutex"):
        assert name not in entry.object.code


# --- nodes that break the laws: a law that cannot fail is none --------------------------------------------------------


class Nothing:
    """Prepares nothing."""

    def prepare(self, format):
        return None, None


@node
class Forgetful(Nothing):
    """Begins anew in every block."""

    @kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            before = x[c, 0]
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] - before
                before = x[c, n]


@node(in_place=True)
class Overwriting(Nothing):
    """Reads what it has written over."""

    @kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + x[c, max(n, 1) - 1]


@node
class Humming(Nothing):
    """Is never quite silent."""

    @kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] + np.float32(1e-9)


@node
class Bursting(Nothing):
    """Leaves the range of a float32."""

    @kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * np.float32(1e38)


@node
class Boasting(Nothing):
    """Is not as late as it says."""

    def latency(self, format):
        return 7

    @kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@pytest.mark.parametrize(("broken", "broken_law"), [
    (Forgetful, test_no_cut_changes_the_sound),
    (Overwriting, test_working_in_place_changes_no_bit),
    (Humming, test_silence_stays_silence),
    (Bursting, test_sane_input_makes_no_trouble),
    (Bursting, test_limits_of_parameters_are_stable),
])
def test_a_broken_node_breaks_a_law(broken, broken_law):
    inner = broken_law.hypothesis.inner_test
    wanted = inspect.signature(inner).parameters
    everything = {"data": st.data(), "rate": rates, "count": channels, "lengths": cuts(), "all_ports": st.booleans(),
                  "seed": st.integers(0, 1000)}

    @settings(max_examples=30, phases=[Phase.generate], deadline=None, database=None)  # a failure need not be small
    @given(**{name: strategy for name, strategy in everything.items() if name in wanted})
    def attempt(**drawn):
        inner(cls=broken, **drawn)

    with pytest.raises(AssertionError):
        attempt()


def test_a_node_that_forgets_breaks_the_law_of_short_blocks():
    with pytest.raises(AssertionError):
        test_no_short_block_changes_the_sound(Forgetful, 33)


def test_a_node_that_boasts_breaks_the_law_of_latency():
    with pytest.raises(AssertionError):
        test_declared_latency_is_the_latency(Boasting, 48_000, 2)
