"""`nodes --markdown` and `graphs NAME`: the structure of the reference, and what is told of a graph."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from cli_tools import Run, document, listing
from markdown_it import MarkdownIt
from markdown_it.token import Token

from flowaudio.cli.reference import anchor, reference
from flowaudio.core.described import GROUPS, describe
from flowaudio.core.docstrings import Block, blocks, first_sentence, to_markdown
from flowaudio.core.node import declaration, node
from flowaudio.core.params import parameters
from flowaudio.graph.document import dump, load, loads
from flowaudio.graph.known import known_nodes
from flowaudio.graph.shipped import shipped

NODES = sorted(known_nodes().items())
PAGE = reference([describe(name, cls) for name, cls in NODES])


def parsed(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(markdown)


def headings(tokens: list[Token]) -> list[tuple[int, str]]:
    """Level and text."""
    return [(int(token.tag[1]), tokens[k + 1].content) for k, token in enumerate(tokens)
            if token.type == "heading_open"]


def section(name: str) -> str:
    """What stands under a node's heading."""
    found = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


# --- the reference --------------------------------------------------------------------------------------------------

def test_every_node_stands_in_one_group() -> None:
    found = headings(parsed(PAGE))
    assert found[0] == (1, "Nodes")
    groups = [text for level, text in found if level == 2]
    assert groups == [group for group in GROUPS if group in groups]
    assert set(groups) >= {"Effects", "Dynamics", "Routing", "Sources", "Meters", "Detectors"}
    assert sorted(text for level, text in found if level == 3) == [name for name, _ in NODES]
    placed, group = {}, ""
    for level, text in found:
        group = text if level == 2 else group
        placed[text] = group
    for name, group in {"Reverb": "Effects", "Limiter": "Dynamics", "Failover": "Routing", "Sine": "Sources",
                        "LevelMeter": "Meters", "ClickDetector": "Detectors"}.items():
        assert placed[name] == group


def test_links_lead_somewhere() -> None:
    """Those of the contents, which has all headings in their order, and those in the text."""
    tokens = parsed(PAGE)
    addresses = [anchor(text) for level, text in headings(tokens) if level > 1]
    assert len(set(addresses)) == len(addresses)
    links = [str(child.attrs["href"]) for token in tokens for child in token.children or []
             if child.type == "link_open"]
    assert links[:len(addresses)] == addresses
    assert set(links) == set(addresses)
    assert len(links) > len(addresses), "nodes that speak of each other are linked"


@pytest.mark.parametrize(("name", "cls"), NODES, ids=[name for name, _ in NODES])
def test_a_node_is_told_completely(name: str, cls: type) -> None:
    text, declared = section(name), declaration(cls)
    for parameter, known in parameters(cls).items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{parameter}` |"))
        assert known.doc in row.replace("\\|", "|")
        assert known.unit.replace(" :", ":") in row
    facts = dict(re.findall(r"^- (Inputs|Outputs|Latency|Measures): (.*)$", text, re.MULTILINE))
    assert all(f"`{port.name}`" in facts["Inputs"] for port in declared.inputs)
    assert all(f"`{port.name}`" in facts["Outputs"] for port in declared.outputs)
    assert all(f"`{measure}`" in facts["Measures"] for measure in declared.measures)
    assert facts["Latency"] != "unknown"
    for kind in declared.events:
        assert re.search(rf"^\| `{kind}` \| \S.* \|$", text, re.MULTILINE), f"the docstring says no strength of {kind}"


@pytest.mark.parametrize(("name", "cls"), NODES, ids=[name for name, _ in NODES])
def test_a_node_is_good_markdown(name: str, cls: type) -> None:
    tokens = parsed(section(name))
    tables = sum(token.type == "table_open" for token in tokens)
    assert tables == bool(parameters(cls)) + bool(declaration(cls).events)
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == tables + len(describe(name, cls)["parameters"]) + len(declaration(cls).events)
    for token in tokens:
        for child in token.children or []:
            assert child.type not in ("html_inline", "em_open", "image"), f"{child.content} was not meant"
            if child.type == "text":
                assert "``" not in child.content
                assert not re.search(r":\w+:`", child.content)
        assert token.type != "html_block"
        assert token.type != "code_block", "pictures are fenced"


def test_one_node_by_itself(call: Run) -> None:
    text = call("nodes", "Ducker", "--markdown").out
    assert text.startswith("## Ducker\n\nTurns a signal down")
    assert "```text\nkey ─► " in text
    assert "connect it to a `Mix` as well" in text, "there is nothing to link to"
    assert "- Inputs: `in`, `key` (any number of channels)\n" in text
    assert call("nodes", "--markdown").out == PAGE + "\n"


def test_a_node_of_somebody_else() -> None:
    """Without a docstring, and with one that says no strength."""
    @node(events=("odd",), measures=("x",))
    class Strange:
        """Finds what is odd | even *so*."""

        def prepare(self, format: Any) -> Any:
            raise RuntimeError

        from flowaudio.nodes.mixing import Gain
        process = declaration(Gain).kernel
        del Gain

    text = reference([describe("other:Strange", Strange)])
    assert "## Nodes of other packages" in text
    assert "  - [other:Strange](#otherstrange): Finds what is odd" in text
    assert "| `odd` | |" in text


