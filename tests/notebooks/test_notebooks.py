"""The notebooks: stripped in the repository, and each runs from a fresh kernel and shows what its words promise."""

import ast
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["1-first-sound", "2-write-your-own-node", "3-mastering-a-podcast", "4-loudness-and-faults", "5-live-engine"]

HANGS_S = 600
"""A cell that takes so long, on a machine that has compiled nothing yet, has come to a standstill."""

ALLOWED = {"flowaudio", "numpy", "matplotlib"}
"""What comes with flowaudio[notebook]."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_five() -> None:
    assert [path.stem for path in NOTEBOOKS] == NAMES


@each_notebook
def test_the_repository_has_no_outputs(path: Path) -> None:
    notebook = read(path)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id


@each_notebook
def test_it_needs_nothing_else(path: Path) -> None:
    for cell in code(read(path)):
        for node in ast.walk(ast.parse(cell.source)):
            names = ([each.name for each in node.names] if isinstance(node, ast.Import)
                     else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            for name in names:
                assert name.split(".")[0] in ALLOWED | sys.stdlib_module_names, name


@each_notebook
def test_it_ends_with_where_to_go_next(path: Path) -> None:
    last = read(path).cells[-1]
    assert last.cell_type == "markdown" and "## Where to go next" in last.source
    links = [link for cell in read(path).cells for link in re.findall(r"\]\(([^)]+)\)", cell.source)
             if cell.cell_type == "markdown"]
    assert links and all((path.parent / link).exists() for link in links)


def environment() -> dict[str, str]:
    """Of a kernel that works in another folder and loads this flowaudio."""
    made = {**os.environ, "PYTHONPATH": str(ROOT)}
    if "FLOWAUDIO_CACHE_DIR" in made:
        made["FLOWAUDIO_CACHE_DIR"] = str(Path(made["FLOWAUDIO_CACHE_DIR"]).absolute())
    return made


def executed(name: str, folder: Path) -> Any:
    """The notebook as it is after all its cells have run in `folder`, where what it writes goes."""
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    client = NotebookClient(notebook, timeout=HANGS_S, kernel_name="python3",
                            resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment())   # raises for an error in a cell that is not marked to have one
    return notebook


def printed(notebook: Any) -> str:
    """All that its cells have printed."""
    return "".join(output.text for cell in code(notebook) for output in cell.outputs
                   if output.output_type == "stream" and output.name == "stdout")


def pages(notebook: Any) -> list[str]:
    """What its cells have shown as HTML."""
    return [output.data["text/html"] for cell in code(notebook) for output in cell.outputs
            if "text/html" in output.get("data", {})]


def panels(notebook: Any) -> int:
    return sum("application/vnd.jupyter.widget-view+json" in output.get("data", {})
               for cell in code(notebook) for output in cell.outputs)


def test_first_sound(tmp_path: Path) -> None:
    notebook = executed("1-first-sound", tmp_path)
    shown = pages(notebook)
    assert sum("<audio" in page for page in shown) == 3
    assert sum("flowaudio-node" in page for page in shown) == 1
    assert "is a cycle without a delay" in printed(notebook)
    assert (tmp_path / "string.toml").exists()


def test_write_your_own_node(tmp_path: Path) -> None:
    notebook = executed("2-write-your-own-node", tmp_path)
    errors = [output for cell in code(notebook) for output in cell.outputs if output.output_type == "error"]
    assert [error.ename for error in errors] == ["KernelError"]
    said = printed(notebook)
    assert "Tremolo breaks the law of cutting" in said
    assert "keeps every law" in said
    assert "tremolo: swapped for the new Tremolo" in said
    assert "playing>\n0 gaps in" in said
    assert panels(notebook) == 1
    failure = [page for page in pages(notebook) if "the old one plays on" in page]
    assert len(failure) == 1 and "p.dept)" in failure[0]


def test_mastering_a_podcast(tmp_path: Path) -> None:
    notebook = executed("3-mastering-a-podcast", tmp_path)
    said = printed(notebook)
    assert "the same samples: True" in said
    assert "Reached: True" in said
    steps = {name: float(lufs) for name, lufs in re.findall(r"^(\w[\w ]+?) +(-\d+\.\d) +\d+\.\d +[-+]?\d+\.\d$", said,
                                                            re.MULTILINE)}
    assert list(steps) == ["as recorded", "equaliser", "compressor", "gain", "limiter"]
    assert steps["as recorded"] < -25 and abs(steps["gain"] + 16) < 0.11 and -18 < steps["limiter"] < -16
    before, after = (float(lu) for lu in re.findall(r"range +(\d+\.\d) LU", said))
    assert after < before - 1                          # the compressor has done what the words say
    assert (tmp_path / "talk.mp3").stat().st_size > 100_000


def test_loudness_and_faults(tmp_path: Path) -> None:
    notebook = executed("4-loudness-and-faults", tmp_path)
    said = printed(notebook)
    assert "-23.0 LUFS\n-33.0 LUFS" in said
    assert "plain mean -27.8 dB, gated -23.1 LUFS" in said
    peaks = re.search(r"highest sample (\S+) dBFS, true peak (\S+) dBTP", said)
    assert peaks is not None and float(peaks[1]) == pytest.approx(-3.01, abs=0.01)
    assert float(peaks[2]) == pytest.approx(0.0, abs=0.2)
    for found in ("dropout at 0:03.1", "click at 0:06.5", "clipping at 0:09.", "phase inversion at 0:12.",
                  "silence at 0:17.0"):
        assert found in said, found
    scores = re.search(r"in order (\S+), broken (\S+)", said)
    assert scores is not None and float(scores[1]) > 0.9 > 0.8 > float(scores[2])


def test_live_engine(tmp_path: Path) -> None:
    notebook = executed("5-live-engine", tmp_path)
    said = printed(notebook)
    assert panels(notebook) == 1
    assert "Compressor.ratio must be between 1 and 100" in said
    for happened in ("watch: silence found", r"silence-at-\d+-s\.flac has the last \d+\.\d s of out",
                     "simulated is back"):
        assert re.search(happened, said), happened
    assert len(list(tmp_path.glob("silence-at-*.flac"))) == 1
    assert "0 underruns" in said
    assert sum("<audio" in page for page in pages(notebook)) == 4
