"""What was found in a sound: typed records with a sentence each, made of what the detectors of a plan tell."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

from flowaudio.graph.findings import NodeEvent

__all__ = ["MOST", "Finding", "Ledger", "Tally", "many", "moment", "named"]

MOST = 10_000
"""Findings that are kept; more are only counted, so that memory stays flat."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that was found in a sound."""

    kind: str
    start_s: float
    end_s: float
    start_frame: int
    end_frame: int
    """The first frame that is good again."""
    channel: int | None
    """Counted from 0; None for all together."""
    strength: float | None
    """In `unit`; None where there is none that can be written as a number."""
    unit: str
    sentence: str


class Tally(NamedTuple):
    """How much there is of one kind. One channel of two counts half."""

    times: float = 0.0
    seconds: float = 0.0


class _Kind(NamedTuple):
    noun: str
    unit: str
    detail: str                         # with {strength}
    single: str = ""                    # instead, for a strength of 1


KINDS = {
    "silence": _Kind("silence", "dBFS", "{strength:.0f} dBFS"),
    "dropout": _Kind("dropout", "dB", "{strength:.0f} dB under the sound before it"),
    "cut_start": _Kind("cut start", "dBFS", "the sound begins at {strength:.0f} dBFS"),
    "cut_end": _Kind("cut end", "dBFS", "the sound ends at {strength:.0f} dBFS"),
    "click": _Kind("click", "dB", "{strength:.0f} dB above what is around it"),
    "discontinuity": _Kind("discontinuity", "dB", "{strength:.0f} dB above what is around it"),
    "clipping": _Kind("clipping", "samples", "{strength:.0f} samples", "1 sample"),
    "intersample_clipping": _Kind("inter-sample clip", "dB", "{strength:.1f} dB above full scale"),
    "noise_burst": _Kind("noise burst", "dB", "{strength:.0f} dB above what is before it"),
    "level_jump": _Kind("level jump", "dB", "{strength:+.0f} dB"),
    "stuck_channel": _Kind("stuck channel", "of full scale", "the value {strength:.3g} again and again"),
    "dead_channel": _Kind("dead channel", "s", "zeros, while others sound"),
    "repeating_buffer": _Kind("repeating buffer", "frames", "the same {strength:.0f} frames again and again"),
    "dc_offset": _Kind("offset", "of full scale", "a mean of {strength:+.3f}"),
    "phase_inversion": _Kind("phase inversion", "of 1", "a correlation of {strength:.2f}: mono loses it"),
    "false_stereo": _Kind("false stereo", "of 1", "both channels are the same, a correlation of {strength:.4f}"),
    "hum": _Kind("hum", "dBFS", "{strength:.0f} dBFS"),
    "bandwidth_loss": _Kind("bandwidth loss", "Hz", "nothing above {strength:.0f} Hz"),
    "low_quality": _Kind("low quality", "of 1", "a score of {strength:.2f}"),
    "not_a_number": _Kind("no numbers", "samples", "{strength:.0f} samples are NaN or infinite, and count as 0",
                          "1 sample is NaN or infinite, and counts as 0"),
}
"""Nouns, units of the strength and words for it, by kind; the units are those that the detectors name."""


def named(kind: str) -> str:
    """A kind as people read it."""
    return KINDS[kind].noun if kind in KINDS else kind.replace("_", " ")


def many(count: int, noun: str) -> str:
    """``1 sample``, ``12 samples``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def moment(seconds: float) -> str:
    """``0:03.125``, ``1:02:05.000``."""
    whole = max(round(seconds * 1000), 0)
    hours, minutes = divmod(whole // 60_000, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


class Ledger:
    """Collects findings, joins what began with what ended, and counts.

    `tallies`: of all that is over, by kind; also of what is more than `MOST`.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self._open: dict[tuple[str, str, int | None], NodeEvent] = {}
        self.findings: list[Finding] = []
        self.left_out = 0
        """Findings that were not kept."""
        self.tallies: dict[str, Tally] = {}

    def take(self, events: Iterable[NodeEvent]) -> list[Finding]:
        """What a plan told; the findings that are complete with it."""
        complete = []
        for event in events:
            key = (event.node, event.kind, event.channel)
            if event.phase == "began":
                self._open[key] = event
                continue
            began = self._open.pop(key, None) if event.phase == "ended" else None
            strength = event.strength
            if began is not None and event.kind == "phase_inversion":
                strength = min(strength, began.strength)  # at its end it is just over
            assert event.end is not None
            complete.append(self.add(event.kind, event.start, event.end, event.channel, strength))
        return complete

    def lasting(self) -> list[NodeEvent]:
        """What has begun and not ended."""
        return list(self._open.values())

    def close(self, end: int) -> None:
        """The sound is over: what lasts ends here."""
        for event in self.lasting():
            self.add(event.kind, event.start, end, event.channel, event.strength)
        self._open.clear()

    def add(self, kind: str, start: int, end: int, channel: int | None, strength: float) -> Finding:
        """Something that is over."""
        found = self._finding(kind, start, max(end, start), channel, strength)
        part = 1.0 if channel is None else 1.0 / self._channels
        before = self.tallies.get(kind, Tally())
        self.tallies[kind] = Tally(before.times + part, before.seconds + part * (found.end_s - found.start_s))
        if len(self.findings) < MOST:
            self.findings.append(found)
        else:
            self.left_out += 1
        return found

    def _finding(self, kind: str, start: int, end: int, channel: int | None, strength: float) -> Finding:
        rate, known = self._rate, KINDS.get(kind, _Kind(named(kind), "", "strength {strength:.3g}"))
        finite = strength if abs(strength) < 1e30 else None  # NaN and infinities compare as false
        begin_s, end_s = start / rate, end / rate
        words = known.single if known.single and finite == 1 else known.detail
        detail = f": {words.format(strength=finite)}" if finite is not None and words else ""
        lasted = f" for {end_s - begin_s:.3g} s" if end - start > 0.02 * rate else ""
        return Finding(kind=kind, start_s=begin_s, end_s=end_s, start_frame=start, end_frame=end, channel=channel,
                       strength=finite, unit=known.unit if finite is not None else "",
                       sentence=f"{known.noun} at {moment(begin_s)}{lasted}{self._where(channel)}{detail}")

    def _where(self, channel: int | None) -> str:
        if channel is None or self._channels == 1:
            return ""
        if self._channels == 2:
            return (" on the left", " on the right")[channel]
        return f" in channel {channel + 1}"


