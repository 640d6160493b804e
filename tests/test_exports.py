"""Every public module says what it offers, in `__all__`, and says it exactly."""

import ast
import importlib
from pathlib import Path

import pytest
from support import ROOT, module_name

FILES = [path for path in sorted((ROOT / "flowaudio").rglob("*.py")) if not path.name.startswith("__main__")]


def listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if [t.id for t in targets if isinstance(t, ast.Name)] == ["__all__"]:
            assert node.value is not None
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def defined(tree: ast.Module) -> set[str]:
    """Public functions and classes of a module's own."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")}


def named(expressions: list[ast.expr], name: str) -> bool:
    return any(isinstance(e, ast.Name) and e.id == name for e in expressions)


def inside(tree: ast.Module) -> set[str]:
    """What a file may keep to itself: what kernels are made of, and the tuples that they take."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (named(node.decorator_list, "kernel")
                                                  or named(node.decorator_list, "native")):
            found.add(node.name)
        if isinstance(node, ast.ClassDef) and named(node.bases, "NamedTuple"):
            found.add(node.name)
    return found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_all_is_exact(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the first line of a module says what it is for"
    names, own = listed(tree), defined(tree)
    if {"nodes", "runtime", "live", "testing"} & set(path.parts) or path.name == "walk.py":
        own -= inside(tree)
    if path.name == "__init__.py" and names is None:
        assert not own
        return
    assert names is not None, "it has no __all__"
    assert len(names) == len(set(names))
    assert own <= set(names), "public, but not in __all__: begin its name with an underscore or list it"


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name != "lowering"], ids=module_name)
def test_what_is_listed_exists(path: Path) -> None:
    names = listed(ast.parse(path.read_text()))
    if names is None:
        return
    module = importlib.import_module(module_name(path))
    assert [name for name in names if not hasattr(module, name)] == []
