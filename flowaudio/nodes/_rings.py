"""Damped combs and all-passes over rings, eight frames at a time: what a room is made of.

A ring has eight frames before and behind it that no ring uses. So eight frames are read and written at once, wherever
it ends, and no frame's arithmetic depends on where a block or a ring ends.
"""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.simd import fma, lanes, load, select, shuffle, splat, store

__all__ = ["allpass_run", "comb_rest", "comb_run", "roll", "unroll"]

G = np.float32(0.5)
"""Coefficient of the all-passes."""


@kernel
def first(count: int) -> Any:
    """Mask of the first `count` lanes."""
    return lanes(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0) < splat(np.float32(count))


@kernel
def transpose(r0: Any, r1: Any, r2: Any, r3: Any, r4: Any, r5: Any, r6: Any, r7: Any) -> Any:
    """Eight vectors as rows of a matrix; its columns."""
    a0, a1 = shuffle(r0, r1, "08194c5d"), shuffle(r0, r1, "2a3b6e7f")
    a2, a3 = shuffle(r2, r3, "08194c5d"), shuffle(r2, r3, "2a3b6e7f")
    a4, a5 = shuffle(r4, r5, "08194c5d"), shuffle(r4, r5, "2a3b6e7f")
    a6, a7 = shuffle(r6, r7, "08194c5d"), shuffle(r6, r7, "2a3b6e7f")
    b0, b1 = shuffle(a0, a2, "018945cd"), shuffle(a0, a2, "23ab67ef")
    b2, b3 = shuffle(a1, a3, "018945cd"), shuffle(a1, a3, "23ab67ef")
    b4, b5 = shuffle(a4, a6, "018945cd"), shuffle(a4, a6, "23ab67ef")
    b6, b7 = shuffle(a5, a7, "018945cd"), shuffle(a5, a7, "23ab67ef")
    return (shuffle(b0, b4, "012389ab"), shuffle(b1, b5, "012389ab"), shuffle(b2, b6, "012389ab"),
            shuffle(b3, b7, "012389ab"), shuffle(b0, b4, "4567cdef"), shuffle(b1, b5, "4567cdef"),
            shuffle(b2, b6, "4567cdef"), shuffle(b3, b7, "4567cdef"))


@kernel
def damp(keep: Any, u: Any, c0: Any, c1: Any, c2: Any, c3: Any, c4: Any, c5: Any, c6: Any, c7: Any) -> Any:
    """Eight frames through the low-passes, combs in lanes."""
    u0 = fma(keep, u, c0)
    u1 = fma(keep, u0, c1)
    u2 = fma(keep, u1, c2)
    u3 = fma(keep, u2, c3)
    u4 = fma(keep, u3, c4)
    u5 = fma(keep, u4, c5)
    u6 = fma(keep, u5, c6)
    u7 = fma(keep, u6, c7)
    return u0, u1, u2, u3, u4, u5, u6, u7


@kernel
def comb_run(ring: Any, o: Any, start: int, frames: int, fed: Any, wet: Any, u: Any, keep: Any, back: Any) -> Any:
    """All combs of a channel, as long as none of their rings ends; `o` holds where each stands. Gives the low-passes.

    A recursion in each of eight combs would wait for itself; side by side, in lanes, they do not. The rings hold time
    in their lanes, so eight frames of eight combs are turned over, damped frame by frame, and turned back.
    """
    o0, o1, o2, o3, o4, o5, o6, o7 = o
    for n in range(0, frames - 7, 8):
        r0, r1, r2, r3 = load(ring, o0 + n), load(ring, o1 + n), load(ring, o2 + n), load(ring, o3 + n)
        r4, r5, r6, r7 = load(ring, o4 + n), load(ring, o5 + n), load(ring, o6 + n), load(ring, o7 + n)
        x = load(fed, start + n)
        store(wet, start + n, ((r0 - r1) + (r2 - r3)) + ((r4 - r5) + (r6 - r7)))
        c0, c1, c2, c3, c4, c5, c6, c7 = transpose(r0, r1, r2, r3, r4, r5, r6, r7)
        u0, u1, u2, u3, u4, u5, u6, u = damp(keep, u, c0, c1, c2, c3, c4, c5, c6, c7)
        t0, t1, t2, t3, t4, t5, t6, t7 = transpose(u0, u1, u2, u3, u4, u5, u6, u)
        store(ring, o0 + n, fma(back, t0, x))
        store(ring, o1 + n, fma(back, t1, x))
        store(ring, o2 + n, fma(back, t2, x))
        store(ring, o3 + n, fma(back, t3, x))
        store(ring, o4 + n, fma(back, t4, x))
        store(ring, o5 + n, fma(back, t5, x))
        store(ring, o6 + n, fma(back, t6, x))
        store(ring, o7 + n, fma(back, t7, x))
    return u


