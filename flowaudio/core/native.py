"""From a Python function to an address: numba compiles it once, the disk keeps the object code, LLVM links it.

numba is imported only when something has to be compiled. A process that finds its kernels in the cache starts without
it: 0.1 s instead of 1 s.

What is compiled has one shape, ``int64 symbol(int64, ...)``, and nothing in it knows of Python: no reference counts,
no GIL, no exception objects. numba's own C wrapper would keep a branch that takes the GIL when a kernel fails; ours
returns ``FAILED`` to its caller, who mutes the node and counts.
"""

import contextlib
import ctypes
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import llvmlite.binding as llvm

from flowaudio.core import cache
from flowaudio.core.errors import KernelError

__all__ = ["FAILED", "FORBIDDEN", "Linked", "Native", "Object", "forbidden_symbols", "link", "load", "native"]

FAILED = -(1 << 62)
"""What a native function returns when its Python would have raised."""

FORBIDDEN = ("NRT_", "Py", "_Py", "numba_gil_", "numba_unpickle", "numba_runtime_", "malloc", "calloc", "realloc",
             "free", "printf", "puts")
"""No machine code of ours may refer to a symbol that begins with one of these."""


class Object(NamedTuple):
    """Object code of one function."""

    symbol: str
    externals: tuple[str, ...]      # what it calls: libm and a few helpers of numba
    code: bytes

    def pack(self) -> bytes:
        """One line of JSON, then the object code."""
        return json.dumps([self.symbol, self.externals]).encode() + b"\n" + self.code

    @classmethod
    def unpack(cls, data: bytes) -> "Object":
        header, _, code = data.partition(b"\n")
        symbol, externals = json.loads(header)
        return cls(symbol, tuple(externals), code)


class Linked(NamedTuple):
    """A function in memory. The address holds as long as this does."""

    address: int
    keep_alive: object
    object: Object


_lock = threading.Lock()
_serial = itertools.count()
_jit: list[Any] = []


def _linker() -> Any:
    if not _jit:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(opt=3, jit=True, reloc="pic", codemodel="jitdefault")
        _jit.append(llvm.create_lljit_compiler(machine))
    return _jit[0]


def link(code: Object) -> Linked:
    """Put object code into memory, each in a library of its own, so that no two names can meet."""
    with _lock:
        builder = llvm.JITLibraryBuilder().add_object_img(code.code).add_current_process().export_symbol(code.symbol)
        for name in code.externals:
            address = llvm.address_of_symbol(name)
            if not address and name.startswith("numba"):
                import numba  # noqa: F401  its import makes numba's own helpers known to LLVM

                address = llvm.address_of_symbol(name)
            if address:
                builder.import_symbol(name, address)
        try:
            tracker = builder.link(_linker(), f"{code.symbol}.{next(_serial)}")
        except RuntimeError as error:
            raise KernelError(f"{code.symbol} cannot be put into memory: {error}") from error
        return Linked(tracker[code.symbol], tracker, code)


def load(name: str, digest: str, build: Callable[[str], Object]) -> Linked:
    """The function known by `digest`: from the disk, or built, stored and announced."""
    found = _stored(name, digest)
    if found is not None:
        return found
    with cache.claimed(name, digest):
        found = _stored(name, digest)       # somebody else was faster
        if found is not None:
            return found
        with cache.announced(name):
            code = build(f"flowaudio_{name}_{digest[:16]}")
        cache.write(name, digest, code.pack())
    return link(code)


def _stored(name: str, digest: str) -> Linked | None:
    """The function from the disk. What cannot be linked any more, for a helper of numba that is gone, is none."""
    stored = cache.read(name, digest)
    if stored is not None:
        with contextlib.suppress(KernelError, ValueError):
            return link(Object.unpack(stored))
    return None


class Native:
    """A function of plain Python that runs as machine code, called without the GIL.

    Arguments and result are integers (an address is one). Compiled, or taken from the cache, at the first call.
    """

    def __init__(self, function: Callable[..., int | None]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self._linked: Linked | None = None
        self._call: Callable[..., int] | None = None
        self._lock = threading.Lock()

    @property
    def linked(self) -> Linked:
        """The machine code; compiled when it is asked for the first time."""
        with self._lock:
            if self._linked is None:
                from flowaudio.core.digest import digest_function

                name = self.__name__
                self._linked = load(name, digest_function(self.function), self._build)
            return self._linked

    @property
    def address(self) -> int:
        """Where it stands in memory: for compiled callers, and for libraries that want a C callback."""
        return self.linked.address

    def _build(self, symbol: str) -> Object:
        from flowaudio.core import compiler

        made: Object = compiler.compile_object(symbol, self.function, self.function.__code__.co_argcount)
        return made

    def __call__(self, *arguments: int) -> int:
        if self._call is None:
            count = self.function.__code__.co_argcount
            prototype = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)
            self._call = prototype(self.address)
        result = self._call(*arguments)
        if result == FAILED:
            raise KernelError(f"{self.__name__} failed in machine code; run it as plain Python to see where")
        return result


def native(function: Callable[..., int | None]) -> Native:
    """Compile a function of integers as :class:`Native`."""
    return Native(function)


def forbidden_symbols(externals: Sequence[str]) -> list[str]:
    """Those of `externals` that would allocate, count references or take the GIL."""
    return [name for name in externals if name.startswith(FORBIDDEN)]
