"""A kernel that cannot be compiled, told by its own lines with the wrong one marked: no traceback of the compiler's."""

import ast
import linecache
import os
import re
from typing import Any, NamedTuple

from flowaudio.core.errors import KernelError
from flowaudio.notebook.svg import escaped

__all__ = ["KernelFailure", "explained"]

_PLACE = re.compile(r' \(File "(?P<file>.+)", line (?P<line>\d+)(?:: .*)?\)$', re.DOTALL)
_UNKNOWN = re.compile(r"name '(\w+)' is not defined")

BEFORE, BEHIND = 12, 6
"""Lines of a long kernel that are shown around the wrong one."""

RED, PLAIN = "\x1b[1;31m", "\x1b[0m"


class KernelFailure(NamedTuple):
    """What is wrong, and where. Shows itself in a notebook and in a terminal."""

    sentence: str
    lines: tuple[tuple[int, str], ...]  # number and text; of the kernel's own source
    wrong: int                          # the number of the line that is meant; 0 if that is not known

    def __str__(self) -> str:
        return "\n".join(self.in_lines())

    def in_lines(self, coloured: bool = False) -> list[str]:
        """Plain text, the wrong line behind an arrow; with `coloured` in red for a terminal."""
        made = [self.sentence]
        for number, text in self.lines:
            if number == self.wrong:
                line = f"--> {number:4} | {text}"
                made.append(f"{RED}{line}{PLAIN}" if coloured else line)
            else:
                made.append(f"    {number:4} | {text}")
        return made

    def _repr_html_(self) -> str:
        rows = []
        for number, text in self.lines:
            wrong = number == self.wrong
            edge, mark = ("#c8372d;background:#c8372d33", ' data-wrong="1"') if wrong else ("transparent", "")
            rows.append(f'<div style="border-left:3px solid {edge};padding:0 6px"{mark}>'
                        f'<span style="opacity:.5">{number:4} </span>{escaped(text) or " "}</div>')
        code = f'<pre style="margin:4px 0;font-size:12px;line-height:1.35">{"".join(rows)}</pre>' if rows else ""
        return (f'<div class="flowaudio-failure"><div style="color:#c8372d;font-weight:600">{escaped(self.sentence)}'
                f"</div>{code}</div>")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def explained(error: KernelError) -> KernelFailure:
    """The failure with the lines of the kernel that it names."""
    text = str(error)
    place = _PLACE.search(text)
    if place is None:
        return KernelFailure(text, (), 0)
    file, number = place["file"], int(place["line"])
    # The compiler names files from where the process stands; a cell is known by its whole path, links not followed.
    source = linecache.getlines(file) or linecache.getlines(os.path.abspath(file))  # noqa: PTH100
    first, last = _function(source, number)
    if unknown := _UNKNOWN.search(text):        # the compiler blames the whole function for a name
        number = next((k for k in range(first, last + 1) if re.search(rf"\b{unknown[1]}\b", source[k - 1])), number)
    first, last = max(first, number - BEFORE), min(last, number + BEHIND)
    lines = tuple((k, source[k - 1].rstrip("\n")) for k in range(first, last + 1) if k <= len(source))
    return KernelFailure(text[:place.start()], lines, number)


def _function(source: list[str], number: int) -> tuple[int, int]:
    """First and last line of the innermost function around a line, with its decorators."""
    try:
        tree = ast.parse("".join(source))
    except SyntaxError:                 # a cell with magics in it
        return max(number - BEFORE, 1), number + BEHIND
    best = (max(number - BEFORE, 1), min(number + BEHIND, len(source)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            last = node.end_lineno or node.lineno
            if first <= number <= last:
                best = (first, last)    # walked from the outside in
    return best
