"""The commands `nodes` and `graphs`: what there is to build with."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flowaudio.cli.output import console, print_json, put
from flowaudio.core.errors import ParameterError
from flowaudio.core.node import Format, declaration
from flowaudio.core.params import Param, as_dict, parameters
from flowaudio.graph import document, shipped
from flowaudio.graph.known import close_to, known_nodes

__all__ = ["graphs", "nodes"]

RATE = 48_000
"""Hz for which latencies are told."""

ROLE = r":\w+:`[~.]?([^`]*)`"
"""A cross-reference of Sphinx, with the name in it."""


def graphs(args: Any) -> None:
    """``flowaudio graphs``."""
    ready = {name: document.load(path) for name, path in shipped.shipped().items()}
    about = {name: graph.graph.get("description", "") for name, graph in ready.items()}
    if args.json:
        print_json([{"name": name, "description": line, "path": str(shipped.find(name))}
                    for name, line in about.items()])
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, line in about.items():
        table.add_row(Text(name), Text(line))
    put(table, Text("\nTry: flowaudio run podcast -i IN.wav -o OUT.mp3", style="dim"))


def nodes(args: Any) -> None:
    """``flowaudio nodes [NAME]``."""
    known = dict(sorted(known_nodes().items()))
    if args.name is not None:
        found = next((name for name in known if name.lower() == args.name.lower()), None)
        if found is None:
            raise ParameterError(f"there is no node called {args.name!r}; {close_to(args.name, known)}")
        known = {found: known[found]}
    described = [_describe(name, cls) for name, cls in known.items()]
    if args.json:
        print_json(described if args.name is None else described[0])
    elif args.markdown:
        print("\n\n".join("\n".join(_markdown(node, args.name is not None)) for node in described))
    else:
        width = console().width
        put(*(each for node in described for each in _drawn(node, args.name is not None, width)))


def _describe(name: str, cls: type) -> dict[str, Any]:
    """Everything that a node declares, as plain values."""
    declared = declaration(cls)
    doc = inspect.cleandoc(cls.__doc__ or "")
    return {
        "name": name,
        "summary": _first_sentence(doc),
        "doc": doc,
        "inputs": [port.name for port in declared.inputs],
        "outputs": [port.name for port in declared.outputs],
        "measures": list(declared.measures),
        "events": list(declared.events),
        "latency_frames": _latency(cls),
        "parameters": list(_parameters(cls)),
    }


def _first_sentence(doc: str) -> str:
    prose = re.sub(ROLE, r"\1", doc.split("\n\n")[0].replace("\n", " ").partition("::")[0])
    return re.split(r"(?<=[.;]) ", prose)[0].rstrip(".;")


def _latency(cls: type) -> int | None:
    """Of a stereo signal at 48 kHz, with default parameters; None where that cannot be told."""
    count = len(declaration(cls).inputs)
    try:
        return int(cls().latency(Format(RATE, 2, 256, (2,) * count)))
    except Exception:                   # a node of somebody else
        return None


def _parameters(cls: type, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Each parameter, and behind a list those of its records."""
    for name, known in parameters(cls).items():
        default = [as_dict(each) for each in known.default] if known.kind == "items" else known.default
        yield {"name": prefix + name, "type": known.kind, "default": default, "unit": known.unit,
               "low": _finite(known.low), "high": _finite(known.high), "choices": list(known.choices),
               "item": known.item.__name__ if known.item else None, "doc": known.doc,
               "range": _range(known)}
        if known.item is not None:
            yield from _parameters(known.item, f"{prefix}{name}[].")


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _range(known: Param) -> str:
    if known.kind == "choice":
        return ", ".join(known.choices)
    if known.kind == "flag":
        return "true, false"
    if known.kind == "items":
        return f"{known.item.__name__}, any number" if known.item else ""
    low, high = (f"{value:g}" if abs(value) < 1e6 else f"{value:.4g}" for value in (known.low, known.high))
    return f"{low} to {high}" + (f" {known.unit}".replace(" :", ":") if known.unit else "")


def _default(parameter: dict[str, Any]) -> str:
    value = parameter["default"]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"{len(value)} of them" if value else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ports(node: dict[str, Any]) -> str:
    return f"{', '.join(node['inputs']) or 'a source'} -> {', '.join(node['outputs']) or 'nothing'}"


def _delay(node: dict[str, Any]) -> str:
    frames = node["latency_frames"]
    if frames is None:
        return "latency unknown"
    return f"latency {frames} frames at 48 kHz" if frames else "no latency"


def _facts(node: dict[str, Any]) -> str:
    measures = f"; measures {', '.join(node['measures'])}" if node["measures"] else ""
    events = f"; finds {', '.join(node['events'])}" if node["events"] else ""
    return f"{_ports(node)}; {_delay(node)}{measures}{events}"


def _drawn(node: dict[str, Any], whole: bool, width: int) -> Iterator[Any]:
    """What is shown of a node: its name, its ports, what it is, its parameters."""
    heading = Text(node["name"], style="bold cyan")
    if not whole:
        heading.append(f"  {node['summary']}", style="default not bold")
    yield heading
    yield _indented(Text(_facts(node), style="dim"))
    if whole:
        yield Text()
        for paragraph in _paragraphs(node["doc"]):
            yield _indented(Text(paragraph), Text())
    if node["parameters"]:
        yield _indented(_table(node["parameters"], whole, width))
    if not whole:
        yield Text()


def _table(rows: list[dict[str, Any]], header: bool, width: int) -> Table:
    """The same widths under every heading, so that the eye finds its column; the sentence takes what is left."""
    wide = width >= 100
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False, header_style="dim", show_header=header)
    table.add_column("parameter", min_width=16 if wide else 14, no_wrap=True)
    table.add_column("type", min_width=7, no_wrap=True, style="dim")
    table.add_column("default", min_width=14 if wide else 7, overflow="fold", style="green")
    table.add_column("range", min_width=24 if wide else 14, max_width=40 if wide else 15)
    table.add_column("", ratio=1)
    for each in rows:
        cells = (_shortened(each["name"]), each["type"], _default(each), each["range"], each["doc"])
        table.add_row(*map(Text, cells))
    return table


def _indented(*shown: Any) -> Padding:
    return Padding(Group(*shown), (0, 0, 0, 2))


def _paragraphs(doc: str) -> Iterator[str]:
    """Of a docstring: prose as one line each, to be broken anew; pictures, formulas and lists as they are."""
    for part in doc.split("\n\n"):
        plain = re.sub(ROLE, r"\1", part).replace("::", ":").replace("``", "")
        as_is = any(line.startswith((" ", "- ", "* ")) for line in plain.splitlines())
        yield textwrap.dedent(plain) if as_is else plain.replace("\n", " ")


def _shortened(name: str) -> str:
    """``bands[].gain_db`` stands under ``bands``."""
    return f"  {name.rpartition('[].')[2]}" if "[]." in name else name


def _markdown(node: dict[str, Any], whole: bool) -> Iterator[str]:
    yield f"## {node['name']}\n"
    yield f"{node['doc'] if whole else node['summary']}\n"
    yield f"{_facts(node)}\n"
    if node["parameters"]:
        yield "| parameter | type | default | range | |"
        yield "| --- | --- | --- | --- | --- |"
        for each in node["parameters"]:
            cells = (f"`{each['name']}`", each["type"], _default(each), each["range"], each["doc"])
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
