"""Reverberation of a room."""

import functools
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import param
from flowaudio.core.simd import fma, load, load_part, splat, store, store_part
from flowaudio.core.units import ms_to_frames
from flowaudio.nodes._rings import allpass_run, comb_rest, comb_run, roll, unroll

__all__ = ["Reverb"]

COMBS = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)
"""Frames at 44.1 kHz, of the first channel; each further channel has SPREAD more. Their periods have no common multiple
of use, so no echo falls on another."""
ALLPASSES = (556, 441, 341, 225)
SPREAD = 23
RINGS = len(COMBS) + len(ALLPASSES)
TUNED_AT = 44_100
SHORTEST = 8
"""Frames of a ring, at least: as many as are read before the first is written."""

LEVEL = 0.28
"""What goes into the combs: with `wet` 1, all else as it is by default, the reverberation is as loud as the signal."""
SIGNS = ((0, 1, 2, 3, 4, 5, 6, 7), (0, 2, 1, 3, 4, 6, 5, 7), (0, 2, 3, 1, 4, 6, 7, 5), (0, 4, 1, 5, 2, 6, 3, 7),
         (0, 4, 1, 5, 6, 2, 7, 3), (0, 1, 3, 2, 5, 4, 6, 7), (0, 4, 2, 6, 5, 1, 7, 3))
"""Which combs are added and which are taken away: those in even places, those in odd places; a row a channel. Any two
rows agree on four combs and differ on four."""

TILE = 256
"""Frames that go through one stage before the next stage has its turn."""
ZERO = np.float32(0.0)


Rings = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int]


@functools.cache
def _rings(channels: int, rate: int) -> Rings:
    """Lengths and beginnings, int64 [channel, ring], of all rings in their memory, and its size."""
    tuned = [[n + SPREAD * c for n in (*(COMBS[k] for k in SIGNS[c % 7]), *ALLPASSES)] for c in range(channels)]
    lengths = np.array([[max(round(n * rate / TUNED_AT), SHORTEST) for n in row] for row in tuned])
    ends = np.cumsum(lengths + 8).reshape(channels, RINGS)
    return lengths, ends - lengths, int(ends[-1, -1]) + 8


class Params(NamedTuple):
    """A room."""

    feed: float                         # from the sum of all channels to the combs
    keep: float                         # what a comb's low-pass keeps of itself
    back: float                         # from the low-pass, whose gain is 1 / (1 - keep), back into the comb
    dry: float
    own: float                          # of a channel's own reverberation
    share: float                        # of the sum of all channels' reverberation
    predelay: int                       # frames
    lengths: Any                        # int64 [channel, ring], frames
    starts: Any                         # int64 [channel, ring], where a ring begins in the state's memory


class State(NamedTuple):
    """What is still under way. The rings of all combs and all-passes stand in one memory."""

    ring: Any                           # float32 [all rings]
    places: Any                         # int64 [channel, ring], frame in its ring that is next
    damped: Any                         # float32 [channel, comb], the low-passes
    early: Any                          # float32 [predelay + TILE], ring of what is on its way to the combs
    at: Any                             # int64 [1], next frame of it
    fed: Any                            # float32 [TILE + 8], scratch: input of the combs
    wet: Any                            # float32 [channel, TILE + 8], scratch: reverberation


@kernel
def combs(c: int, frames: int, p: Any, s: Any) -> None:
    """A tile through all combs of a channel, from `fed` to `wet`."""
    keep, back = splat(p.keep), splat(p.back)
    ring, places, starts, lengths = s.ring, s.places[c], p.starts[c], p.lengths[c]
    u = load(s.damped[c], 0)
    done = 0
    while done < frames:
        room = frames - done
        for k in range(8):
            room = min(room, lengths[k] - places[k])
        run = room - room % 8 if room >= 8 else min(8, frames - done)
        if room < 8:
            for k in range(8):
                unroll(ring, starts[k], lengths[k], places[k])
        o = (starts[0] + places[0], starts[1] + places[1], starts[2] + places[2], starts[3] + places[3],
             starts[4] + places[4], starts[5] + places[5], starts[6] + places[6], starts[7] + places[7])
        if run >= 8:
            u = comb_run(ring, o, done, run, s.fed, s.wet[c], u, keep, back)
        else:
            u = comb_rest(ring, o, done, run, s.fed, s.wet[c], u, keep, back)
        for k in range(8):
            if room < 8:
                roll(ring, starts[k], lengths[k], places[k])
            at = places[k] + run
            places[k] = at if at < lengths[k] else at - lengths[k]
        done += run
    store(s.damped[c], 0, u)


@kernel
def allpass(c: int, k: int, frames: int, p: Any, s: Any) -> None:
    """A tile through one all-pass."""
    start, length, at = p.starts[c, k], p.lengths[c, k], s.places[c, k]
    done = 0
    while done < frames:
        room = min(frames - done, length - at)
        if room >= 8:
            run = room - room % 8
            allpass_run(s.ring, start + at, s.wet[c], done, run)
        else:
            run = min(8, frames - done)
            unroll(s.ring, start, length, at)
            allpass_run(s.ring, start + at, s.wet[c], done, run)
            roll(s.ring, start, length, at)
        at = at + run if at + run < length else at + run - length
        done += run
    s.places[c, k] = at


