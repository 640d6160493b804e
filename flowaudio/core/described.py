"""Everything that a node declares, as plain values: for tables, JSON and Markdown."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from flowaudio.core.docstrings import blocks, first_sentence, sentences
from flowaudio.core.node import Format, Port, declaration
from flowaudio.core.params import Param, as_dict, parameters

__all__ = ["GROUPS", "RATE", "default_text", "describe"]

RATE = 48_000
"""Hz for which latencies are told."""

GROUPS = {
    "Effects": "What changes the sound: filters, echoes, rooms.",
    "Dynamics": "What changes the level by what it hears.",
    "Routing": "What adds, places, picks and chooses signals.",
    "Sources": "What makes sound by itself, from no input.",
    "Meters": "What measures. The signal passes unchanged; the results are read while it plays: `engine.read(name)`.",
    "Detectors": "What finds faults. The signal passes unchanged; what is found is told as events: `engine.events()`.",
    "Nodes of other packages": "What the packages that are installed beside flowaudio offer.",
}
"""What nodes are for, in the order in which a reference has them."""

_PLACED = {"Compressor": "Dynamics", "Ducker": "Dynamics", "Limiter": "Dynamics", "Normalizer": "Dynamics",
           "ChannelMap": "Routing", "Failover": "Routing", "Gain": "Routing", "Mix": "Routing", "Pan": "Routing",
           "Pick": "Routing"}
"""Those that their declaration does not place."""


def describe(name: str, cls: type) -> dict[str, Any]:
    """Everything that a node declares, as plain values."""
    declared = declaration(cls)
    doc = inspect.cleandoc(cls.__doc__ or "")
    return {
        "name": name,
        "group": _group(cls),
        "summary": first_sentence(doc),
        "doc": doc,
        "inputs": [port.name for port in declared.inputs],
        "outputs": [port.name for port in declared.outputs],
        "measures": list(declared.measures),
        "ports": [_port(port) for port in declared.inputs],
        "events": list(declared.events),
        "strengths": {kind: _strength(kind, doc) for kind in declared.events},
        "latency_frames": _latency(cls),
        "parameters": list(_parameters(cls)),
    }


def _group(cls: type) -> str:
    declared = declaration(cls)
    if not cls.__module__.startswith("flowaudio."):
        return "Nodes of other packages"
    if declared.name in _PLACED:
        return _PLACED[declared.name]
    if not declared.inputs:
        return "Sources"
    return "Detectors" if declared.events else "Meters" if declared.measures else "Effects"


def _port(port: Port) -> dict[str, Any]:
    return {"name": port.name, "default": port.default, "many": port.many, "any_channels": port.any_channels}


def _strength(kind: str, doc: str) -> str:
    """What a docstring says of the strength of an event: the sentence behind the place that names its kind."""
    for block in blocks(doc):
        named = re.search(f"[`\"]{kind}[`\"]", block.text)
        if named is None or block.kind == "literal":
            continue
        for sentence in sentences(block.text[named.end():]):
            told = re.match(r"(Its |The )?strength(:| is) (.*?)\.?$", sentence, re.IGNORECASE)
            if told:
                return told.group(3)
    return ""


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


def default_text(parameter: dict[str, Any]) -> str:
    """The default of a parameter as a table shows it."""
    value = parameter["default"]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"{len(value)} of them" if value else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
