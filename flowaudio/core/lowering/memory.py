"""What the functions of :mod:`flowaudio.core.memory` and :mod:`flowaudio.core.atomics` emit."""

import platform
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np import arrayobj

from flowaudio.core import atomics, memory
from flowaudio.core.lowering.register import lowers

__all__ = ["external", "sleep", "timespec"]

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
VOID = ir.VoidType()
MACHINE = platform.machine().lower()


def _bytes(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.IntType(8).as_pointer())


def _words(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, I64.as_pointer())


def _make_view(context: Any, builder: Any, kind: Any, address: Any, dims: list[Any]) -> Any:
    """A contiguous array that owns nothing: no reference is taken, none will be given back."""
    element = context.get_data_type(kind.dtype)
    stride = itemsize = ir.Constant(I64, context.get_abi_sizeof(element))
    strides: list[Any] = []
    for dim in reversed(dims):
        strides.insert(0, stride)
        stride = builder.mul(stride, dim)
    view = context.make_array(kind)(context, builder)
    arrayobj.populate_array(view, data=builder.inttoptr(address, element.as_pointer()), shape=dims, strides=strides,
                            itemsize=itemsize, meminfo=None)
    return view._getvalue()


def _view(stub: Any, dtype: Any, rank: int) -> None:
    kind = types.Array(dtype, rank, "C")

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _make_view(context, builder, kind, args[0], list(args[1:]))

    if rank == 1:
        lowers(stub)(lambda typing, address, size: (kind(types.intp, types.intp), emit))
    else:
        lowers(stub)(lambda typing, address, rows, columns: (kind(types.intp, types.intp, types.intp), emit))


_view(memory.f32_1d, types.float32, 1)
_view(memory.f32_2d, types.float32, 2)
_view(memory.f64_1d, types.float64, 1)
_view(memory.i32_1d, types.int32, 1)
_view(memory.i64_1d, types.int64, 1)


@lowers(memory.address_of)
def _address_of(typing: Any, array: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        return builder.ptrtoint(view.data, I64)

    return types.int64(array), emit


def _word(builder: Any, table: Any, slot: Any) -> Any:
    return builder.load(builder.gep(_words(builder, table), [slot]))


@lowers(memory.load_array)
def _load_array(typing: Any, table: Any, slot: Any, like: Any) -> Any:
    kind = like.instance_type

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words = [_word(builder, args[0], builder.add(args[1], ir.Constant(I64, k))) for k in range(1 + kind.ndim)]
        return _make_view(context, builder, kind, words[0], words[1:])

    return kind(types.intp, types.intp, like), emit


def _block(stub: Any, kind: Any) -> None:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, channels = (_word(builder, args[0], builder.add(args[1], ir.Constant(I64, k))) for k in (0, 1))
        return _make_view(context, builder, kind, address, [channels, args[2]])

    lowers(stub)(lambda typing, table, slot, frames: (kind(types.intp, types.intp, types.intp), emit))


INPUT = types.Array(types.float32, 2, "C", readonly=True)

_block(memory.load_output, types.Array(types.float32, 2, "C"))
_block(memory.load_input, INPUT)


@lowers(memory.port)
def _port(typing: Any, ports: Any, index: Any, frames: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        first = builder.shl(args[1], ir.Constant(I64, 1))
        address, channels = (
            builder.load(builder.gep(data, [builder.add(first, ir.Constant(I64, k))])) for k in (0, 1))
        return _make_view(context, builder, INPUT, address, [channels, args[2]])

    return INPUT(ports, types.intp, types.intp), emit


@lowers(memory.load_scalar)
def _load_scalar(typing: Any, table: Any, slot: Any, like: Any) -> Any:
    kind = like.instance_type

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _word(builder, args[0], args[1])
        return builder.load(builder.inttoptr(address, context.get_data_type(kind).as_pointer()))

    return kind(types.intp, types.intp, like), emit


@lowers(memory.call_entry)
def _call_entry(typing: Any, entry: Any, table: Any, frames: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], ir.FunctionType(I64, [I64, I64]).as_pointer())
        return builder.call(pointer, args[1:])

    return types.int64(types.intp, types.intp, types.intp), emit


@lowers(memory.call_callback)
def _call_callback(typing: Any, entry: Any, inp: Any, out: Any, frames: Any, times: Any, flags: Any, user: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], ir.FunctionType(I32, [I64] * 6).as_pointer())
        return builder.sext(builder.call(pointer, args[1:]), I64)

    return types.int64(*[types.intp] * 7), emit


