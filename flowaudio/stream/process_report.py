"""What processing a file came to."""

import dataclasses
from pathlib import Path
from typing import Any

__all__ = ["ProcessReport"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessReport:
    """The file that was made, what was done for it and what was reached."""

    output: Path
    codec: str
    sample_rate: int
    channels: int
    duration_s: float
    mode: str
    """``"as is"``: one pass, loudness untouched; ``"two passes"``: measured, then one static gain and a limiter."""
    gain_db: float | None = None
    input_lufs: float | None = None
    """Integrated loudness of the input behind the effects, before the gain; None if not measured, or silence."""
    integrated_lufs: float | None = None
    """Of the finished file, decoded again; None if not measured, or silence."""
    true_peak_dbtp: float | None = None
    """Of the finished file, decoded again."""
    target_lufs: float | None = None
    ceiling_dbtp: float | None = None
    passes: int = 1
    """How often the input was read."""
    elapsed_s: float = 0.0
    clipped_samples: int = 0
    trouble: dict[str, int] = dataclasses.field(default_factory=dict)
    """Nodes that failed or put out what is no number, and how many blocks of theirs were silenced."""
    damage: str = ""
    """What was found to be missing or damaged in the input."""

    @property
    def speed(self) -> float:
        """Seconds of sound a second of work."""
        return self.duration_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def reached(self) -> bool:
        """Whether the loudness is within 0.5 LU of its target and the true peak under its ceiling."""
        if self.target_lufs is None or self.integrated_lufs is None or self.true_peak_dbtp is None:
            return self.target_lufs is None
        assert self.ceiling_dbtp is not None
        return abs(self.integrated_lufs - self.target_lufs) <= 0.5 and self.true_peak_dbtp <= self.ceiling_dbtp

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output), "speed": self.speed, "reached": self.reached}
