"""The numba machinery and what every layer above needs: kernels, lanes, atomics, units, errors."""
