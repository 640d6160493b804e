"""The commands `nodes` and `graphs`: what there is to build with."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flowaudio.cli.output import console, print_json, put
from flowaudio.cli.ready import graphs
from flowaudio.cli.reference import entry, reference
from flowaudio.core.described import default_text, describe
from flowaudio.core.docstrings import paragraphs
from flowaudio.core.errors import ParameterError
from flowaudio.graph.known import close_to, known_nodes

__all__ = ["graphs", "nodes"]


def nodes(args: Any) -> None:
    """``flowaudio nodes [NAME]``."""
    known = dict(sorted(known_nodes().items()))
    if args.name is not None:
        found = next((name for name in known if name.lower() == args.name.lower()), None)
        if found is None:
            raise ParameterError(f"there is no node called {args.name!r}; {close_to(args.name, known)}")
        known = {found: known[found]}
    described = [describe(name, cls) for name, cls in known.items()]
    if args.json:
        print_json(described if args.name is None else described[0])
    elif args.markdown:
        print(entry(described[0]) if args.name is not None else reference(described))
    else:
        width = console().width
        put(*(each for node in described for each in _drawn(node, args.name is not None, width)))


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
        for paragraph in paragraphs(node["doc"]):
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
        cells = (_shortened(each["name"]), each["type"], default_text(each), each["range"], each["doc"])
        table.add_row(*map(Text, cells))
    return table


def _indented(*shown: Any) -> Padding:
    return Padding(Group(*shown), (0, 0, 0, 2))


def _shortened(name: str) -> str:
    """``bands[].gain_db`` stands under ``bands``."""
    return f"  {name.rpartition('[].')[2]}" if "[]." in name else name
