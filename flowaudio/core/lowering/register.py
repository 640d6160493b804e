"""Binds a placeholder function to what numba shall emit for it."""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template

__all__ = ["lowers"]


def lowers(stub: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: ``definition(typing context, *types)`` returns ``(signature, code generator)``, or None to refuse.

    The same as numba's `intrinsic`, for a function object that exists already.
    """
    def register(definition: Callable[..., Any]) -> Callable[..., Any]:
        template = make_intrinsic_template(stub, definition, stub.__name__, prefer_literal=True)
        infer(template)
        infer_global(stub, types.Function(template))
        return definition

    return register
