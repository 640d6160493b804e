"""The transform inside kernels against SciPy's and NumPy's: first the answers, then the times.

    python tests/bench/bench_fft.py
"""

import numpy as np
import scipy.fft
from timing import ratio

from flowaudio.core.memory import f32_1d
from flowaudio.core.native import native
from flowaudio.graph.image import address as at
from flowaudio.nodes._fft import fill, power, tables, transform, workspace


@native
def powers(size: int, row: int, window: int, factors: int, many: int, work: int, wide: int, made: int) -> int:
    """The power of as many windows, side by side, as `made` has room for: about a million frames."""
    z, t, bins = f32_1d(work, wide), f32_1d(factors, many), size // 2 + 1
    times = (1 << 20) // size
    for k in range(times):
        fill(f32_1d(row, 1 << 20), k * size, f32_1d(window, size), size, z)
        power(z, transform(z, t, size), t, size, f32_1d(made + 4 * bins * k, bins))
    return times


def case(size: int) -> None:
    """One line: a million frames, windowed, transformed and squared."""
    x = np.random.default_rng(0).standard_normal((1 << 20) // size * size).astype(np.float32)
    rows = x.reshape(-1, size)
    window = np.hanning(size).astype(np.float32)
    factors, work = tables(size), workspace(size)
    made = np.zeros((len(rows), size // 2 + 1), np.float32)

    def ours() -> None:
        powers(size, at(x), at(window), at(factors), factors.size, at(work), work.size, at(made))

    def scipys() -> None:
        for row in rows:
            abs(scipy.fft.rfft(row * window)) ** 2

    def at_once() -> None:
        abs(scipy.fft.rfft(rows * window)) ** 2

    def numpys() -> None:
        abs(np.fft.rfft(rows * window)) ** 2

    ours()
    want = abs(np.fft.rfft(rows.astype(float) * window)) ** 2
    assert abs(made - want).max() < 1e-5 * want.mean(), "the answer is wrong"
    one, all_rows, numpy_rows = ratio(ours, scipys, 5), ratio(ours, at_once, 5), ratio(ours, numpys, 5)
    print(f"{size:6}: {one.median_a_ms / len(rows) * 1000:8.2f} us each; SciPy float32 row by row takes "
          f"{one.ratio:5.1f} times as long, all rows at once {all_rows.ratio:5.1f}, "
          f"NumPy at once {numpy_rows.ratio:5.1f}", flush=True)


def main() -> None:
    for exponent in range(6, 17):
        case(1 << exponent)


if __name__ == "__main__":
    main()
