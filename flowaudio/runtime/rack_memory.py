"""The memory that the compiled rack works on: where its parts lie, what it is told at the start, what it counts."""

from typing import Any, NamedTuple

import numpy as np

from flowaudio.graph.image import address, aligned
from flowaudio.runtime import fader, rack
from flowaudio.runtime.ring import get_native

__all__ = ["Counters", "RackMemory"]


class Counters(NamedTuple):
    """What the audio thread counts."""

    position: int                       # frames since the start
    calls: int
    busy_ns: int
    peak_load: float                    # of the slowest call: its time, as part of the time that its frames last
    late_blocks: int                    # that took longer than they last
    late_letters: int                   # changes that came too late for their frame, and were made at once
    stale_changes: int                  # that were overtaken, or meant for a node that is gone
    longest_begin_ns: int               # that a plan took to take over the state of another


class RackMemory:
    """Words, scratch and taps of one rack. Its addresses hold as long as this does."""

    def __init__(self, rate: int, channels: int, output_channels: int, block: int, fade_frames: int,
                 boxes: tuple[int, int, int], voice: int) -> None:
        """
        :param boxes: addresses of the post's boxes and agenda.
        :param voice: address of the plan that runs first.
        """
        inbox, outbox, agenda = boxes
        self._taps = np.zeros(rack.MOST_TAPS, np.int64)
        self._scratch = aligned(4 * (output_channels + 2 * channels) * block)
        self._memory = aligned(rack.RACK_BYTES)
        words: np.ndarray[Any, Any] = self._memory.view(np.int64)
        for offset, value in ((rack.INBOX, inbox), (rack.OUTBOX, outbox), (rack.AGENDA, agenda),
                              (rack.TAPS, address(self._taps)), (rack.SCRATCH, address(self._scratch)),
                              (rack.BLOCK, block), (rack.RATE, rate), (rack.CHANNELS, channels),
                              (rack.OUT_CHANNELS, output_channels), (rack.FADE, fade_frames),
                              (rack.CURRENT, voice), (rack.ENTRY, rack.rack_entry.address)):
            words[offset // 8] = value
        for offset, gain in ((rack.CROSSFADE, 0.0), (rack.OUTPUT_GAIN, 1.0), (rack.BYPASS, 0.0)):
            fader.put_fader(words[offset // 8:offset // 8 + fader.FADER], gain)

    @property
    def address(self) -> int:
        """What the compiled functions take."""
        return address(self._memory)

    def _get(self, offset: int) -> int:
        return get_native(self.address + offset)

    @property
    def position(self) -> int:
        """Frames since the start, as they were when the audio thread last came by."""
        return self._get(rack.POSITION)

    @property
    def mended(self) -> int:
        """Blocks whose input was no number, or exploded."""
        return self._get(rack.MENDED)

    @property
    def counters(self) -> Counters:
        """What the audio thread has counted."""
        at = (rack.POSITION, rack.CALLS, rack.BUSY_NS, rack.PEAK_PPM, rack.LATE_BLOCKS, rack.LATE_LETTERS, rack.STALE,
              rack.BEGIN_NS)
        counted = Counters._make(map(self._get, at))
        return counted._replace(peak_load=counted.peak_load / 1e6)
