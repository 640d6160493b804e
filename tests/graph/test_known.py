"""Which node types a document may name."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import naive_graph
import pytest
from naive_graph import Late, Scale, Slope

from flowaudio.core.errors import DocumentError
from flowaudio.graph import known
from flowaudio.graph.known import close_to, known_nodes, node_type, type_name


def module(name: str, everything: list[str], **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members, __all__=everything)
    sys.modules[name] = made
    return made


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Packages that offer nodes, beside our own."""
    def clear() -> None:
        for each in (known._entries, known._own, known._others):
            each.cache_clear()

    def install(*entries: tuple[str, str], own: bool = True) -> None:
        if own:
            entries = (*entries, ("flowaudio", "flowaudio.nodes"))
        found = [EntryPoint(name, value, known.GROUP) for name, value in entries]
        monkeypatch.setattr(known, "entry_points", lambda group: [e for e in found if e.group == group])
        clear()

    monkeypatch.setattr(known, "OWN", "test_own_nodes")
    module("test_own_nodes", ["Scale", "helper", "missing"], Scale=Scale, helper=len, Slope=Slope)
    install(own=False)
    yield install
    monkeypatch.undo()
    clear()
    for name in [n for n in sys.modules if n.startswith(("test_own_", "test_acme"))]:
        del sys.modules[name]


def test_our_own_are_found_without_metadata(installed: Any) -> None:
    """A checkout that is not installed has no entry points. Only nodes that `__all__` names are offered."""
    assert known_nodes() == {"Scale": Scale}
    assert node_type("Scale") is Scale
    with pytest.raises(DocumentError, match="there is no node type 'Fragile'; there is Scale"):
        node_type("Fragile")


def test_our_own_come_through_the_same_door(installed: Any) -> None:
    installed(("flowaudio", "test_own_nodes"), own=False)
    assert known_nodes() == {"Scale": Scale}


def test_packages_join_with_a_module_or_a_class(installed: Any) -> None:
    module("test_acme", ["Slope"], Slope=Slope)
    installed(("acme", "test_acme"), ("late", "naive_graph:Late"), own=False)
    assert known_nodes() == {"Scale": Scale, "Slope": Slope, "Late": Late}
    assert node_type("Slope") is Slope
    assert node_type("acme:Slope") is Slope
    assert type_name(Slope) == "Slope"


def test_a_name_that_two_packages_have(installed: Any) -> None:
    other = type("Slope", (Slope,), {})
    theirs = type("Scale", (Scale,), {})
    module("test_acme", ["Slope", "Scale"], Slope=other, Scale=theirs)
    installed(("acme", "test_acme"), ("bell", "naive_graph:Slope"), own=False)
    assert node_type("Scale") is Scale      # nobody takes a name from us
    assert node_type("acme:Scale") is theirs
    with pytest.raises(DocumentError, match="offered by more than one package: write acme:Slope or bell:Slope"):
        node_type("Slope")
    assert node_type("bell:Slope") is Slope
    assert known_nodes() == {"Scale": Scale, "acme:Scale": theirs, "acme:Slope": other, "bell:Slope": Slope}


@pytest.mark.parametrize(("value", "reason"), [
    ("test_acme_missing", "ModuleNotFoundError"), ("naive_graph:Nothing", "AttributeError"),
    ("math:pi", "neither a node's class nor a module"), ("builtins:int", "neither"),
    ("test_acme_bad", "ZeroDivisionError")])
def test_a_package_that_is_broken_breaks_nobody_else(installed: Any, value: str, reason: str, tmp_path: Any,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_acme_bad.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    installed(("acme", value), own=False)
    assert node_type("Scale") is Scale
    with pytest.raises(DocumentError, match=f"there is no node type 'Slope'.*the nodes of acme could not.*{reason}"):
        node_type("Slope")
    with pytest.raises(DocumentError, match=f"'acme:Slope': the nodes of acme cannot be loaded: .*{reason}"):
        node_type("acme:Slope")
    with pytest.warns(RuntimeWarning, match=f"the nodes of acme cannot be loaded: .*{reason}"):
        assert known_nodes() == {"Scale": Scale}


def test_packages_are_loaded_only_when_they_are_needed(installed: Any, tmp_path: Any,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_acme_late.py").write_text("__all__ = []")
    monkeypatch.syspath_prepend(tmp_path)
    installed(("acme", "test_acme_late"), own=False)
    node_type("Scale")
    assert "test_acme_late" not in sys.modules
    with pytest.raises(DocumentError):
        node_type("Slope")
    assert "test_acme_late" in sys.modules


def test_known_nodes_that_are_given_are_all_there_are(installed: Any) -> None:
    assert node_type("Slope", [Slope, Late]) is Slope
    assert node_type("Edge", {"Edge": Slope}) is Slope
    assert type_name(Slope, {"Edge": Slope}) == "Edge"
    with pytest.raises(DocumentError, match="there is no node type 'Minus'; there is Late, Slope"):
        node_type("Minus", [Slope, Late])


def test_a_class_that_would_be_read_back_as_another_is_not_written(installed: Any) -> None:
    mine = type("Scale", (Scale,), {"__module__": "mine"})
    message = r"mine\.Scale would be read back as naive_graph\.Scale: give the class a name"
    with pytest.raises(DocumentError, match=message):
        type_name(mine)
    assert type_name(Late) == "Late"        # whoever reads it has to know it


@pytest.mark.parametrize(("name", "end"), [
    ("compresor", "did you mean Compressor?"), ("Equaliser", "did you mean Equalizer?"), ("", "there is Comp"),
    ("zzz", "there is Compressor, Equalizer"), ("GAIN", "did you mean Gain?"), ("x" * 100_000, "there is Compressor")])
def test_what_was_perhaps_meant(name: str, end: str) -> None:
    assert close_to(name, ["Equalizer", "Gain", "Compressor"]).startswith(end)
    assert close_to("x", []) == "there is none"


def test_the_shipped_nodes_are_known() -> None:
    import flowaudio.nodes

    table = known_nodes()
    offered = getattr(flowaudio.nodes, "__all__", ())
    expected = {name for name in offered if hasattr(getattr(flowaudio.nodes, name), "__declaration__")}
    assert expected == {name for name, cls in table.items() if cls.__module__.startswith("flowaudio.")}
    assert all(cls not in naive_graph.ALL for cls in table.values())
