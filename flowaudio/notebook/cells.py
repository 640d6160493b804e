"""Node classes that a cell has defined again: their nodes in a running graph are made anew, and swapped in."""

import sys
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from flowaudio.core.errors import FlowaudioError, KernelError, ParameterError
from flowaudio.core.node import Declaration, declaration, is_node
from flowaudio.core.params import as_dict, parameters
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.notebook.failure import KernelFailure, explained

__all__ = ["Renewed", "Target", "follow", "forget", "look", "renewed"]


class Target(Protocol):
    """What is kept up to date: a panel, or an engine."""

    @property
    def graph(self) -> Graph:
        """As it plays."""

    @property
    def closed(self) -> bool:
        """Whether it plays no more."""

    def swap(self, graph: Any) -> Any:
        """Another graph in its place."""


class Renewed(NamedTuple):
    """A graph whose nodes are of the newest classes."""

    graph: Graph
    names: tuple[str, ...]              # of the nodes that were made anew
    classes: tuple[type, ...]           # the new ones
    notes: tuple[str, ...]              # what could not be kept, in sentences


def renewed(graph: Graph, namespace: Mapping[str, Any] | None = None) -> Renewed:
    """A copy of a graph in which each node whose class has been defined again is of the new class.

    It keeps the parameters that were set, as far as the new class has them and takes their values; where nothing was
    set the new default counts.

    :param namespace: of the notebook: where names of the module ``__main__`` are looked up.
    """
    made, names, classes, notes = graph.copy(), [], [], []
    for name, data in made.nodes(data=True):
        if name in (IN, OUT) or not is_node(data.get("node")):
            continue
        node = data["node"]
        newest = _newest(type(node), namespace)
        if newest is type(node):
            continue
        data["node"], lost = _again(newest, node)
        names.append(name)
        classes.append(newest)
        notes += [f"{name}: {each}" for each in lost]
    return Renewed(made, tuple(names), tuple(dict.fromkeys(classes)), tuple(notes))


def _newest(cls: type, namespace: Mapping[str, Any] | None) -> type:
    """The class that has the name and module of `cls` now; itself if there is none."""
    if cls.__module__ == "__main__" and namespace is not None:
        found: Any = namespace.get(cls.__qualname__.split(".")[0])
    else:
        found = getattr(sys.modules.get(cls.__module__), cls.__qualname__.split(".")[0], None)
    for part in cls.__qualname__.split(".")[1:]:
        found = getattr(found, part, None)
    known = isinstance(found, type) and type(vars(found).get("__declaration__")) is Declaration
    return found if known and found.__module__ == cls.__module__ else cls


def _again(cls: Any, node: Any) -> tuple[Any, list[str]]:
    """A node of another class with the same values, and what could not be kept."""
    values, lost = {}, []
    known = parameters(cls)
    for name, value in as_dict(node).items():
        if name not in known:
            lost.append(f"{cls.__name__} has no parameter {name} any more")
            continue
        try:
            values[name] = known[name].check(cls.__name__, name, value)
        except ParameterError as error:
            lost.append(f"{error}; its default counts")
    return cls(**values), lost


# --- after each cell ------------------------------------------------------------------------------------------------

_targets: "weakref.WeakSet[Any]" = weakref.WeakSet()
_refused: "weakref.WeakSet[type]" = weakref.WeakSet()
"""Classes that a swap has failed with: they are not tried again."""

_shells: "weakref.WeakSet[Any]" = weakref.WeakSet()


def follow(target: Target) -> None:
    """Keep a panel or an engine up to date: after each cell, nodes whose classes it has defined again are replaced."""
    _targets.add(target)
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and shell not in _shells:
        _shells.add(shell)
        shell.events.register("post_run_cell", _after_cell)


def forget(target: Target) -> None:
    """Leave it as it is from now on."""
    _targets.discard(target)


def _after_cell(result: Any = None) -> None:
    """Registered with IPython. What goes wrong is shown under the cell, and never raised into IPython."""
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    for target in list(_targets):
        if target.closed:
            continue
        told = look(target, shell.user_ns if shell is not None else None)
        for each in told:
            if isinstance(each, str):
                print(each)
            else:
                display(each)  # type: ignore[no-untyped-call]  # IPython's
        after = getattr(target, "after_cell", None)
        if after is not None:
            after(told)


def look(target: Target, namespace: Mapping[str, Any] | None = None) -> list[str | KernelFailure]:
    """Replace what has been defined again, now. What there is to say of it: sentences, and kernels that fail.

    What cannot be made leaves the old graph playing.
    """
    now = renewed(target.graph, namespace)
    if not now.names or all(cls in _refused for cls in now.classes):
        return []
    try:
        target.swap(now.graph)
    except KernelError as error:
        _refused.update(now.classes)
        told = explained(error)
        return [told._replace(sentence=f"{told.sentence}; the old one plays on")]
    except FlowaudioError as error:
        _refused.update(now.classes)
        return [f"{error}; the old one plays on"]
    except Exception as error:          # prepare() of a class that is being written
        _refused.update(now.classes)
        return [f"{_whose(now)}: {type(error).__name__}: {error}; the old one plays on"]
    return [f"{', '.join(now.names)}: swapped for the new {_whose(now)}", *now.notes]


def _whose(now: Renewed) -> str:
    return ", ".join(declaration(cls).name for cls in now.classes)
