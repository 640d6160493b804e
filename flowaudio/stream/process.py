"""`process`: a file in, a file out, through a graph; measured first where its loudness shall be right."""

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.core.named_layouts import DEFAULT, layout_speakers
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.io import Cover, Decoder, Encoder, portable_tags, probe
from flowaudio.io.codecs import failure
from flowaudio.io.formats import FLAC, WAV, Codec, check, check_container, default_codec, fitting
from flowaudio.io.target import Target, is_device
from flowaudio.nodes.loudness import LoudnessReading, loudness
from flowaudio.runtime.pipeline import RING_FRAMES, Stage, decode_into, encode_from, run_stages, walk_between
from flowaudio.runtime.ring import Ring
from flowaudio.stream.aim import REHEARSAL_S, Aim, is_lossy, rehearse
from flowaudio.stream.mastering import Master, effects_only, final_limiter, metered, straight
from flowaudio.stream.presets import QualityPreset
from flowaudio.stream.presets import preset as find_preset
from flowaudio.stream.process_report import ProcessReport

__all__ = ["Progress", "process"]

Progress = Callable[[str, float, float | None], None]
"""Called with what is done now, the seconds of sound done, and the seconds in all if they are known."""

CLOSE_LU = 0.12
"""A loudness nearer than this to its aim is not corrected again: the file may be off by 0.5."""

MEASURING_PASSES = 4
ENCODING_PASSES = 4


@dataclasses.dataclass
class _Job:
    """One file on its way."""

    input: str | os.PathLike[str]
    output: Path
    codec: Codec
    rate: int
    channels: int
    tolerant: bool
    protocols: Iterable[str]
    progress: Progress
    duration_s: float | None
    layout: str
    passes: int = 0
    damage: str = ""

    def decoder(self) -> Decoder:
        self.passes += 1
        return Decoder(self.input, sample_rate=self.rate, channels=self.channels, tolerant=self.tolerant,
                       allowed_protocols=self.protocols)

    def run(self, what: str, decoder: Decoder, plan: Plan, sink: Encoder | None) -> None:
        """Everything that the decoder gives through the plan, and into the encoder if there is one."""
        source = Ring(self.channels, RING_FRAMES)
        target = Ring(plan.output_channels, RING_FRAMES) if sink is not None else None
        stages: list[Stage] = [decode_into(decoder.blocks(), source), walk_between(plan, source, target)]
        if sink is not None and target is not None:
            stages.append(encode_from(target, sink))
        run_stages(stages, lambda: self.progress(what, source.written / self.rate, self.duration_s))
        self.damage = decoder.damage

    def layout_behind(self, plan: Plan) -> str:
        """Of what a plan makes of the input: that of the input, where the file can say so and no channel is added."""
        kept = plan.output_channels == self.channels and isinstance(self.codec, (FLAC, WAV))
        return self.layout if kept else DEFAULT

    def measure(self, what: str, graph: Graph) -> LoudnessReading:
        """Loudness and true peak of what a graph makes of the input."""
        joined, meter = metered(graph, self.layout_behind(Plan(graph, self.rate, self.channels)))
        plan = Plan(joined, self.rate, self.channels)
        with self.decoder() as decoder:
            self.run(what, decoder, plan, None)
        return loudness(plan.read(meter))


