"""`AudioProcessor`: one configuration for files and for sound in memory."""

import os
from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.layouts import speakers
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import render
from flowaudio.io.dither import Dither
from flowaudio.io.formats import Codec
from flowaudio.io.resampling import Converter
from flowaudio.stream.config import AudioConfig, AudioStream
from flowaudio.stream.mastering import straight
from flowaudio.stream.presets import QualityPreset
from flowaudio.stream.process import Progress, process
from flowaudio.stream.process_report import ProcessReport

__all__ = ["AudioProcessor"]

Array = np.ndarray[Any, Any]


class AudioProcessor:
    """Converts, processes and encodes as its configuration says::

        processor = AudioProcessor(AudioConfig(sample_rate=48_000, channels=2))
        report = processor.process("talk.wav", "talk.mp3", preset="podcast")
        louder = processor.process_stream(AudioStream(data=x, sample_rate=44_100), preset="mobile")
    """

    def __init__(self, config: AudioConfig | None = None) -> None:
        self.config = config if config is not None else AudioConfig()

    def preset(self, chosen: str | QualityPreset) -> QualityPreset:
        """A preset of the configuration by name. ParameterError with the names that exist."""
        if isinstance(chosen, QualityPreset):
            return chosen
        known = self.config.quality_presets
        if chosen not in known:
            raise ParameterError(f"there is no preset called {chosen!r} (there are: {', '.join(known) or 'none'})")
        return known[chosen]

    def process(self, input: str | os.PathLike[str], output: str | os.PathLike[str], *,
                preset: str | QualityPreset | None = None, codec: Codec | None = None, tolerant: bool = False,
                progress: Progress | None = None) -> ProcessReport:
        """A file into a file, see :func:`flowaudio.stream.process.process`."""
        chosen = self.preset(preset) if preset is not None else None
        return process(input, output, preset=chosen, graph=None if self.config.enable_effects else straight(),
                       codec=codec, sample_rate=self.config.sample_rate, channels=self.config.channels,
                       tolerant=tolerant, progress=progress)

    def process_stream(self, stream: AudioStream, *, preset: str | QualityPreset | None = None,
                       graph: Any = None) -> AudioStream:
        """Sound in memory: converted to the configured rate, channels and bit depth, through the preset's live effects.

        The result lies on the grid of the bit depth, with dither where bits were dropped. GraphError, ParameterError.
        """
        config = self.config
        rate = config.sample_rate or stream.sample_rate
        effects = self._effects(preset, graph)
        x = _converted(stream, rate, config.channels or stream.channels)
        y = render(effects, x, rate, config.buffer_size)
        return AudioStream(data=_rounded(y, config.bit_depth), sample_rate=rate, bit_depth=config.bit_depth)

    def _effects(self, preset: str | QualityPreset | None, graph: Any) -> Graph | Any:
        if not self.config.enable_effects:
            return straight()
        if graph is not None:
            return graph
        return self.preset(preset).graph if preset is not None else straight()


def _converted(stream: AudioStream, rate: int, channels: int) -> Array:
    converter = Converter(stream.sample_rate, speakers(stream.channels), rate, channels)
    x = np.ascontiguousarray(stream.data, np.float32)
    parts = [converter.process(x)]
    rest = converter.finish()
    if rest is not None:
        parts.append(rest)
    return np.concatenate(parts, axis=1)


def _rounded(y: Array, bits: int) -> Array:
    if bits == 32:
        return y
    whole = Dither(bits)(np.clip(y, -1.0, 1.0))
    full_scale = 2.0 ** (whole.dtype.itemsize * 8 - 1)  # 24 bits stand at the upper end of 32
    return (whole / full_scale).astype(np.float32)
