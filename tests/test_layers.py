"""Imports point down, and some libraries are imported in one place only. The source is read, nothing is imported."""

import ast
from pathlib import Path

import pytest
from support import ROOT, module_name

PACKAGE = ROOT / "flowaudio"

BELOW = {
    "core": set(),
    "nodes": {"core"},
    "graph": {"core"},
    "runtime": {"core", "graph"},
    "io": {"core", "runtime"},
    "testing": {"core", "graph", "runtime"},
    "live": {"core", "graph", "runtime", "io"},
    "stream": {"core", "nodes", "graph", "runtime", "io"},
    "notebook": {"core", "nodes", "graph", "runtime", "io", "live", "stream"},
    "cli": {"core", "nodes", "graph", "runtime", "io", "live", "stream", "notebook"},
    "__main__": {"cli"},
}
"""What each layer may import, beside itself. The package's own `__init__` stands above all of them."""

FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(module: str) -> str:
    return [*module.split("."), ""][1]


def imports(path: Path, module_level: bool = False) -> set[str]:
    """Everything that a file imports, ``from a import b`` as ``a.b``; at its top only, if asked."""
    tree = ast.parse(path.read_text())
    here = module_name(path).split(".")
    found: set[str] = set()
    inner: set[ast.AST] = set()
    if module_level:
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inner.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in inner:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = here[:len(here) - node.level + (path.name == "__init__.py")]
                base = ".".join([*up, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def outside(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(module_name(path))
    if not layer:
        return
    assert layer in BELOW, f"{layer} has no place in the table of layers"
    for name in imports(path):
        if outside(name) == "flowaudio":
            target = layer_of(name)
            assert target == layer or target in BELOW[layer], (
                f"{module_name(path)} imports {name}: {layer} stands below {target}")


def test_the_table_has_no_cycle() -> None:
    order = list(BELOW)
    assert all(order.index(below) < order.index(layer) for layer, layers in BELOW.items() for below in layers)


ONLY = {
    "av": lambda name: name.startswith("flowaudio.io."),
    "sounddevice": lambda name: False,  # to import it is to initialise PortAudio until the process ends
    "soxr": lambda name: name.startswith("flowaudio.io."),
    "numba": lambda name: name.removeprefix("flowaudio.core.").split(".")[0] in ("codegen", "compiler", "lowering"),
    "networkx": lambda name: layer_of(name) in ("graph", "cli", "notebook", "testing"),
    "tomllib": lambda name: name == "flowaudio.graph.encoding",
    "msgpack": lambda name: name == "flowaudio.graph.encoding",
    "hypothesis": lambda name: layer_of(name) == "testing",
}
"""Who may import a library at the top of a file."""


@pytest.mark.parametrize("library", ONLY)
def test_libraries_have_their_place(library: str) -> None:
    users = [path for path in FILES if library in map(outside, imports(path, module_level=True))]
    assert [name for name in map(module_name, users) if not ONLY[library](name)] == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_numbas_own_decorators_are_not_used(path: Path) -> None:
    """`@kernel` is the only place where numba's options stand."""
    bare = {"numba.njit", "numba.jit", "numba.cfunc", "numba.vectorize", "numba.guvectorize", "numba.generated_jit"}
    if module_name(path) == "flowaudio.core.compiler":
        return                          # where @kernel itself becomes numba's
    assert not imports(path) & bare
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("numba", "nb"):
            assert node.attr not in {name.split(".")[1] for name in bare}, f"{module_name(path)}, line {node.lineno}"


def test_the_reader_of_imports_reads(tmp_path: Path) -> None:
    """The tests above assert nothing if this is wrong."""
    path = PACKAGE / "graph" / "plan.py"
    found = imports(path)
    assert "flowaudio.core.errors.GraphError" in found
    assert "numpy" in found
    assert {module_name(p) for p in FILES} >= {"flowaudio", "flowaudio.core", "flowaudio.graph.plan"}
    assert any(outside(n) == "numba" for n in imports(PACKAGE / "core" / "compiler.py", module_level=True))
    deep = imports(PACKAGE / "core" / "entry.py")
    assert any(n.startswith("flowaudio.core.compiler") or n == "flowaudio.core.compiler" for n in deep)
    assert not any("compiler" in n for n in imports(PACKAGE / "core" / "entry.py", module_level=True))
