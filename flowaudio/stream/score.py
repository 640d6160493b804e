"""The quality score: one number between 0 and 1 made of the measurements, by one formula.

The score is the product of its parts, each between 0 and 1, and each 1 where there is nothing to object to::

    score = Π parts

A kind of fault that was found ``n`` times and lasted ``t`` seconds in all, in ``T`` seconds of sound, gives the part ::

    1 / (1 + 60 n / (h · max(T, 10))) · (1 - w · min(t / T, 1))

where ``h`` is how many of them a minute halve the score and ``w`` what is lost where the fault is always there; what is
found in one channel of ``c`` counts as ``1 / c``. See `FAULTS` for h and w of each kind. Silence is the exception: ::

    1 - (t / T)²        as a pause costs nothing. What is nothing but silence has no score

The measurements give (``clip`` is to the range from 0 to 1; what could not be measured gives 1):

- ``noise``: ``1 - 0.5 · clip((40 - snr_db) / 40)``;
- ``dynamics``: ``1 - 0.05 · clip((6 - dynamic_range_db) / 6)``: squashed is a fault, but a tone is none;
- ``overs``: ``1 - 0.1 · clip(true_peak_dbtp / 3)``: converters clip what is above 0 dBTP;
- ``bandwidth``: ``1 - 0.3 · confidence · clip(1 - bandwidth_hz / min(20 kHz, 0.45 · rate))``;
- ``dc``: ``1 - 0.3 · clip((|dc| - 0.001) / 0.1)``;
- ``loudness``, only against a target: ``1 - 0.3 · clip((|integrated_lufs - target_lufs| - 1) / 9)``;
- ``damage``: 0.8 where a part of the file is missing.

More fault never raises it. The number serves to compare and to raise an alarm; it is no opinion of a listener's.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from flowaudio.stream.faults import Tally

__all__ = ["FAULTS", "FREE", "Fault", "Measurements", "quality_score", "score_parts"]


class Fault(NamedTuple):
    """What a kind of fault costs."""

    part: str                           # of the score that it belongs to
    halving: float                      # so many a minute halve it
    weight: float                       # lost where it is always there


FAULTS: Mapping[str, Fault] = {
    "clipping": Fault("clipping", 20.0, 0.5),
    "intersample_clipping": Fault("clipping", 200.0, 0.1),
    "click": Fault("clicks", 20.0, 0.0),
    "discontinuity": Fault("clicks", 20.0, 0.0),
    "dropout": Fault("dropouts", 4.0, 1.0),
    "repeating_buffer": Fault("dropouts", 4.0, 1.0),
    "noise_burst": Fault("bursts", 10.0, 0.5),
    "level_jump": Fault("level", 10.0, 0.0),
    "stuck_channel": Fault("channels", 20.0, 0.5),
    "dead_channel": Fault("channels", 20.0, 0.5),
    "phase_inversion": Fault("phase", 20.0, 0.5),
    "dc_offset": Fault("dc", math.inf, 0.2),
    "cut_start": Fault("edges", 120.0, 0.0),
    "cut_end": Fault("edges", 120.0, 0.0),
    "silence": Fault("silence", math.inf, 1.0),
    "hum": Fault("hum", math.inf, 0.3),
    "bandwidth_loss": Fault("bandwidth", 20.0, 0.3),
    "not_a_number": Fault("numbers", 4.0, 1.0),
}
"""By kind. Kinds that do not stand here cost what `OTHER` says."""

OTHER = Fault("other", 20.0, 0.3)
FREE = frozenset({"low_quality", "false_stereo"})
"""Kinds that cost nothing: they say something of the sound, but are no fault, or follow from others."""

SHORTEST_S = 10.0
"""Sound that is shorter counts as this long, so that one click in a jingle is not many a minute."""


class Measurements(NamedTuple):
    """What the score is made of. None is what could not be measured, or does not apply."""

    duration_s: float
    sample_rate: int
    faults: Mapping[str, Tally]
    snr_db: float | None = None
    dynamic_range_db: float | None = None
    true_peak_dbtp: float | None = None
    bandwidth_hz: float | None = None
    bandwidth_confidence: float = 0.0
    dc_offset: float | None = None
    integrated_lufs: float | None = None
    target_lufs: float | None = None
    damaged: bool = False


def quality_score(parts: Mapping[str, float]) -> float:
    """The product of the parts, between 0 and 1."""
    return math.prod(parts.values())


def score_parts(m: Measurements) -> dict[str, float]:
    """The parts by name, each between 0 and 1; see the module's text for the formula."""
    parts = {fault.part: 1.0 for fault in FAULTS.values()}
    for kind, tally in m.faults.items():
        if kind not in FREE:
            fault = FAULTS.get(kind, OTHER)
            parts[fault.part] = parts.get(fault.part, 1.0) * _fault_part(kind, fault, tally, m.duration_s)
    for name, part in _measured_parts(m).items():
        parts[name] = parts.get(name, 1.0) * part
    return parts


def _fault_part(kind: str, fault: Fault, tally: Tally, duration_s: float) -> float:
    share = _clip(tally.seconds / duration_s) if duration_s > 0 else float(tally.seconds > 0)
    if kind == "silence":
        return 1.0 - share * share
    a_minute = 60.0 * tally.times / max(duration_s, SHORTEST_S)
    return (1.0 - fault.weight * share) / (1.0 + a_minute / fault.halving)


def _measured_parts(m: Measurements) -> dict[str, float]:
    parts = dict.fromkeys(("noise", "dynamics", "overs", "bandwidth", "dc", "damage"), 1.0)
    if m.snr_db is not None:
        parts["noise"] = 1.0 - 0.5 * _clip((40.0 - m.snr_db) / 40.0)
    if m.dynamic_range_db is not None:
        parts["dynamics"] = 1.0 - 0.05 * _clip((6.0 - m.dynamic_range_db) / 6.0)
    if m.true_peak_dbtp is not None:
        parts["overs"] = 1.0 - 0.1 * _clip(m.true_peak_dbtp / 3.0)
    if m.bandwidth_hz is not None:
        top = min(20_000.0, 0.45 * m.sample_rate)
        parts["bandwidth"] = 1.0 - 0.3 * _clip(m.bandwidth_confidence) * _clip(1.0 - m.bandwidth_hz / top)
    if m.dc_offset is not None:
        parts["dc"] = 1.0 - 0.3 * _clip((abs(m.dc_offset) - 0.001) / 0.1)
    if m.target_lufs is not None and m.integrated_lufs is not None:
        parts["loudness"] = 1.0 - 0.3 * _clip((abs(m.integrated_lufs - m.target_lufs) - 1.0) / 9.0)
    if m.damaged:
        parts["damage"] = 0.8
    return parts


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)
