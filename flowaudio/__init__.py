"""flowaudio: node graphs in plain Python, compiled by numba, with no Python and no GIL on the audio path.

Importing this opens no device and loads no codec; the parts are imported when they are first asked for::

    import flowaudio as fa

    graph = fa.Equalizer(bands=[fa.Band(kind="peak", frequency_hz=3000, gain_db=4)]) >> fa.Limiter()
    y = fa.render(graph, x, rate=48_000)
    fa.process("talk.wav", "talk.mp3", preset="podcast")
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flowaudio import live as _live

if TYPE_CHECKING:
    from flowaudio.core.errors import (
        DocumentError,
        FlowaudioError,
        GraphError,
        KernelError,
        ParameterError,
        SourceError,
        TargetError,
    )
    from flowaudio.core.kernel import kernel
    from flowaudio.core.node import Format, Port, node
    from flowaudio.core.params import choice, flag, integer, items, param, record
    from flowaudio.graph.document import dump, dumps, load, loads
    from flowaudio.graph.graph import Graph, chain
    from flowaudio.graph.plan import Plan, render
    from flowaudio.graph.shipped import find, shipped
    from flowaudio.io import AAC, FLAC, MP3, WAV, Decoder, Encoder, Opus, probe
    from flowaudio.io.devices import Device, devices
    from flowaudio.io.soundcard import SoundCard
    from flowaudio.live.actions import Duck, Save, Set, Swap
    from flowaudio.live.ends import File, Memory
    from flowaudio.live.engine import Engine
    from flowaudio.live.events import Event
    from flowaudio.live.messages import Command, WebHook
    from flowaudio.live.stats import Stats
    from flowaudio.nodes import (
        Band,
        BandwidthDetector,
        Biquad,
        ChannelMap,
        ClickDetector,
        ClippingDetector,
        Compressor,
        DCDetector,
        Delay,
        DropoutDetector,
        Ducker,
        DynamicsMeter,
        Equalizer,
        Failover,
        Gain,
        HumDetector,
        LevelJumpDetector,
        LevelMeter,
        Limiter,
        LoudnessMeter,
        LoudnessReading,
        Mix,
        Noise,
        NoiseBurstDetector,
        NoiseMeter,
        Normalizer,
        OnePole,
        Pan,
        PhaseDetector,
        Pick,
        PitchTracker,
        Reverb,
        SilenceDetector,
        Sine,
        Spectrogram,
        SpectrogramReading,
        Spectrum,
        StereoMeter,
        StuckChannelDetector,
        Sweep,
        TempoTracker,
        loudness,
        spectrogram,
    )
    from flowaudio.notebook.drawing import picture
    from flowaudio.notebook.listening import listen
    from flowaudio.notebook.panel import Panel, live
    from flowaudio.notebook.sound import Signal, show
    from flowaudio.stream.analysis import analyze
    from flowaudio.stream.compare import Comparison, compare
    from flowaudio.stream.config import AudioConfig, AudioStream
    from flowaudio.stream.faults import Finding
    from flowaudio.stream.presets import QualityPreset, quality_presets
    from flowaudio.stream.process import process
    from flowaudio.stream.process_report import ProcessReport
    from flowaudio.stream.processor import AudioProcessor
    from flowaudio.stream.quality import AudioQualityMetrics, QualityAnalyzer
    from flowaudio.stream.report import ChannelReport, Report

_PLACES = {
    "core.errors": ("DocumentError", "FlowaudioError", "GraphError", "KernelError", "ParameterError", "SourceError",
                    "TargetError"),
    "core.kernel": ("kernel",),
    "core.node": ("Format", "Port", "node"),
    "core.params": ("choice", "flag", "integer", "items", "param", "record"),
    "graph.document": ("dump", "dumps", "load", "loads"),
    "graph.graph": ("Graph", "chain"),
    "graph.plan": ("Plan", "render"),
    "graph.shipped": ("find", "shipped"),
    "io": ("AAC", "FLAC", "MP3", "WAV", "Decoder", "Encoder", "Opus", "probe"),
    "io.devices": ("Device", "devices"),
    "io.soundcard": ("SoundCard",),
    "live.actions": ("Duck", "Save", "Set", "Swap"),
    "live.ends": ("File", "Memory"),
    "live.engine": ("Engine",),
    "live.events": ("Event",),
    "live.messages": ("Command", "WebHook"),
    "live.stats": ("Stats",),
    "nodes": ("Band", "BandwidthDetector", "Biquad", "ChannelMap", "ClickDetector", "ClippingDetector", "Compressor",
              "DCDetector", "Delay", "DropoutDetector", "Ducker", "DynamicsMeter", "Equalizer", "Failover", "Gain",
              "HumDetector", "LevelJumpDetector", "LevelMeter", "Limiter", "LoudnessMeter", "LoudnessReading", "Mix",
              "Noise", "NoiseBurstDetector", "NoiseMeter", "Normalizer", "OnePole", "Pan", "PhaseDetector", "Pick",
              "PitchTracker", "Reverb", "SilenceDetector", "Sine", "Spectrogram", "SpectrogramReading", "Spectrum",
              "StereoMeter", "StuckChannelDetector", "Sweep", "TempoTracker", "loudness", "spectrogram"),
    "stream.analysis": ("analyze",),
    "stream.compare": ("Comparison", "compare"),
    "notebook.drawing": ("picture",),
    "notebook.listening": ("listen",),
    "notebook.panel": ("Panel",),
    "notebook.sound": ("Signal", "show"),
    "stream.config": ("AudioConfig", "AudioStream"),
    "stream.faults": ("Finding",),
    "stream.presets": ("QualityPreset", "quality_presets"),
    "stream.process": ("process",),
    "stream.process_report": ("ProcessReport",),
    "stream.processor": ("AudioProcessor",),
    "stream.quality": ("AudioQualityMetrics", "QualityAnalyzer"),
    "stream.report": ("ChannelReport", "Report"),
}
_HOME = {name: place for place, names in _PLACES.items() for name in names}

__version__ = "0.1.0"

__all__ = [
    "AAC",
    "FLAC",
    "MP3",
    "WAV",
    "AudioConfig",
    "AudioProcessor",
    "AudioQualityMetrics",
    "AudioStream",
    "Band",
    "BandwidthDetector",
    "Biquad",
    "ChannelMap",
    "ChannelReport",
    "ClickDetector",
    "ClippingDetector",
    "Command",
    "Comparison",
    "Compressor",
    "DCDetector",
    "Decoder",
    "Delay",
    "Device",
    "DocumentError",
    "DropoutDetector",
    "Duck",
    "Ducker",
    "DynamicsMeter",
    "Encoder",
    "Engine",
    "Equalizer",
    "Event",
    "Failover",
    "File",
    "Finding",
    "FlowaudioError",
    "Format",
    "Gain",
    "Graph",
    "GraphError",
    "HumDetector",
    "KernelError",
    "LevelJumpDetector",
    "LevelMeter",
    "Limiter",
    "LoudnessMeter",
    "LoudnessReading",
    "Memory",
    "Mix",
    "Noise",
    "NoiseBurstDetector",
    "NoiseMeter",
    "Normalizer",
    "OnePole",
    "Opus",
    "Pan",
    "Panel",
    "ParameterError",
    "PhaseDetector",
    "Pick",
    "PitchTracker",
    "Plan",
    "Port",
    "ProcessReport",
    "QualityAnalyzer",
    "QualityPreset",
    "Report",
    "Reverb",
    "Save",
    "Set",
    "Signal",
    "SilenceDetector",
    "Sine",
    "SoundCard",
    "SourceError",
    "Spectrogram",
    "SpectrogramReading",
    "Spectrum",
    "Stats",
    "StereoMeter",
    "StuckChannelDetector",
    "Swap",
    "Sweep",
    "TargetError",
    "TempoTracker",
    "WebHook",
    "analyze",
    "chain",
    "choice",
    "compare",
    "devices",
    "dump",
    "dumps",
    "find",
    "flag",
    "integer",
    "items",
    "kernel",
    "listen",
    "live",
    "load",
    "load_ipython_extension",
    "loads",
    "loudness",
    "node",
    "param",
    "picture",
    "probe",
    "process",
    "quality_presets",
    "record",
    "render",
    "shipped",
    "show",
    "spectrogram",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Live(ModuleType):
    """The package of that name, which is a function, too: ``fa.live(graph)`` shows a panel in a notebook."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return import_module(f"{__name__}.notebook.panel").live(*arguments, **named)


_live.__class__ = _Live
if not TYPE_CHECKING:
    live = _live


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext flowaudio``: what `import flowaudio` does by itself in a notebook."""
    import_module(f"{__name__}.notebook.formatters").register(shell)


_shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
if _shell is not None:                  # in a notebook graphs show themselves; elsewhere nothing is loaded for it
    load_ipython_extension(_shell)