# --- docstrings -----------------------------------------------------------------------------------------------------

DOC = """\
First line, of a :class:`Gain`; and more.

Two words::

    a ─► b

      c  < d

then ``x * y`` and `z`, x<y, :func:`~a.b.c`:

- one ``1``,
  which goes on
- two - 2

End - 12
- 13 is no item.
"""


def test_blocks() -> None:
    assert list(blocks(DOC)) == [
        Block("prose", "First line, of a :class:`Gain`; and more."), Block("prose", "Two words:"),
        Block("literal", "a ─► b\n\n  c  < d"), Block("prose", "then ``x * y`` and `z`, x<y, :func:`~a.b.c`:"),
        Block("item", "one ``1``, which goes on"), Block("item", "two - 2"),
        Block("prose", "End - 12 - 13 is no item.")]
    assert list(blocks("")) == []
    assert list(blocks("A.\n\n::\n\n    b")) == [Block("prose", "A."), Block("literal", "b")]


def test_to_markdown() -> None:
    made = to_markdown(DOC, {"Gain": "#gain"}.get)
    assert made == ("First line, of a [Gain](#gain); and more.\n\nTwo words:\n\n```text\na ─► b\n\n  c  < d\n```\n\n"
                    "then `x * y` and `z`, x\\<y, `c`:\n\n- one `1`, which goes on\n- two - 2\n\n"
                    "End - 12 - 13 is no item.")


@pytest.mark.parametrize(("doc", "sentence"), [
    (DOC, "First line, of a Gain"), ("One. Two.", "One"), ("Wires ``a``::\n\n    b", "Wires a"), ("", "")])
def test_first_sentence(doc: str, sentence: str) -> None:
    assert first_sentence(doc) == sentence


# --- graphs ---------------------------------------------------------------------------------------------------------

def test_a_graph_is_explained(call: Run) -> None:
    text = call("graphs", "dub_delay").out
    assert text.splitlines()[0] == "dub_delay"
    for part in ("echo -> tone, 375 ms later", "any number of channels; latency 276 frames, 5.8 ms, at 48 kHz",
                 "gain_db    -4.5 dB", "highpass, frequency_hz 220 Hz",
                 "peak, frequency_hz 700 Hz, gain_db 1.5 dB, q 0.7"):
        assert part in text
    assert "ceiling_dbtp" not in text, "it is at its default"
    assert "4 channels in, or more, 2 out" in call("graphs", "failover").out
    assert "no latency" in call("graphs", "loudness").out


def test_a_graph_as_json(call: Run) -> None:
    told = call("graphs", "ducking", "--json").json
    assert (told["name"], told["channels"], told["output_channels"]) == ("ducking", 3, 2)
    assert told["takes_channels"] == [3, 4, 5, 6, 7, 8]
    assert told["latency_ms"] == round(told["latency_frames"] / 48, 3) > 5
    assert {each["name"]: each["type"] for each in told["nodes"]} == {
        name: type(data["node"]).__name__ for name, data in load(shipped()["ducking"]).nodes(data=True) if data}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_graph_to_begin_with(call: Run, name: str) -> None:
    """The document as it was written, comments and all."""
    assert call("graphs", name, "--toml").out == shipped()[name].read_text()
    assert call("graphs", name).code == 0


def test_a_graph_of_ones_own(call: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    dump(load(shipped()["calls"]), path)
    copied = loads(call("graphs", path, "--toml").out, "toml")
    assert set(copied) == set(load(shipped()["calls"]))
    wide = document(tmp_path, 'connections = ["in -> map -> last -> out"]', map="ChannelMap\nchannels = 3",
                    last="Pick\nfirst = 4")
    wrong = call("graphs", wide)
    assert (wrong.code, wrong.err) == (2, "flowaudio: last: Pick takes channel 4, and 3 come in: open the input with "
                                          "channels=4, or choose others\n")


def test_a_picture(call: Run, tmp_path: Path) -> None:
    target = tmp_path / "dub.svg"
    assert call("graphs", "dub_delay", "--svg", target).code == 0
    drawn = ElementTree.parse(target).getroot()
    texts = {"".join(element.itertext()) for element in drawn.iter() if element.tag.endswith("text")}
    assert {"echo", "tone", "repeat", "room", "limit"} <= texts
    assert listing(tmp_path) == ["dub.svg"]
    nowhere = call("graphs", "dub_delay", "--svg", tmp_path / "no" / "dub.svg")
    assert nowhere.code == 4
    assert "cannot be written" in nowhere.err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("--toml",), "--toml is of one graph: name it, as in flowaudio graphs podcast --toml"),
    (("--svg", "a.svg"), "--svg is of one graph"), (("podcats",), "did you mean podcast"),
    (("podcast", "--toml", "--svg", "a.svg"), "not allowed with")])
def test_wrong_arguments(call: Run, arguments: tuple[str, ...], sentence: str) -> None:
    ran = call("graphs", *arguments)
    assert ran.code == 2
    assert sentence in ran.err
