"""What the functions of :mod:`flowaudio.core.simd` emit."""

from typing import Any

from llvmlite import ir
from numba import types

from flowaudio.core import simd
from flowaudio.core.lowering.operators import splat
from flowaudio.core.lowering.register import lowers
from flowaudio.core.lowering.types import FAST, MaskType, VectorType, f32x8, f64x4, i32x8, vector_of

__all__: list[str] = []  # importing it is all: it tells numba

I1, I8, I32 = ir.IntType(1), ir.IntType(8), ir.IntType(32)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    kind = vector_of(array_type.dtype)
    assert kind is not None
    return builder.bitcast(builder.gep(data, [index]), kind.llvm.as_pointer())


def _array_vector(array: Any) -> VectorType | None:
    fits = isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C"
    return vector_of(array.dtype) if fits else None


def _alignment(kind: VectorType) -> int:
    return int(kind.dtype.bitwidth) // 8


@lowers(simd.load)
def _load(typing: Any, array: Any, index: Any) -> Any:
    kind = _array_vector(array)
    if kind is None:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig.args[0], *args), align=_alignment(kind))

    return kind(array, types.intp), emit


@lowers(simd.store)
def _store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    kind = _array_vector(array)
    if kind is None or value != kind:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], *args[:2]), align=_alignment(kind))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), emit


def _first(builder: Any, count: Any, kind: VectorType) -> Any:
    """Mask of the first `count` lanes."""
    counts = builder.trunc(count, I32)
    vector = ir.VectorType(I32, kind.lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), counts, ir.Constant(I32, 0))
    every = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0] * kind.lanes))
    return builder.icmp_signed("<", ir.Constant(vector, list(range(kind.lanes))), every)


def _suffix(kind: VectorType) -> str:
    return f"v{kind.lanes}{'f' if kind.dtype in types.real_domain else 'i'}{kind.dtype.bitwidth}"


@lowers(simd.load_part)
def _load_part(typing: Any, array: Any, index: Any, count: Any) -> Any:
    kind = _array_vector(array)
    if kind is None:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        mask = _first(builder, args[2], kind)
        function = builder.module.declare_intrinsic(
            f"llvm.masked.load.{_suffix(kind)}.p0", (),
            ir.FunctionType(kind.llvm, [pointer.type, I32, mask.type, kind.llvm]))
        nothing = ir.Constant(kind.llvm, [0] * kind.lanes)
        return builder.call(function, [pointer, ir.Constant(I32, _alignment(kind)), mask, nothing])

    return kind(array, types.intp, types.intp), emit


@lowers(simd.store_part)
def _store_part(typing: Any, array: Any, index: Any, count: Any, value: Any) -> Any:
    kind = _array_vector(array)
    if kind is None or value != kind:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], *args[:2])
        mask = _first(builder, args[2], kind)
        function = builder.module.declare_intrinsic(
            f"llvm.masked.store.{_suffix(kind)}.p0", (),
            ir.FunctionType(ir.VoidType(), [kind.llvm, pointer.type, I32, mask.type]))
        builder.call(function, [args[3], pointer, ir.Constant(I32, _alignment(kind)), mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), emit


@lowers(simd.splat)
def _splat(typing: Any, value: Any) -> Any:
    dtype = value.literal_type if isinstance(value, types.Literal) else value
    kind = vector_of(dtype)
    if kind is None:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, args[0], kind)

    return kind(dtype), emit


@lowers(simd.lanes)
def _lanes(typing: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = ir.Constant(f32x8.llvm, ir.Undefined)
        for k, scalar in enumerate(args):
            value = builder.insert_element(value, scalar, ir.Constant(I32, k))
        return value

    return f32x8(*[types.float32] * 8), emit


@lowers(simd.lane)
def _lane(typing: Any, value: Any, index: Any) -> Any:
    if not isinstance(value, VectorType):
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], builder.trunc(args[1], I32))

    return value.dtype(value, types.intp), emit


@lowers(simd.put)
def _put(typing: Any, value: Any, index: Any, scalar: Any) -> Any:
    if not isinstance(value, VectorType):
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.insert_element(args[0], args[2], builder.trunc(args[1], I32))

    return value(value, types.intp, value.dtype), emit


@lowers(simd.shuffle)
def _shuffle(typing: Any, a: Any, b: Any, order: Any) -> Any:
    if not (isinstance(a, VectorType) and a == b and isinstance(order, types.StringLiteral)):
        return None
    places = [int(digit, 16) if digit in "0123456789abcdef" else 16 for digit in order.literal_value]
    if len(places) != a.lanes or max(places) >= 2 * a.lanes:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], ir.Constant(ir.VectorType(I32, a.lanes), places))

    return a(a, b, order), emit


def _scalar(kind: Any) -> Any:
    return kind.literal_type if isinstance(kind, types.Literal) else kind


