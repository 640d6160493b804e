"""The plugin for pytest: laws as items, one sentence a failure, fixtures."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from support import ROOT

pytest_plugins = "pytester"

NODES = '''
"""Nodes of somebody's own."""
from typing import NamedTuple
import numpy as np
import flowaudio as fa
from flowaudio import Gain


class Gone(NamedTuple):
    y: np.ndarray


@fa.node(linear=True)
class Half:
    def prepare(self, format):
        return None, None

    @fa.kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * np.float32(0.5)


@fa.node
class Tardy:
    def prepare(self, format):
        return None, None

    def latency(self, format):
        return 7

    @fa.kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n]


@fa.node
class Greedy:
    def prepare(self, format):
        return None, None

    @fa.kernel
    def process(x, y, p, s):
        y[0, 0] = np.zeros(x.shape[1], np.float32)[0]


@fa.node
class Odd:
    def prepare(self, format):
        raise RuntimeError("nobody has thought of this")

    @fa.kernel
    def process(x, y, p, s):
        y[0, 0] = x[0, 0]
'''


@pytest.fixture
def folder(pytester: Any, monkeypatch: Any) -> Any:
    """Where somebody has a module with nodes."""
    pytester.makepyfile(mynodes=NODES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(pytester.path)]))
    return pytester


def run(folder: Any, *arguments: str) -> Any:
    """In a process of its own, without the settings of this repository."""
    plugin = () if any(entry.name == "flowaudio" for entry in entry_points(group="pytest11")) else (
        "-p", "flowaudio.testing.plugin")
    return folder.runpytest_subprocess(*plugin, "-p", "no:cacheprovider", *arguments, timeout=300)


def test_each_node_and_law_is_an_item(folder: Any) -> None:
    made = run(folder, "--flowaudio-nodes", "mynodes", "--collect-only", "-q")
    lines = [line for line in made.outlines if line.startswith("mynodes::")]
    assert "mynodes::Half::cutting" in lines and "mynodes::Tardy::latency" in lines
    assert "mynodes::Half::linearity" in lines and "mynodes::Tardy::linearity" not in lines     # where it is declared
    assert not any("Gain" in line for line in lines)    # that is somebody else's
    assert made.ret == 0


def test_a_broken_law_is_one_sentence(folder: Any) -> None:
    made = run(folder, "--flowaudio-nodes", "mynodes", "-k", "(Tardy and latency) or (Half and linearity)")
    made.assert_outcomes(passed=1, failed=1)
    text = made.stdout.str()
    assert "Tardy breaks the law of latency (the declared latency is the latency): it declares a latency of 7" in text
    assert "Traceback" not in text and "def runtest" not in text and "raise LawBroken" not in text
    made.stdout.fnmatch_lines(["FAILED mynodes::Tardy::latency*"])


def test_one_node_or_one_law_can_be_asked_for(folder: Any) -> None:
    run(folder, "--flowaudio-nodes", "mynodes::Half::cutting").assert_outcomes(passed=1)
    made = run(folder, "--flowaudio-nodes", "mynodes::Half", "-v")
    assert made.parseoutcomes()["passed"] > 8
    made.stdout.fnmatch_lines(["*collected * items", "mynodes::Half::short blocks PASSED*"])
    assert "collected 0 items" not in made.stdout.str()


def test_what_does_not_compile_is_one_sentence_too(folder: Any) -> None:
    made = run(folder, "--flowaudio-nodes", "mynodes::Greedy::cutting")
    made.assert_outcomes(failed=1)
    text = made.stdout.str()
    assert "Greedy: it would allocate memory on the audio path" in text and "Traceback" not in text
    assert text.count("compiling Greedy") == 1


def test_what_a_node_s_own_python_does_has_a_traceback(folder: Any) -> None:
    made = run(folder, "--flowaudio-nodes", "mynodes::Odd::reset")
    made.assert_outcomes(failed=1)
    made.stdout.fnmatch_lines(['*raise RuntimeError("nobody has thought of this")', "mynodes.py:*: RuntimeError"])
    assert "site-packages" not in made.stdout.str() and "def check_node" not in made.stdout.str()


@pytest.mark.parametrize(("wanted", "says"), [
    ("nowhere.at.all", "it cannot be imported: No module named 'nowhere'"),
    ("mynodes::Quarter", "there is nothing of that name (the module has: Half, Tardy, Greedy, Odd)"),
    ("json", "the module has: no node class")])
def test_what_is_not_there_is_said(folder: Any, wanted: str, says: str) -> None:
    made = run(folder, "--flowaudio-nodes", wanted)
    assert made.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --flowaudio-nodes {wanted.partition('::')[0]}" in made.stderr.str() and says in made.stderr.str()


def test_the_effort_is_passed_on(folder: Any) -> None:
    folder.makepyfile(test_effort="""
        def test_effort(check_node):
            assert check_node.keywords == {"effort": 0.25}
            import flowaudio as fa
            check_node(fa.Gain, laws=["cutting"])
    """)
    run(folder, "--flowaudio-effort", "0.25").assert_outcomes(passed=1)
    assert run(folder, "--flowaudio-effort", "0").ret == pytest.ExitCode.USAGE_ERROR


def test_cards_share_a_clock_and_are_closed(folder: Any) -> None:
    folder.makepyfile(test_cards="""
        import flowaudio as fa

        kept = []

        def test_two_cards(simulated_card):
            first, second = simulated_card("first"), simulated_card("second", rate=44_100, ppm=50)
            assert first.time is second.time and first.name == "first"
            first.play_into_input([0.25] * 4800)
            engine = fa.Engine(fa.Graph.chain(fa.Gain()), input=first, output=first)
            engine.start()
            kept.append((first, engine))
            first.time.run(0.1)
            assert (first.recorded[:, 2000:4000] == 0.25).all()

        def test_afterwards():
            card, engine = kept[0]
            assert card.streams == ()
            engine.close()
    """)
    run(folder).assert_outcomes(passed=2)


def test_it_costs_nothing_at_the_start() -> None:
    """Neither numba nor numpy nor hypothesis is imported before they are needed."""
    code = ("import sys, pytest; before = set(sys.modules); import flowaudio.testing.plugin; "
            "print(*sorted(set(sys.modules) - before))")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, check=True, timeout=300)
    assert set(done.stdout.split()) <= {
        "flowaudio", "flowaudio.live", "flowaudio.testing", "flowaudio.testing.plugin"}
