"""The vector types as numba sees them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, register_model

__all__ = ["BITS", "FAST", "MaskType", "VectorType", "f32x8", "f64x4", "i32x8", "mask4", "mask8", "vector_of"]

FAST = ("contract", "arcp", "nsz")
"""Flags of floating-point instructions; the same that `compiler.OPTIONS` gives to scalars, and for the same reasons."""

BITS = 256

ELEMENTS: dict[Any, Any] = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int32: ir.IntType(32),
}


class VectorType(types.Type):
    """256 bits of one element type."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = BITS // dtype.bitwidth
        self.llvm = ir.VectorType(ELEMENTS[dtype], self.lanes)
        super().__init__(name=name)

    @property
    def mask(self) -> "MaskType":
        return mask8 if self.lanes == 8 else mask4


class MaskType(types.Type):
    """One truth value a lane."""

    def __init__(self, name: str, lanes: int) -> None:
        self.lanes = lanes
        self.llvm = ir.VectorType(ir.IntType(1), lanes)
        super().__init__(name=name)


@register_model(VectorType)
@register_model(MaskType)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, fe_type.llvm)


f32x8 = VectorType("f32x8", types.float32)
f64x4 = VectorType("f64x4", types.float64)
i32x8 = VectorType("i32x8", types.int32)
mask8 = MaskType("mask8", 8)
mask4 = MaskType("mask4", 4)

_BY_DTYPE = {types.float32: f32x8, types.float64: f64x4, types.int32: i32x8}


def vector_of(dtype: Any) -> VectorType | None:
    """The vector type of an element type, or None."""
    return _BY_DTYPE.get(dtype)
