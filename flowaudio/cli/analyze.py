"""The command `analyze`: what a file measures, and what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from flowaudio.cli import kernels
from flowaudio.cli.failures import Failure, describe, one_line
from flowaudio.cli.output import clock, facts, print_json, put, warn
from flowaudio.cli.progress import Display, display
from flowaudio.cli.targets import check_target
from flowaudio.core.errors import FlowaudioError, ParameterError, SourceError
from flowaudio.io import SourceInfo, probe
from flowaudio.io._unpack import unpack
from flowaudio.stream import summary
from flowaudio.stream._extremes import extremes_native
from flowaudio.stream.analysis import analyze, instruments_for
from flowaudio.stream.instruments import listening
from flowaudio.stream.picture import check_picture
from flowaudio.stream.presets import preset
from flowaudio.stream.report import Report

__all__ = ["LISTENED", "prepare", "run"]

LISTENED = (*kernels.ARRAYS, *kernels.natives_in("flowaudio.core.eventlog"), extremes_native, unpack)
"""What a file goes through that is only listened to."""


def run(args: Any) -> int:
    """``flowaudio analyze FILE…``. The exit code: that of the first file that failed, or 0."""
    if args.preset:
        preset(args.preset)
    if args.plot:
        if len(args.inputs) > 1:
            raise ParameterError(f"--plot draws one file (got {len(args.inputs)}); call it once for each")
        check_picture(args.plot)
        check_target(Path(args.plot), args.inputs[0])
    if len(args.inputs) == 1:
        _one(args)
        return 0
    return _many(args)


def _one(args: Any) -> None:
    with display(args.quiet, args.json) as shown:
        info = probe(args.inputs[0], allowed_protocols=("file", *args.allow))
        prepare([info], shown)
        report = _analysed(args, args.inputs[0], shown)
        if args.plot:
            report.plot(args.plot)
    if args.json:
        print_json(report.as_dict())
    elif not args.quiet:
        facts(report.source, summary.lines(report))
        if args.events:
            _list([report])
    _warn(report)


def _many(args: Any) -> int:
    """One after the other, each for itself: what fails is told, and the others go on."""
    results: list[Report | Failure] = []
    with display(args.quiet, args.json) as shown:
        infos = [_probed(args, path) for path in args.inputs]
        good = [info for info in infos if isinstance(info, SourceInfo)]
        prepare(good, shown)
        total = sum(info.duration_s or 0.0 for info in good) or None
        done = 0.0
        for path, info in zip(args.inputs, infos, strict=True):
            if isinstance(info, Failure):
                results.append(info)
                continue
            results.append(_tried(args, path, _after(shown, done, total)))
            done += info.duration_s or 0.0
    pairs = list(zip(args.inputs, results, strict=True))
    if args.json:
        print_json([_as_dict(path, result) for path, result in pairs])
    elif not args.quiet:
        _table(pairs)
        if args.events:
            _list([result for result in results if isinstance(result, Report)])
    return _told(results)


def _told(results: list[Report | Failure]) -> int:
    """What is wrong, on standard error; the exit code."""
    code = 0
    for result in results:
        if isinstance(result, Report):
            _warn(result)
        else:
            warn(result.sentence)
            code = code or result.code
    return code


def _after(shown: Display, done_s: float, total_s: float | None) -> Callable[[str, float, float | None], None]:
    """A progress of one file as that of all."""
    def show(what: str, file_s: float, _: float | None) -> None:
        shown(what, done_s + file_s, total_s)

    return show


def prepare(infos: list[SourceInfo], shown: Display) -> None:
    """The kernels that will be needed, for each rate and number of channels."""
    for rate, count in dict.fromkeys((info.sample_rate, info.channels) for info in infos):
        kernels.ready(listening(instruments_for(True, rate)), rate, count, LISTENED, shown)


def _probed(args: Any, path: str) -> SourceInfo | Failure:
    try:
        return probe(path, allowed_protocols=("file", *args.allow))
    except SourceError as error:
        return describe(error)


def _tried(args: Any, path: str, show: Any) -> Report | Failure:
    try:
        return _analysed(args, path, show)
    except FlowaudioError as error:
        return describe(error)


def _analysed(args: Any, path: str, show: Any) -> Report:
    return analyze(path, preset=args.preset, allowed_protocols=("file", *args.allow), progress=show)


def _as_dict(path: str, result: Report | Failure) -> dict[str, Any]:
    if isinstance(result, Report):
        return result.as_dict()
    return {"source": path, "error": result.sentence, "kind": result.kind, "code": result.code}


def _warn(report: Report) -> None:
    """What somebody should know before they use the file."""
    if report.damage:
        warn(report.damage)
    if report.low_quality:
        warn(f"{report.source} has a quality of {report.quality_score:.2f}, below the floor of "
             f"{report.quality_floor:g}")


def _table(pairs: list[tuple[str, Report | Failure]]) -> None:
    """A line for each file."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("File", overflow="fold")
    for name in ("Length", "LUFS", "LRA", "dBTP", "DR", "SNR", "Quality"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Found", overflow="fold")
    for path, result in pairs:
        file = Text(one_line(Path(path).name or path))
        if isinstance(result, Failure):
            table.add_row(file, *[""] * 7, Text("cannot be read", style="yellow"))
            continue
        table.add_row(file, clock(result.duration_s), _number(result.integrated_lufs),
                      _number(result.loudness_range_lu), _number(result.true_peak_dbtp),
                      _number(result.dynamic_range_db), _number(result.snr_db, 0),
                      Text(_number(result.quality_score, 2), style="bold yellow" if result.low_quality else "bold"),
                      Text(summary.heard(result.events, result.events_left_out)))
    put(table)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _list(reports: list[Report]) -> None:
    """Everything that was found."""
    for report in reports:
        head = [Text(one_line(report.source), style="bold", overflow="fold")] if len(reports) > 1 else []
        put(*head, *(Text(f"  {one_line(event.sentence)}", overflow="fold") for event in report.events))
