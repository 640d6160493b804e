"""Documents: the same graph comes back, and whatever is no document is told in one sentence."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgpack
import networkx as nx
import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_graph import ALL, Band, Everything, Late, Minus, Scale, Slope, Split, Weighted, assert_equal, edges_of

from flowaudio.core.errors import DocumentError, FlowaudioError, GraphError, TargetError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.graph.document import dump, dumps, load, loads
from flowaudio.graph.encoding import FORMATS
from flowaudio.graph.graph import Graph, chain
from flowaudio.graph.plan import render
from flowaudio.graph.wiring import read

quick = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def assert_round_trips(graph: nx.DiGraph, **known: Any) -> None:
    for format in FORMATS:
        text = dumps(graph, format, known=ALL)
        again = loads(text, format, known=ALL)
        assert isinstance(again, Graph)
        assert_equal(graph, again)
        assert dumps(again, format, known=ALL) == text


def duck() -> Graph:
    graph = Graph(name="duck", description='Says "quack",\nnot more → no less.')
    graph.add(Everything(level_db=-18, order=3, mode="slow", on=False, bands=(Band(), Band(kind="shelf", gain_db=0.1))),
              "all")
    graph.add(Minus(), "minus")
    graph.add(Split(), "split")
    graph.add(Slope(), "unused")
    for source, target in (("in", "all"), ("all", "split"), ("split.turned", "minus.sidechain"), ("split", "minus"),
                           ("minus", "out"), ("in", "out")):
        graph.connect(source, target)
    graph.connect("minus", "all", delay_ms=12.5)
    graph.connect("minus", "minus.sidechain", delay_ms=3)
    return graph


def test_round_trip() -> None:
    assert_round_trips(duck())


def test_toml_reads_as_people_write_it() -> None:
    assert dumps(duck(), "toml", known=ALL) == '''\
flowaudio = 1
name = "duck"
description = "Says \\"quack\\",\\nnot more → no less."
connections = [
    "in -> all -> split",
    "split.turned -> minus.sidechain",
    "split -> minus -> out",
    "in -> out",
    { from = "minus", to = "all", delay_ms = 12.5 },
    { from = "minus", to = "minus", input = "sidechain", delay_ms = 3 },
]

[nodes.all]
type = "Everything"
level_db = -18
order = 3
mode = "slow"
on = false
bands = [
    {},
    { kind = "shelf", gain_db = 0.1 },
]

[nodes.minus]
type = "Minus"

[nodes.split]
type = "Split"

[nodes.unused]
type = "Slope"
'''


def test_json_is_node_link_form() -> None:
    data = json.loads(dumps(duck(), "json", known=ALL))
    assert data["flowaudio"] == 1
    graph = nx.node_link_graph(data, edges="edges")
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph["name"] == "duck"
    assert graph.nodes["all"]["parameters"]["order"] == 3
    assert edges_of(graph) == edges_of(duck())
    assert msgpack.unpackb(dumps(duck(), "msgpack", known=ALL)) == data


def test_a_list_may_be_emptied() -> None:
    graph = chain(Everything(bands=()))
    assert "bands = []" in dumps(graph, "toml")
    assert_round_trips(graph)


def test_a_document_as_people_write_it() -> None:
    graph = loads('''
        # A duck.
        flowaudio = 1
        connections = ["in->a  -> sum->out", "a.turned -> sum", {from = "in", to = "sum", delay_ms = 2},
                       {from = "a.turned", to = "m.sidechain"}, "in -> m -> sum",
                       {from = "a", output = "whole", to = "sum"}]
        nodes.a.type = "Split"
        nodes.sum.type = "Weighted"
        [nodes.m]
        type = "Minus"
        ''', "toml", known=ALL)
    x = np.array([[1.0, 2, 3]])
    late = np.array([[0, 0, 1.0]])
    turned = -x
    assert edges_of(graph)[-1] == ("sum", [("a", {}), ("a", {"output": "turned"}), ("a", {"output": "whole"}),
                                           ("in", {"delay_ms": 2}), ("m", {})])
    assert np.array_equal(render(graph, x, 1000), x + 2 * turned + 3 * x + 4 * late + 5 * (x - 2 * turned))


def test_order_of_arrival_survives() -> None:
    graph = Graph()
    for name in "abcd":
        graph.add(Scale(factor=ord(name) - ord("a")), name)
    graph.add(Weighted(), "sum")
    for name in "dbca":
        graph.connect(name, "sum")
    for name in "abcd":
        graph.connect("in", name)
    graph.connect("sum", "out")
    assert_round_trips(graph)
    assert render(loads(dumps(graph, "toml"), "toml", ALL), np.ones((1, 1)))[0, 0] == 1 * 3 + 2 * 1 + 3 * 2


@pytest.mark.parametrize("name", [
    "a.b", "a -> b", " a ", "", "ä ö", "a\nb", '"', "\x00", "a.", ".a", "in.", "[1]", "->", "𝄞"])
def test_names_of_every_kind(name: str) -> None:
    """`Graph.add` refuses some of them; networkx does not."""
    graph = nx.MultiDiGraph()
    graph.add_node(name, node=Split())
    graph.add_node("m", node=Minus())
    graph.add_edge("in", name)
    graph.add_edge(name, "m", output="turned", input="sidechain")
    graph.add_edge(name, "m")
    graph.add_edge("m", name, delay_ms=4)
    graph.add_edge("m", "out", input="in")
    assert_round_trips(graph)


def test_a_name_that_looks_like_anothers_port() -> None:
    graph = nx.MultiDiGraph()
    graph.add_node("a", node=Split())
    graph.add_node("a.turned", node=Scale())
    for source, target, data in (("in", "a", {}), ("a", "a.turned", {"output": "turned"}), ("a.turned", "out", {}),
                                 ("a", "out", {"output": "turned"}), ("in", "a.turned", {"input": "in"})):
        graph.add_edge(source, target, **data)
    assert_round_trips(graph)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph])
def test_any_directed_graph_of_networkx(kind: Any) -> None:
    graph = kind()
    graph.add_node("in", colour="red")
    graph.add_node("a", node=Late(frames=4), at=(3, 4))
    nx.add_path(graph, ["in", "a", "out"], delay_ms=0)
    nx.set_edge_attributes(graph, None, "input")
    assert_round_trips(graph)


def test_a_world_that_nothing_touches() -> None:
    graph = nx.DiGraph([("a", "out")])
    graph.add_node("a", node=ALL[7]())
    graph.add_node("in")
    assert_round_trips(graph)


def test_parameters_to_the_last_bit() -> None:
    values = [-0.1, -1 / 3, -1e-300, -99.99999999999999, -0.0, -5e-324]
    graph = chain(*[Everything(level_db=v, order=(1 << 62) - k) for k, v in enumerate(values)])
    assert_round_trips(graph)


def test_many_nodes() -> None:
    graph = nx.MultiDiGraph()
    nx.add_path(graph, ["in", *map(str, range(3_000)), "out"])
    for k in range(3_000):
        graph.nodes[str(k)]["node"] = Scale(factor=k % 3 / 3)
        graph.add_edge("0", "out")
    for format in FORMATS:
        assert_equal(graph, loads(dumps(graph, format, ALL), format, ALL))


# --- files ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", [".toml", ".json", ".msgpack", ".TOML"])
def test_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"duck{suffix}"
    dump(duck(), path, known=ALL)
    assert_equal(load(str(path), known=ALL), duck())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    for suffix in ("toml", "json"):
        path = tmp_path / f"duck.{suffix}"
        path.write_text(str(dumps(duck(), suffix, known=ALL)), encoding="utf-8-sig")
        assert_equal(load(path, known=ALL), duck())


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("")
    (tmp_path / "link.toml").symlink_to("real.toml")
    dump(chain(Scale()), tmp_path / "link.toml")
    assert (tmp_path / "link.toml").is_symlink()
    assert len(load(tmp_path / "real.toml", ALL)) == 3


def test_what_was_there_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "duck.toml"
    dump(duck(), path, known=ALL)
    before = path.read_bytes()
    with pytest.raises(GraphError, match="nothing reaches"):
        dump(Graph(), path)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TargetError, match=r"duck\.toml cannot be written: No space left on device$"):
        dump(chain(Scale()), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("name", "message"), [
    ("missing.toml", "missing.toml cannot be read: No such file"), ("", "cannot be read: Is a directory"),
    ("duck.yaml", "the end of its name must tell the format: .toml, .json, .msgpack"), ("duck", "must tell the format"),
    ("a\0b.toml", "cannot be read: embedded null byte"), ("x" * 300 + ".toml", "cannot be read: File name too long")])
def test_files_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(DocumentError) as caught:
        load(folder / name, ALL)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    for name, reason in (("no/duck.toml", "No such file"), ("a\0b.toml", "null byte")):
        with pytest.raises(TargetError, match=f"cannot be written: .*{reason}"):
            dump(duck(), tmp_path / name, known=ALL)


def test_a_file_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "zero.toml"
    path.symlink_to("/dev/zero")
    with pytest.raises(DocumentError, match="longer than 32 MiB"):
        load(path)


# --- faults ---------------------------------------------------------------------------------------------------------

START = 'flowaudio = 1\nconnections = ["in -> a -> out"]\n'

TOML_FAULTS = {
    "": "it says no version: a graph document begins with flowaudio = 1",
    "flowaudio = 2": "it is of version 2 and this flowaudio reads up to 1: update flowaudio",
    "flowaudio = 0": "flowaudio must be the version of the document, 1 (got 0)",
    "flowaudio = true": "flowaudio must be the version of the document, 1 (got True)",
    'flowaudio = "1"': "(got '1')",
    "flowaudio = 1": 'nothing reaches "out"',
    "flowaudio = ": "it is no TOML: Invalid value (at end of document)",
    "flowaudio = 1\nx y": "it is no TOML: Expected '=' after a key in a key/value pair (at line 2, column 3)",
    "flowaudio = 1\nflowaudio = 1": "Cannot overwrite a value (at ",
    "flowaudio = 1\nconnection = []": "a document has no 'connection'; did you mean connections?",
    "flowaudio = 1\nname = 3": "name must be a string (got 3)",
    "flowaudio = 1\nnodes = 3": "nodes must be a table of nodes by name (got 3)",
    "flowaudio = 1\nnodes.a = 3": "nodes.a must be a table with a type (got 3)",
    "flowaudio = 1\n[[nodes]]": "nodes must be a table",
    "flowaudio = 1\n[nodes.a]": "nodes.a: it has no type",
    "flowaudio = 1\n[nodes.a]\ntype = 1": "nodes.a: type must be a string (got 1)",
    "flowaudio = 1\n[nodes.in]\ntype = 'Scale'": "nodes.in is the world and has no 'type'",
    START: "connections[0]: there is no node 'a' to connect; there is in, out",
    START + "[nodes.A]\ntype = 'Scale'": "there is no node 'a' to connect; did you mean A?",
    START + "[nodes.a]\ntype = 'Scal'": "nodes.a: there is no node type 'Scal'; did you mean Scale?",
    START + "[nodes.a]\ntype = 'os.system'": "nodes.a: there is no node type 'os.system'",
    START + "[nodes.a]\ntype = 'Scale'\nfacto = 1": "nodes.a: Scale has no parameter 'facto' (it has: factor)",
    START + "[nodes.a]\ntype = 'Scale'\nself = 1": "nodes.a: Scale has no parameter 'self'",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = 5": "nodes.a: Scale.factor must be between -4 and 4 (got 5)",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = nan": "nodes.a.factor: a number must be finite (got nan)",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = -inf": "nodes.a.factor: a number must be finite (got -inf)",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = '1'": "nodes.a: Scale.factor must be a number (got '1')",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = true": "nodes.a: Scale.factor must be a number (got True)",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = 2020-01-01": "nodes.a.factor: a value must be",
    START + "[nodes.a]\ntype = 'Scale'\nfactor = 9223372036854775808":
        "nodes.a.factor: a whole number must fit 64 bits",
    START + f"[nodes.a]\ntype = 'Scale'\nfactor = 0x{'f' * 9999}": "fit 64 bits (got one of 39996)",
    START + f"[nodes.a]\ntype = 'Scale'\nfactor = {'9' * 5000}": "it is no toml (",
    START + "[nodes.a]\ntype = 'Everything'\non = 1": "Everything.on must be true or false (got 1)",
    START + "[nodes.a]\ntype = 'Everything'\nmode = []": "Everything.mode must be one of fast, slow (got [])",
    START + "[nodes.a]\ntype = 'Everything'\norder = 1.5": "Everything.order must be a whole number (got 1.5)",
    START + "[nodes.a]\ntype = 'Everything'\nbands = 1": "Everything.bands must be a list of Band (got 1)",
    START + "[nodes.a]\ntype = 'Everything'\nbands = {}": "Everything.bands must be a list of Band (got {})",
    START + "[nodes.a]\ntype = 'Everything'\nbands = [{}, 1]": "Everything.bands must hold Band only (got 1)",
    START + "[nodes.a]\ntype = 'Everything'\nbands = [{}, {q = 1}]": "Everything.bands[1]: Band has no parameter 'q'",
    "flowaudio = 1\nconnections = 'in -> out'": 'connections must be a list such as ["in -> gain -> out"] (got',
    "flowaudio = 1\nconnections = [3]": 'connections[0]: it must be a path such as "in -> gain" or a table',
    "flowaudio = 1\nconnections = ['in']": "connections[0]: 'in' must name two or more nodes with arrows between them",
    "flowaudio = 1\nconnections = ['in -> -> out']": "must name two or more nodes",
    "flowaudio = 1\nconnections = ['in -> out', 'in -> ou']":
        "connections[1]: there is no node 'ou' to connect; did you",
    "flowaudio = 1\nconnections = ['in -> a.x -> out']\nnodes.a.type='Scale'":
        "'a.x' names a port in the middle of a path",
    "flowaudio = 1\nconnections = ['in -> a.x', 'a -> out']\nnodes.a.type='Scale'":
        "a has no input called 'x' (it has: in)",
    "flowaudio = 1\nconnections = [{from = 'in'}]": "connections[0]: to must be the name of a node (got None)",
    "flowaudio = 1\nconnections = [{from = 'in', to = 3}]": "to must be the name of a node (got 3)",
    "flowaudio = 1\nconnections = [{from = 'in', to = 'out', delay = 3}]":
        "a connection has no 'delay'; did you mean delay_ms?",
    "flowaudio = 1\nconnections = [{from = 'in', to = 'out', delay_ms = []}]":
        "delay_ms must be between 0 and 60000 (got [])",
    "flowaudio = 1\nconnections = [{from = 'in', to = 'out', input = 3}]": "out has no input called 3",
    "flowaudio = 1\nconnections = [{from = 'in', to = 'out.in', input = 'in'}]": "there is no node 'out.in' to connect",
    "flowaudio = 1\nconnections = ['in -> out', 'out -> in']": 'nothing leaves "out"',
    "x = " + "[" * 100_000: "its tables and lists are nested deeper than 16 levels",
    "x = " + "[" * 50 + "]" * 50: "tables and lists are nested deeper than 16 levels",
    "a." * 300_000 + "b = 1": "more than 16 names are joined with dots",
    '["a" . ' + "'a'." * 16 + "b]": "more than 16 names are joined with dots",
    "x = {" + "a." * 15 + "b = 1}": "it says no version",
    "x" * 300_000: "it is no TOML",
    "x = '" + " ." * 300_000 + "'": "it says no version",
    "x = '\ud800'": "",
}


@pytest.mark.parametrize("text", TOML_FAULTS, ids=[str(k) for k in range(len(TOML_FAULTS))])
def test_faults_of_toml(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        loads(text, "toml", known=ALL)
    message = str(caught.value)
    assert message.startswith("the document: ")
    assert TOML_FAULTS[text] in message
    assert "\n" not in message
    assert len(message) < 400


def test_a_fault_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "duck.toml"
    path.write_text(START + "[nodes.a]\ntype = 'Scale'\nfactor = 5")
    with pytest.raises(DocumentError) as caught:
        load(path, ALL)
    assert str(caught.value) == f"{path}: nodes.a: Scale.factor must be between -4 and 4 (got 5)"
    path.write_bytes(b"flowaudio = 1\nname = '\xff'")
    with pytest.raises(DocumentError, match=r"duck\.toml: it is not UTF-8 \(byte 22 is 0xff\): save it as UTF-8"):
        load(path, ALL)


LINK: dict[str, Any] = {
    "flowaudio": 1, "nodes": [{"id": "in"}, {"id": "a", "type": "Scale"}, {"id": "out"}],
    "edges": [{"source": "in", "target": "a"}, {"source": "a", "target": "out"}]}

LINK_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"edges": 3}, "edges must be a list (got 3)"),
    ({"nodes": [3]}, "nodes[0] must be a table (got 3)"),
    ({"nodes": [{}]}, "nodes[0]: it has no id"),
    ({"nodes": [{"id": 3}]}, "nodes[0]: id must be a string (got 3)"),
    ({"nodes": [{"id": "a"}]}, "nodes[0]: it has no type"),
    ({"nodes": [{"id": "in", "type": "Scale"}]}, "nodes[0]: 'in' is the world and has no 'type'"),
    ({"nodes": [{"id": "a", "type": "Scale", "factor": 2}]}, "nodes[0]: a node has no 'factor'"),
    ({"nodes": [{"id": "a", "type": "Scale", "parameters": []}]}, "nodes[0]: parameters must be a table (got [])"),
    ({"nodes": [{"id": "a", "type": "Scale", "parameters": {"type": "Late"}}]}, "no parameter is called 'type'"),
    ({"nodes": [{"id": "a", "type": "Scale"}] * 2}, "nodes[1]: there is a node 'a' already"),
    ({"edges": [{"source": "in", "target": "b"}]}, "edges[0]: there is no node 'b' to connect; there is a, in, out"),
    ({"edges": [{"source": "in"}]}, "edges[0]: it has no target"),
    ({"edges": [{"source": "in", "target": "a", "gain": 1}]}, "edges[0]: an edge has no 'gain'"),
    ({"directed": False}, "directed must be true"),
    ({"graph": []}, "graph must be a table with name and description (got [])"),
    ({"graph": {"title": "x"}}, "graph has no 'title'"),
    ({"graph": {"name": None}}, "a value must be a table, a list, a string, a number, true or false (got None)"),
    ({"extra": 1}, "a document has no 'extra'"),
    ({"flowaudio": 1 << 70}, "flowaudio: "),
]


@pytest.mark.parametrize(("change", "message"), LINK_FAULTS, ids=[str(k) for k in range(len(LINK_FAULTS))])
def test_faults_of_node_link_form(change: dict[str, Any], message: str) -> None:
    loads(json.dumps(LINK), "json", ALL)
    with pytest.raises(DocumentError) as caught:
        loads(json.dumps({**LINK, **change}), "json", ALL)
    assert message in str(caught.value)
    without = [key for key in ("nodes", "edges") if key in change]
    for key in without:
        with pytest.raises(DocumentError, match=f"it has no {key}"):
            loads(json.dumps({k: v for k, v in LINK.items() if k != key}), "json", ALL)


@pytest.mark.parametrize(("data", "format", "message"), [
    ("", "json", "it is no JSON: Expecting value (at line 1, column 1)"),
    ("{\n'a'", "json", "it is no JSON: Expecting property name enclosed in double quotes (at line 2, column 1)"),
    ("[]", "json", "a document must be a table (got [])"),
    ("NaN", "json", "a document must be a table (got nan)"),
    ('{"flowaudio": 1, "flowaudio": 1}', "json", "the key 'flowaudio' stands twice in one table"),
    ('{"flowaudio": NaN}', "json", "flowaudio: a number must be finite"),
    ('{"\\ud800": 1}', "json", "a string must be Unicode without lone surrogates"),
    ("[" * 100_000, "json", "nested deeper than 16 levels"),
    (f'{{"a": {"9" * 5000}}}', "json", "it is no json"),
    (b"", "msgpack", "it is no msgpack"),
    (b"\xc1", "msgpack", "it is no msgpack"),
    (b"\x91" * 100_000, "msgpack", "it is no msgpack"),
    (b"\x80\x80", "msgpack", "it is no msgpack"),
    (b"\x81\x91\x01\x01", "msgpack", "it is no msgpack"),
    (b"\x81\x01\x01", "msgpack", "it is no msgpack"),
    (b"\x81\xa1\xff\x01", "msgpack", "it is no msgpack"),
    (msgpack.packb({"a": msgpack.ExtType(5, b"x")}), "msgpack", "a: a value must be"),
    (msgpack.packb({"a": msgpack.Timestamp(5)}), "msgpack", "a: a value must be"),
    (msgpack.packb({"a": b"x"}), "msgpack", "a: a value must be"),
    (msgpack.packb({"a": (1 << 64) - 1}), "msgpack", "a: a whole number must fit 64 bits"),
    (b"\xdd\xff\xff\xff\xff", "msgpack", "it is no msgpack"),
    ("{}", "msgpack", "msgpack is bytes (got text)"),
    ("{}", "yaml", "a document is toml, json or msgpack (got 'yaml')"),
])
def test_faults_of_the_encodings(data: str | bytes, format: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        loads(data, format, ALL)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_node_whose_own_checks_refuse() -> None:
    @node
    class Odd:
        a: float = param(0.0, 9.0, "a", default=1.0)

        def __post_init__(self) -> None:
            raise KeyError("even")

        def prepare(self, format: Format) -> tuple[None, None]:
            return None, None

        @kernel
        def process(x: Any, y: Any, p: Any, s: Any) -> None:
            y[0, 0] = x[0, 0]

    with pytest.raises(DocumentError, match=r"nodes\.a: Odd cannot be made: KeyError: 'even'"):
        loads(START + "[nodes.a]\ntype = 'Odd'", "toml", [Odd])


@pytest.mark.parametrize(("about", "message"), [
    ({"name": 3}, "the graph's name must be a string"), ({"description": "\ud800"}, "lone surrogates")])
def test_graphs_that_cannot_be_written(about: dict[str, Any], message: str) -> None:
    graph = chain(Scale())
    graph.graph.update(about)
    for format in FORMATS:
        with pytest.raises(GraphError, match=message):
            dumps(graph, format, ALL)
    with pytest.raises(DocumentError, match="a document is toml, json or msgpack"):
        dumps(chain(Scale()), "xml", ALL)


# --- fuzzing --------------------------------------------------------------------------------------------------------

def survive(data: str | bytes, format: str) -> None:
    """An error of ours, in one sentence, or a graph without faults, which then can be written again."""
    try:
        graph = loads(data, format, ALL)
    except FlowaudioError as error:
        assert "\n" not in str(error)
        return
    read(graph)
    assert_round_trips(graph)


@quick
@given(st.binary(max_size=200) | st.text(max_size=200), st.sampled_from(FORMATS))
def test_fuzz_anything(data: str | bytes, format: str) -> None:
    survive(data, format)


WORDS = ["flowaudio", "nodes", "edges", "connections", "graph", "name", "description", "directed", "multigraph",
         "type", "id", "source", "target", "from", "to", "input", "output", "delay_ms", "parameters", "in", "out",
         "a", "b", "key", "factor", "bands", "on", "order", "mode", "kind", "sidechain", "self", "__class__",
         "in -> a -> out", "a -> b", "in -> b.sidechain", "a.turned -> out", *[cls.__name__ for cls in ALL]]

VALUES = st.recursive(
    st.sampled_from(WORDS) | st.integers() | st.floats() | st.booleans() | st.text(max_size=5) | st.just(1),
    lambda inner: (st.lists(inner, max_size=4)
                   | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)),
    max_leaves=12)

TABLES = st.dictionaries(st.sampled_from(WORDS[:9]), VALUES, max_size=6).map(lambda table: {"flowaudio": 1, **table})


@quick
@given(TABLES, st.sampled_from(FORMATS))
def test_fuzz_structures(table: dict[str, Any], format: str) -> None:
    try:
        data: str | bytes
        if format == "toml":
            data = tomli_w.dumps(table)
        elif format == "json":
            data = json.dumps(table)
        else:
            data = msgpack.packb(table)
    except (OverflowError, ValueError):     # the encoders' own limits: integers, surrogates
        return
    survive(data, format)


def _walk(value: Any) -> Any:
    """All (container, key) of a structure."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(items):
        yield value, key
        if isinstance(each, (dict, list)):
            yield from _walk(each)


