"""What a kernel is made of, as one number: the key of the kernel cache.

A kernel's machine code depends on its own bytecode, on every function, constant and array that it refers to, on our
lowering, on numba and LLVM, and on the processor. All of that is hashed; line numbers and comments are not.
"""

import enum
import functools
import hashlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from flowaudio.core.kernel import Kernel

__all__ = ["digest_function", "environment"]

_LIBRARIES = ("math", "numpy", "numba", "builtins", "operator")


@functools.cache
def environment() -> bytes:
    """Digest of everything that all kernels share: our compiler, numba, LLVM, Python, the processor."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    ours = (here / "codegen.py", here / "compiler.py", here / "entry.py", here / "native.py")
    for path in (*ours, *sorted((here / "lowering").glob("*.py"))):
        digest.update(path.read_bytes())
    features = llvm.get_host_cpu_features().flatten()
    for text in (version("numba"), llvmlite.__version__, sys.version, llvm.get_default_triple(),
                 llvm.get_host_cpu_name(), features):
        digest.update(text.encode() + b"\0")
    return digest.digest()


def digest_function(function: Callable[..., Any], *more: object) -> str:
    """Digest of a function with all that it refers to, and of the plain values in `more`."""
    digest = hashlib.sha256(environment())
    _add(digest, function, set())
    digest.update(repr(more).encode())
    return digest.hexdigest()


def _add(digest: Any, value: Any, seen: set[int]) -> None:
    value = getattr(value, "py_func", value)  # numba's dispatchers
    if isinstance(value, Kernel):
        value = value.function
    if isinstance(value, FunctionType):
        if id(value) not in seen:
            seen.add(id(value))
            _add_function(digest, value, seen)
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    elif isinstance(value, tuple) and not isinstance(value, type):
        digest.update(f"({getattr(value, '_fields', '')}".encode())
        for item in value:
            _add(digest, item, seen)
    elif isinstance(value, type):
        digest.update(f"{value.__module__}.{value.__qualname__}{getattr(value, '_fields', '')}".encode())
        if issubclass(value, enum.Enum):
            digest.update(repr([(member.name, member.value) for member in value]).encode())
    elif isinstance(value, ModuleType):
        digest.update(value.__name__.encode())
    elif isinstance(value, (int, float, complex, str, bytes, np.generic, enum.Enum, type(None))):
        digest.update(f"{type(value).__name__}:{value!r};".encode())
    else:
        digest.update(f"{type(value).__module__}.{type(value).__qualname__}".encode())


def _add_function(digest: Any, function: FunctionType, seen: set[int]) -> None:
    _add_code(digest, function.__code__)
    names = _names(function.__code__)
    for name in names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        digest.update(name.encode())
        _add(digest, value, seen)
        if isinstance(value, ModuleType):
            _add_module(digest, value, names, seen)
    for cell in function.__closure__ or ():
        _add(digest, cell.cell_contents, seen)
    _add(digest, function.__defaults__, seen)


def _add_module(digest: Any, module: ModuleType, names: list[str], seen: set[int]) -> None:
    """Helpers of a user's own module, reached as ``module.helper`` or ``package.module.helper``."""
    if module.__name__.partition(".")[0] in _LIBRARIES or id(module) in seen:
        return
    seen.add(id(module))
    for attribute in names:
        value = vars(module).get(attribute)
        if value is not None:
            digest.update(attribute.encode())
            _add(digest, value, seen)
        if isinstance(value, ModuleType):
            _add_module(digest, value, names, seen)


def _add_code(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        else:
            # The order of a set differs from process to process.
            shown = sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
            digest.update(f"{shown}".encode())


def _names(code: CodeType) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names += _names(constant)
    return names
