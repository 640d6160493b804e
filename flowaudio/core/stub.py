"""Placeholders: operations that exist in machine code only.

Their meaning for numba stands in :mod:`flowaudio.core.lowering`, which is imported when something is compiled. So the
modules that use them need no numba to be imported.
"""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["stub"]

F = TypeVar("F", bound=Callable[..., Any])


def stub(function: F) -> F:
    """Mark a function without a body as an operation of the compiler."""
    def only_compiled(*_: Any) -> Any:
        raise TypeError(f"{function.__name__} works only inside a kernel")

    only_compiled.__name__ = function.__name__
    only_compiled.__qualname__ = function.__qualname__
    only_compiled.__module__ = function.__module__
    only_compiled.__doc__ = function.__doc__
    return only_compiled  # type: ignore[return-value]  # it has the signature of what it stands for
