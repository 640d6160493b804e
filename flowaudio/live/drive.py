"""The parts between an engine's source and sink at work: loaded, started, watched, stopped in the right order."""

import time

from flowaudio.core.native import Native
from flowaudio.live.absence import Absence
from flowaudio.live.connect import Ends, Parts, connect, leave
from flowaudio.live.ends import Reader
from flowaudio.live.priority import prefer
from flowaudio.runtime.callback import CallbackCounters, card_callback
from flowaudio.runtime.control import Rack
from flowaudio.runtime.drift import safe_target_frames
from flowaudio.runtime.rack_stage import rack_between
from flowaudio.runtime.ring import cancel_native, close_native, get_native, read_native, write_native

__all__ = ["Drive"]

PREFILL_S = 0.2
"""How much of a file is decoded before a sound card asks for it."""

JUDGED_S, PATIENCE = 3.0, 2
"""So many times in so many seconds may the resampler lose its hold before it gets more delay."""

MOST_DELAY_S = 0.25


class Drive:
    """Everything that moves an engine's frames."""

    def __init__(self, rack: Rack, ends: Ends) -> None:
        """:raises ParameterError, SourceError, TargetError: what cannot be connected."""
        self.rack, self.ends = rack, ends
        self.parts: Parts = connect(rack, ends)
        self._judged, self._judged_at = (0, 0), time.monotonic()
        self._virtual = any(card is not None and card.clock() for card in (ends.input_card, ends.output_card))
        rack.virtual = self._virtual
        used: list[Native] = [card_callback] if self.parts.streams else []
        if self.parts.stages:
            used += [rack_between, get_native, close_native, cancel_native, write_native, read_native]
        for each in used:
            each.linked  # noqa: B018  # to ask for it is to compile it: nothing is compiled while sound waits

    def start(self) -> None:
        """Start the threads and open the devices.

        :raises SourceError, TargetError: what a file or a device has against it.
        """
        for stage in self.parts.stages:
            stage.thread.start()
            if stage.name == "plan" and self.parts.streams and not self._virtual:
                prefer(stage.thread.native_id or 0)
        if isinstance(self.ends.source, Reader) and self.parts.streams and self.parts.drift is None:
            self._prefill()
        for stream in self.parts.streams:
            stream.open()

    def stop(self, abort: bool) -> list[BaseException]:
        """Close the devices, end the threads; what went wrong in them. What was played goes into a file, to the end.

        :param abort: what is on its way need not arrive.
        """
        ends, parts = self.ends, self.parts
        if isinstance(ends.source, Reader):
            ends.source.stop()
        for stream in parts.streams:
            stream.close()
        leave(parts)
        stages = {stage.name: stage for stage in parts.stages if stage.thread.ident is not None}
        if abort or ends.sink is None:
            for ring in parts.rings:
                ring.cancel()
        elif "plan" in stages:
            if not isinstance(ends.source, Reader):
                parts.rings[0].close()  # its writer, a callback or another engine, has stopped
        else:
            parts.rings[-1].close()
        for stage in stages.values():
            stage.wait()
        return [stage.error for stage in parts.stages if stage.error is not None]

    def adapt(self) -> None:
        """Fit to the blocks that the devices really bring: they may be longer than anybody has said."""
        parts = self.parts
        longest = max((caller.counters.most_frames for caller in parts.callers), default=0)
        if not self._virtual and longest:
            self.rack.lead_frames = max(self.rack.lead_frames, 2 * longest)
        if parts.drift is not None and longest > parts.followed_block:
            parts.followed_block = longest
            safe = safe_target_frames(parts.input_rate, self.rack.rate, longest, longest, parts.jitter_ms)
            parts.drift.target_frames = max(parts.drift.target_frames, safe)
        if parts.drift is not None and self._loses_hold(parts.drift.underruns + parts.drift.resyncs):
            most = min(round(MOST_DELAY_S * parts.input_rate), parts.rings[0].capacity // 3)
            parts.drift.target_frames = max(min(round(1.5 * parts.drift.target_frames), most),
                                            parts.drift.target_frames)

    def _loses_hold(self, faults: int) -> bool:
        """Whether the resampler has lost its hold several times within a short time although no device has lost
        frames: then their calls are less even than it was made for."""
        now = time.monotonic()
        if now - self._judged_at < JUDGED_S:
            return False
        lost = sum(c.input_overflows + c.output_underflows for c in self.counters)
        before, self._judged = self._judged, (faults, lost)
        self._judged_at = now
        return faults - before[0] >= PATIENCE and lost == before[1]

    @property
    def alive(self) -> bool:
        """Whether an audio thread may be at work."""
        return any(stream.running for stream in self.parts.streams) or any(
            stage.name == "plan" and stage.thread.is_alive() for stage in self.parts.stages)

    @property
    def failed(self) -> BaseException | None:
        """What has ended one of the threads before its time."""
        return next((stage.error for stage in self.parts.stages if stage.error is not None), None)

    @property
    def ended(self) -> bool:
        """Whether the source has ended and all of it has gone through."""
        ends, parts = self.ends, self.parts
        if ends.output_card is not None and isinstance(ends.source, Reader):
            if ends.follows:
                return parts.stages[0].ended.is_set() and parts.rings[0].fill < ends.block
            return bool(parts.callers[-1].counters.ended)
        last = [stage for stage in parts.stages if stage.name in ("plan", "encoder")]
        return bool(last) and all(stage.ended.is_set() for stage in last)

    @property
    def counters(self) -> list[CallbackCounters]:
        """Of all callbacks."""
        return [caller.counters for caller in self.parts.callers]

    @property
    def absences(self) -> list[Absence]:
        """Of all devices, and of the source."""
        source = self.ends.source
        return [stream.absence for stream in self.parts.streams] + (
            [source.absence] if isinstance(source, Reader) else [])

    @property
    def missed_frames(self) -> int:
        """Of the engine that is listened to, because this one was too slow."""
        return self.parts.tap[1].missed if self.parts.tap is not None else 0

    @property
    def misses(self) -> int:
        """Blocks of the other engine in which some were missed."""
        return self.parts.tap[1].misses if self.parts.tap is not None else 0

    @property
    def latency_frames(self) -> int:
        """Frames that wait in rings and in the resampler."""
        parts = self.parts
        followed = parts.drift.delay_frames * self.rack.rate / parts.input_rate if parts.drift is not None else 0.0
        return parts.waiting_frames + round(followed)

    @property
    def device_latency_frames(self) -> int:
        """Frames that the devices and their drivers hold, as those say."""
        return sum(stream.latency_frames for stream in self.parts.streams)

    def _prefill(self) -> None:
        """Let a decoder run ahead of the sound card that will play it."""
        ring, stage = self.parts.rings[0], self.parts.stages[0]
        deadline = time.monotonic() + 5.0
        while ring.fill < PREFILL_S * self.rack.rate and not stage.ended.is_set() and time.monotonic() < deadline:
            time.sleep(0.001)
        if stage.error is not None:
            raise stage.error