def process(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    preset: str | QualityPreset | None = None,
    graph: Any = None,
    codec: Codec | None = None,
    target_lufs: float | None = None,
    sample_rate: int | None = None,
    channels: int | None = None,
    layout: str | None = None,
    tolerant: bool = False,
    allowed_protocols: Iterable[str] = ("file",),
    progress: Progress | None = None,
) -> ProcessReport:
    """Process a file into a file.

    :param input: a path, or a URL whose protocol stands in `allowed_protocols`.
    :param output: a path; its suffix names the kind of file. It appears when it is finished, never before.
    :param preset: ``"podcast"``, ``"mobile"``, ``"hifi"`` or a preset of your own: effects, codec and loudness.
    :param graph: effects instead of the preset's.
    :param codec: instead of the preset's, or of the one that goes with the suffix.
    :param target_lufs: integrated loudness of the result; the preset's, if it normalises.
    :param sample_rate, channels: of the result and of the graph; by default the input's, or the nearest that the
        encoder takes.
    :param layout: of the input's channels, by FFmpeg's name (such as ``"3.1"``), instead of what it says itself. WAV
        and FLAC keep it, where the graph adds no channels; other files have the usual one of their number.
    :param tolerant: keep what can be decoded of a damaged input, instead of refusing it.
    :raises SourceError: the input cannot be read. TargetError: the output cannot be written.
        GraphError, ParameterError: the graph or a setting is wrong. Nothing is written in any of these cases.
    """
    start = time.perf_counter()
    chosen = find_preset(preset) if preset is not None else None
    if chosen is not None and chosen.enable_normalization and target_lufs is None:
        target_lufs = chosen.target_lufs
    ceiling = chosen.ceiling_dbtp if chosen is not None else -1.0
    job = _prepare(Path(output), input, codec, chosen, sample_rate, channels, layout, tolerant, allowed_protocols,
                   progress)
    effects = graph if graph is not None else chosen.graph if chosen is not None else straight()
    if target_lufs is None:
        return _as_is(job, effects, start)
    return _mastered(job, effects, target_lufs, ceiling, start)


def _prepare(output: Path, input: str | os.PathLike[str], codec: Codec | None, chosen: QualityPreset | None,
             sample_rate: int | None, channels: int | None, layout: str | None, tolerant: bool,
             protocols: Iterable[str], progress: Progress | None) -> _Job:
    codec = codec or _codec_for(output, chosen)
    check_container(codec, output)
    protocols = tuple(protocols)
    info = probe(input, allowed_protocols=protocols)
    if output.exists() and Path(input).exists() and output.samefile(input):
        raise ParameterError(f"{output} is both input and output; name another output")
    _check_writable(output)
    nearest = fitting(codec, sample_rate or info.sample_rate, channels or info.channels)
    rate, count = sample_rate or nearest[0], channels or nearest[1]
    check(codec, rate, count)
    with Decoder(input, channels=count, allowed_protocols=protocols) as decoder:
        said = decoder.layout
    if layout is not None:
        layout_speakers(layout, info.channels, "layout")
        said = layout if count == info.channels else DEFAULT
    return _Job(input, output, codec, rate, count, tolerant, protocols, progress or (lambda *_: None), info.duration_s,
                said)


def _check_writable(output: Path) -> None:
    """Before minutes are spent on measuring: can the target be written at all?"""
    if is_device(output):
        return
    try:
        Target(output).discard()
    except OSError as error:
        raise failure(TargetError, str(output), error) from error


def _codec_for(output: Path, chosen: QualityPreset | None) -> Codec:
    """The preset's codec if the name of the output can hold it, or else the one that goes with the name."""
    fallback = default_codec(output)
    return chosen.codec if chosen is not None and isinstance(chosen.codec, type(fallback)) else fallback


def _encode(job: _Job, graph: Any, what: str) -> tuple[Plan, Encoder]:
    plan = Plan(graph, job.rate, job.channels)
    check(job.codec, job.rate, plan.output_channels)
    with job.decoder() as decoder:
        tags, cover = portable_tags(decoder.info.tags), _cover(decoder, job.output)
        with Encoder(job.output, job.codec, job.rate, plan.output_channels, tags=tags, cover=cover,
                     layout=job.layout_behind(plan)) as encoder:
            job.run(what, decoder, plan, encoder)
    return plan, encoder


def _cover(decoder: Decoder, output: Path) -> Cover | None:
    return None if output.suffix.lower() in (".wav", ".aac") else decoder.cover


