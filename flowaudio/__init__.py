"""flowaudio: a numba-JIT dataflow audio engine."""
