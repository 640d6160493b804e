"""The command `render`: a graph offline, from a file or from its own sources, and how loud it is."""

import contextlib
import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flowaudio.cli import kernels
from flowaudio.cli.codecs import chosen_codec
from flowaudio.cli.output import channels, clock, decibels, facts, print_json, rate, warn
from flowaudio.cli.progress import Display, display
from flowaudio.cli.targets import check_target
from flowaudio.core.errors import ParameterError
from flowaudio.graph import document, shipped
from flowaudio.graph.graph import IN
from flowaudio.graph.plan import Plan
from flowaudio.io import Decoder, Encoder, portable_tags, probe
from flowaudio.io.formats import Codec, check, check_container, default_codec, fitting
from flowaudio.runtime.pipeline import RING_FRAMES, Stage, encode_from, run_stages
from flowaudio.runtime.ring import Ring
from flowaudio.stream.faults import many

__all__ = ["Levels", "Rendered", "render", "run", "silence"]

Array = np.ndarray[Any, Any]

CHUNK = 1 << 15
"""Frames made at once: what is in memory does not depend on the length."""

DEFAULT_S = 10.0
DEFAULT_RATE = 48_000


class Levels:
    """Peak and power of all that was seen, over all channels."""

    def __init__(self) -> None:
        self.peak, self._squares, self._count = 0.0, 0.0, 0

    def add(self, block: Array) -> None:
        """Take one block."""
        if block.size:
            self.peak = max(self.peak, float(block.max()), -float(block.min()))
            self._squares += float(np.vdot(block.ravel(), block.ravel()))
            self._count += block.size

    @property
    def peak_dbfs(self) -> float | None:
        """Of the samples; None for silence."""
        return 20 * math.log10(self.peak) if self.peak else None

    @property
    def rms_dbfs(self) -> float | None:
        """0 dB being an RMS of 1; None for silence."""
        return 10 * math.log10(self._squares / self._count) if self._squares else None


class Rendered(NamedTuple):
    """What rendering came to."""

    frames: int
    levels: Levels
    trouble: dict[str, int]
    elapsed_s: float


class _Source(NamedTuple):
    """What goes into a plan."""

    blocks: Iterator[Array]
    rate: int
    channels: int
    frames: int | None                  # None: as many as there are
    tags: dict[str, str]
    decoder: Decoder | None


def render(plan: Plan, blocks: Iterator[Array], sink: Encoder | None, show: Display, total_s: float | None) -> Rendered:
    """All blocks through a plan, aligned with its input and as long."""
    start = time.perf_counter()
    levels, skip, done = Levels(), plan.latency, 0
    target = Ring(plan.output_channels, RING_FRAMES) if sink is not None else None

    def work() -> None:
        nonlocal skip, done
        for block in itertools.chain(blocks, silence(plan.channels, plan.latency)):
            y = plan.process(block)[:, skip:]
            skip -= block.shape[1] - y.shape[1]
            levels.add(y)
            if target is not None:
                target.write(y)
            done += y.shape[1]
            if target is None:
                tick()
        if target is not None:
            target.close()

    def tick() -> None:
        show("rendering", done / plan.rate, total_s)

    if sink is None or target is None:
        work()
    else:
        # Not in this thread: it gets Ctrl-C, which would be lost inside of FFmpeg.
        run_stages([Stage("render", work, [target]), encode_from(target, sink)], tick)
    return Rendered(done, levels, plan.trouble, time.perf_counter() - start)


def run(args: Any) -> None:
    """``flowaudio render GRAPH``."""
    graph = document.load(shipped.find(args.graph))
    if args.seconds is not None and not 0 < args.seconds < 1e9:
        raise ParameterError(f"--seconds must be above 0 (got {args.seconds:g})")
    takes = IN in graph and graph.out_degree(IN) > 0
    if takes and args.input is None:
        raise ParameterError(f"the graph {args.graph} takes an input; name a file with -i")
    if not takes and args.input is not None:
        raise ParameterError(f"the graph {args.graph} makes its own sound; leave -i out")
    codec = _codec(args)
    with display(args.quiet, args.json) as shown, contextlib.ExitStack() as stack:
        source = _from_file(args, codec, stack) if takes else _from_nothing(args)
        made, plan, encoder = _render(args, graph, codec, source, shown)
    damage = source.decoder.damage if source.decoder is not None else ""
    _tell(args, plan, made, encoder, damage)


