"""What the functions of :mod:`flowaudio.core.waking` emit."""

import platform
from typing import Any

from llvmlite import ir
from numba import types

from flowaudio.core import waking
from flowaudio.core.lowering.memory import external, sleep, timespec
from flowaudio.core.lowering.register import lowers

__all__: list[str] = []  # importing it is all: it tells numba

I64 = ir.IntType(64)
FUTEX = {"x86_64": 202}.get(platform.machine(), 98)
"""The call's number; all younger 64-bit machines have the same."""
WAIT, WAKE, PRIVATE = 0, 1, 128         # private: no other process has a part in it


def _futex(builder: Any, word: Any, operation: int, value: Any, span: Any) -> None:
    function = external(builder, "syscall", ir.FunctionType(I64, [I64], var_arg=True))
    builder.call(function, [ir.Constant(I64, FUTEX), word, ir.Constant(I64, operation | PRIVATE), value, span])


@lowers(waking.sleep_on)
def _sleep_on(typing: Any, word: Any, expected: Any, longest_ns: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if waking.CAN_WAKE:
            _futex(builder, args[0], WAIT, args[1], timespec(builder, args[2]))
        else:
            sleep(builder, args[2])
        return context.get_dummy_value()

    return types.void(types.intp, types.int64, types.int64), emit


@lowers(waking.wake)
def _wake(typing: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if waking.CAN_WAKE:
            _futex(builder, args[0], WAKE, ir.Constant(I64, 1), ir.Constant(I64, 0))
        return context.get_dummy_value()

    return types.void(types.intp), emit


@lowers(waking.fence)
def _fence(typing: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit
