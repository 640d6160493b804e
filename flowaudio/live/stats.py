"""`engine.stats`: what can be counted of an engine, at one moment."""

from typing import NamedTuple

from flowaudio.live.drive import Drive
from flowaudio.runtime.callback import CallbackCounters
from flowaudio.runtime.control import Rack

__all__ = ["Stats", "stats_of"]


class Stats(NamedTuple):
    """Counts are since the start and never go back."""

    time_s: float                       # frames that went through the plan, as seconds: the engine's own time
    running: bool
    underruns: int                      # times that there was nothing to play, and silence went out; the driver's, too
    underrun_frames: int                # of our own: a driver does not say how many
    overruns: int                       # times that there was no room for what came in, and it was lost; the driver's,
                                        # too, and what is one fault to it may be both an underrun and an overrun
    overrun_frames: int                 # of our own
    late_blocks: int                    # blocks that took longer to compute than they last
    load: float                         # part of the time that the plan computes: 1 is all there is
    peak_load: float                    # of the slowest block
    node_loads: dict[str, float]        # of each node; sampled
    latency_frames: int                 # from the engine's input to its output: plan, rings, resampler
    device_latency_frames: int          # of the converters and their drivers, as those say; 0 without a sound card
    latency_ms: float                   # both together
    node_silenced: dict[str, int]       # blocks of each node that failed, exploded or were no numbers
    gaps: int                           # times that a device, or a station, was lost
    gap_s: float                        # how long it was gone, in all
    howls: int                          # times that the guard turned the output down
    clock_ppm: float                    # by how much the source's clock is faster than the sink's; 0 where they are one
    missed_frames: int                  # of recordings, because the disk or the encoder was too slow
    late_changes: int                   # changes that were made later than at their frame
    device_calls: int                   # of the callback
    realtime: bool | None               # whether the devices' threads have real-time priority; None: not known (yet)


def stats_of(rack: Rack, drive: Drive, *, running: bool, missed_frames: int) -> Stats:
    """What a rack and what drives it have counted.

    :param missed_frames: of recordings.
    """
    counters, calls, parts = rack.counters, drive.counters, drive.parts
    passed_ns = max(counters.position, 1) / rack.rate * 1e9
    late, device = rack.latency + drive.latency_frames, drive.device_latency_frames
    return Stats(
        time_s=counters.position / rack.rate, running=running,
        underruns=_sum(calls, "underrun_calls", "output_underflows"), underrun_frames=_sum(calls, "underrun_frames"),
        overruns=_sum(calls, "overrun_calls", "input_overflows") + drive.misses,
        overrun_frames=_sum(calls, "overrun_frames") + drive.missed_frames,
        late_blocks=counters.late_blocks, load=counters.busy_ns / passed_ns, peak_load=counters.peak_load,
        node_loads={name: float(ns) * rack.rate / 1e9 for name, ns in rack.busy_ns.items()},
        latency_frames=late, device_latency_frames=device, latency_ms=1000.0 * (late + device) / rack.rate,
        node_silenced=rack.trouble, gaps=sum(absence.times for absence in drive.absences),
        gap_s=sum(absence.seconds for absence in drive.absences), howls=sum(caller.howls for caller in parts.callers),
        clock_ppm=parts.drift.ppm if parts.drift is not None else 0.0, missed_frames=missed_frames,
        late_changes=counters.late_letters, device_calls=_sum(calls, "calls"),
        realtime=_all([stream.realtime for stream in parts.streams]))


def _sum(counters: list[CallbackCounters], *names: str) -> int:
    return sum(getattr(each, name) for each in counters for name in names)


def _all(known: list[bool | None]) -> bool | None:
    """Whether all are so: one that is not settles it, one that is unknown leaves it open."""
    if False in known:
        return False
    return None if None in known or not known else True