def _codec(args: Any) -> Codec | None:
    if args.output is None:
        return None
    codec = chosen_codec(args) or default_codec(args.output)
    check_container(codec, args.output)
    return codec


def _from_file(args: Any, codec: Codec | None, stack: contextlib.ExitStack) -> _Source:
    allowed = ("file", *args.allow)
    info = probe(args.input, allowed_protocols=allowed)
    hz = args.sample_rate or (fitting(codec, info.sample_rate, 1)[0] if codec else info.sample_rate)
    decoder = stack.enter_context(Decoder(args.input, sample_rate=hz, channels=args.channels,
                                          tolerant=args.tolerant, allowed_protocols=allowed))
    blocks = decoder.blocks(CHUNK)
    frames = None
    if args.seconds is not None:
        frames = max(round(args.seconds * hz), 1)
        blocks = _exactly(frames, blocks, decoder.channels)
    elif info.duration_s is not None:
        frames = round(info.duration_s * hz)
    return _Source(blocks, hz, decoder.channels, frames, portable_tags(decoder.info.tags), decoder)


def _from_nothing(args: Any) -> _Source:
    hz, count = args.sample_rate or DEFAULT_RATE, args.channels or 2
    frames = max(round((args.seconds or DEFAULT_S) * hz), 1)
    return _Source(silence(count, frames), hz, count, frames, {}, None)


def _render(args: Any, graph: Any, codec: Codec | None, source: _Source,
            shown: Display) -> tuple[Rendered, Plan, Encoder | None]:
    if args.output is not None:
        check_target(Path(args.output), args.input)
    kernels.ready(graph, source.rate, source.channels, kernels.ARRAYS if codec is None else kernels.MADE, shown)
    plan = Plan(graph, source.rate, source.channels)
    total_s = source.frames / source.rate if source.frames is not None else None
    if codec is None:
        return render(plan, source.blocks, None, shown, total_s), plan, None
    check(codec, source.rate, plan.output_channels)
    with Encoder(args.output, codec, source.rate, plan.output_channels, tags=source.tags) as encoder:
        return render(plan, source.blocks, encoder, shown, total_s), plan, encoder


def silence(count: int, frames: int) -> Iterator[Array]:
    """Blocks of zeros, `frames` frames in all."""
    zeros = np.zeros((count, min(frames, CHUNK)), np.float32)
    for start in range(0, frames, CHUNK):
        yield zeros[:, :min(CHUNK, frames - start)]


def _exactly(frames: int, blocks: Iterator[Array], count: int) -> Iterator[Array]:
    """The first `frames` frames, with silence behind the last block where there are fewer."""
    left = frames
    for block in blocks:
        yield block[:, :left]
        left -= min(block.shape[1], left)
        if not left:
            return
    yield from silence(count, left)


def _tell(args: Any, plan: Plan, made: Rendered, encoder: Encoder | None, damage: str) -> None:
    seconds = made.frames / plan.rate
    clipped = encoder.clipped_samples if encoder is not None else 0
    peak, rms = made.levels.peak_dbfs, made.levels.rms_dbfs
    if args.json:
        print_json({"output": args.output, "sample_rate": plan.rate, "channels": plan.output_channels,
                    "duration_s": seconds, "peak_dbfs": peak, "rms_dbfs": rms, "latency_frames": plan.latency,
                    "clipped_samples": clipped, "trouble": made.trouble, "damage": damage, "elapsed_s": made.elapsed_s})
    elif not args.quiet:
        facts(f"{args.output} is ready" if args.output else f"{args.graph}, rendered (-o FILE keeps it)", [
            ("Format", f"{rate(plan.rate)}, {channels(plan.output_channels)}"),
            ("Duration", clock(seconds)),
            ("Peak", decibels(peak, "dBFS")),
            ("RMS", decibels(rms, "dBFS")),
            ("Speed", f"{seconds / made.elapsed_s:.0f} x real time ({made.elapsed_s:.1f} s)"),
        ])
    if damage:
        warn(damage)
    if clipped:
        warn(f"{many(clipped, 'sample')} clipped at full scale; turn the graph's output down, put a Limiter at its "
             "end, or write float samples with --bit-depth 32")
    for name, count in made.trouble.items():
        warn(f"the node {name} failed or got what is no number, and was silent for {count} block{'s' * (count != 1)}")
