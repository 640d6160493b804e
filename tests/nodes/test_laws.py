"""The laws that hold for every node. A node that comes with the package is tried here without a line of its own."""

import importlib
import pkgutil
from typing import Any

import pytest

import flowaudio.nodes
from flowaudio.core.node import declaration
from flowaudio.testing.check import check_node
from flowaudio.testing.laws import LAWS


def shipped() -> list[type]:
    """All node classes of the package."""
    found = set()
    for module in pkgutil.iter_modules(flowaudio.nodes.__path__, "flowaudio.nodes."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and hasattr(value, "__declaration__") and value.__module__ == module.name:
                found.add(value)
    return sorted(found, key=lambda cls: cls.__name__)


NODES = shipped()
TIMELESS = [name for name in LAWS if name != "speed"]
"""How fast the nodes are is measured by the benches."""


def test_all_nodes_are_found() -> None:
    assert {"Biquad", "Equalizer", "Gain", "OnePole"} <= {cls.__name__ for cls in NODES}
    assert {cls.__name__ for cls in NODES} <= set(flowaudio.nodes.__all__)


@pytest.mark.parametrize(("cls", "law"), [
    pytest.param(cls, law, id=f"{cls.__name__}-{law}") for cls in NODES for law in TIMELESS
    if LAWS[law].holds_for(declaration(cls))])
def test_every_node_keeps_every_law(cls: Any, law: str) -> None:
    check_node(cls, laws=[law])
