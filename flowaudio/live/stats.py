"""`engine.stats`: what can be counted of an engine, at one moment."""

from typing import NamedTuple

__all__ = ["Stats"]


class Stats(NamedTuple):
    """Counts are since the start and never go back."""

    time_s: float                       # frames that went through the plan, as seconds: the engine's own time
    running: bool
    underruns: int                      # times that there was nothing to play, and silence went out
    underrun_frames: int
    overruns: int                       # times that there was no room for what came in, and it was lost
    overrun_frames: int
    late_blocks: int                    # blocks that took longer to compute than they last
    load: float                         # part of the time that the plan computes: 1 is all there is
    peak_load: float                    # of the slowest block
    node_loads: dict[str, float]        # of each node; sampled
    latency_frames: int                 # from the engine's input to its output: plan, rings, resampler
    device_latency_frames: int          # of the converters and their drivers, as those say; 0 without a sound card
    latency_ms: float                   # both together
    node_silenced: dict[str, int]       # blocks of each node that failed, exploded or were no numbers
    gaps: int                           # times that a device was lost
    gap_s: float                        # how long it was gone, in all
    howls: int                          # times that the guard turned the output down
    clock_ppm: float                    # by how much the source's clock is faster than the sink's; 0 where they are one
    missed_frames: int                  # of recordings, because the disk or the encoder was too slow
    late_changes: int                   # changes that were made later than at their frame
    device_calls: int                   # of the callback
    realtime: bool                      # whether the devices' threads have real-time priority