@lowers(memory.copy)
def _copy(typing: Any, to: Any, source: Any, size: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(VOID, [pointer, pointer, I64, I1])
        function = builder.module.declare_intrinsic("llvm.memmove.p0.p0.i64", (), kind)
        builder.call(function, [_bytes(builder, args[0]), _bytes(builder, args[1]), args[2], ir.Constant(I1, 0)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), emit


@lowers(memory.clear)
def _clear(typing: Any, to: Any, size: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(VOID, [ir.IntType(8).as_pointer(), ir.IntType(8), I64, I1])
        function = builder.module.declare_intrinsic("llvm.memset.p0.i64", (), kind)
        zero = ir.Constant(ir.IntType(8), 0)
        builder.call(function, [_bytes(builder, args[0]), zero, args[1], ir.Constant(I1, 0)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), emit


@lowers(memory.flush_to_zero)
def _flush_to_zero(typing: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if MACHINE in ("x86_64", "amd64"):
            slot = cgutils.alloca_once(builder, I32)
            _mxcsr(builder, "stmxcsr", slot)
            before = builder.load(slot)
            builder.store(builder.or_(before, ir.Constant(I32, 0x8040)), slot)  # FTZ, bit 15, and DAZ, bit 6
            _mxcsr(builder, "ldmxcsr", slot)
            return builder.zext(before, I64)
        if MACHINE in ("aarch64", "arm64"):
            before = builder.asm(ir.FunctionType(I64, []), "mrs $0, fpcr", "=r", (), True)
            builder.asm(ir.FunctionType(VOID, [I64]), "msr fpcr, $0", "r",
                        (builder.or_(before, ir.Constant(I64, 1 << 24)),), True)  # FZ
            return before
        return ir.Constant(I64, 0)

    return types.int64(), emit


@lowers(memory.restore_fpu)
def _restore_fpu(typing: Any, before: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if MACHINE in ("x86_64", "amd64"):
            slot = cgutils.alloca_once(builder, I32)
            builder.store(builder.trunc(args[0], I32), slot)
            _mxcsr(builder, "ldmxcsr", slot)
        elif MACHINE in ("aarch64", "arm64"):
            builder.asm(ir.FunctionType(VOID, [I64]), "msr fpcr, $0", "r", (args[0],), True)
        return context.get_dummy_value()

    return types.void(types.intp), emit


def _mxcsr(builder: Any, instruction: str, slot: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    function = builder.module.declare_intrinsic(f"llvm.x86.sse.{instruction}", (), ir.FunctionType(VOID, [pointer]))
    builder.call(function, [builder.bitcast(slot, pointer)])


@lowers(memory.nanosleep)
def _nanosleep(typing: Any, nanoseconds: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sleep(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.intp), emit


def sleep(builder: Any, nanoseconds: Any) -> None:
    """Call the system's sleep."""
    if sys.platform == "win32":         # Sleep takes milliseconds
        amount = builder.trunc(builder.udiv(nanoseconds, ir.Constant(I64, 1_000_000)), I32)
        builder.call(external(builder, "Sleep", ir.FunctionType(VOID, [I32])), [amount])
    else:
        kind = ir.FunctionType(I32, [I64.as_pointer(), I64.as_pointer()])
        none = ir.Constant(I64.as_pointer(), None)
        builder.call(external(builder, "nanosleep", kind), [timespec(builder, nanoseconds), none])


def timespec(builder: Any, nanoseconds: Any) -> Any:
    """Address of a struct timespec of less than a second, which lives as long as the function runs."""
    span = cgutils.alloca_once(builder, ir.ArrayType(I64, 2))
    first = builder.bitcast(span, I64.as_pointer())
    builder.store(ir.Constant(I64, 0), first)
    builder.store(nanoseconds, builder.gep(first, [ir.Constant(I32, 1)]))
    return first


@lowers(memory.monotonic_ns)
def _monotonic_ns(typing: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        billion = ir.Constant(I64, 1_000_000_000)
        if sys.platform == "win32":     # a counter and its frequency, in two parts so that nothing overflows
            kind = ir.FunctionType(I32, [I64.as_pointer()])
            ticks, second = cgutils.alloca_once(builder, I64), cgutils.alloca_once(builder, I64)
            builder.call(external(builder, "QueryPerformanceCounter", kind), [ticks])
            builder.call(external(builder, "QueryPerformanceFrequency", kind), [second])
            count, rate = builder.load(ticks), builder.load(second)
            rest = builder.udiv(builder.mul(builder.urem(count, rate), billion), rate)
            return builder.add(builder.mul(builder.udiv(count, rate), billion), rest)
        now = cgutils.alloca_once(builder, ir.ArrayType(I64, 2))  # struct timespec
        first = builder.bitcast(now, I64.as_pointer())
        clock = ir.Constant(I32, 6 if sys.platform == "darwin" else 1)  # CLOCK_MONOTONIC
        kind = ir.FunctionType(I32, [I32, I64.as_pointer()])
        builder.call(external(builder, "clock_gettime", kind), [clock, first])
        seconds, rest = builder.load(first), builder.load(builder.gep(first, [ir.Constant(I32, 1)]))
        return builder.add(builder.mul(seconds, billion), rest)

    return types.int64(), emit


@lowers(memory.thread_id)
def _thread_id(typing: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sys.platform != "linux":
            return ir.Constant(I64, 0)
        number = builder.call(external(builder, "gettid", ir.FunctionType(I32, [])), [])
        return builder.sext(number, I64)

    return types.int64(), emit


def external(builder: Any, name: str, kind: Any) -> Any:
    """A function of the system's libraries."""
    found = builder.module.globals.get(name)
    return found if found is not None else ir.Function(builder.module, kind, name)


@lowers(atomics.load_acquire)
def _load_acquire(typing: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_words(builder, args[0]), "acquire", 8)

    return types.int64(types.intp), emit


@lowers(atomics.store_release)
def _store_release(typing: Any, address: Any, value: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _words(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), emit


def _read_modify_write(stub: Any, operation: str) -> None:
    @lowers(stub)
    def definition(typing: Any, address: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, _words(builder, args[0]), args[1], "acq_rel")

        return types.int64(types.intp, types.int64), emit


_read_modify_write(atomics.exchange, "xchg")
_read_modify_write(atomics.add, "add")


@lowers(atomics.compare_exchange)
def _compare_exchange(typing: Any, address: Any, expected: Any, value: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = builder.cmpxchg(_words(builder, args[0]), args[1], args[2], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(types.intp, types.int64, types.int64), emit
