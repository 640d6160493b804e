"""The command `graphs`: the ready graphs, what is in one of them, its document and its picture."""

from pathlib import Path
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flowaudio.cli.output import print_json, put
from flowaudio.core.errors import FlowaudioError, ParameterError, TargetError
from flowaudio.core.node import is_node
from flowaudio.core.params import Param, as_dict, parameters
from flowaudio.graph import document, shipped
from flowaudio.graph.encoding import decode
from flowaudio.graph.graph import Graph
from flowaudio.graph.schedule import schedule
from flowaudio.graph.wiring import read
from flowaudio.io.codecs import failure
from flowaudio.io.target import Target

__all__ = ["graphs"]

RATE = 48_000
"""Hz for which latencies are told."""

MOST = 8
"""Channels, up to which it is tried what a graph takes."""


def graphs(args: Any) -> None:
    """``flowaudio graphs``, ``flowaudio graphs NAME [--toml | --svg FILE]``."""
    if args.name is None:
        if args.toml or args.svg:
            option = "--toml" if args.toml else "--svg"
            raise ParameterError(f"{option} is of one graph: name it, as in flowaudio graphs podcast {option}")
        _list(args.json)
        return
    path = shipped.find(args.name)
    if args.toml:
        document.load(path)             # nobody shall begin with a copy of something broken
        print(_source(path), end="")
        return
    graph = document.load(path)
    told = _explain(graph, path)
    if args.svg:
        _draw(graph, told["channels"], args.svg)
        told["svg"] = args.svg
    if args.json:
        print_json(told)
    elif args.svg:
        put(Text(f"{args.svg}: the picture of {told['name']}", overflow="fold"))
    else:
        _show(told, graph)


def _list(as_json: bool) -> None:
    ready = {name: document.load(path) for name, path in shipped.shipped().items()}
    about = {name: graph.graph.get("description", "") for name, graph in ready.items()}
    if as_json:
        print_json([{"name": name, "description": line, "path": str(shipped.find(name))}
                    for name, line in about.items()])
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, line in about.items():
        table.add_row(Text(name), Text(line))
    put(table, Text("\nTry: flowaudio graphs podcast\n     flowaudio run podcast -i IN.wav -o OUT.mp3", style="dim"))


# --- one graph ------------------------------------------------------------------------------------------------------

def _source(path: Path) -> str:
    """The document as TOML: as it was written, with its comments, if it is."""
    if path.suffix.lower() == ".toml":
        return path.read_text(encoding="utf-8")
    return str(document.dumps(document.load(path), "toml"))


def _explain(graph: Graph, path: Path) -> dict[str, Any]:
    """Everything that can be told of a graph, as plain values."""
    fits = _fits(graph)
    channels = 2 if 2 in fits else min(fits)
    made = schedule(read(graph), RATE, channels, 256)
    return {
        "name": graph.graph.get("name", path.stem), "description": graph.graph.get("description", ""),
        "path": str(path),
        "channels": channels, "takes_channels": fits, "output_channels": made.output.channels,
        "latency_frames": made.output.latency, "latency_ms": round(1000 * made.output.latency / RATE, 3),
        "connections": [_spelled(each) for each in decode(_source(path), "toml")["connections"]],
        "nodes": [{"name": name, "type": type(node).__name__, "parameters": as_dict(node)}
                  for name, node in _nodes(graph)],
    }


def _nodes(graph: Graph) -> list[tuple[str, Any]]:
    return [(name, data["node"]) for name, data in graph.nodes(data=True) if is_node(data.get("node"))]


def _fits(graph: Graph) -> list[int]:
    """Numbers of channels, up to 8, that a graph takes. What is wrong with it for two, if it takes none."""
    fits = []
    error: FlowaudioError | None = None
    for channels in (2, 1, *range(3, MOST + 1)):
        try:
            schedule(read(graph), RATE, channels, 256)
            fits.append(channels)
        except FlowaudioError as found:
            error = error or found
    if not fits and error is not None:
        raise error
    return sorted(fits)


def _spelled(connection: Any) -> str:
    """``echo -> tone, 375 ms later``."""
    if isinstance(connection, str):
        return connection
    ends = [f"{connection[key]}.{connection[port]}" if port in connection else str(connection[key])
            for key, port in (("from", "output"), ("to", "input"))]
    delay = connection.get("delay_ms")
    return " -> ".join(ends) + (f", {delay:g} ms later" if delay else "")


def _show(told: dict[str, Any], graph: Graph) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold", style="green")
    for name, node in _nodes(graph):
        rows = _values(node) or [("", "")]
        for k, (parameter, value) in enumerate(rows):
            table.add_row(*map(Text, (name if k == 0 else "", type(node).__name__ if k == 0 else "", parameter, value)))
    lines: list[Any] = [
        Text(told["description"]), Text(), Text(_facts(told), style="dim"), Text(told["path"], style="dim"), Text(),
        *(Text(line) for line in told["connections"]), Text(), table]
    put(Text(told["name"], style="bold"), *(Padding(each, (0, 0, 0, 2)) for each in lines),
        Text(f"\nAll else is at its defaults. A copy to change: flowaudio graphs {Path(told['path']).stem} --toml > "
             "mine.toml", style="dim"))


def _facts(told: dict[str, Any]) -> str:
    fits = told["takes_channels"]
    if fits == list(range(1, MOST + 1)):
        channels = "any number of channels"
    elif fits == list(range(fits[0], MOST + 1)):
        channels = f"{fits[0]} channels in, or more"
    else:
        channels = f"{' or '.join(map(str, fits))} channel{'s' if fits != [1] else ''} in"
    if told["output_channels"] != told["channels"]:
        channels += f", {told['output_channels']} out"
    frames = told["latency_frames"]
    latency = f"latency {frames} frames, {told['latency_ms']:.1f} ms, at 48 kHz" if frames else "no latency"
    return f"{channels}; {latency}"


def _values(node: Any) -> list[tuple[str, str]]:
    """Parameters that differ from their defaults, with their values; the records of a list one by one."""
    rows = []
    known = parameters(type(node))
    for name in as_dict(node):
        if known[name].kind != "items":
            rows.append((name, _value(known[name], getattr(node, name))))
            continue
        for k, item in enumerate(getattr(node, name)):
            rows.append((name if k == 0 else "", _item(item)))
    return rows


def _item(item: Any) -> str:
    """Of a record: what differs from the defaults, and what kind it is."""
    known = parameters(type(item))
    return ", ".join(_value(known[name], getattr(item, name)) if known[name].kind == "choice"
                     else f"{name} {_value(known[name], getattr(item, name))}"
                     for name in known if known[name].kind == "choice" or name in as_dict(item))


def _value(known: Param, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return f"{value:g}" + (f" {known.unit}".replace(" :", ":") if known.unit else "")


def _draw(graph: Graph, channels: int, target: str) -> None:
    from flowaudio.notebook import picture

    try:
        file = Target(target)
        try:
            file.write(picture(graph, RATE, channels).encode())
            file.commit()
        except BaseException:
            file.discard()
            raise
    except (OSError, ValueError) as error:
        if isinstance(error, FlowaudioError):
            raise
        raise failure(TargetError, target, error) from error
