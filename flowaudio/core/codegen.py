"""A code generator for numba that optimises nothing and loads nothing: that is done once, for a kernel as a whole.

numba optimises every helper function by itself and puts it into memory, so that Python could call it. Ours are inlined
into their kernel, which is optimised and emitted by `compiler`: leaving numba's rounds out halves the time of a first
run. Only our kernels are made this way; a user's own `njit` function that a kernel calls stays as numba makes it.
"""

from functools import cache
from typing import Any

from numba.core import codegen, registry
from numba.core.descriptors import TargetDescriptor

__all__ = ["context", "own_target"]


class _Library(codegen.JITCodeLibrary):
    """The LLVM module of one function, as it was lowered."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_specific(self) -> None:
        pass

    def get_pointer_to_function(self, name: str) -> int:
        """None is called from Python."""
        self._ensure_finalized()
        return 0


class _Codegen(codegen.JITCPUCodegen):
    _library_class = _Library

    def _add_module(self, module: Any) -> None:
        pass

    def set_env(self, env_name: str, env: Any) -> None:
        """No environment: nothing here knows of Python's globals."""


@cache
def context() -> Any:
    """numba's target for this processor, with our code generator."""
    return registry.cpu_target.target_context.subtarget(_internal_codegen=_Codegen("flowaudio"))


class _Target(TargetDescriptor):
    options = registry.cpu_target.options

    @property
    def typing_context(self) -> Any:
        """Shared with everybody: types are types."""
        return registry.cpu_target.typing_context

    @property
    def target_context(self) -> Any:
        """Ours."""
        return context()


@cache
def own_target() -> Any:
    """What a dispatcher compiles for."""
    return _Target("cpu")