@quick
@given(st.sampled_from(("toml", "json")), st.data())
def test_fuzz_one_wrong_value(form: str, data: st.DataObject) -> None:
    """A good document with a value or key changed, left out or doubled."""
    table = {"toml": _parsed_toml, "json": json.loads}[form](str(dumps(duck(), form, ALL)))
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_walk(table))
        if not places:
            break
        container, key = data.draw(st.sampled_from(places))
        action = data.draw(st.sampled_from(["replace", "delete", "copy", "rename"]))
        if action == "delete":
            del container[key]
        elif action == "copy":
            other, where = data.draw(st.sampled_from(places))
            value = other[where] if where in range(len(other)) or where in other else 1
            container[key] = json.loads(json.dumps(value))
        elif action == "rename" and isinstance(container, dict):
            container[data.draw(st.sampled_from(WORDS))] = container.pop(key)
        else:
            container[key] = data.draw(VALUES)
    try:
        text: Any = {"toml": tomli_w.dumps, "json": json.dumps}[form](table)
        packed = msgpack.packb(table)
    except (OverflowError, ValueError):
        return
    survive(text, form)
    survive(packed, "msgpack")


def _parsed_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


GOOD = {format: dumps(duck(), format, ALL) for format in FORMATS}


@quick
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(max_size=3)),
                                          min_size=1, max_size=3))
