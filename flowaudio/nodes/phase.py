"""Finds channels that are out of phase."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, EVERY, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.layouts import LAYOUTS, MAX_CHANNELS, speakers
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, hsum, load, splat
from flowaudio.nodes._levels import LARGEST, dbfs, gather, grid, heard, pass_through, past, power_of, remember

__all__ = ["PhaseDetector"]

HOP_S = 0.01
FALSE_STEREO = 0.9995
TINY = 1e-30
ZERO = np.float32(0.0)
KEPT_S = 2.0                            # of what is needed to tell, how much is kept to find the start in
RELEASE = 0.5                           # parts of the correlation, and of min_s, at which it is over
RELEASE_DB = 1.0                        # and by how much less is lost
CLEAR = 0.1                             # magnitude of a hop's product, against its power, that has a sign
NEAR = 2                                # hops from where the sums turn to where the product does
ON, START, END, SINCE, SIGN, FIELDS = range(6)
"""Of a pair: whether it was told; frames of the stream; hops in which it was bad, or good; the sign of the last hop's
product that has one."""


class Params(NamedTuple):
    """For a rate and a layout."""

    hop: int                            # frames
    span: int                           # hops of a window
    hold: int                           # hops that it must last to be told
    pairs: Any                          # int64 [pair, 2], channels
    limits: Any                         # float64 [5]: correlation, and ratio of the powers folded and not, at which it
                                        # begins; the same at which it ends; least power of a window


class State(NamedTuple):
    """Frames are counted from the node's own start, those of `notes` from that of the stream."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, 2 hops]
    scratch: Any                        # float32 [2, hop]
    sums: Any                           # float64 [pair, 3, span]: squares of both, products, of hops
    seen: Any                           # float64 [pair, hops kept], correlation of each hop, 0 for a quiet one
    turned: Any                         # int64 [pair, 2, hops kept], frame where the product turned to - or +; or -1
    notes: Any                          # int64 [pair, FIELDS]
    correlation: Any                    # float32 [pair]
    fold_loss_db: Any                   # float32 [pair]
    false_stereo: Any                   # int64 [pair]


def _paired(channels: int) -> Any:
    """Pairs of channels, left and right, int64 [pair, 2]; at least one, which is of one channel with itself."""
    names = speakers(channels) if channels <= MAX_CHANNELS else LAYOUTS["stereo"]
    found = [(k, names.index(f"{name[0]}R")) for k, name in enumerate(names)
             if name.endswith("L") and f"{name[0]}R" in names]
    return np.array(found or [(0, 0)], np.int64)


