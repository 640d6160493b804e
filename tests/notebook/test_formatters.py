"""What a cell shows by itself: graphs, engines, classes of nodes, reports. And nothing of it outside of notebooks."""

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.params import parameters
from flowaudio.graph.known import known_nodes
from flowaudio.notebook.formatters import register
from flowaudio.notebook.tables import node_page, report_page
from flowaudio.stream.analysis import analyze
from flowaudio.stream.faults import Finding

pytest.importorskip("IPython")


def html(shell: Any, value: Any) -> str:
    bundle, _ = shell.display_formatter.format(value)
    return str(bundle.get("text/html", ""))


def test_a_graph_shows_its_picture(shell: Any) -> None:
    page = html(shell, fa.Gain() >> fa.Limiter())
    assert page.startswith("<svg")
    assert "limiter" in page


def test_a_class_shows_its_documentation(shell: Any) -> None:
    page = html(shell, fa.Compressor)
    for text in ("threshold_db", "to 0 dB", "<table", "Compressor", "in, sidechain → out"):
        assert text in page


def test_other_classes_show_what_they_did(shell: Any) -> None:
    class Mine:
        pass

    assert html(shell, Mine) == ""
    assert html(shell, int) == ""
    assert html(shell, fa.Gain()) == ""         # a node itself is a line: its constructor call


def test_registering_twice_does_no_harm(shell: Any) -> None:
    before = shell.display_formatter.formatters["text/html"].for_type(type)
    register(shell)
    assert shell.display_formatter.formatters["text/html"].for_type(type) is before


@pytest.mark.parametrize("name", sorted(known_nodes()))
def test_every_node_has_a_page_with_all_its_parameters(name: str) -> None:
    cls = known_nodes()[name]
    page = node_page(cls)
    for key in parameters(cls):
        assert f">{key}</td>" in page


def test_documentation_cannot_break_out() -> None:
    class Odd(fa.Gain):  # type: ignore[misc]  # nodes are not made to be inherited from, but it may happen
        """<img src=x onerror=alert(1)>"""

    assert "<img" not in node_page(Odd)


def test_a_report_shows_its_picture_and_a_table(shell: Any) -> None:
    pytest.importorskip("matplotlib")
    x = (0.1 * np.random.default_rng(1).standard_normal((2, 96_000))).astype(np.float32)
    found = Finding(kind="click", start_s=0.5, end_s=0.51, start_frame=24_000, end_frame=24_480, channel=None,
                    strength=3.0, unit="dB", sentence="a <click> of 10 ms")
    report = dataclasses.replace(analyze(x, sample_rate=48_000, detectors=False), events=(found,))
    page = html(shell, report)
    assert "data:image/png;base64," in page
    assert "LUFS" in page
    assert "<summary>1 event</summary>" in page
    assert "a &lt;click&gt; of 10 ms" in page


def test_a_report_without_matplotlib_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    x = (0.1 * np.random.default_rng(1).standard_normal((1, 24_000))).astype(np.float32)
    report = analyze(x, sample_rate=48_000, detectors=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    page = report_page(report)
    assert "pip install" in page
    assert "LUFS" in page


def test_nothing_of_it_is_loaded_outside_of_notebooks() -> None:
    code = ("import sys, flowaudio as fa; fa.Gain() >> fa.Limiter(); "
            "print([m for m in sys.modules if m.startswith(('flowaudio.notebook', 'IPython', 'ipywidgets'))])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"


def test_a_picture_needs_neither_ipython_nor_widgets() -> None:
    code = ("import sys, flowaudio as fa; from flowaudio.notebook import picture; assert picture(fa.Gain())[:4] == "
            "'<svg'; print([m for m in sys.modules if m.startswith(('IPython', 'ipywidgets', 'matplotlib', 'av.'))])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"
