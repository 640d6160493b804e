"""Graph documents: TOML for people, JSON (networkx's node-link form) and msgpack for programs.

As TOML::

    flowaudio = 1
    name = "podcast"
    connections = ["in -> comp -> out", "in -> comp.sidechain", {from = "comp", to = "comp", delay_ms = 250}]

    [nodes.comp]
    type = "Compressor"
    threshold_db = -18

Parameters that are left out have their defaults. A document holds the vertices, their nodes, the edges with ports and
delays, and the graph's name and description; what else networkx may keep with a graph is not written. Reading one looks
node types up among the known nodes (:mod:`flowaudio.graph.known`) and runs nothing. ``flowaudio = 1`` is the version of
the form: a later one that changes it gets another number.
"""

import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx

from flowaudio.core.errors import DocumentError, FlowaudioError, GraphError, TargetError
from flowaudio.core.node import is_node
from flowaudio.core.params import as_dict, from_dict, shown
from flowaudio.graph import connections
from flowaudio.graph.connections import ATTRIBUTES, Connection
from flowaudio.graph.encoding import FORMATS, LIMIT, decode, encode
from flowaudio.graph.graph import IN, OUT, Graph
from flowaudio.graph.known import Known, close_to, node_type, type_name
from flowaudio.graph.wiring import read

__all__ = ["VERSION", "dump", "dumps", "load", "loads"]

VERSION = 1

ABOUT = ("name", "description")


class _Draft(NamedTuple):
    """What all three forms say, before a node is looked up. The worlds may stand among the nodes, without a type."""

    about: dict[str, str]
    nodes: dict[str, dict[str, Any]]    # {"type": name, parameter: value, ...}
    edges: list[Connection]


