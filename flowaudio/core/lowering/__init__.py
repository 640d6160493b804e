"""What the placeholders of `simd`, `memory`, `atomics` and `waking` mean to numba. Imported by the compiler alone."""

from flowaudio.core.lowering import memory, operators, vectors, waking  # noqa: F401  importing registers them
