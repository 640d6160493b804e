"""Quality presets: what listeners of one kind get. The effects of each are a ready graph, see `graphs/`."""

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flowaudio.core.errors import ParameterError
from flowaudio.graph import document, shipped
from flowaudio.graph.graph import Graph
from flowaudio.graph.wiring import read
from flowaudio.io.formats import AAC, FLAC, MP3, Codec

__all__ = ["QualityPreset", "preset", "quality_presets"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityPreset:
    """A codec, effects, and the loudness that files are brought to."""

    name: str
    codec: Codec
    graph: Graph = dataclasses.field(compare=False, repr=False)
    """The effects, as they run live. For files a Normalizer and a final Limiter in it give way to two passes."""
    bitrate: int
    """Bits a second that the stream is expected to need; for a lossless codec a guide, not a setting."""
    quality_floor: float
    """Quality score, 0 to 1, under which the analyser reports an anomaly."""
    enable_normalization: bool = True
    target_lufs: float = -16.0
    """Integrated loudness of a file (BS.1770) if normalization is enabled."""
    ceiling_dbtp: float = -1.0
    """True peak that a normalised file does not exceed, measured on what the decoder gives back."""

    def __post_init__(self) -> None:
        if not 0 <= self.quality_floor <= 1:
            raise ParameterError(f"QualityPreset.quality_floor must be between 0 and 1 (got {self.quality_floor})")
        if not -60 <= self.target_lufs <= 0:
            raise ParameterError(f"QualityPreset.target_lufs must be between -60 and 0 LUFS (got {self.target_lufs})")
        if not -30 <= self.ceiling_dbtp <= 0:
            raise ParameterError(f"QualityPreset.ceiling_dbtp must be between -30 and 0 dB (got {self.ceiling_dbtp})")

    @property
    def effects(self) -> tuple[Any, ...]:
        """The nodes in the order in which they run."""
        return tuple(read(self.graph).nodes.values())


def _shipped(name: str) -> Graph:
    return document.load(shipped.find(name))


@functools.cache
def quality_presets() -> Mapping[str, QualityPreset]:
    """The presets by name: mobile, hifi and podcast."""
    return MappingProxyType({
        "mobile": QualityPreset(name="Mobile Streaming", codec=AAC(profile="LC", bitrate=128_000), bitrate=128_000,
                                graph=_shipped("mobile"), quality_floor=0.8),
        "hifi": QualityPreset(name="High Fidelity", codec=FLAC(compression_level=5, bit_depth=24), bitrate=320_000,
                              graph=_shipped("hifi"), quality_floor=0.95, enable_normalization=False),
        "podcast": QualityPreset(name="Podcast Optimized", codec=MP3(quality=0, bitrate=192_000), bitrate=192_000,
                                 graph=_shipped("podcast"), quality_floor=0.85),
    })


def preset(chosen: str | QualityPreset) -> QualityPreset:
    """A preset by name, or the preset itself. ParameterError with the names that exist."""
    if isinstance(chosen, QualityPreset):
        return chosen
    known = quality_presets()
    if chosen not in known:
        raise ParameterError(f"there is no preset called {chosen!r} (there are: {', '.join(known)})")
    return known[chosen]
