"""What can be typed: every command with its arguments. Loads nothing but argparse."""

import argparse
from typing import NoReturn

from flowaudio.core.errors import ParameterError

__all__ = ["UsageError", "build"]

EPILOG = """\
exit codes:
  0    done
  1    a fault of flowaudio itself (FLOWAUDIO_DEBUG=1 shows where)
  2    a wrong argument, parameter or graph
  3    an input that cannot be read
  4    an output that cannot be written
  5    a kernel that cannot be compiled
  130  stopped with Ctrl-C

An output appears under its name when it is whole; until then, and after an
error, the name keeps what it had. With --json, results and errors are JSON on
standard output. Compiled kernels are kept in FLOWAUDIO_CACHE_DIR, or in the
user's cache folder.
"""

PROCESS = """\
Process a file: effects, loudness, codec. With a preset or --lufs the file is
measured first; then one static gain and a true-peak limiter bring it to its
loudness, and what was reached is measured on the finished file."""

ANALYZE = """\
Measure files and find what is wrong with them: loudness, peaks, dynamics,
noise, stereo, spectrum; silence, dropouts, clicks, clipping, hum and more; and
a score between 0 and 1. Each file is read once. What is good of a damaged file
is measured."""

COMPARE = """\
Align two files and tell by what B differs from A: delay, gain, polarity, what
is left when they are taken from each other, loudness and spectrum."""

RENDER = """\
Render a graph offline and tell how loud it is. A graph that makes its own
sound needs no input. Without -o nothing is written."""

GRAPHS = """\
List the graphs that come with flowaudio, or explain one: its nodes, what of
them is not at its default, its channels and latency. With --toml its document,
to begin with a copy."""

LIVE = """\
Play a graph between sound cards and files, with meters in the terminal. The
graph's file is watched: what is saved plays at once, faded over; a file with a
fault says why, and the old graph plays on. Keys: m mute, b bypass, space mark,
r record, s save the last seconds, q quit, ? help. Without a terminal it prints
a line a second."""

WARMUP = """\
Compile the kernels of all nodes ahead of time, so that nothing is compiled when
sound is made. For images, services and impatient people."""


class UsageError(ParameterError):
    """What was typed is no command."""


class _Parser(argparse.ArgumentParser):
    """Raises its errors, in one sentence, instead of leaving the program."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def build() -> argparse.ArgumentParser:
    """The parser. What it returns has `command`, `json`, `quiet` and the command's own arguments."""
    parser = _Parser(prog="flowaudio", description="Audio through graphs of compiled kernels.", epilog=EPILOG,
                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="show the version and leave")
    parser.set_defaults(command=None, json=False, quiet=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, line: str, description: str = "") -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=line, description=description or f"{line[0].upper()}{line[1:]}.", allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        made.set_defaults(command=name)
        return made

    _process(command("process", "a file in, a file out: effects, loudness, codec", PROCESS))
    _run(command("run", "a file through a graph, in one pass, as it is"))
    _render(command("render", "render a graph offline, with or without an input", RENDER))
    _analyze(command("analyze", "measure files, find what is wrong with them, and draw it", ANALYZE))
    _compare(command("compare", "tell by what two files differ", COMPARE))
    _live(command("live", "a graph between sound cards, with meters, keys and a watched file", LIVE))
    _json(command("devices", "list the sound cards, by the names that --input and --output of live take"))
    _nodes(command("nodes", "list all nodes with their parameters, or explain one"))
    _graphs(command("graphs", "list the graphs that come with flowaudio, or explain one", GRAPHS))
    _info(command("info", "show what a file says of itself"))
    _demo(command("demo", "make a short piece of music, master it and show what was reached"))
    _warmup(command("warmup", "compile all kernels ahead of time", WARMUP))
    return parser


def _process(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN", type=_source, help="any file with sound in it, or a URL (see --allow)")
    parser.add_argument("output", metavar="OUT", help="its suffix names the kind: mp3 m4a mp4 aac opus ogg flac wav")
    parser.add_argument("--preset", help="effects, codec and loudness in one: podcast, mobile or hifi")
    parser.add_argument("--graph", help="effects instead of the preset's: a graph document, or a ready graph's name")
    parser.add_argument("--lufs", type=float, metavar="N", help="integrated loudness to reach, such as -16")
    _file_options(parser)


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a graph document, or a ready graph's name")
    parser.add_argument("-i", "--input", required=True, metavar="IN", type=_source, help="any file with sound in it")
    parser.add_argument("-o", "--output", required=True, metavar="OUT",
                        help="its suffix names the kind: mp3 m4a mp4 aac opus ogg flac wav")
    _file_options(parser)


def _render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a graph document, or a ready graph's name")
    parser.add_argument("-i", "--input", metavar="IN", type=_source, help="any file with sound in it")
    parser.add_argument("-o", "--output", metavar="OUT", help="where to write the result")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="how much to make: by default as long as the input, or 10 s without one")
    _file_options(parser)