@node(in_place=True, events=("phase_inversion",), measures=("correlation", "fold_loss_db", "false_stereo"))
class PhaseDetector:
    """Finds a pair of channels that cancel each other in mono; the signal passes unchanged.

    For left and right (front, back and side each), over the last `window_s`::

        correlation = sum(l r) / sqrt(sum(l l) sum(r r))
        loss        = 10 log10(2 (sum(l l) + sum(r r)) / sum((l + r)²))

    The loss is what the mean of both has less than they have each: 0 dB for what is the same in both, 3 dB for what has
    nothing in common, so 4 dB are more than wide stereo can lose by itself. It is an inversion when the correlation is
    below `correlation` and the loss above `loss_db`, all the time for `min_s`. It is over when the correlation is above
    half of that, or the loss 1 dB less, for half of `min_s`. Pauses, under `quiet_dbfs` in the whole window, count as
    nothing.

    Event ``phase_inversion`` (begins, ends). Channel: the left one of the pair; all together, where there are two.
    Start and end are where the sum of the correlations of hops of 10 ms is greatest, or least, in twice the time that
    it takes to be told; and within two hops of that, where the product turned its sign: exact to the sample for what is
    nearly mono, to some 10 ms for stereo. Strength: the correlation over the window.

    Measures, one a pair: ``correlation``, 0 for silence; ``fold_loss_db``; ``false_stereo``, 1 while the correlation is
    above 0.9995, which is no fault. Latency: none.

    Not found: a delay of one channel, a phase that differs with the frequency, and a single instrument out of phase in
    a mix. A channel that is nothing but a copy of the other some ms later may be told now and then, where it does
    cancel; with a third of the other in it, hardly ever.
    """

    correlation: float = param(-1.0, 0.0, "correlation below which channels cancel", default=-0.4)
    loss_db: float = param(3.0, 60.0, "level lost in mono", default=4.0)
    min_s: float = param(0.1, 600.0, "how long it must last", default=1.0)
    window_s: float = param(0.1, 10.0, "over which it is measured", default=2.0)
    quiet_dbfs: float = param(-140.0, 0.0, "RMS under which nothing is judged", default=-60.0)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Pairs of the layout; nothing heard yet."""
        hop = grid(format.rate, HOP_S)
        pairs = _paired(format.channels)
        span = max(1, round(self.window_s * format.rate / hop))
        limits = [self.correlation, 2.0 / power_of(self.loss_db),
                  RELEASE * self.correlation, 2.0 / power_of(self.loss_db - RELEASE_DB),
                  2.0 * power_of(self.quiet_dbfs) * hop * span]
        hold = max(1, round(self.min_s * format.rate / hop))
        params = Params(hop, span, hold, pairs, np.array(limits))
        count, kept = len(pairs), 2 * NEAR + math.ceil(KEPT_S * (span + hold))
        return params, State(event_log(), np.zeros(1, np.int64), past(format.channels, 2 * hop),
                             np.zeros((2, hop), np.float32), np.zeros((count, 3, span)),
                             np.zeros((count, kept)), np.full((count, 2, kept), -1),
                             np.zeros((count, FIELDS), np.int64), np.zeros(count, np.float32),
                             np.zeros(count, np.float32), np.zeros(count, np.int64))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, hop = s.at[0], p.hop
        if x.shape[0] > 1:
            for k in range(at // hop, (at + x.shape[1]) // hop):
                n = k * hop - at
                for j in range(p.pairs.shape[0]):
                    a, b = p.pairs[j, 0], p.pairs[j, 1]
                    if n < 0:
                        gather(x[a], s.ring[a], at, k * hop, hop, s.scratch[0])
                        gather(x[b], s.ring[b], at, k * hop, hop, s.scratch[1])
                        products(s.scratch[0], s.scratch[1], 0, hop, s.sums[j], k % p.span)
                    else:
                        products(x[a], x[b], n, hop, s.sums[j], k % p.span)
                    turn(x[a], x[b], j, k, p, s)
                    judge(j, k, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        pass_through(x, y)


@kernel
def products(left: Any, right: Any, first: int, count: int, sums: Any, slot: int) -> None:
    """Of a hop: squares and products."""
    l0, l1, r0, r1 = splat(ZERO), splat(ZERO), splat(ZERO), splat(ZERO)
    b0, b1 = splat(ZERO), splat(ZERO)
    for n in range(first, first + count, 16):
        u, v, w, z = load(left, n), load(right, n), load(left, n + 8), load(right, n + 8)
        l0, l1 = fma(u, u, l0), fma(w, w, l1)
        r0, r1 = fma(v, v, r0), fma(z, z, r1)
        b0, b1 = fma(u, v, b0), fma(w, z, b1)
    sums[0, slot], sums[1, slot] = np.float64(hsum(l0 + l1)), np.float64(hsum(r0 + r1))
    sums[2, slot] = np.float64(hsum(b0 + b1))
    if not (sums[0, slot] <= LARGEST and sums[1, slot] <= LARGEST):
        careful_products(left, right, first, count, sums, slot)


@kernel
def careful_products(left: Any, right: Any, first: int, count: int, sums: Any, slot: int) -> None:
    """The same for a hop in which something is very loud, or no number."""
    ll, rr, lr = 0.0, 0.0, 0.0
    for n in range(first, first + count):
        u, v = np.float64(left[n]), np.float64(right[n])
        u = u if abs(u) <= LARGEST else np.float64(0.0)
        v = v if abs(v) <= LARGEST else np.float64(0.0)
        ll, rr, lr = ll + u * u, rr + v * v, lr + u * v
    sums[0, slot], sums[1, slot], sums[2, slot] = ll, rr, lr


@kernel
def turn(left: Any, right: Any, j: int, k: int, p: Any, s: Any) -> None:
    """Where the product turned its sign, if this hop has another than the last one that has one."""
    note, slot, kept = s.notes[j], k % p.span, k % s.seen.shape[1]
    power, product = s.sums[j, 0, slot] + s.sums[j, 1, slot], s.sums[j, 2, slot]
    s.seen[j, kept], s.turned[j, 0, kept], s.turned[j, 1, kept] = 0.0, -1, -1
    if power * p.span < p.limits[4]:
        return
    s.seen[j, kept] = product / np.sqrt(s.sums[j, 0, slot] * s.sums[j, 1, slot] + TINY)
    sign = 1 if product > 0 else -1
    if abs(product) < CLEAR * power or note[SIGN] == sign:
        return
    a, b, at = p.pairs[j, 0], p.pairs[j, 1], s.at[0]
    best, so_far, place = 0.0, 0.0, max(0, k - 1) * p.hop
    for n in range(place, (k + 1) * p.hop):
        so_far -= sign * np.float64(heard(left, s.ring[a], at, n)) * np.float64(heard(right, s.ring[b], at, n))
        if so_far > best:
            best, place = so_far, n + 1
    note[SIGN] = sign
    s.turned[j, int(sign > 0), kept] = place


@kernel
def boundary(j: int, k: int, first: int, to: int, p: Any, s: Any) -> Any:
    """The frame, from `first` on, at which the correlation became negative (`to` is 0) or positive (1)."""
    seen, size = s.seen[j], s.seen.shape[1]
    place = max(0, k + 1 - size + 2 * NEAR, first // p.hop)
    best, so_far = 0.0, 0.0
    for n in range(place, k + 1):
        so_far += seen[n % size] if to == 0 else -seen[n % size]
        if so_far > best:
            best, place = so_far, n + 1
    found, off = place * p.hop, NEAR * p.hop + 1
    for n in range(max(0, place - NEAR), min(k, place + NEAR) + 1):
        turned = s.turned[j, to, n % size]
        if turned >= 0 and abs(turned - place * p.hop) < off:
            found, off = turned, abs(turned - place * p.hop)
    return max(first, found)


@kernel
def judge(j: int, k: int, p: Any, s: Any) -> None:
    """A hop of a pair: the window's correlation and loss, and what is to be told."""
    note = s.notes[j]
    ll, rr, lr = np.float64(0.0), np.float64(0.0), np.float64(0.0)
    for n in range(p.span):
        ll += s.sums[j, 0, n]
        rr += s.sums[j, 1, n]
        lr += s.sums[j, 2, n]
    found = lr / np.sqrt(ll * rr + TINY)
    s.correlation[j] = found
    s.fold_loss_db[j] = 0.0
    s.false_stereo[j] = found > FALSE_STEREO
    power, folded = ll + rr, ll + rr + 2.0 * lr
    if power > TINY:
        s.fold_loss_db[j] = -dbfs(max(0.5 * folded / power, 1e-12))
    if power < p.limits[4]:
        return
    side = 2 * note[ON]
    bad = found < p.limits[side] and folded < p.limits[side + 1] * power
    note[SINCE] = note[SINCE] + 1 if bad == (note[ON] == 0) else 0
    channel, first = EVERY if s.ring.shape[0] == 2 else p.pairs[j, 0], now(s.log) - s.at[0]
    if note[ON] == 0 and note[SINCE] >= p.hold:
        note[ON], note[SINCE] = 1, 0
        note[START] = boundary(j, k, note[END] - first if note[END] else 0, 0, p, s) + first
        emit(s.log, 0, BEGAN, note[START], 0, channel, found)
    elif note[ON] == 1 and note[SINCE] >= RELEASE * p.hold:
        note[ON], note[SINCE] = 0, 0
        note[END] = boundary(j, k, note[START] - first + 1, 1, p, s) + first
        emit(s.log, 0, ENDED, note[START], note[END], channel, found)
