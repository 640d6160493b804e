"""Connections as people write them: ``"in -> comp -> out"``, ``"kick -> comp.sidechain"``, or a table with a delay."""

import itertools
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, TypeAlias

from flowaudio.core.errors import DocumentError
from flowaudio.core.params import shown
from flowaudio.graph.graph import IN, OUT
from flowaudio.graph.known import close_to

__all__ = ["ATTRIBUTES", "Connection", "parse", "spell"]

ARROW = "->"

ATTRIBUTES: tuple[str, ...] = ("output", "input", "delay_ms")
"""What an edge may have beside its ends."""

_KEYS = ("from", "to", *ATTRIBUTES)


class Connection(NamedTuple):
    """An edge: two vertices, and what networkx keeps with it (`output`, `input`, `delay_ms`)."""

    source: str
    target: str
    attributes: dict[str, Any]


Spelled: TypeAlias = str | dict[str, Any]


def parse(given: Any, nodes: Collection[str]) -> list[Connection]:
    """The edges of a list of paths and tables; DocumentError for whatever is wrong with it."""
    if not isinstance(given, list):
        raise DocumentError(f'connections must be a list such as ["in -> gain -> out"] (got {shown(given)})')
    made: list[Connection] = []
    for k, each in enumerate(given):
        try:
            made += _path(each, nodes) if isinstance(each, str) else [_table(each, nodes)]
        except DocumentError as error:
            raise DocumentError(f"connections[{k}]: {error}") from error
    return made


def _path(text: str, nodes: Collection[str]) -> list[Connection]:
    steps = [step.strip() for step in text.split(ARROW)]
    if len(steps) < 2 or not all(steps):
        raise DocumentError(f'{shown(text)} must name two or more nodes with arrows between them, such as "in -> gain"')
    ends = [_end(step, nodes) for step in steps]
    for step, (_, port) in list(zip(steps, ends, strict=True))[1:-1]:
        if port:
            raise DocumentError(f"{shown(step)} names a port in the middle of a path: cut the path in two there, "
                                "so that it is clear whether an input or an output is meant")
    made = []
    for (source, output), (target, input_) in itertools.pairwise(ends):
        attributes = {"output": output} if output else {}
        if input_:
            attributes["input"] = input_
        made.append(Connection(source, target, attributes))
    return made


def _table(given: Any, nodes: Collection[str]) -> Connection:
    if not isinstance(given, dict):
        raise DocumentError(f'it must be a path such as "in -> gain" or a table with from and to (got {shown(given)})')
    for key in given:
        if key not in _KEYS:
            raise DocumentError(f"a connection has no {shown(key)}; {close_to(key, _KEYS)}")
    attributes = {key: given[key] for key in ATTRIBUTES if key in given}
    vertices = []
    for key, port in (("from", "output"), ("to", "input")):
        text = given.get(key)
        if not isinstance(text, str):
            raise DocumentError(f"{key} must be the name of a node (got {shown(text)})")
        if port in given:               # the port is named apart: no dot is taken for one
            name, named = _existing(text, nodes), ""
        else:
            name, named = _end(text, nodes)
        if named:
            attributes[port] = named
        vertices.append(name)
    return Connection(vertices[0], vertices[1], attributes)


def _end(text: str, nodes: Collection[str]) -> tuple[str, str]:
    """Vertex and port of ``"name"`` or ``"name.port"``. A node whose own name has a dot comes first."""
    name, dot, port = text.rpartition(".")
    if text in nodes or text in (IN, OUT) or not dot or not port:
        return _existing(text, nodes), ""
    return _existing(name, nodes), port


def _existing(name: str, nodes: Collection[str]) -> str:
    if name in nodes or name in (IN, OUT):
        return name
    raise DocumentError(f"there is no node {shown(name)} to connect; {close_to(name, [*nodes, IN, OUT])}")


# --- writing --------------------------------------------------------------------------------------------------------

def spell(edges: Iterable[Connection], nodes: Collection[str]) -> list[Spelled]:
    """Paths and tables that :func:`parse` reads as `edges`.

    Edges that follow each other become one path. The edges that arrive at a node keep their order, for it is the order
    in which they are summed.
    """
    return [_spell(path, nodes) for path in _fold(list(edges), nodes)]


def _spell(path: list[Connection], nodes: Collection[str]) -> Spelled:
    steps = [_named(path[0].source, path[0].attributes.get("output"))]
    steps += [_named(edge.target, edge.attributes.get("input")) for edge in path]
    text = f" {ARROW} ".join(steps)
    if _reads_as(text, path, nodes):
        return text
    (edge,) = path
    return {"from": edge.source, "to": edge.target, **edge.attributes}


def _reads_as(text: str, path: list[Connection], nodes: Collection[str]) -> bool:
    try:
        return _path(text, nodes) == path
    except DocumentError:
        return False


def _named(name: str, port: Any) -> str:
    return f"{name}.{port}" if port else name


def _fold(edges: list[Connection], nodes: Collection[str]) -> list[list[Connection]]:
    """The edges as paths. An edge is free when all that arrive at its target before it have been written."""
    waiting: dict[str, deque[int]] = {}
    leaving: dict[str, deque[int]] = {}
    for k, edge in enumerate(edges):
        waiting.setdefault(edge.target, deque()).append(k)
        leaving.setdefault(edge.source, deque()).append(k)
    text = [isinstance(_spell([edge], nodes), str) for edge in edges]
    done = [False] * len(edges)
    paths: list[list[Connection]] = []

    def free(k: int) -> bool:
        return not done[k] and waiting[edges[k].target][0] == k

    def onward(k: int) -> int | None:
        """The edge with which a path goes on behind edge k; a port can be named at the ends of a path only."""
        after = leaving.get(edges[k].target, deque())
        while after and done[after[0]]:
            after.popleft()
        if not text[k] or "input" in edges[k].attributes:
            return None
        return next((n for n in after if free(n) and text[n] and "output" not in edges[n].attributes), None)

    def write(k: int) -> None:
        path: list[Connection] = []
        step: int | None = k
        while step is not None:
            done[step] = True
            waiting[edges[step].target].popleft()
            path.append(edges[step])
            step = onward(step)
        paths.append(path)

    for _ in range(4):                  # each turn writes what the one before set free; few graphs need a second
        for source in (IN, *leaving):
            for k in tuple(leaving.get(source, ())):
                if free(k) and (source == IN or not waiting.get(source)):
                    write(k)
    for k in range(len(edges)):         # what is left, in the order in which it arrives: so it is free
        if not done[k]:
            write(k)
    return paths
