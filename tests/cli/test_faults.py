"""Everything that can be wrong: one sentence with the cure, an exit code, and nothing lost or half-written."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_tools import Ran, Run, document, listing

from flowaudio.io import WAV, Encoder


def check(ran: Ran, code: int, *parts: str) -> None:
    """It failed as it should: with this code and one sentence that has all `parts` in it."""
    assert ran.code == code, ran.err
    said = [line for line in ran.err.splitlines() if line.startswith("flowaudio: ")]
    assert said == ran.err.splitlines(), "something else was printed"
    for part in parts:
        assert part in ran.sentence
    assert "Traceback" not in ran.err
    assert ran.out == ""


# --- inputs ---------------------------------------------------------------------------------------------------------

def test_missing_input(run: Run, tmp_path: Path) -> None:
    check(run("process", tmp_path / "none.wav", tmp_path / "out.mp3"), 3, "none.wav does not exist", "check the name")
    assert listing(tmp_path) == []


@pytest.mark.parametrize("arguments", [
    ("info", "-"), ("analyze", "-"), ("compare", "a.wav", "-"), ("process", "-", "out.mp3"),
    ("run", "G", "-i", "-", "-o", "out.mp3"), ("render", "G", "-i", "-"), ("live", "--input", "-")])
def test_standard_input_is_not_taken(run: Run, arguments: tuple[str, ...]) -> None:
    check(run(*arguments), 2, "standard input is not taken (got '-')", "write the sound into a file")


def test_input_that_is_no_audio(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound at all\n" * 50)
    check(run("process", tmp_path / "text.wav", tmp_path / "out.mp3"), 3, "text.wav is no audio that can be read")
    assert listing(tmp_path) == ["text.wav"]


def test_folder_as_input(run: Run, tmp_path: Path) -> None:
    check(run("process", tmp_path, tmp_path / "out.mp3"), 3, "is a folder; name a file in it")
    assert listing(tmp_path) == []


def test_truncated_input_is_refused_or_kept(run: Run, tmp_path: Path, speech: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(speech.read_bytes()[:500_000])
    check(run("process", cut, tmp_path / "out.flac"), 3, "cut.wav breaks off at 2.60 s", "is kept with --tolerant")
    assert listing(tmp_path) == ["cut.wav"]
    ran = run("process", cut, tmp_path / "out.flac", "--tolerant")
    assert ran.code == 0
    assert "cut.wav breaks off at 2.60 s" in ran.sentence
    assert listing(tmp_path) == ["cut.wav", "out.flac"]


def test_url_needs_to_be_allowed(run: Run, tmp_path: Path) -> None:
    check(run("info", "https://localhost:1/a.mp3"), 3, "needs the protocol https; allow it with --allow https")


# --- outputs --------------------------------------------------------------------------------------------------------

def test_input_as_output(run: Run, speech: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(speech.read_bytes())
    os.link(copy, tmp_path / "link.wav")
    check(run("process", copy, tmp_path / "link.wav"), 2, "link.wav is both input and output; name another output")
    assert listing(tmp_path) == ["copy.wav", "link.wav"]
    assert copy.read_bytes() == speech.read_bytes()


def test_output_folder_that_is_missing(run: Run, speech: Path, tmp_path: Path) -> None:
    check(run("process", speech, tmp_path / "no" / "out.mp3"), 4, "out.mp3 cannot be written", "make the folder first")
    assert listing(tmp_path) == []


def test_output_folder_that_is_a_file(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    check(run("process", speech, tmp_path / "file" / "out.mp3"), 4, "its folder is a file; name another folder")
    assert (tmp_path / "file").read_text() == "kept"


def test_output_that_is_a_folder(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp3").mkdir()
    check(run("process", speech, tmp_path / "out.mp3"), 4, "out.mp3 is a folder; name a file in it")
    assert listing(tmp_path / "out.mp3") == []


def test_output_folder_without_permission(run: Run, speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        with _tmpfs(folder, "ro"):
            check(run("process", speech, folder / "out.mp3"), 4, "file system is read-only; choose another folder")
    else:
        check(run("process", speech, folder / "out.mp3"), 4, "no permission for its folder", "choose another")
    assert listing(folder) == []


def test_full_disk(run: Run, speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with _tmpfs(folder, "size=256k"):
        (folder / "out.wav").write_bytes(b"kept")
        check(run("process", speech, folder / "out.wav"), 4, "out.wav cannot be written: the disk is full", "free some")
        assert listing(folder) == ["out.wav"]
        assert (folder / "out.wav").read_bytes() == b"kept"


@contextlib.contextmanager
def _tmpfs(folder: Path, options: str) -> Iterator[None]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True,
                             check=False) if os.geteuid() == 0 else None
    if mounted is None or mounted.returncode:
        pytest.skip("needs a small file system of its own, which only root may mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_standard_output_that_is_full(command: list[str], environment: dict[str, str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, which this system lacks")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*command, "nodes"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment,
                              check=False)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "cannot be written" in done.stderr


def test_reader_of_standard_output_that_goes_away(command: list[str], environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run([*command, "nodes"], stdout=gone, stderr=subprocess.PIPE, text=True, env=environment,
                              check=False)
    assert (done.returncode, done.stderr) == (141, "")


# --- codecs ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "options", "parts"), [
    ("out.mp3", ["--codec", "opus"], ["out.mp3 cannot hold Opus", "name the output out.opus or choose MP3"]),
    ("out.xyz", [], ["out.xyz", "unknown kind (.xyz)", "such as out.mp3"]),
    ("out", [], ["without a suffix", "such as out.mp3"]),
    ("out.mp3", ["--sample-rate", "96000"], ["MP3 does not take 96000 Hz", "use --sample-rate 48000"]),
    ("out.mp3", ["--channels", "6"], ["MP3 takes 1 or 2 channels (got 6)", "use --channels 2"]),
    ("out.opus", ["--sample-rate", "44100"], ["Opus does not take 44100 Hz", "use --sample-rate 48000"]),
    ("out.mp3", ["--bitrate", "5M"], ["--bitrate", "such as 192k"]),
    ("out.mp3", ["--bitrate", "192"], ["MP3.bitrate must be between 8000 and 320000 (got 192)"]),
    ("out.aac", ["--quality", "3"], ["AAC has no --quality; leave it out (it has --bitrate)"]),
    ("out.flac", ["--bit-depth", "32"], ["FLAC.bit_depth must be 16 or 24 (got 32)"]),
    ("out.mp3", ["--lufs", "5"], ["--lufs must be between -60 and 0 (got 5)"]),
    ("out.mp3", ["--preset", "podacst"], ["no preset called 'podacst'", "mobile, hifi, podcast"]),
    ("out.mp3", ["--graph", "podacst"], ["neither a file nor a ready graph called 'podacst'", "podcast"]),
    ("out.mp3", ["--nonsense"], ["unrecognized arguments: --nonsense", "--help"]),
])
def test_settings_that_do_not_fit(call: Run, speech: Path, tmp_path: Path, name: str, options: list[str],
                                  parts: list[str]) -> None:
    check(call("process", speech, tmp_path / name, *options), 2, *parts)
    assert listing(tmp_path) == []


def test_words_that_are_no_command(call: Run) -> None:
    check(call("proces", "a", "b"), 2, "invalid choice: 'proces'", "see flowaudio --help")
    check(call("process", "a"), 2, "OUT", "see flowaudio process --help")


# --- graphs ---------------------------------------------------------------------------------------------------------

LINE = 'connections = ["in -> a -> out"]'


@pytest.mark.parametrize(("connections", "nodes", "parts"), [
    ('connections = ["in -> a -> b -> a", "b -> out"]', {"a": "Mix", "b": "Gain"}, ["cycle without a delay", "a", "b"]),
    ('connections = ["in -> mono -> mix", "in -> mix -> out"]', {"mono": "ChannelMap\nchannels = 1", "mix": "Mix"},
     ["mix", "channels", "put a ChannelMap"]),
    ('connections = ["in -> a.side", "a -> out"]', {"a": "Gain"}, ["a has no input called 'side' (it has: in)"]),
    (LINE, {"a": "Gain\ngain_db = 500"}, ["nodes.a: Gain.gain_db must be between -120 and 48 dB (got 500)"]),
    (LINE, {"a": "Gain\ngian_db = 5"}, ["nodes.a: Gain has no parameter 'gian_db'", "gain_db"]),
    (LINE, {"a": "Gian"}, ["nodes.a: there is no node type 'Gian'; did you mean", "Gain"]),
    ('connections = ["in -> a"]', {"a": "Gain"}, ['nothing reaches "out"']),
    ('connections = ["a -> out"]', {"a": "Gain"}, ["nothing is connected to a"]),
    ("connections = [", {}, ["TOML"]),
])
def test_faults_of_a_graph(call: Run, speech: Path, tmp_path: Path, connections: str, nodes: dict[str, str],
                           parts: list[str]) -> None:
    graph = document(tmp_path, connections, **nodes)
    check(call("run", graph, "-i", speech, "-o", tmp_path / "out.mp3"), 2, *parts)
    assert listing(tmp_path) == ["graph.toml"]


def test_fault_of_a_graph_in_a_process_of_its_own(run: Run, speech: Path, tmp_path: Path) -> None:
    graph = document(tmp_path, 'connections = ["in -> a -> b -> a", "b -> out"]', a="Mix", b="Gain")
    check(run("run", graph, "-i", speech, "-o", tmp_path / "out.mp3"), 2, "is a cycle without a delay")
    assert listing(tmp_path) == ["graph.toml"]


def test_graph_that_is_missing(run: Run, speech: Path, tmp_path: Path) -> None:
    check(run("run", tmp_path / "no.toml", "-i", speech, "-o", tmp_path / "out.mp3"), 2, "there is no file", "no.toml")


def test_render_knows_whether_a_graph_takes_an_input(call: Run, speech: Path, tmp_path: Path, chain: Path) -> None:
    check(call("render", chain), 2, "takes an input; name a file with -i")
    source = document(tmp_path, 'connections = ["tone -> out"]', tone="Sine")
    check(call("render", source, "-i", speech), 2, "makes its own sound; leave -i out")
    check(call("render", source, "--seconds", "0"), 2, "--seconds must be above 0 (got 0)")


# --- programs -------------------------------------------------------------------------------------------------------

def test_errors_as_json(run: Run, tmp_path: Path) -> None:
    ran = run("process", tmp_path / "none.wav", tmp_path / "out.mp3", "--json")
    assert ran.code == 3
    assert ran.json == {"error": ran.sentence.removeprefix("flowaudio: "), "kind": "source", "code": 3}
    assert run("info", "--json").json["kind"] == "usage"


def test_a_fault_of_ours_is_one_sentence(run: Run, speech: Path, tmp_path: Path) -> None:
    """Something that nobody foresaw: a module that is broken."""
    (tmp_path / "rich.py").write_text("1 / 0")
    ran = run("info", speech, PYTHONPATH=f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}")
    check(ran, 1, "fault of flowaudio", "ZeroDivisionError", "FLOWAUDIO_DEBUG=1")
    ran = run("info", speech, PYTHONPATH=f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}", FLOWAUDIO_DEBUG="1")
    assert ran.code == 1
    assert "Traceback" in ran.err


def test_names_that_would_move_the_cursor(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "a\x1b[2J\nb.wav"
    check(run("info", odd), 3, "a\\x1b[2J\\nb.wav does not exist")
    with Encoder(odd, WAV(), 48_000, 1) as encoder:
        encoder.write(np.zeros((1, 480), np.float32))
    ran = run("info", odd)
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
