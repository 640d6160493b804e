"""The reference of all nodes as Markdown, made from their declarations."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from flowaudio.core.described import GROUPS, RATE, default_text
from flowaudio.core.docstrings import inline, to_markdown

__all__ = ["anchor", "entry", "reference"]

Link = Callable[[str], str | None]

ABOUT = """\
# Nodes

What flowaudio's graphs are made of, by what they are for. All parameters are given by name, `fa.Gain(gain_db=-6)`; in a
document they stand in the node's table. A parameter can be set while its graph plays: `engine["name"].gain_db = -6`.
Signals are float32 `[channels, frames]` with full scale at ±1. A latency is that of the default parameters at 48 kHz;
graphs compensate it. This page is made by `flowaudio nodes --markdown`; a node by itself: `flowaudio nodes Gain`."""


def reference(described: list[dict[str, Any]]) -> str:
    """All nodes, by groups, with a table of contents."""
    names = {node["name"] for node in described}
    groups = {group: [node for node in described if node["group"] == group] for group in GROUPS}
    groups = {group: found for group, found in groups.items() if found}

    def link(name: str) -> str | None:
        return anchor(name) if name in names else None

    parts = [ABOUT, "\n".join(_contents(groups))]
    for group, found in groups.items():
        parts.append(f"## {group}\n\n{GROUPS[group]}")
        parts += [entry(node, "###", link) for node in found]
    return "\n\n".join(parts)


def entry(node: dict[str, Any], heading: str = "##", link: Link = lambda name: None) -> str:
    """One node: what it is, its ports, what it measures and finds, its parameters."""
    parts = [f"{heading} {node['name']}", to_markdown(node["doc"], link), "\n".join(_facts(node))]
    if node["events"]:
        rows = [(f"`{kind}`", inline(node["strengths"][kind], link)) for kind in node["events"]]
        parts.append(_table(("event", "strength"), rows))
    if node["parameters"]:
        parts.append(_table(("parameter", "type", "default", "range", ""), map(_parameter, node["parameters"])))
    return "\n\n".join(parts)


def anchor(heading: str) -> str:
    """The address of a heading within its page, as GitHub and GitLab give it."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _contents(groups: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    for group, found in groups.items():
        yield f"- [{group}]({anchor(group)})"
        for node in found:
            yield f"  - [{node['name']}]({anchor(node['name'])}): {inline(node['summary'])}"


def _facts(node: dict[str, Any]) -> Iterator[str]:
    inputs = ", ".join(map(_port, node["ports"])) or "none, it is a source"
    yield f"- Inputs: {inputs}"
    yield f"- Outputs: {', '.join(f'`{name}`' for name in node['outputs']) or 'none'}"
    yield f"- Latency: {_latency(node['latency_frames'])}"
    if node["measures"]:
        yield f"- Measures: {', '.join(f'`{name}`' for name in node['measures'])}"


def _port(port: dict[str, Any]) -> str:
    rules = ["any number of signals"] if port["many"] else []
    rules += ["any number of channels"] if port["any_channels"] else []
    rules += [f"the signal of `{port['default']}` where nothing is connected"] if port["default"] else []
    return f"`{port['name']}`" + (f" ({'; '.join(rules)})" if rules else "")


def _latency(frames: int | None) -> str:
    if frames is None:
        return "unknown"
    return f"{frames} frames, {1000 * frames / RATE:.3g} ms" if frames else "none"


def _parameter(each: dict[str, Any]) -> tuple[str, ...]:
    return f"`{each['name']}`", each["type"], default_text(each), each["range"], inline(each["doc"])


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines).replace(
        "|  |", "| |")
