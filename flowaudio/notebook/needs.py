"""The one place that asks for ipywidgets: panels need it, everything else in a notebook does without."""

from typing import Any

from flowaudio.core.errors import ParameterError

__all__ = ["widgets"]


def widgets() -> Any:
    """The module ipywidgets.

    :raises ParameterError: it is not installed.
    """
    try:
        import ipywidgets  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        raise ParameterError("a panel needs ipywidgets: pip install 'flowaudio[notebook]'") from None
    return ipywidgets
