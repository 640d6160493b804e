"""Only one module may load PyAV."""

import ast
from pathlib import Path

import pytest

import flowaudio
from flowaudio import io


def test_only_codecs_imports_av():
    root = Path(flowaudio.__file__).parent
    importers = set()
    for path in root.rglob("*.py"):
        for node in _executed(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(name.split(".")[0] == "av" for name in names):
                importers.add(path.relative_to(root).as_posix())
    assert importers == {"io/codecs.py"}


def _executed(tree):
    """The imports of a module, save those for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from _executed(node)


def test_all_names_what_there_is():
    for name in io.__all__:
        assert getattr(io, name, None) is not None
    assert len(set(io.__all__)) == len(io.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Recorder'"):
        io.Recorder  # noqa: B018  the access is the test
