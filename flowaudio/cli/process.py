"""The commands `process` and `run`: a file in, a file out."""

from pathlib import Path
from typing import Any

from flowaudio.cli import kernels
from flowaudio.cli.codecs import chosen_codec
from flowaudio.cli.output import bitrate, channels, clock, decibels, facts, print_json, rate, size, warn
from flowaudio.cli.progress import Display, display
from flowaudio.cli.targets import check_target
from flowaudio.core.errors import GraphError, ParameterError
from flowaudio.graph import document, shipped
from flowaudio.io import probe
from flowaudio.io.formats import Codec, check, check_container, default_codec, fitting
from flowaudio.stream.faults import many
from flowaudio.stream.mastering import Master, effects_only, final_limiter, metered, straight
from flowaudio.stream.presets import QualityPreset, preset
from flowaudio.stream.process import process as process_file
from flowaudio.stream.process_report import ProcessReport

__all__ = ["make", "process", "show", "through", "warnings"]


def process(args: Any) -> None:
    """``flowaudio process IN OUT``."""
    chosen = preset(args.preset) if args.preset else None
    if args.lufs is not None and not -60 <= args.lufs <= 0:
        raise ParameterError(f"--lufs must be between -60 and 0 (got {args.lufs:g})")
    graph = document.load(shipped.find(args.graph)) if args.graph else None
    _whole(args, graph, chosen)


def through(args: Any) -> None:
    """``flowaudio run GRAPH -i IN -o OUT``."""
    args.lufs = None
    _whole(args, document.load(shipped.find(args.graph)), None)


def _whole(args: Any, graph: Any, chosen: QualityPreset | None) -> None:
    with display(args.quiet, args.json) as shown:
        report = make(args, graph, chosen, shown)
    if args.json:
        print_json(report.as_dict())
    elif not args.quiet:
        show(report)
    for sentence in warnings(report):
        warn(sentence)


def make(args: Any, graph: Any, chosen: QualityPreset | None, shown: Display) -> ProcessReport:
    """Do it. What can be wrong is looked at before anything is compiled or measured."""
    output = Path(args.output)
    allowed = ("file", *args.allow)
    codec = chosen_codec(args, chosen.codec if chosen else None)
    likely = codec or default_codec(output)
    check_container(likely, output)
    info = probe(args.input, allowed_protocols=allowed)
    nearest = _nearest(likely, args, info.sample_rate, info.channels)
    check(likely, *nearest)
    check_target(output, args.input)
    target = args.lufs
    if target is None and chosen is not None and chosen.enable_normalization:
        target = chosen.target_lufs
    _compile(graph if graph is not None else chosen.graph if chosen else straight(), target, nearest, shown)
    return process_file(args.input, output, preset=chosen, graph=graph, codec=codec, target_lufs=target,
                        sample_rate=args.sample_rate, channels=args.channels, tolerant=args.tolerant,
                        allowed_protocols=allowed, progress=shown)


def _nearest(codec: Codec, args: Any, sample_rate: int, count: int) -> tuple[int, int]:
    found = fitting(codec, args.sample_rate or sample_rate, args.channels or count)
    return args.sample_rate or found[0], args.channels or found[1]


def _compile(graph: Any, target: float | None, format: tuple[int, int], shown: Display) -> None:
    """The kernels of all passes at once."""
    if target is None:
        kernels.ready(graph, *format, kernels.FILES, shown)
        return
    try:
        graph = metered(Master(0.0, final_limiter(graph, -1.0)).after(effects_only(graph)))[0]
    except GraphError:                  # said better by the work itself
        return
    kernels.ready(graph, *format, kernels.FILES, shown)


def show(report: ProcessReport) -> None:
    """What was reached, for people."""
    seconds = report.duration_s or 1.0
    file_size = report.output.stat().st_size
    facts(f"{report.output} is ready", [
        ("Format", f"{report.codec}, {rate(report.sample_rate)}, {channels(report.channels)}, "
                   f"{bitrate(round(8 * file_size / seconds))}"),
        ("Duration", f"{clock(report.duration_s)} ({size(file_size)})"),
        ("Loudness", _loudness(report)),
        ("True peak", _peak(report)),
        ("Gain", decibels(report.gain_db, "dB", sign=True) if report.gain_db is not None else ""),
        ("Mode", _mode(report)),
        ("Speed", f"{report.speed:.0f} x real time ({report.elapsed_s:.1f} s)"),
    ])


def _loudness(report: ProcessReport) -> str:
    if report.target_lufs is None:
        return ""
    before = f"; {decibels(report.input_lufs, 'LUFS')} before" if report.input_lufs is not None else ""
    return f"{decibels(report.integrated_lufs, 'LUFS')} (target {report.target_lufs:g}{before})"


def _peak(report: ProcessReport) -> str:
    if report.target_lufs is None:
        return ""
    return f"{decibels(report.true_peak_dbtp, 'dBTP')} (ceiling {report.ceiling_dbtp:g})"


def _mode(report: ProcessReport) -> str:
    if report.mode == "as is":
        return "as is: one pass, loudness untouched"
    return f"measured, then one static gain and a limiter (read {report.passes} times)"


def warnings(report: ProcessReport) -> list[str]:
    """What somebody should know before they use the file."""
    said = []
    if report.damage:
        said.append(report.damage)
    if report.target_lufs is not None and report.integrated_lufs is None:
        why = "is silent" if report.true_peak_dbtp is None else "is shorter than 0.4 s or softer than -70 LUFS"
        said.append(f"{report.output.name} {why}, so it has no loudness to bring to {report.target_lufs:g} LUFS")
    elif not report.reached:
        said.append(f"{report.output.name} has {decibels(report.integrated_lufs, 'LUFS')} and "
                    f"{decibels(report.true_peak_dbtp, 'dBTP')} instead of {report.target_lufs:g} LUFS within 0.5 and "
                    f"at most {report.ceiling_dbtp:g} dBTP; a compressor in the graph would leave more room")
    if report.clipped_samples:
        said.append(f"{many(report.clipped_samples, 'sample')} clipped at full scale; "
                    "turn the graph's output down or put a Limiter at its end")
    said += [f"the node {name} failed or got what is no number, and was silent for {count} block{'s' * (count != 1)}"
             for name, count in report.trouble.items()]
    return said