@kernel
def feed(x: Any, start: int, frames: int, p: Any, s: Any) -> None:
    """All channels' sum for the combs, as late as the predelay."""
    for n in range(0, frames, 8):
        count = min(8, frames - n)
        total = splat(ZERO)
        for c in range(x.shape[0]):
            total += load_part(x[c], start + n, count)
        store(s.fed, n, p.feed * total)
    if p.predelay:
        size, at = s.early.size, s.at[0]
        head = min(frames, size - at)
        for n in range(head):
            s.early[at + n] = s.fed[n]
        for n in range(head, frames):
            s.early[at + n - size] = s.fed[n]
        past = at - p.predelay if at >= p.predelay else at - p.predelay + size
        head = min(frames, size - past)
        for n in range(head):
            s.fed[n] = s.early[past + n]
        for n in range(head, frames):
            s.fed[n] = s.early[past + n - size]
        s.at[0] = at + frames if at + frames < size else at + frames - size


@kernel
def blend(x: Any, y: Any, start: int, frames: int, p: Any, s: Any) -> None:
    """Dry and wet together."""
    for n in range(0, frames, 8):
        count = min(8, frames - n)
        total = splat(ZERO)
        for c in range(x.shape[0]):
            total += load(s.wet[c], n)
        total = p.share * total
        for c in range(x.shape[0]):
            wet = fma(p.own, load(s.wet[c], n), total)
            if count == 8:
                store(y[c], start + n, fma(p.dry, load(x[c], start + n), wet))
            else:
                store_part(y[c], start + n, count, fma(p.dry, load_part(x[c], start + n, count), wet))


@node(in_place=True)
class Reverb:
    """A room around a signal.

    All channels together feed, in each channel, eight damped combs side by side and four all-passes in a row::

        comb      w[n] = x[n] + f z[n],  z[n] = d z[n-1] + (1 - d) w[n-L]     output w[n-L]
        all-pass  v[n] = x[n] + g v[n-L],  y[n] = v[n-L] - g v[n],  g = 0.5

    with ``f = 0.7 + 0.28 room_size`` (reverberation dies by 60 dB in 0.6 s, 1.2 s, 11 s for `room_size` 0, 0.5, 1) and
    ``d = 0.4 damping`` at 44.1 kHz; at other rates what takes the same time, as with the delays L. It is the structure
    and the tuning of Freeverb, with two differences at no cost. Its all-passes are true ones: they colour nothing and
    cannot grow. And four of the combs are subtracted, another four in each channel: nothing piles up below the lowest
    resonance, and the channels differ in the bass too, where a few more frames of delay are nothing.

    Any number of channels; as many go out as come in (for a mono signal in a stereo room: ``ChannelMap(channels=2)``
    before it). `width` 0 gives all channels the same reverberation.

    Latency: none. Error against float64: -120 dB of the reverberation's peak.
    Reference: J. O. Smith, "Physical Audio Signal Processing", 2010, sections "Schroeder Reverberators" and "Freeverb";
    M. R. Schroeder, "Natural sounding artificial reverberation", J. AES 10(3), 1962; J. A. Moorer, "About this
    reverberation business", Computer Music Journal 3(2), 1979.
    """

    room_size: float = param(0.0, 1.0, "how long it reverberates", default=0.5)
    damping: float = param(0.0, 1.0, "how much sooner treble dies", default=0.5)
    wet: float = param(0.0, 1.0, "level of the reverberation, linear", default=0.33)
    dry: float = param(0.0, 1.0, "level of the signal itself, linear", default=0.8)
    width: float = param(0.0, 1.0, "how much the channels' reverberation differs", default=1.0)
    predelay_ms: float = param(0.0, 500.0, "time before the room answers", default=0.0, interpolated=False)

    def prepare(self, format: Format) -> tuple[Params, State]:
        channels, rate = format.channels, format.rate
        lengths, starts, size = _rings(channels, rate)
        keep = (0.4 * self.damping) ** (TUNED_AT / rate)
        feedback = 0.7 + 0.28 * self.room_size
        predelay = ms_to_frames(self.predelay_ms, rate)
        params = Params(LEVEL / channels, keep, feedback * (1.0 - keep), self.dry, self.wet * self.width,
                        self.wet * (1.0 - self.width) / channels, predelay, lengths, starts)
        state = State(np.zeros(size, np.float32), np.zeros((channels, RINGS), np.int64),
                      np.zeros((channels, 8), np.float32), np.zeros(predelay + TILE if predelay else 1, np.float32),
                      np.zeros(1, np.int64), np.zeros(TILE + 8, np.float32),
                      np.zeros((channels, TILE + 8), np.float32))
        return params, state

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for start in range(0, x.shape[1], TILE):
            count = min(TILE, x.shape[1] - start)
            feed(x, start, count, p, s)
            for c in range(x.shape[0]):
                combs(c, count, p, s)
                for k in range(8, 12):
                    allpass(c, k, count, p, s)
            blend(x, y, start, count, p, s)
