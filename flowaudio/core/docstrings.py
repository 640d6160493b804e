"""Docstrings for people: a first sentence, paragraphs for a terminal, Markdown.

They are plain prose with a little reStructuredText: ``code``, `parameter`, :class:`Name`, lists whose items begin with
a dash, and pictures or formulas indented behind two colons.
"""

import re
import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Block", "blocks", "first_sentence", "inline", "paragraphs", "plain", "sentences", "to_markdown"]

ROLE = r":\w+:`([~.]?)([^`]*)`"
"""A cross-reference of Sphinx: whether its last part alone is shown, and the name."""

CODE = r"``[^`]+``|`[^`]+`"


class Block(NamedTuple):
    """A part of a docstring."""

    kind: str                           # "prose" or "item", on one line; "literal", with its lines as they are
    text: str


def blocks(doc: str) -> Iterator[Block]:
    """The parts of a docstring in their order. `doc` is without its indentation, as `inspect.cleandoc` leaves it."""
    literal = False
    for part in _apart(doc):
        lines = part.split("\n")
        if lines[0].startswith(" "):
            yield Block("literal" if literal else "prose", textwrap.dedent(part) if literal else _joined(part))
            continue
        literal = part.endswith("::")
        text = part.removesuffix("::").rstrip() + (":" if literal and part != "::" else "")
        if lines[0].startswith(("- ", "* ")):
            for item in re.split(r"\n(?=[-*] )", text):
                yield Block("item", _joined(item[2:]))
        elif text:
            yield Block("prose", _joined(text))


def _apart(doc: str) -> Iterator[str]:
    """What blank lines divide; a picture, indented behind two colons, is one part whatever blank lines it has."""
    held: list[str] = []
    for part in re.split(r"\n\s*\n", doc.strip("\n")):
        if held and not part.startswith(" "):
            yield "\n\n".join(held)
            held = []
        if held or part.startswith(" "):
            held.append(part)
        else:
            yield part
    if held:
        yield "\n\n".join(held)


def _joined(text: str) -> str:
    return " ".join(line.strip() for line in text.split("\n"))


def first_sentence(doc: str) -> str:
    """Without a stop at its end, and without any marks."""
    prose = next((block.text for block in blocks(doc)), "")
    return re.split(r"(?<=[.;]) ", plain(prose))[0].rstrip(".;:")


def sentences(prose: str) -> list[str]:
    """The sentences of one line of prose. A stop ends one where a blank and a capital, or a mark, follow."""
    return re.split(r"(?<=\.) (?=[A-Z`\"'*(:±]|$)", prose)


def plain(text: str) -> str:
    """Without marks, but for the backticks around parameters."""
    return re.sub(ROLE, lambda found: _name(*found.groups()), text).replace("``", "")


def _name(short: str, name: str) -> str:
    return name.rpartition(".")[2] if short == "~" else name


def paragraphs(doc: str) -> Iterator[str]:
    """For a terminal: prose as one line each, to be broken anew; pictures, formulas and lists as they are."""
    for part in doc.split("\n\n"):
        text = plain(part).replace("::", ":")
        as_is = any(line.startswith((" ", "- ", "* ")) for line in text.splitlines())
        yield textwrap.dedent(text) if as_is else text.replace("\n", " ")


def to_markdown(doc: str, link: Callable[[str], str | None] = lambda name: None) -> str:
    """A docstring as Markdown: each paragraph and each item on one line, pictures as blocks of code.

    :param link: gives the address of a name, such as ``"#gain"``, or None.
    """
    made = ""
    before = ""
    for kind, text in blocks(doc):
        gap = "" if not made else "\n" if kind == before == "item" else "\n\n"
        if kind == "literal":
            made += f"{gap}```text\n{text}\n```"
        else:
            made += gap + ("- " if kind == "item" else "") + inline(text, link)
        before = kind
    return made


def inline(text: str, link: Callable[[str], str | None] = lambda name: None) -> str:
    """One line of prose as Markdown: code in single backticks, names as links where there is something to go to."""
    def reference(name: str) -> str:
        address = link(name)
        return f"[{name}]({address})" if address else f"`{name}`"

    made = ""
    at = 0
    for found in re.finditer(f"{ROLE}|{CODE}", text):
        made += _escaped(text[at:found.start()])
        role = found.group(2)
        made += reference(_name(found.group(1), role)) if role is not None else f"`{found.group().strip('`')}`"
        at = found.end()
    return made + _escaped(text[at:])


def _escaped(prose: str) -> str:
    """What Markdown would take for a tag, or for a mark within a formula."""
    return re.sub(r"<(?=\w)|(?<=\w)\*(?=\w)|(?<= )\*(?= )", lambda found: "\\" + found.group(), prose)