def _as_is(job: _Job, graph: Any, start: float) -> ProcessReport:
    plan, encoder = _encode(job, graph, "encoding")
    return ProcessReport(output=job.output, codec=type(job.codec).__name__, sample_rate=job.rate,
                  channels=plan.output_channels, duration_s=encoder.frames / job.rate, mode="as is", passes=job.passes,
                  elapsed_s=time.perf_counter() - start, clipped_samples=encoder.clipped_samples, trouble=plan.trouble,
                  damage=job.damage)


def _mastered(job: _Job, graph: Any, target_lufs: float, ceiling_dbtp: float, start: float) -> ProcessReport:
    """Measure, find the gain, encode, and measure what came out; again if the codec made more of it than foreseen."""
    effects = effects_only(graph)
    before = job.measure("measuring", effects)
    aim = Aim(target_lufs, ceiling_dbtp, final_limiter(graph, ceiling_dbtp), is_lossy(job.codec))
    master = _approach(job, effects, before, aim, aim.lufs - before.integrated_lufs)
    long = job.duration_s is not None and job.duration_s > 2 * REHEARSAL_S  # a short one is encoded twice as soon
    if aim.lossy and long and math.isfinite(before.integrated_lufs):
        change = rehearse(job.decoder, effects, master, job.codec, job.output.suffix)
        if aim.allow_for(change):
            master = _approach(job, effects, before, aim, master.gain_db + change.loss_lu)
    for _ in range(ENCODING_PASSES):
        plan, encoder = _encode(job, master.after(effects), "encoding")
        reached, aimed = _verify(job), aim.lufs
        if not aim.missed(reached):
            break
        master = _approach(job, effects, before, aim, master.gain_db + aim.lufs - aimed)
    return ProcessReport(output=job.output, codec=type(job.codec).__name__, sample_rate=job.rate,
                  channels=plan.output_channels, duration_s=encoder.frames / job.rate, mode="two passes",
                  gain_db=master.gain_db, input_lufs=_known(before.integrated_lufs),
                  integrated_lufs=_known(reached.integrated_lufs), true_peak_dbtp=_known(reached.true_peak_dbtp),
                  target_lufs=target_lufs, ceiling_dbtp=ceiling_dbtp,
                  passes=job.passes, elapsed_s=time.perf_counter() - start, clipped_samples=encoder.clipped_samples,
                  trouble=plan.trouble, damage=job.damage)


def _approach(job: _Job, effects: Graph, before: LoudnessReading, aim: Aim, gain: float) -> Master:
    """From `gain` to the one that reaches the aim; measured again only where the limiter has work to do."""
    if not math.isfinite(before.integrated_lufs):  # silence, or shorter than a gating block
        return aim.master(0.0)
    slope = 1.0  # LU a dB: below 1 where the limiter takes some of it
    last: tuple[float, float] | None = None
    for _ in range(MEASURING_PASSES):
        if before.true_peak_dbtp + gain <= aim.ceiling_dbtp:
            break
        reached = job.measure("measuring", aim.master(gain).after(effects)).integrated_lufs
        if abs(reached - aim.lufs) <= CLOSE_LU:
            break
        if last is not None and gain != last[0]:
            slope = min(max((reached - last[1]) / (gain - last[0]), 0.25), 1.0)
        last = (gain, reached)
        gain += (aim.lufs - reached) / slope
    return aim.master(gain)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _verify(job: _Job) -> LoudnessReading:
    """Loudness and true peak of the finished file, as a listener's decoder gives it back."""
    with Decoder(job.output) as decoder:
        joined, meter = metered(straight(), decoder.layout)
        plan = Plan(joined, decoder.sample_rate, decoder.channels)
        ring = Ring(decoder.channels, RING_FRAMES)
        run_stages([decode_into(decoder.blocks(), ring), walk_between(plan, ring, None)],
                   lambda: job.progress("checking", ring.written / decoder.sample_rate, job.duration_s))
    return loudness(plan.read(meter))
