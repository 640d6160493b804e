"""The kernels that a command is going to need, found or compiled before its work begins.

So a first run says how far it is, and the times that are told are those of the work.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from flowaudio.cli.progress import Display
from flowaudio.core.entry import entry_for, fields_of
from flowaudio.core.errors import FlowaudioError, GraphError, ParameterError
from flowaudio.core.native import Native
from flowaudio.core.node import Format, declaration
from flowaudio.graph import walk
from flowaudio.graph.schedule import schedule
from flowaudio.graph.wiring import read
from flowaudio.io._unpack import unpack
from flowaudio.runtime import plan_stage, ring

__all__ = ["ARRAYS", "FILES", "LIVE", "MADE", "Kernel", "Loaded", "load", "natives_in", "of_graph", "of_node",
           "of_package", "ready"]

FILES = (plan_stage.walk_rings, ring.read_native, ring.write_native, ring.get_native, ring.close_native,
         ring.cancel_native, unpack)
"""What every file goes through: a plan between rings, with a decoder and an encoder."""

ARRAYS = (walk.process,)
"""What a plan needs that is given arrays."""

MADE = (*ARRAYS, *FILES[1:])
"""What is made in arrays and goes into a file."""


LIVE = ("flowaudio.core.eventlog", "flowaudio.graph", "flowaudio.runtime", "flowaudio.live", "flowaudio.io.jack")
"""Modules and packages with everything that an engine with sound cards goes through."""


class Kernel(NamedTuple):
    """Something compiled, by name; `load` finds or compiles it."""

    name: str
    load: Callable[[], object]


class Loaded(NamedTuple):
    """What loading came to."""

    compiled: list[str]
    found: list[str]
    failed: dict[str, str]              # name: why


def ready(graph: Any, rate: int, channels: int, runtime: Iterable[Native], show: Display) -> None:
    """Find or compile what a graph needs. What is wrong with the graph is left for the work itself to say."""
    try:
        kernels = [*map(_native, runtime), *of_graph(graph, rate, channels)]
    except (GraphError, ParameterError):
        return
    load(kernels, show)


def load(kernels: list[Kernel], show: Display, careful: bool = False) -> Loaded:
    """Find or compile all of them.

    :param careful: go on after one that cannot be compiled.
    """
    made = Loaded([], [], {})
    for number, kernel in enumerate(kernels, 1):
        show.place(number, len(kernels))
        before = len(show.compiled)
        try:
            kernel.load()
        except FlowaudioError as error:
            if not careful:
                raise
            made.failed[kernel.name] = str(error)
            continue
        (made.compiled if len(show.compiled) > before else made.found).append(kernel.name)
    show.loaded()
    return made


def of_graph(graph: Any, rate: int, channels: int) -> list[Kernel]:
    """Of all operations of a plan, each once."""
    made: dict[Any, Kernel] = {}
    for op in schedule(read(graph), rate, channels, 256).ops:
        kernel, key = _entry(op.node, op.params, op.state)
        made.setdefault(key, kernel)
    return list(made.values())


def of_node(cls: type, formats: Iterable[Format]) -> list[Kernel]:
    """Of a node with its default parameters."""
    made: dict[Any, Kernel] = {}
    for format in formats:
        node = cls()
        kernel, key = _entry(node, *node.prepare(format))
        made.setdefault(key, kernel)
    return list(made.values())


def of_package(name: str) -> list[Kernel]:
    """Of the compiled functions in a module, or in all modules of a package, which are loaded for it."""
    return list(map(_native, natives_in(name)))


def natives_in(name: str) -> list[Native]:
    """These functions, each once."""
    package = importlib.import_module(name)
    inside = pkgutil.iter_modules(getattr(package, "__path__", ()))
    modules = [package, *(importlib.import_module(f"{name}.{each.name}") for each in inside)]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Native)}
    return list(found.values())


def _native(function: Native) -> Kernel:
    return Kernel(function.__name__, lambda: function.linked)


def _entry(node: Any, params: Any, state: Any) -> tuple[Kernel, Any]:
    declared = declaration(node)
    fields = fields_of(declared.name, params, state=False)[0], fields_of(declared.name, state, state=True)[0]
    return Kernel(declared.name, lambda: entry_for(declared, *fields)), (declared.name, fields)
