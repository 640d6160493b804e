"""The command `demo`: the main job, with music that a graph makes, so that no file is needed."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flowaudio.cli import kernels
from flowaudio.cli.output import clock, decibels, print_json, put, warn
from flowaudio.cli.process import make, show, warnings
from flowaudio.cli.progress import Display, display
from flowaudio.cli.render import Rendered, render, silence
from flowaudio.cli.targets import check_target
from flowaudio.core.errors import TargetError
from flowaudio.graph.graph import Graph
from flowaudio.graph.plan import Plan
from flowaudio.io import WAV, Encoder
from flowaudio.nodes import Biquad, Delay, Gain, Mix, Noise, Pan, Reverb, Sine, Sweep
from flowaudio.stream.presets import preset

__all__ = ["music", "run"]

SECONDS = 12.0
RATE = 48_000

CHORDS = ((110.0, 220.0, 261.63, 329.63, 493.88), (87.31, 174.61, 261.63, 329.63, 440.0))
"""A minor with its ninth, F major with its seventh: frequencies in Hz."""

SWELL_HZ = 0.25
"""How often a chord comes and goes."""

WHAT = ("12 seconds of two chords that swell in turn (each note two sines that beat), a drum (a falling sweep) "
        "and wind (pink noise), with echoes and a room: a graph of sources, no file read")


def music() -> Graph:
    """The piece as a graph: sources only, quiet, with peaks that a master has to deal with."""
    graph = Graph()
    graph.add(Mix(gain_db=-6.0), "pad")
    for k, chord in enumerate(CHORDS):
        for n, frequency in enumerate(chord):
            # cos a + cos b beat: the sum swells where they agree. Half a beat later it is the other chord's turn.
            place = graph.add(Pan(pan=-0.8 + 1.6 * n / (len(chord) - 1)), f"place_{k}_{n}")
            for side, shift in (("low", -0.5), ("high", 0.5)):
                tone = Sine(frequency_hz=frequency + shift * SWELL_HZ, level_dbfs=-32.0 - 2.0 * n, channels=1,
                            phase_deg=90.0 + (180.0 * k if side == "high" else 0.0))
                graph.connect(graph.add(tone, f"tone_{k}_{n}_{side}"), place)
            graph.connect(place, "pad")
    graph.add(Delay(time_ms=375.0, feedback=0.45, wet=0.35, ping_pong=True, high_cut_hz=4000.0), "echo")
    graph.add(Sweep(start_hz=170.0, end_hz=32.0, duration_s=0.5, level_dbfs=-13.0, repeat=True), "drum")
    graph.add(Noise(color="pink", level_dbfs=-40.0, seed=1), "wind")
    graph.add(Biquad(kind="bandpass", frequency_hz=900.0, q=0.7), "whistle")
    graph.add(Mix(), "band")
    graph.add(Reverb(room_size=0.7, wet=0.2, dry=0.9), "room")
    graph.add(Gain(gain_db=-3.0), "level")
    for path in (("pad", "echo", "band"), ("drum", "band"), ("wind", "whistle", "band"),
                 ("band", "room", "level", "out")):
        for source, target in itertools.pairwise(path):
            graph.connect(source, target)
    return graph


def run(args: Any) -> None:
    """``flowaudio demo``."""
    folder = Path(args.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{folder} cannot be made: {error.strerror}; choose another folder with -o") from error
    wav, mp3 = folder / "demo.wav", folder / "demo.mp3"
    check_target(wav)
    with display(args.quiet, args.json) as shown:
        made = _write(wav, shown)
        job = SimpleNamespace(input=str(wav), output=str(mp3), lufs=None, codec=None, bitrate=None, quality=None,
                              bit_depth=None, sample_rate=None, channels=None, tolerant=False, allow=[])
        report = make(job, None, preset("podcast"), shown)
    if args.json:
        print_json({"made": {"output": str(wav), "duration_s": made.frames / RATE,
                             "peak_dbfs": made.levels.peak_dbfs, "rms_dbfs": made.levels.rms_dbfs},
                    "mastered": report.as_dict()})
    elif not args.quiet:
        put(f"Made {wav} ({clock(made.frames / RATE)}, peak {decibels(made.levels.peak_dbfs, 'dBFS')}): {WHAT}.", "")
        show(report)
        put("", "Next:", f"  listen to {wav} and {mp3}",
            "  flowaudio process YOUR.wav YOUR.mp3 --preset podcast",
            f"  flowaudio run dub_delay -i {wav} -o {folder / 'dub.flac'}",
            "  flowaudio graphs; flowaudio nodes; flowaudio nodes Compressor")
    for sentence in warnings(report):
        warn(sentence)


def _write(path: Path, shown: Display) -> Rendered:
    graph = music()
    kernels.ready(graph, RATE, 2, kernels.MADE, shown)
    plan = Plan(graph, RATE, 2)
    with Encoder(path, WAV(bit_depth=24), RATE, plan.output_channels, tags={"title": "flowaudio demo"}) as encoder:
        return render(plan, silence(2, round(SECONDS * RATE)), encoder, shown, SECONDS)