@lowers(simd.fma)
def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    vectors = {k for k in (a, b, c) if isinstance(k, VectorType)}
    kind: Any
    if len(vectors) == 1:
        kind = vectors.pop()
    elif not vectors and {a, b, c} <= {types.float32, types.float64}:
        kind = types.float64 if types.float64 in (a, b, c) else types.float32
    else:
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = []
        for value, given in zip(args, sig.args, strict=True):
            if given == kind:
                values.append(value)
            elif isinstance(kind, VectorType):
                values.append(splat(builder, context.cast(builder, value, given, kind.dtype), kind))
            else:
                values.append(context.cast(builder, value, given, kind))
        if not isinstance(kind, VectorType):
            return builder.fma(*values)
        function = builder.module.declare_intrinsic(
            f"llvm.fma.{_suffix(kind)}", (), ir.FunctionType(kind.llvm, [kind.llvm] * 3))
        return builder.call(function, values)

    return kind(_scalar(a), _scalar(b), _scalar(c)), emit


def _choose(stub: Any, sign: str) -> None:
    @lowers(stub)
    def definition(typing: Any, a: Any, b: Any) -> Any:
        if not (isinstance(a, VectorType) and a == b):
            return None

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ordered = builder.fcmp_ordered if a.dtype in types.real_domain else builder.icmp_signed
            return builder.select(ordered(sign, *args), *args)

        return a(a, b), emit


_choose(simd.vmin, "<")
_choose(simd.vmax, ">")


def _unary(stub: Any, intrinsic: str) -> None:
    @lowers(stub)
    def definition(typing: Any, value: Any) -> Any:
        if not isinstance(value, VectorType) or value.dtype not in types.real_domain:
            return None

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(value.llvm, [value.llvm])
            function = builder.module.declare_intrinsic(f"llvm.{intrinsic}.{_suffix(value)}", (), kind)
            return builder.call(function, args)

        return value(value), emit


_unary(simd.vabs, "fabs")
_unary(simd.vsqrt, "sqrt")
_unary(simd.vfloor, "floor")


@lowers(simd.select)
def _select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    if not (isinstance(mask, MaskType) and isinstance(a, VectorType) and a == b and a.lanes == mask.lanes):
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask, a, b), emit


def _truth(stub: Any, sign: str, wanted: int) -> None:
    @lowers(stub)
    def definition(typing: Any, mask: Any) -> Any:
        if not isinstance(mask, MaskType):
            return None

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            bits = ir.IntType(mask.lanes)
            return builder.icmp_unsigned(sign, builder.bitcast(args[0], bits), ir.Constant(bits, wanted))

        return types.boolean(mask), emit


_truth(simd.any_true, "!=", 0)
_truth(simd.all_true, "==", -1)


def _reduce(stub: Any, operation: str) -> None:
    """Halves, quarters, pairs: one order, written out, so that LLVM has no choice."""
    @lowers(stub)
    def definition(typing: Any, value: Any) -> Any:
        if not isinstance(value, VectorType):
            return None

        def combine(builder: Any, a: Any, b: Any) -> Any:
            real = value.dtype in types.real_domain
            if operation == "+":
                return builder.fadd(a, b, flags=FAST) if real else builder.add(a, b)
            compare = builder.fcmp_ordered if real else builder.icmp_signed
            return builder.select(compare(operation, a, b), a, b)

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            vector, width = args[0], value.lanes
            while width > 1:
                width //= 2
                order = [(k + width) % value.lanes for k in range(value.lanes)]
                turned = builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(I32, value.lanes), order))
                vector = combine(builder, vector, turned)
            return builder.extract_element(vector, ir.Constant(I32, 0))

        return value.dtype(value), emit


_reduce(simd.hsum, "+")
_reduce(simd.hmax, ">")
_reduce(simd.hmin, "<")


def _convert(stub: Any, source: VectorType, target: VectorType, instruction: str) -> None:
    @lowers(stub)
    def definition(typing: Any, value: Any) -> Any:
        if value != source:
            return None

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], target.llvm)

        return target(source), emit


_convert(simd.to_int, f32x8, i32x8, "fptosi")
_convert(simd.to_float, i32x8, f32x8, "sitofp")
_convert(simd.as_int, f32x8, i32x8, "bitcast")
_convert(simd.as_float, i32x8, f32x8, "bitcast")


def _widen(stub: Any, first: int) -> None:
    @lowers(stub)
    def definition(typing: Any, value: Any) -> Any:
        if value != f32x8:
            return None

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            order = ir.Constant(ir.VectorType(I32, 4), [first + k for k in range(4)])
            return builder.fpext(builder.shuffle_vector(args[0], args[0], order), f64x4.llvm)

        return f64x4(f32x8), emit


_widen(simd.low_f64, 0)
_widen(simd.high_f64, 4)


@lowers(simd.narrow)
def _narrow(typing: Any, low: Any, high: Any) -> Any:
    if (low, high) != (f64x4, f64x4):
        return None

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half = ir.VectorType(ir.FloatType(), 4)
        a, b = (builder.fptrunc(arg, half) for arg in args)
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, 8), list(range(8))))

    return f32x8(f64x4, f64x4), emit