def test_fuzz_wrong_bytes(format: str, changes: list[tuple[int, int, bytes]]) -> None:
    """A good document with some bytes changed, inserted or cut away."""
    good = GOOD[format]
    data = bytearray(good if isinstance(good, bytes) else good.encode())
    for at, count, new in changes:
        start = at % (len(data) + 1)
        data[start:start + count] = new
    survive(bytes(data), format)


# --- any graph ------------------------------------------------------------------------------------------------------

NAMES = st.text(min_size=0, max_size=6) | st.sampled_from(["a.b", "a", "b", "a.turned", "x -> y", " "])

NODES = st.one_of(
    st.builds(Everything, level_db=st.floats(-100, 0), order=st.integers(1, 1 << 62),
              mode=st.sampled_from(["fast", "slow"]), on=st.booleans(),
              bands=st.lists(st.builds(Band, frequency_hz=st.floats(1, 20_000)), max_size=3)),
    st.builds(Scale, factor=st.floats(-4, 4)), st.just(Minus()), st.just(Split()), st.just(Weighted()))


@st.composite
def any_graph(draw: st.DrawFn) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    before = ["in"]
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=6)):
        if name in ("in", "out") or not name.isprintable():
            continue
        graph.add_node(name, node=draw(NODES))
        for _ in range(draw(st.integers(1, 3))):
            graph.add_edge(draw(st.sampled_from(before)), name, **draw(
                st.fixed_dictionaries({}, optional={"delay_ms": st.floats(0, 60_000)})))
        before.append(name)
        if draw(st.booleans()):
            graph.add_edge(name, draw(st.sampled_from(before[1:])), delay_ms=draw(st.floats(0.1, 9)))
        if isinstance(graph.nodes[name]["node"], Split):
            graph.add_edge(name, "out", output=draw(st.sampled_from(["whole", "turned"])))
        if isinstance(graph.nodes[name]["node"], Minus):
            graph.add_edge("in", name, input="sidechain")
    graph.add_edge(before[-1], "out")
    return graph


@quick
@given(any_graph())
def test_any_graph_comes_back(graph: nx.MultiDiGraph) -> None:
    assert_round_trips(graph)
