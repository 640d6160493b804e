"""Finds silence."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.eventlog import BEGAN, ENDED, EVERY, emit, event_log, now
from flowaudio.core.kernel import kernel
from flowaudio.core.named_layouts import DEFAULT, LOW_FREQUENCY, NAMED_LAYOUTS, layout_speakers
from flowaudio.core.node import Format, node
from flowaudio.core.params import choice, param
from flowaudio.nodes._levels import (
    FLOOR_DBFS,
    dbfs,
    gather,
    grid,
    heard,
    pass_through,
    past,
    power_of,
    remember,
    total,
)

__all__ = ["SilenceDetector"]

HOP_S = 0.005
HOPS_KEPT = 4                           # hops of samples in the ring: an edge is sought in the two before the last
ALONE = 0.25                            # part of min_s that a channel is silent without the others before it is told
SOUNDING, MAYBE, SURE = range(3)
PHASE, START, HOPS, FRESH, LONELY, FIELDS = range(6)
"""Of a channel: what it does; the silence's first frame; hops since; hops in which its start was not sought yet; hops
in which others sounded. In the row behind the channels': of all together."""


class Params(NamedTuple):
    """For a rate."""

    hop: int                            # frames
    least: int                          # frames, min_s
    alone: int                          # hops
    sounds: Any                         # int64 [channel], 0 for an LFE, which may be silent
    silent: Any                         # float64 [2]: mean squares under which silence begins, from which it ends
    seconds: Any                        # float64 [1], of a frame


class State(NamedTuple):
    """Frames in `notes` are counted from the start of the stream."""

    log: Any
    at: Any                             # int64 [1], frames so far
    ring: Any                           # float32 [channel, frame]
    scratch: Any                        # float32 [hop]
    notes: Any                          # int64 [channel + 1, FIELDS]
    power: Any                          # float64 [channel + 1], sum of mean squares since the silence began
    tops: Any                           # float64 [channel, 3], greatest magnitudes in this hop and the two before
    level_dbfs: Any                     # float32 [channel]
    silent_s: Any                       # float32 [channel]
    all_silent_s: Any                   # float32 [1]


