"""A cell that defines a node again: it is heard without a gap, and a wrong one is told by its own lines."""

from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.notebook.cells import renewed
from flowaudio.notebook.panel import live
from flowaudio.testing import SimulatedCard

pytest.importorskip("IPython")
pytest.importorskip("ipywidgets")

NODE = '''
from typing import NamedTuple
import numpy as np
import flowaudio as fa

class Params(NamedTuple):
    gain: float

@fa.node
class Mine:
    """Louder or softer."""
    amount_db: float = fa.param(-40, 40, "how much", default={default})

    def prepare(self, format):
        return Params(gain=10 ** ({sign} * self.amount_db / 20)), None

    @fa.kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                {work}
'''


def cell(work: str = "y[c, n] = x[c, n] * p.gain", sign: int = 1, default: float = 0.0) -> str:
    return NODE.format(work=work, sign=sign, default=default)


def run(shell: Any, text: str) -> Any:
    from IPython.utils.capture import capture_output

    with capture_output() as told:
        result = shell.run_cell(text, store_history=True)
    return result, told


def begin(shell: Any, card: SimulatedCard, node: str = "Mine(amount_db=-6)") -> Any:
    """A panel that plays a node of the notebook's."""
    assert run(shell, cell())[0].success
    shell.push({"card": card, "live": live})
    result, _ = run(shell, f"panel = live({node}, card, card, paced=False)")
    assert result.success
    card.run(24_000)
    return shell.user_ns["panel"]


def test_a_class_that_is_defined_again_is_swapped_in_without_a_gap(shell: Any, card: SimulatedCard) -> None:
    with begin(shell, card) as panel:
        before = panel.graph.nodes["mine"]["node"]
        _, told = run(shell, cell(sign=-1))
        assert "mine: swapped for the new Mine" in told.stdout
        card.run(24_000)
        after = panel.graph.nodes["mine"]["node"]
        assert type(after) is not type(before)
        assert after.amount_db == before.amount_db == -6
        assert panel.engine.stats.underruns == 0
    y, low, high = card.recorded[0], 0.1 * 10 ** (-6 / 20), 0.1 * 10 ** (6 / 20)
    assert y[20_000] == pytest.approx(low, rel=1e-5)
    assert y[47_000] == pytest.approx(high, rel=1e-5)
    steps = np.diff(y[20_000:47_000])
    assert steps.min() >= -1e-6                     # only upwards: no hole, and nothing that overshoots
    assert steps.max() < 4 * (high - low) / 960     # in 20 ms
    assert np.count_nonzero(steps > 1e-7) <= 1000


def test_the_sliders_are_those_of_the_new_class(shell: Any, card: SimulatedCard) -> None:
    with begin(shell, card) as panel:
        run(shell, cell(default=3).replace("amount_db", "much_db").replace('"how much"', '"how very much"'))
        assert list(panel._records["mine"].controls) == ["much_db"]
        assert panel.graph.nodes["mine"]["node"].much_db == 3   # what was set had another name: the default counts
        assert "no parameter amount_db any more" in panel._status.value


def test_a_kernel_that_does_not_compile_leaves_the_old_one_playing(shell: Any, card: SimulatedCard) -> None:
    with begin(shell, card) as panel:
        before = panel.graph.nodes["mine"]["node"]
        _, told = run(shell, cell("y[c, n] = x[c, n] * p.gain + np.zeros(3)[0]"))
        card.run(9600)
        assert panel.graph.nodes["mine"]["node"] is before
        assert panel.playing
        (shown,) = [each for each in told.outputs if "text/html" in each.data]
        assert "the old one plays on" in shown.data["text/html"]
        (wrong,) = [line for line in shown.data["text/plain"].splitlines() if line.startswith("--> ")]
        assert "np.zeros(3)[0]" in wrong
        assert "@fa.kernel" in shown.data["text/plain"]
        assert "numba" not in shown.data["text/plain"] + shown.data["text/html"] + told.stdout
        assert "np.zeros(3)[0]" in panel._status.value
        _, told = run(shell, "None")
        assert told.outputs == []       # it is told once
        assert "plays on" not in told.stdout
        run(shell, cell(sign=-1))
        assert type(panel.graph.nodes["mine"]["node"]) is shell.user_ns["Mine"]
    assert np.abs(card.recorded[0, 24_000:33_000] - 0.1 * 10 ** (-6 / 20)).max() < 1e-6


def test_a_name_that_is_not_there_is_marked_where_it_stands(shell: Any, card: SimulatedCard) -> None:
    with begin(shell, card):
        _, told = run(shell, cell("y[c, n] = x[c, n] * nowhere"))
        text = next(each.data["text/plain"] for each in told.outputs if "text/html" in each.data)
        assert "nowhere" in next(line for line in text.splitlines() if line.startswith("--> "))


def test_a_prepare_that_fails_leaves_the_old_one_playing(shell: Any, card: SimulatedCard) -> None:
    with begin(shell, card) as panel:
        before = panel.graph.nodes["mine"]["node"]
        _, told = run(shell, cell().replace("return Params(", "return Nothing("))
        assert "NameError" in told.stdout
        assert "the old one plays on" in told.stdout
        assert panel.graph.nodes["mine"]["node"] is before


def test_a_cell_with_a_kernel_error_shows_the_kernel_and_no_traceback(shell: Any) -> None:
    run(shell, cell("y[c, n] = x[c, n] + [1.0, 2.0]"))
    result, told = run(shell, "fa.render(Mine(), np.zeros((1, 64), np.float32))")
    assert type(result.error_in_exec) is fa.KernelError
    assert "[1.0, 2.0]" in told.stdout
    assert "-->" in told.stdout
    assert "Traceback" not in told.stdout
    assert "compiler.py" not in told.stdout


def test_values_that_the_new_class_does_not_take_are_told() -> None:
    def made(low: float) -> Any:
        space: dict[str, Any] = {"__name__": "elsewhere"}
        exec(cell().replace("-40", str(low)), space)
        return space["Mine"]

    old, new = made(-40), made(-10)
    for cls in (old, new):
        cls.__module__ = "__main__"
    graph = fa.Graph.chain(old(amount_db=-30))
    now = renewed(graph, {"Mine": new})
    assert now.names == ("mine",)
    assert now.graph.nodes["mine"]["node"] == new()
    assert "between -10 and 40" in now.notes[0]
    assert type(graph.nodes["mine"]["node"]) is old         # what was given is left alone
    assert renewed(graph, {"Mine": fa.Gain}).names == ()     # of another module: another thing of the same name
    assert renewed(graph, {"Mine": 3}).names == ()


def test_an_engine_of_ones_own_is_followed_too(shell: Any, card: SimulatedCard) -> None:
    from flowaudio.notebook.cells import follow

    run(shell, cell())
    with fa.Engine(shell.user_ns["Mine"](amount_db=-6), card, card) as engine:
        follow(engine)
        card.run(4800)
        run(shell, cell(sign=-1))
        card.run(4800)
        assert type(engine["mine"].node) is shell.user_ns["Mine"]