@kernel
def comb_rest(ring: Any, o: Any, n: int, count: int, fed: Any, wet: Any, u: Any, keep: Any, back: Any) -> Any:
    """As `comb_run`, for the last frames of a block, fewer than eight. What is too many is put back as it was."""
    o0, o1, o2, o3, o4, o5, o6, o7 = o
    r0, r1, r2, r3, r4, r5, r6, r7 = (load(ring, o0), load(ring, o1), load(ring, o2), load(ring, o3), load(ring, o4),
                                      load(ring, o5), load(ring, o6), load(ring, o7))
    x = load(fed, n)
    store(wet, n, ((r0 - r1) + (r2 - r3)) + ((r4 - r5) + (r6 - r7)))
    c0, c1, c2, c3, c4, c5, c6, c7 = transpose(r0, r1, r2, r3, r4, r5, r6, r7)
    u0, u1, u2, u3, u4, u5, u6, u7 = damp(keep, u, c0, c1, c2, c3, c4, c5, c6, c7)
    t0, t1, t2, t3, t4, t5, t6, t7 = transpose(u0, u1, u2, u3, u4, u5, u6, u7)
    m = first(count)
    store(ring, o0, select(m, fma(back, t0, x), r0))
    store(ring, o1, select(m, fma(back, t1, x), r1))
    store(ring, o2, select(m, fma(back, t2, x), r2))
    store(ring, o3, select(m, fma(back, t3, x), r3))
    store(ring, o4, select(m, fma(back, t4, x), r4))
    store(ring, o5, select(m, fma(back, t5, x), r5))
    store(ring, o6, select(m, fma(back, t6, x), r6))
    store(ring, o7, select(m, fma(back, t7, x), r7))
    u = u0
    if count == 2:
        u = u1
    elif count == 3:
        u = u2
    elif count == 4:
        u = u3
    elif count == 5:
        u = u4
    elif count == 6:
        u = u5
    elif count == 7:
        u = u6
    return u


@kernel
def unroll(ring: Any, start: int, length: int, at: int) -> None:
    """Before eight frames are taken that run over a ring's end: its beginning stands behind it, too."""
    if at + 8 > length:
        store(ring, start + length, load(ring, start))


@kernel
def roll(ring: Any, start: int, length: int, at: int) -> None:
    """After eight frames were written over a ring's end: to its beginning with them. The others fall before it, where
    the frames are that no ring uses."""
    if at + 8 > length:
        store(ring, start + at - length, load(ring, start + at))


@kernel
def allpass_run(ring: Any, o: int, wet: Any, start: int, frames: int) -> None:
    """``v[n] = x[n] + g v[n-L]``, ``y[n] = v[n-L] - g v[n]``, in place, as long as the ring does not end."""
    for n in range(0, frames - 7, 8):
        old = load(ring, o + n)
        v = fma(G, old, load(wet, start + n))
        store(ring, o + n, v)
        store(wet, start + n, fma(-G, v, old))
    rest = frames % 8
    if rest:
        n = frames - rest
        m = first(rest)
        old = load(ring, o + n)
        v = fma(G, old, load(wet, start + n))
        store(ring, o + n, select(m, v, old))
        store(wet, start + n, fma(-G, v, old))  # behind the tile's last frame there is nothing to spare
