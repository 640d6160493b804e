"""The known nodes: what the word ``type`` in a document may name.

Packages make their nodes known through the entry-point group ``flowaudio.nodes``; flowaudio's own come through the same
door. An entry names a class, or a module whose ``__all__`` is searched for nodes. Nothing else of a document is ever
looked up, imported or run.
"""

import difflib
import functools
import importlib
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from flowaudio.core.errors import DocumentError, GraphError
from flowaudio.core.node import declaration
from flowaudio.core.params import shown

__all__ = ["Known", "close_to", "known_nodes", "node_type", "type_name"]

GROUP = "flowaudio.nodes"
OWN = "flowaudio.nodes"                 # the module with our own nodes, by name: this layer imports none of them

Known: TypeAlias = Mapping[str, type] | Iterable[type] | None
"""Node classes by name, or just the classes; None for those of all installed packages."""


class _Installed(NamedTuple):
    """What the packages beside flowaudio offer."""

    nodes: dict[str, dict[str, type]]   # by name: by entry point, the class
    broken: dict[str, str]              # by entry point: why it cannot be loaded


def known_nodes() -> dict[str, type]:
    """The node classes of all installed packages, by the name that a document gives them.

    Where packages share a name, flowaudio's own has it; each of the others is called ``entry:Name``, after its entry
    point. A package that cannot be loaded gives a warning.
    """
    made = dict(_own())
    installed = _others()
    for entry, reason in installed.broken.items():
        warnings.warn(f"the nodes of {entry} cannot be loaded: {reason}", RuntimeWarning, stacklevel=2)
    for name, by_entry in installed.nodes.items():
        alone = len(by_entry) == 1 and name not in made
        made.update({name if alone else f"{entry}:{name}": cls for entry, cls in by_entry.items()})
    return made


def node_type(name: str, known: Known = None) -> type:
    """The node class called `name`; DocumentError if there is none."""
    table = _own() if known is None else _table(known)
    if name in table:
        return table[name]
    if known is not None:
        raise DocumentError(_unknown(name, table))
    installed = _others()               # looked at only now: documents of our own nodes wait for no package
    entry, _, plain = name.rpartition(":")
    found = installed.nodes.get(plain, {})
    if entry in found:
        return found[entry]
    if not entry and len(found) == 1:
        return next(iter(found.values()))
    if not entry and found:
        raise DocumentError(f"the node type {shown(name)} is offered by more than one package: "
                            f"write {' or '.join(f'{e}:{name}' for e in sorted(found))}")
    if entry in installed.broken:
        raise DocumentError(f"there is no node type {shown(name)}: the nodes of {entry} cannot be loaded: "
                            f"{installed.broken[entry]}")
    message = _unknown(name, [*table, *installed.nodes])
    for broken, reason in installed.broken.items():
        message += f"; the nodes of {broken} could not be looked at: {reason}"
    raise DocumentError(message)


def type_name(cls: type, known: Known = None) -> str:
    """How a document names a node class, so that :func:`node_type` finds it again.

    A class that nobody knows, of a notebook for example, goes by its own name: who reads the document has to know it.
    """
    name = declaration(cls).name
    table = dict(_own()) if known is None else _table(known)
    if table.get(name) is cls:
        return name
    for other, candidate in (known_nodes() if known is None else table).items():
        if candidate is cls:
            return other
    if name in table:
        raise DocumentError(f"{cls.__module__}.{name} would be read back as {table[name].__module__}.{name}: "
                            "give the class a name of its own")
    return name


def close_to(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that says what was perhaps meant, or what there is."""
    names = sorted(set(names))
    lower = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name[:100].lower(), lower, n=3)
    if close:
        return f"did you mean {' or '.join(lower[c] for c in close)}?"
    return f"there is {', '.join(names) or 'none'}"


def _unknown(name: str, names: Iterable[str]) -> str:
    return (f"there is no node type {shown(name)}; {close_to(name, names)} (classes of your own: pass known=, "
            "or offer them by the entry-point group flowaudio.nodes)")


def _table(known: Mapping[str, type] | Iterable[type]) -> dict[str, type]:
    if isinstance(known, Mapping):
        return dict(known)
    return {declaration(cls).name: cls for cls in known}


def _nodes_in(loaded: Any) -> dict[str, type]:
    if isinstance(loaded, ModuleType):
        offered = [getattr(loaded, name, None) for name in getattr(loaded, "__all__", ())]
        return {cls.__name__: cls for cls in offered if isinstance(cls, type) and _is_declared(cls)}
    if isinstance(loaded, type) and _is_declared(loaded):
        return {loaded.__name__: loaded}
    raise GraphError(f"it names {loaded!r}, which is neither a node's class nor a module")


def _is_declared(cls: type) -> bool:
    try:
        declaration(cls)
    except GraphError:
        return False
    return True


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


@functools.cache
def _own() -> dict[str, type]:
    own = [entry for entry in _entries() if entry.value == OWN]
    # Run from a checkout that is not installed, there is no entry point.
    return _nodes_in(own[0].load() if own else importlib.import_module(OWN))


@functools.cache
def _others() -> _Installed:
    found = _Installed({}, {})
    for entry in _entries():
        if entry.value == OWN:
            continue
        try:
            nodes = _nodes_in(entry.load())
        except Exception as error:      # whatever a package of somebody else does when it is imported
            found.broken[entry.name] = f"{type(error).__name__}: {error}"
            continue
        for name, cls in nodes.items():
            found.nodes.setdefault(name, {})[entry.name] = cls
    return found
