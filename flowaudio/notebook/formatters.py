"""How IPython learns to show flowaudio's own things. Nothing that is shown is loaded before it is."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from flowaudio.core.errors import KernelError

__all__ = ["register"]

_REGISTERED = "_flowaudio_registered"


def _later(module: str, function: str) -> Callable[[Any], Any]:
    """A function of another module, which is loaded when it is first called."""
    def call(value: Any) -> Any:
        return getattr(import_module(module), function)(value)

    return call


_picture = _later("flowaudio.notebook.drawing", "picture")
_node_page = _later("flowaudio.notebook.tables", "node_page")

SHOWN: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("flowaudio.graph.graph", "Graph", _picture),
    ("flowaudio.live.engine", "Engine", _picture),
    ("flowaudio.stream.report", "Report", _later("flowaudio.notebook.tables", "report_page")),
)
"""Module and name of a class, and what makes a page of it."""


def register(shell: Any) -> None:
    """Tell an IPython shell, once, what graphs, engines, reports and nodes' classes look like, and how to tell of a
    kernel that cannot be compiled."""
    if getattr(shell, _REGISTERED, False):
        return
    setattr(shell, _REGISTERED, True)
    html = shell.display_formatter.formatters["text/html"]
    for module, name, function in SHOWN:
        html.for_type_by_name(module, name, function)
    try:
        before = html.for_type(type)
    except KeyError:
        before = None

    def class_page(cls: type) -> Any:
        if "__declaration__" in vars(cls):
            return _node_page(cls)
        return before(cls) if before is not None else None

    html.for_type(type, class_page)
    if not shell.custom_exceptions:
        shell.set_custom_exc((KernelError,), _tell)


def _tell(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None) -> list[str]:
    """What IPython prints of a KernelError: the kernel's own lines."""
    from flowaudio.notebook.failure import explained

    assert isinstance(error, KernelError)
    lines = [f"KernelError: {(told := explained(error)).sentence}", *told.in_lines(coloured=True)[1:]]
    shell._showtraceback(kind, error, lines)
    return lines
