"""What Jupyter shows: graphs, signals, reports, nodes, and panels of running engines.

Nothing here is needed outside of a notebook but :func:`picture`. Panels need the extra ``flowaudio[notebook]``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowaudio.notebook.cells import follow
    from flowaudio.notebook.drawing import picture
    from flowaudio.notebook.formatters import register
    from flowaudio.notebook.listening import listen
    from flowaudio.notebook.panel import Panel, live
    from flowaudio.notebook.sound import Signal, show

_HOME = {"Panel": "panel", "Signal": "sound", "follow": "cells", "listen": "listening", "live": "panel",
         "picture": "drawing", "register": "formatters", "show": "sound"}

__all__ = ["Panel", "Signal", "follow", "listen", "live", "picture", "register", "show"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
