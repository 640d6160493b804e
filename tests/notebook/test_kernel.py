"""A small notebook in a real Jupyter kernel: a panel, its sliders and meters, a node that is defined again."""

import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("ipywidgets")

START = """
import time
from typing import NamedTuple
import numpy as np
import flowaudio as fa
from flowaudio.notebook import live, register, show
from flowaudio.testing import SimulatedCard
register(get_ipython())

def wait(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)

card = SimulatedCard()
card.play_into_input(lambda frames: np.full((2, frames), 0.1, np.float32))
"""

NODE = '''
class Params(NamedTuple):
    gain: float

@fa.node
class Mine:
    """Turns up or down."""
    amount_db: float = fa.param(-40, 40, "how much", default=-6)

    def prepare(self, format):
        return Params(gain=10 ** (self.amount_db / 20)), None

    @fa.kernel
    def process(x, y, p, s):
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] * p.gain
'''

CELLS = [
    START,
    NODE,
    "Mine",
    "graph = Mine() >> fa.Limiter()\ngraph",
    "panel = live(graph, card, card)\npanel",
    "wait(lambda: panel.engine.time_s > 0.5)\nfirst = panel._meters.value\nwait(lambda: panel._meters.value != first)",
    "panel._records['mine'].controls['amount_db'].widget.value = -12.0\nprint(panel.engine['mine'].amount_db)",
    NODE.replace("* p.gain", "* -p.gain"),
    "print(type(panel.graph.nodes['mine']['node']) is Mine, panel.graph.nodes['mine']['node'])",
    NODE.replace("* p.gain", "* p.gian"),
    "at = panel.engine.time_s\nwait(lambda: panel.engine.time_s > at + 0.3)\n"
    "print(panel.playing, panel.engine.stats.underruns, panel.engine.stats.node_silenced)",
    "panel.close()\nprint(panel, card.recorded[0, -1] < 0)",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after it has been run."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):  # type: ignore[misc]  # it has no types
        """This very Python, whatever kernels the machine knows."""

        @property
        def kernel_spec(self) -> Any:
            return KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                              language="python")

    path: Path = tmp_path_factory.mktemp("notebook")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client = nbclient.NotebookClient(book, timeout=300, kernel_manager_class=Manager,
                                     resources={"metadata": {"path": str(path)}})
    import os

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([before] if before else [])])
    try:
        return client.execute()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def said(run: Any, number: int) -> str:
    return "".join(each.get("text", "") for each in run.cells[number].outputs if each.get("name") == "stdout")


def data(run: Any, number: int, kind: str) -> list[Any]:
    return [each["data"][kind] for each in run.cells[number].outputs if kind in each.get("data", {})]


def test_the_class_and_the_graph_show_themselves(run: Any) -> None:
    assert "<table" in data(run, 2, "text/html")[0]
    assert data(run, 3, "text/html")[0].startswith("<svg")


def test_the_panel_is_a_widget(run: Any) -> None:
    assert data(run, 4, "application/vnd.jupyter.widget-view+json")
    state = run.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    names = [each["model_name"] for each in state.values()]
    assert "FloatSliderModel" in names
    assert "FloatLogSliderModel" in names       # the limiter's release


def test_a_slider_changes_the_engine(run: Any) -> None:
    assert said(run, 6) == "-12.0\n"


def test_the_node_that_was_defined_again_plays(run: Any) -> None:
    assert "mine: swapped for the new Mine" in said(run, 7)
    assert said(run, 8) == "True Mine(amount_db=-12.0)\n"


def test_the_wrong_one_is_told_under_its_cell_and_the_old_one_plays_on(run: Any) -> None:
    (page,), (text,) = data(run, 9, "text/html"), data(run, 9, "text/plain")
    assert "p.gian" in page.split('data-wrong="1"')[1].split("</div>")[0]
    assert "numba" not in text
    assert said(run, 10) == "True 0 {}\n"


def test_closing_stops(run: Any) -> None:
    assert said(run, 11) == "<Panel of 2 nodes, closed> True\n"
