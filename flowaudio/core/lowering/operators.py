"""Operators of the vector types: arithmetic, comparison, bits, with vectors and with plain numbers."""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from flowaudio.core.lowering.types import FAST, MaskType, VectorType

__all__ = ["splat"]


def splat(builder: Any, value: Any, kind: VectorType) -> Any:
    """An LLVM scalar in all lanes."""
    zero = ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(ir.Constant(kind.llvm, ir.Undefined), value, zero)
    order = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), [0] * kind.lanes)
    return builder.shuffle_vector(one, ir.Constant(kind.llvm, ir.Undefined), order)


def _vector(context: Any, builder: Any, value: Any, kind: Any, wanted: VectorType) -> Any:
    if kind == wanted:
        return value
    return splat(builder, context.cast(builder, value, kind, wanted.dtype), wanted)


def _common(args: tuple[Any, ...]) -> VectorType | None:
    """The vector type of a pair of which one may be a plain number."""
    vectors = [a for a in args if isinstance(a, VectorType)]
    numbers = [a for a in args if isinstance(a, types.Number)]
    if len(vectors) + len(numbers) != len(args) or len(set(vectors)) != 1:
        return None
    kind = vectors[0]
    whole = all(isinstance(a, types.Integer) for a in numbers)
    return kind if whole or kind.dtype in types.real_domain else None


def _is_float(kind: VectorType) -> bool:
    return kind.dtype in types.real_domain


def _binary(python: Any, floating: str | None, integer: str | None) -> None:
    @infer_global(python)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            kind = _common(args) if len(args) == 2 else None
            if kind is None or (floating if _is_float(kind) else integer) is None:
                return None
            return signature(kind, *args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        a, b = (_vector(context, builder, v, k, kind) for v, k in zip(args, sig.args, strict=True))
        if _is_float(kind):
            return getattr(builder, str(floating))(a, b, flags=FAST)
        return getattr(builder, str(integer))(a, b)

    for pair in ((VectorType, VectorType), (VectorType, types.Number), (types.Number, VectorType)):
        lower_builtin(python, *pair)(lower)


for _python, _floating, _integer in (
    (operator.add, "fadd", "add"), (operator.sub, "fsub", "sub"), (operator.mul, "fmul", "mul"),
    (operator.truediv, "fdiv", None), (operator.and_, None, "and_"), (operator.or_, None, "or_"),
    (operator.xor, None, "xor"), (operator.lshift, None, "shl"), (operator.rshift, None, "ashr"),
    (operator.iadd, "fadd", "add"), (operator.isub, "fsub", "sub"), (operator.imul, "fmul", "mul"),
):
    _binary(_python, _floating, _integer)


def _comparison(python: Any, sign: str) -> None:
    @infer_global(python)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            kind = _common(args) if len(args) == 2 else None
            return None if kind is None else signature(kind.mask, *args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = _common(sig.args)
        assert kind is not None
        a, b = (_vector(context, builder, v, k, kind) for v, k in zip(args, sig.args, strict=True))
        if not _is_float(kind):
            return builder.icmp_signed(sign, a, b)
        # "une": a NaN is not equal to anything, itself included.
        return builder.fcmp_unordered(sign, a, b) if sign == "!=" else builder.fcmp_ordered(sign, a, b)

    for pair in ((VectorType, VectorType), (VectorType, types.Number), (types.Number, VectorType)):
        lower_builtin(python, *pair)(lower)


for _python, _sign in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="),
                       (operator.eq, "=="), (operator.ne, "!=")):
    _comparison(_python, _sign)


def _of_masks(python: Any, instruction: str) -> None:
    @infer_global(python)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], MaskType) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(python, MaskType, MaskType)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _python, _instruction in ((operator.and_, "and_"), (operator.or_, "or_"), (operator.xor, "xor")):
    _of_masks(_python, _instruction)


@infer_global(operator.invert)
class _Invert(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if isinstance(args[0], MaskType) else None


@lower_builtin(operator.invert, MaskType)
def _invert(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.not_(args[0])


@infer_global(operator.neg)
class _Negate(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if isinstance(args[0], VectorType) else None


@lower_builtin(operator.neg, VectorType)
def _negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0]) if _is_float(sig.return_type) else builder.neg(args[0])