def load(path: str | os.PathLike[str], known: Known = None) -> Graph:
    """The graph of a document; its name ends in .toml, .json or .msgpack.

    :param known: node classes by name, or just the classes: then no others are. None: those of all installed packages.
    :raises DocumentError: names the file, the place in it and what is wrong there.
    """
    file = Path(path)
    format = _format_of(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero in it
        raise DocumentError(f"{_shown_path(file)} cannot be read: {_reason(error)}") from error
    return _read(data, format, known, _shown_path(file))


def loads(data: str | bytes, format: str, known: Known = None) -> Graph:
    """The graph of a document in memory; `format` is ``"toml"``, ``"json"`` or ``"msgpack"``. Else as :func:`load`."""
    return _read(data, format, known, "the document")


def dump(graph: Any, path: str | os.PathLike[str], known: Known = None) -> None:
    """Write a graph as a document; the end of its name tells the format. A file that is there stays whole until then.

    :raises GraphError: what is wrong with the graph. TargetError: the file cannot be written.
    """
    file = Path(path)
    data = _write(graph, _format_of(file), known)
    try:
        final = Path(os.path.realpath(file))
        part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.new")
        try:
            part.write_bytes(data)
            part.replace(final)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        raise TargetError(f"{_shown_path(file)} cannot be written: {_reason(error)}") from error


def dumps(graph: Any, format: str, known: Known = None) -> str | bytes:
    """A graph as a document: text, or bytes for msgpack."""
    data = _write(graph, format, known)
    return data if format == "msgpack" else data.decode()


# --- reading --------------------------------------------------------------------------------------------------------

def _read(data: str | bytes, format: str, known: Known, where: str) -> Graph:
    try:
        table = decode(data, format)
        _check_version(table)
        graph = _build(_toml_draft(table) if format == "toml" else _link_draft(table), known)
        read(graph)                     # whatever is wrong with the graph itself
    except FlowaudioError as error:
        raise DocumentError(f"{where}: {error}") from error
    return graph


def _check_version(table: dict[str, Any]) -> None:
    if "flowaudio" not in table:
        raise DocumentError(f"it says no version: a graph document begins with flowaudio = {VERSION}")
    version = table["flowaudio"]
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DocumentError(f"flowaudio must be the version of the document, {VERSION} (got {shown(version)})")
    if version > VERSION:
        raise DocumentError(f"it is of version {version} and this flowaudio reads up to {VERSION}: update flowaudio")


def _build(draft: _Draft, known: Known) -> Graph:
    graph = Graph()
    graph.graph.update(draft.about)
    for name, spelled in draft.nodes.items():
        try:
            if name in (IN, OUT):
                graph.add_node(name)
            else:
                graph.add_node(name, node=_node(spelled, known))
        except FlowaudioError as error:
            raise DocumentError(f"nodes.{name[:100]}: {error}") from error
    for source, target, attributes in draft.edges:
        graph.add_edge(source, target, **attributes)
    return graph


def _node(spelled: dict[str, Any], known: Known) -> Any:
    cls = node_type(_string(spelled, "type"), known)
    try:
        return from_dict(cls, {name: value for name, value in spelled.items() if name != "type"})
    except FlowaudioError:
        raise
    except Exception as error:          # a class of somebody else, with checks of its own
        raise DocumentError(f"{cls.__name__} cannot be made: {type(error).__name__}: {error}") from error


def _string(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise DocumentError(f"{key} must be a string (got {shown(value)})" if key in table else f"it has no {key}")
    return value


def _about(table: Mapping[str, Any]) -> dict[str, str]:
    return {key: _string(table, key) for key in ABOUT if key in table}


def _check_keys(table: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    for key in table:
        if key not in keys:
            raise DocumentError(f"{what} has no {shown(key)}; {close_to(key, keys)}")


def _toml_draft(table: dict[str, Any]) -> _Draft:
    _check_keys(table, ("flowaudio", *ABOUT, "connections", "nodes"), "a document")
    nodes = table.get("nodes", {})
    if not isinstance(nodes, dict):
        raise DocumentError(f"nodes must be a table of nodes by name (got {shown(nodes)})")
    for name, spelled in nodes.items():
        if not isinstance(spelled, dict):
            raise DocumentError(f"nodes.{name[:100]} must be a table with a type (got {shown(spelled)})")
        if name in (IN, OUT):
            _check_keys(spelled, (), f"nodes.{name} is the world and")
    return _Draft(_about(table), nodes, connections.parse(table.get("connections", []), nodes))


def _link_draft(table: dict[str, Any]) -> _Draft:
    _check_keys(table, ("flowaudio", "directed", "multigraph", "graph", "nodes", "edges"), "a document")
    if table.get("directed", True) is not True:
        raise DocumentError("directed must be true: sound flows one way")
    about = table.get("graph", {})
    if not isinstance(about, dict):
        raise DocumentError(f"graph must be a table with {' and '.join(ABOUT)} (got {shown(about)})")
    _check_keys(about, ABOUT, "graph")
    nodes: dict[str, dict[str, Any]] = {}
    for place, each in _tables(table, "nodes"):
        try:
            name, spelled = _link_node(each)
            if name in nodes:
                raise DocumentError(f"there is a node {shown(name)} already")
        except DocumentError as error:
            raise DocumentError(f"{place}: {error}") from error
        nodes[name] = spelled
    edges = []
    for place, each in _tables(table, "edges"):
        try:
            _check_keys(each, ("source", "target", "key", *ATTRIBUTES), "an edge")
            ends = [_string(each, key) for key in ("source", "target")]
            for end in ends:
                if end not in nodes:
                    raise DocumentError(f"there is no node {shown(end)} to connect; {close_to(end, nodes)}")
        except DocumentError as error:
            raise DocumentError(f"{place}: {error}") from error
        edges.append(Connection(ends[0], ends[1], {key: each[key] for key in ATTRIBUTES if key in each}))
    return _Draft(_about(about), nodes, edges)


def _link_node(each: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = _string(each, "id")
    if name in (IN, OUT):
        _check_keys(each, ("id",), f"{name!r} is the world and")
        return name, {}
    _check_keys(each, ("id", "type", "parameters"), "a node")
    values = each.get("parameters", {})
    if not isinstance(values, dict):
        raise DocumentError(f"parameters must be a table (got {shown(values)})")
    if "type" in values:
        raise DocumentError("no parameter is called 'type'")
    return name, {"type": _string(each, "type"), **values}


def _tables(table: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """The tables of a list, each with its place."""
    given = table.get(key)
    if not isinstance(given, list):
        raise DocumentError(f"{key} must be a list (got {shown(given)})" if key in table else f"it has no {key}")
    for k, each in enumerate(given):
        if not isinstance(each, dict):
            raise DocumentError(f"{key}[{k}] must be a table (got {shown(each)})")
    return [(f"{key}[{k}]", each) for k, each in enumerate(given)]


# --- writing --------------------------------------------------------------------------------------------------------

def _write(graph: Any, format: str, known: Known) -> bytes:
    read(graph)                         # a document that could not be read back is not written
    draft = _draft(graph, known)
    return encode(_toml_table(draft) if format == "toml" else _link_table(draft), format)


def _draft(graph: nx.DiGraph, known: Known) -> _Draft:
    about = {key: graph.graph[key] for key in ABOUT if graph.graph.get(key) is not None}
    for key, value in about.items():
        if not isinstance(value, str):
            raise GraphError(f"the graph's {key} must be a string (got {shown(value)})")
    nodes: dict[str, dict[str, Any]] = {}
    for name, data in graph.nodes(data=True):
        node = data.get("node") if name not in (IN, OUT) else None
        nodes[name] = {"type": type_name(type(node), known), **_plain(as_dict(node))} if is_node(node) else {}
    # As they arrive: so the edges that meet at a port keep their order, in which they are summed.
    arriving = sorted(graph.in_edges(data=True), key=lambda edge: edge[1] == OUT)
    edges = [Connection(source, target, {key: _plain(value) for key, value in data.items() if value is not None})
             for source, target, data in arriving]
    return _Draft(about, nodes, edges)


def _plain(value: Any) -> Any:
    """Numbers as people write them: -18 rather than -18.0. Reading makes a float of it again."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15 and (value != 0 or math.copysign(1, value) > 0)
        return int(value) if whole else float(value)
    return value


def _toml_table(draft: _Draft) -> dict[str, Any]:
    joined = {name for edge in draft.edges for name in edge[:2]}
    nodes = {name: spelled for name, spelled in draft.nodes.items() if spelled or name not in joined}
    return {"flowaudio": VERSION, **draft.about, "connections": connections.spell(draft.edges, draft.nodes),
            "nodes": nodes}


def _link_table(draft: _Draft) -> dict[str, Any]:
    nodes = []
    for name, spelled in draft.nodes.items():
        values = {key: value for key, value in spelled.items() if key != "type"}
        nodes.append({"id": name, **({"type": spelled["type"]} if spelled else {}),
                      **({"parameters": values} if values else {})})
    edges = [{"source": edge.source, "target": edge.target, **edge.attributes} for edge in draft.edges]
    return {"flowaudio": VERSION, "directed": True, "multigraph": True, "graph": draft.about, "nodes": nodes,
            "edges": edges}


# --- files ----------------------------------------------------------------------------------------------------------

def _format_of(path: Path) -> str:
    format = path.suffix[1:].lower()
    if format not in FORMATS:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise DocumentError(f"{_shown_path(path)}: the end of its name must tell the format: {endings}")
    return format


def _shown_path(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() and len(text) < 300 else shown(text)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