def _analyze(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="FILE", type=_source,
                        help="any file with sound in it, or a URL (see --allow)")
    parser.add_argument("--events", action="store_true", help="list everything that was found, with its place")
    parser.add_argument("--plot", metavar="OUT", help="draw waveform, loudness, faults and spectrogram: png, pdf, svg")
    parser.add_argument("--preset", help="judge by a preset's loudness and quality floor: podcast, mobile or hifi")
    _allow(parser)
    _json(parser, "the report as JSON on standard output; a list of them for many files")
    _quiet(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", type=_source, help="any file with sound in it, or a URL (see --allow)")
    parser.add_argument("b", metavar="B", type=_source, help="the one that is told of by what it differs")
    _allow(parser)
    _json(parser)
    _quiet(parser)


def _live(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graph", metavar="G",
                        help="a graph document, or a ready graph's name; without one, what comes in goes out")
    parser.add_argument("--input", "-i", metavar="D", type=_source,
                        help="a sound card's name (see flowaudio devices), a file, or a URL (see --allow)")
    parser.add_argument("--output", "-o", metavar="D", help="a sound card's name, a file to write, or none")
    parser.add_argument("--no-input", action="store_true", help="open no input: for graphs that make their own sound")
    parser.add_argument("--record", metavar="FILE",
                        help="record what goes out, from the start; if there is one already, under a numbered name")
    parser.add_argument("--keep", type=float, default=30.0, metavar="N",
                        help="seconds of what went out that the key s saves (default: %(default)g)")
    parser.add_argument("--rate", type=int, metavar="HZ", help="by default what the sound card has")
    parser.add_argument("--block", type=int, metavar="N", help="frames a block; by default as the sound card likes")
    parser.add_argument("--channels", type=int, metavar="N", help="that the graph gets; by default those of the input")
    parser.add_argument("--allow-feedback", action="store_true",
                        help="go on although the loudspeaker may play into the microphone, without a guard")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after so long")
    parser.add_argument("--on", action="append", default=[], metavar="KIND=COMMAND",
                        help="run a command, without a shell, when this is found or happens (any: everything); "
                             "{kind}, {at_s:.1f}, {text} and more are filled in (may be repeated)")
    parser.add_argument("--hook", action="append", default=[], metavar="URL",
                        help="post each event as JSON to a web address (may be repeated)")
    _allow(parser)
    _json(parser, "a JSON object a line on standard output: status each second, events, a summary")
    _quiet(parser)


def _nodes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one node, with its full description")
    parser.add_argument("--markdown", action="store_true", help="as Markdown: the reference of all nodes, or of one")
    _json(parser)


def _graphs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one graph: a ready graph's name, or a graph document")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--toml", action="store_true", help="print its document")
    form.add_argument("--svg", metavar="FILE", help="write its picture")
    _json(parser)


def _info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="FILE", type=_source,
                        help="any file with sound in it, or a URL (see --allow)")
    _allow(parser)
    _json(parser)


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output-dir", default="flowaudio-demo", metavar="DIR",
                        help="where to put demo.wav and demo.mp3 (default: %(default)s)")
    _json(parser)
    _quiet(parser)


def _warmup(parser: argparse.ArgumentParser) -> None:
    _json(parser)
    _quiet(parser)


def _file_options(parser: argparse.ArgumentParser) -> None:
    codec = parser.add_argument_group("codec")
    codec.add_argument("--codec", choices=("mp3", "aac", "opus", "flac", "wav"),
                       help="by default the one that goes with the output's suffix")
    codec.add_argument("--bitrate", type=_bitrate, metavar="N", help="bits per second: 192000 or 192k")
    codec.add_argument("--quality", type=int, metavar="N",
                       help="MP3: alone, variable bitrate of LAME's V scale, 0 best to 9 smallest; "
                            "with --bitrate, how hard LAME works, 0 hardest to 9 fastest")
    codec.add_argument("--bit-depth", type=int, metavar="N", help="WAV: 16, 24 or 32 (float); FLAC: 16 or 24")
    codec.add_argument("--sample-rate", "--rate", type=int, metavar="HZ",
                       help="of the result; by default the input's, or the nearest that the codec takes")
    codec.add_argument("--channels", type=int, metavar="N", help="of the input on its way into the graph")
    parser.add_argument("--tolerant", action="store_true", help="keep what is good of a damaged input")
    _allow(parser)
    _json(parser)
    _quiet(parser)


def _allow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow", action="append", default=[], metavar="PROTOCOL",
                        help="a protocol that an input may use beside files: https, http, rtp (may be repeated)")


def _json(parser: argparse.ArgumentParser, line: str = "the result as JSON on standard output") -> None:
    parser.add_argument("--json", action="store_true", help=line)


def _quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors and warnings")


def _source(text: str) -> str:
    """What is read. Files are read more than once, and their ends looked at first, which a pipe does not allow."""
    if text == "-":
        raise argparse.ArgumentTypeError("standard input is not taken (got '-'): write the sound into a file and name "
                                         "that, or name ./- if there is a file called so")
    return text


def _bitrate(text: str) -> int:
    factor = 1000 if text[-1:] in "kK" else 1
    try:
        return round(float(text.rstrip("kK")) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"must be bits per second, such as 192k or 192000 (got {text!r})") from None