@node(in_place=True, events=("silence",), measures=("level_dbfs", "silent_s", "all_silent_s"))
class SilenceDetector:
    """Finds silence; the signal passes unchanged.

    RMS in hops of 5 ms. Silence begins with a hop under `threshold_dbfs`, and is told as soon as it has lasted for
    `min_s`, if the RMS over all of it is under the threshold, too. It ends with a hop that is `hysteresis_db` above.
    -60 dBFS for 2 s suits files; broadcasters use -40 dBFS for 20 s.

    Event ``silence`` (begins, ends). Its first frame is the one after the last sample that stands out of what follows
    (twice the greatest magnitude of the next hop), its end the first sample that stands out of what was before: exact
    where a signal stops or returns at once, however loud the noise under it. In a fade it is where the level passes
    the threshold, within two hops. Strength: RMS of the silence in dBFS, -160 for zeros.

    When all channels are silent, that is told once, for all together; a single channel is told when it has been silent
    for `min_s` and for a quarter of that while another sounded. So one channel may be silent first, and then all. One
    channel by itself is all. An LFE, which has nothing to say most of the time, is left out of both.

    Measures: ``level_dbfs`` [channel], RMS of the last hop; ``silent_s`` [channel] and ``all_silent_s`` [1], how long
    it has been silent by now, 0 where it is not. 0 dBFS is an RMS of 1.0. Latency: none. What is shorter than `min_s`,
    and sound that is out of the audible range, it does not tell apart.
    """

    threshold_dbfs: float = param(-140.0, 0.0, "RMS under which it is silent", default=-60.0)
    min_s: float = param(0.05, 3600.0, "how long it must be silent", default=2.0)
    hysteresis_db: float = param(0.0, 40.0, "above the threshold, level at which silence ends", default=3.0)
    layout: str = choice((DEFAULT, *NAMED_LAYOUTS), "speakers of the channels", default=DEFAULT)

    def prepare(self, format: Format) -> tuple[Params, State]:
        """Thresholds as powers; nothing heard yet."""
        channels, hop = format.channels, grid(format.rate, HOP_S)
        silent = [power_of(self.threshold_dbfs), power_of(self.threshold_dbfs + self.hysteresis_db)]
        names = layout_speakers(self.layout, channels, "SilenceDetector.layout")
        sounds = np.array([name not in LOW_FREQUENCY for name in names], np.int64)
        params = Params(hop, round(self.min_s * format.rate), max(1, round(ALONE * self.min_s * format.rate / hop)),
                        sounds, np.array(silent), np.array([1.0 / format.rate]))
        return params, State(event_log(), np.zeros(1, np.int64), past(channels, HOPS_KEPT * hop),
                             np.zeros(hop, np.float32), np.zeros((channels + 1, FIELDS), np.int64),
                             np.zeros(channels + 1), np.zeros((channels, 3)),
                             np.full(channels, FLOOR_DBFS, np.float32), np.zeros(channels, np.float32),
                             np.zeros(1, np.float32))

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        at, hop = s.at[0], p.hop
        for k in range(at // hop, (at + x.shape[1]) // hop):
            n = k * hop - at
            for c in range(x.shape[0]):
                if n < 0:
                    gather(x[c], s.ring[c], at, k * hop, hop, s.scratch)
                    power, top = total(s.scratch, 0, hop)
                else:
                    power, top = total(x[c], n, hop)
                listen(x[c], c, k, power / hop, top, p, s)
            together(k, p, s)
        remember(x, at, s.ring)
        s.at[0] += x.shape[1]
        pass_through(x, y)


@kernel
def listen(row: Any, c: int, k: int, power: float, top: float, p: Any, s: Any) -> None:
    """A hop of a channel."""
    note, tops = s.notes[c], s.tops[c]
    tops[2], tops[1], tops[0] = tops[1], tops[0], top
    s.level_dbfs[c] = dbfs(power)
    if note[PHASE] == SOUNDING:
        if power < p.silent[0]:
            note[PHASE], note[HOPS], note[FRESH], note[LONELY] = MAYBE, 1, 1, 0
            note[START] = k * p.hop + now(s.log) - s.at[0]
            s.power[c] = power
    elif power >= p.silent[1]:
        note[FRESH] = find_end(row, s.ring[c], s.at[0], k, p.hop, tops[2]) + now(s.log) - s.at[0]
        if note[PHASE] == SURE:
            emit(s.log, 0, ENDED, note[START], note[FRESH], c, dbfs(s.power[c] / note[HOPS]))
        note[PHASE] = SOUNDING
    else:
        if note[FRESH]:
            note[START] = find_start(row, s.ring[c], s.at[0], k, p.hop, top) + now(s.log) - s.at[0]
            note[FRESH] = 0
        note[HOPS] += 1
        s.power[c] += power
        told = s.notes[s.tops.shape[0], PHASE] == SURE
        if note[PHASE] == MAYBE and not told and s.power[c] >= p.silent[0] * note[HOPS]:
            note[PHASE] = SOUNDING


@kernel
def find_start(row: Any, ring: Any, at: int, k: int, hop: int, top: float) -> Any:
    """Hop `k` is silent, and so was the one before it. The frame after the last that stands out of hop `k`."""
    n = k * hop - 1
    first = max(0, (k - 2) * hop)
    while n >= first:
        if abs(heard(row, ring, at, n)) > 2.0 * top:
            return n + 1
        n -= 1
    return (k - 1) * hop


@kernel
def find_end(row: Any, ring: Any, at: int, k: int, hop: int, top: float) -> Any:
    """Hop `k` sounds. The first frame, in it or the one before, that stands out of the one before that."""
    for n in range(max(0, (k - 1) * hop), (k + 1) * hop):
        if abs(heard(row, ring, at, n)) > 2.0 * top:
            return n
    return k * hop


@kernel
def together(k: int, p: Any, s: Any) -> None:
    """A hop of all channels: what is to be told."""
    channels, count = s.tops.shape[0], 0
    first, frame = now(s.log) - s.at[0], (k + 1) * p.hop
    start, silent, power = first, 0, 0.0
    for c in range(channels):
        count += p.sounds[c]
        if s.notes[c, PHASE] != SOUNDING and p.sounds[c]:
            silent += 1
            start = max(start, s.notes[c, START])
            power += s.power[c] / s.notes[c, HOPS]
    for c in range(channels):
        note = s.notes[c]
        s.silent_s[c] = 0.0
        if note[PHASE] != SOUNDING:
            note[LONELY] += silent < count
            lasted = frame + first - note[START]
            s.silent_s[c] = lasted * p.seconds[0]
            alone = p.sounds[c] and note[LONELY] >= p.alone
            if note[PHASE] == MAYBE and lasted >= p.least and alone and not note[FRESH]:
                note[PHASE] = SURE
                emit(s.log, 0, BEGAN, note[START], 0, c, dbfs(s.power[c] / note[HOPS]))
    s.all_silent_s[0] = 0.0
    if silent == count:
        s.all_silent_s[0] = (frame + first - start) * p.seconds[0]
    all_silent(frame + first, start, silent == count, power / count, p, s)


@kernel
def all_silent(frame: int, start: int, silent: bool, power: float, p: Any, s: Any) -> None:
    """Of all channels together: what is to be told."""
    note, channels = s.notes[s.tops.shape[0]], s.tops.shape[0]
    if silent:
        s.power[channels] += power
        note[HOPS] += 1
        if note[PHASE] == SOUNDING and frame - start >= p.least:
            note[PHASE], note[START] = SURE, start
            emit(s.log, 0, BEGAN, start, 0, EVERY, dbfs(s.power[channels] / note[HOPS]))
        return
    if note[PHASE] == SURE:
        end = frame
        for c in range(channels):
            if s.notes[c, PHASE] == SOUNDING and p.sounds[c]:
                end = min(end, s.notes[c, FRESH])
        emit(s.log, 0, ENDED, note[START], end, EVERY, dbfs(s.power[channels] / note[HOPS]))
    note[PHASE], note[HOPS] = SOUNDING, 0
    s.power[channels] = 0.0
