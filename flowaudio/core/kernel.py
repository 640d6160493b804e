"""`@kernel`: marks a plain Python function as work that is compiled and runs on the audio path."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["Kernel", "kernel"]


class Kernel:
    """A function that numba compiles when a plan needs it; other kernels may call it.

    Called from Python it runs as plain Python: slow, but a debugger can step through it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.dispatchers: dict[bool, Any] = {}  # numba's own, with bounds or without, made when they are needed
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __repr__(self) -> str:
        return f"<kernel {self.function.__module__}.{self.function.__qualname__}>"


def kernel(function: F) -> F:
    """Mark a function as a kernel. A function that numba's own decorators wrapped is unwrapped.

    A kernel may use numbers, arrays, tuples, `math`, NumPy's scalar functions, other kernels and what
    :mod:`flowaudio.core.simd` and :mod:`flowaudio.core.atomics` offer. Whatever would allocate is refused when it is
    compiled, with the line that asks for it. A sum over a block keeps its order: cut into other blocks, it is the same.
    """
    # To a type checker it stays the function that it was: kernels that call each other are checked.
    return Kernel(getattr(function, "py_func", function))  # type: ignore[return-value]  # see above
