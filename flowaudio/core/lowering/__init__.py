"""What the placeholders of `simd`, `memory` and `atomics` mean to numba. Imported by the compiler alone."""

from flowaudio.core.lowering import memory, operators, vectors  # noqa: F401  importing registers them
