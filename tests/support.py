"""What many tests need: the checkout, processes of their own, graphs as drawn, signals in pieces."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from flowaudio.graph.graph import Graph

__all__ = ["ROOT", "at", "in_pieces", "module_name", "python", "wired"]

ROOT = Path(__file__).parent.parent


def at(array: Any) -> int:
    """Where an array begins."""
    return int(array.__array_interface__["data"][0])


def in_pieces(plan: Any, x: Any, lengths: Any) -> Any:
    """What a plan makes of a signal that comes in blocks of these lengths, over and over."""
    made, at = [], 0
    for length in itertools.cycle(lengths):
        if at >= x.shape[1]:
            return np.concatenate(made, axis=1)
        made.append(plan.process(x[:, at:at + length]))
        at += length
    raise ValueError("no lengths")


def module_name(path: Path) -> str:
    """Of a file in the checkout, as it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python(code: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    """A new Python process with a kernel cache of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    variables = {**os.environ, "PYTHONPATH": path, "FLOWAUDIO_CACHE_DIR": str(cache), **environment}
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code], text=True, env=variables,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wired(nodes: dict[str, Any], *edges: tuple[Any, ...]) -> Graph:
    """A graph of these nodes and of these edges: ``(source, target)``, or ``(source, target, delay_ms)``."""
    graph = Graph()
    for name, node in nodes.items():
        graph.add(node, name)
    for source, target, *delay in edges:
        graph.connect(source, target, delay_ms=delay[0] if delay else 0.0)
    return graph
