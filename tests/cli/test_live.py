"""`flowaudio live` in a terminal, in pipes and for programs; with a real sound server, JACK with its dummy driver."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import Run, document, listing
from io_tools import read
from need import need
from rigs import Jack, jack, nowhere
from screens import OTHER_SCREEN, AtTerminal, at_terminal
from waiting import wait_until

from flowaudio.graph.plan import render
from flowaudio.graph.shipped import shipped
from flowaudio.io import probe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")

LINE = 'connections = ["tone -> level -> out"]'
SERVERS = ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER", "PULSE_SERVER", "PULSE_COOKIE", "PIPEWIRE_REMOTE")

Typed = Callable[..., AbstractContextManager[AtTerminal]]


def graph(folder: Path, gain_db: float = 0.0) -> Path:
    """A sine of -20 dBFS, and a gain: a document that makes its own sound."""
    return document(folder, LINE, tone="Sine\nfrequency_hz = 440\nlevel_dbfs = -20", level=f"Gain\ngain_db = {gain_db}")


@pytest.fixture(scope="module")
def server(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jack]:
    """JACK; and all kernels are compiled before somebody waits for a screen."""
    folder = tmp_path_factory.mktemp("warm")
    with jack() as made:
        around = {name: os.environ[name] for name in SERVERS if name in os.environ}
        for name in (graph(folder), "podcast"):
            ran = run("live", "--graph", name, "--seconds", "0.2", "--quiet", "--allow-feedback", "--record",
                      folder / "warm.flac", **around)
            assert ran.code == 0, ran.err
        yield made


@pytest.fixture
def around(environment: dict[str, str], server: Jack) -> dict[str, str]:
    """The environment with this server in it and no other."""
    return {**environment, **{name: os.environ[name] for name in SERVERS if name in os.environ}}


@pytest.fixture
def typed(command: list[str], around: dict[str, str], tmp_path: Path) -> Typed:
    """``with typed("--keep", 5) as terminal:`` the tone at work, in a terminal, in a folder of its own."""
    def start(*options: object, size: tuple[int, int] = (100, 30), name: str = "graph.toml",
              **more: str) -> AbstractContextManager[AtTerminal]:
        if name == "graph.toml" and not (tmp_path / name).exists():
            graph(tmp_path)
        return at_terminal([*command, "live", "--graph", name, *map(str, options)], {**around, **more}, tmp_path, size)

    return start


def level(terminal: AtTerminal) -> float:
    """The RMS that the screen shows for the output's first channel, in dBFS."""
    line = next((line for line in terminal.screen if line.startswith("out L")), "")
    try:
        return float(line.split()[-2])
    except (IndexError, ValueError):
        return -200.0


def steady(terminal: AtTerminal, dbfs: float) -> None:
    """Wait until it shows this level."""
    terminal.wait(lambda: abs(level(terminal) - dbfs) < 0.15, f"{dbfs} dBFS")


# --- the screen -----------------------------------------------------------------------------------------------------

def test_the_screen_and_its_keys(typed: Typed, tmp_path: Path) -> None:
    with typed("--keep", 5) as terminal:
        terminal.see("q quit  ? help  m mute  b bypass  space mark  r record  s save 5 s")
        assert OTHER_SCREEN in terminal.modes and terminal.settings != terminal.settings_before
        for part in ("flowaudio live  graph.toml", "none -> system (JACK Audio Connection Kit)", "48 kHz  latency",
                     "out L", "LUFS   true peak", "20k", "load", "xruns"):
            terminal.see(part)
        steady(terminal, -23.0)
        assert "I -20" in terminal.see("true peak -20.0 dBTP")
        for key, tag in (("m", " MUTE "), ("b", " BYPASS "), ("?", "mark this moment")):
            terminal.type(key)
            terminal.see(tag)
            terminal.type(key)
            terminal.miss(tag)
        terminal.type(" k\x1b[A")
        terminal.see("mark 2")
        terminal.type("s")
        terminal.see("live-kept.flac has the last")
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.restored()
        for part in ("graph.toml has played for 0:0", "out -20.0 dBFS", "true peak -20.0 dBTP", "Latency",
                     "Saved     live-kept.flac"):
            assert part in terminal.before
    assert listing(tmp_path) == ["graph.toml", "live-kept.flac"]
    assert np.abs(read(tmp_path / "live-kept.flac")).max() == pytest.approx(0.1, abs=0.001)


def test_recording_with_marks(typed: Typed, tmp_path: Path) -> None:
    """It is there from the start, under a name that nothing has; the key ends it and begins another."""
    (tmp_path / "take.wav").write_bytes(b"from before")
    with typed("--record", "take.wav") as terminal:
        terminal.see("REC 0:01 take-2.wav")
        terminal.type("k")
        terminal.see("mark 1")
        terminal.type("r")
        terminal.see("take-2.wav has")
        assert "REC" not in "".join(terminal.screen[:2])
        whole = read(tmp_path / "take-2.wav")
        terminal.type("r")
        terminal.see("REC 0:01 take-3.wav")
        terminal.type("kq")
        assert terminal.end() == 0
        assert "take-2.wav (0:0" in terminal.before and "take-3.wav (0:0" in terminal.before
    assert listing(tmp_path) == ["graph.toml", "take-2.wav", "take-2.wav.marks.txt", "take-3.wav",
                                 "take-3.wav.marks.txt", "take.wav"]
    assert (tmp_path / "take.wav").read_bytes() == b"from before"
    assert whole.shape[1] > 24_000
    assert np.abs(whole[:, 4800:]).max() == pytest.approx(0.1, abs=0.001)
    (mark,) = (tmp_path / "take-2.wav.marks.txt").read_text().splitlines()
    start, end, text = mark.split("\t")
    assert start == end and text == "mark 1"
    assert 0.4 < float(start) < whole.shape[1] / 48_000


def test_saving_the_graph_plays_it(typed: Typed, tmp_path: Path) -> None:
    with typed() as terminal:
        steady(terminal, -23.0)
        graph(tmp_path, -6.0)
        terminal.see("graph.toml was saved and plays")
        steady(terminal, -29.0)
        new = tmp_path / "new.toml"
        new.write_text((tmp_path / "graph.toml").read_text().replace("-6.0", "-12.0"))
        new.replace(tmp_path / "graph.toml")
        steady(terminal, -35.0)
        # The meters have gone on measuring since the start. What the new plan has them measure begins with a step, that
        # is not heard, and a step is a little higher between its samples.
        peak = float(terminal.see("true peak").split()[-2])
        assert -20.1 < peak < -19.0
        terminal.type("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(("change", "parts"), [
    (("gain_db = 0.0", "gain_db = 500"), ["nodes.level: Gain.gain_db must be between -120 and 48 dB (got 500)"]),
    (("[nodes.level]", "[nodes.level"), ["graph.toml: ", "line"]),
    (("tone -> level", "in -> mono -> level"), ["'mono'"]),
    (('type = "Gain"', 'type = "Sine"'), ["Sine has no parameter 'gain_db'"]),
])
def test_a_broken_file_says_why_and_the_old_graph_plays_on(typed: Typed, tmp_path: Path, change: tuple[str, str],
                                                           parts: list[str]) -> None:
    path = graph(tmp_path)
    text = path.read_text()
    assert change[0] in text
    with typed() as terminal:
        steady(terminal, -23.0)
        path.write_text(text.replace(*change))
        terminal.see("plays on")
        shown = " ".join(" ".join(terminal.screen).split())
        for part in parts:
            assert part in shown
        steady(terminal, -23.0)
        path.write_text(text.replace("gain_db = 0.0", "gain_db = -10"))
        steady(terminal, -33.0)
        terminal.type("q")
        assert terminal.end() == 0


def test_what_only_the_running_engine_can_refuse(typed: Typed, tmp_path: Path) -> None:
    """The document is right, but has another number of channels than what plays."""
    with typed() as terminal:
        steady(terminal, -23.0)
        document(tmp_path, 'connections = ["tone -> mono -> out"]', tone="Sine", mono="ChannelMap\nchannels = 1")
        terminal.see("plays on")
        assert "ChannelMap(channels=2)" in " ".join(terminal.screen)
        steady(terminal, -23.0)
        terminal.type("q")
        assert terminal.end() == 0


def test_a_graph_that_would_hear(typed: Typed, tmp_path: Path) -> None:
    """No input was opened for one that makes its own sound; another that takes one plays, and that is told."""
    with typed() as terminal:
        steady(terminal, -23.0)
        document(tmp_path, 'connections = ["in -> level -> out"]', level="Gain")
        terminal.see("it takes an input, and none is open")
        terminal.see("in  L")
        terminal.type("q")
        assert terminal.end() == 0


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (20, 5), (200, 50)])
def test_windows_of_any_size(typed: Typed, tmp_path: Path, size: tuple[int, int]) -> None:
    with typed(name="podcast") as terminal:
        terminal.see("q quit")
        terminal.resize(*size)
        terminal.see("q quit")
        shown = terminal.screen
        assert len(shown) == size[1]
        assert shown[-1].startswith("q quit") and shown[-2].startswith("load")
        assert shown[0].startswith("flowaudio live")
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.restored()


def test_a_terminal_without_colours_and_letters(typed: Typed) -> None:
    with typed(NO_COLOR="1", PYTHONIOENCODING="ascii") as terminal:
        steady(terminal, -23.0)
        terminal.see("####")
        terminal.type("q")
        assert terminal.end() == 0
        assert "\ufffd" not in terminal.before


def test_a_terminal_that_cannot_move_its_cursor(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    """Lines instead of a screen."""
    words = [*command, "live", "--graph", str(graph(tmp_path)), "--seconds", "1.5"]
    with at_terminal(["env", "TERM=dumb", *words], around, tmp_path) as terminal:
        assert terminal.end() == 0
        assert OTHER_SCREEN not in terminal.modes
        assert " 0:01  out -20.0 -20.0 dBFS" in terminal.before


# --- the end --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("stop", "code", "sentence"), [
    (lambda terminal: terminal.type("\x03"), 130, "stopped; nothing was left half-written"),
    (lambda terminal: terminal.process.send_signal(signal.SIGINT), 130, "stopped; nothing was left half-written"),
    (lambda terminal: terminal.process.send_signal(signal.SIGTERM), 143, "ended by a signal"),
], ids=["Ctrl-C", "SIGINT", "SIGTERM"])
def test_being_stopped(typed: Typed, tmp_path: Path, stop: Callable[[AtTerminal], None], code: int,
                       sentence: str) -> None:
    """The terminal is as it was, what was recorded is whole, and there is a summary."""
    with typed("--record", "take.flac") as terminal:
        terminal.see("REC 0:01")
        stop(terminal)
        assert terminal.end() == code
        assert terminal.restored()
        assert sentence in terminal.before
        assert "graph.toml has played for" in terminal.before
        assert "Traceback" not in terminal.before
    assert listing(tmp_path) == ["graph.toml", "take.flac"]
    assert read(tmp_path / "take.flac").shape[1] > 24_000


def test_a_window_that_is_closed(typed: Typed, tmp_path: Path) -> None:
    with typed("--record", "take.flac") as terminal:
        terminal.see("REC 0:01")
        terminal.hang_up()
        assert terminal.process.wait(30) in (128 + signal.SIGHUP, 141)
    assert listing(tmp_path) == ["graph.toml", "take.flac"]
    assert read(tmp_path / "take.flac").shape[1] > 24_000


def test_a_fault_of_ours_leaves_the_terminal_as_it_was(around: dict[str, str], tmp_path: Path) -> None:
    code = ("import sys; from flowaudio.cli.live_screen import Screen; from flowaudio.cli.main import main\n"
            "class Odd(Screen):\n"
            "    def picture(self, view, width, height):\n"
            "        if view.stats.time_s > 0.5: 1 / 0\n"
            "        return super().picture(view, width, height)\n"
            "import flowaudio.cli.live as live; live.Screen = Odd\n"
            "sys.exit(main(['live', '--graph', 'graph.toml']))")
    graph(tmp_path)
    with at_terminal([sys.executable, "-c", code], around, tmp_path) as terminal:
        assert terminal.end() == 1
        assert terminal.restored()
        assert "fault of flowaudio" in terminal.before and "ZeroDivisionError" in terminal.before


def test_job_control(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    """Ctrl-Z gives the terminal back, fg takes it again."""
    words = " ".join([*command, "live", "--graph", str(graph(tmp_path))])
    shell = [need("bash"), "--norc", "--noprofile", "-i"]
    with at_terminal(shell, {**around, "PS1": "ready> "}, tmp_path) as terminal:
        terminal.wait(lambda: "ready> " in terminal.before, "a prompt")
        usual = terminal.settings
        terminal.type(f"{words}\n")
        steady(terminal, -23.0)
        terminal.type("\x1a")
        terminal.wait(lambda: "Stopped" in terminal.before, "a prompt")
        terminal.wait(lambda: terminal.settings == usual, "the shell's own settings")
        assert OTHER_SCREEN not in terminal.modes
        terminal.type("fg\n")
        terminal.wait(lambda: OTHER_SCREEN in terminal.modes, "the screen")
        steady(terminal, -23.0)
        terminal.type("m")
        terminal.see(" MUTE ")
        terminal.type("q")
        terminal.wait(lambda: "has played for" in terminal.before, "a summary")
        terminal.wait(lambda: terminal.settings == usual, "the shell's own settings")
        terminal.type("echo code-$?\n")
        terminal.wait(lambda: "code-0" in terminal.before, "its exit code")
        terminal.type("exit\n")
        terminal.end()


def test_it_ends_by_itself(typed: Typed) -> None:
    with typed("--seconds", 1.5) as terminal:
        terminal.see("q quit")
        assert terminal.end() == 0
        assert terminal.restored()
        assert "has played for 0:01." in terminal.before


# --- devices --------------------------------------------------------------------------------------------------------

def test_a_sound_server_that_goes_and_comes_back(command: list[str], around: dict[str, str], server: Jack,
                                                 tmp_path: Path) -> None:
    try:
        words = [*command, "live", "--graph", str(graph(tmp_path))]
        with at_terminal(words, around, tmp_path) as terminal:
            steady(terminal, -23.0)
            server.stop()
            terminal.see(" NO DEVICE ")
            terminal.see("has gone")
            server.start()
            terminal.see("is back")
            terminal.miss(" NO DEVICE ")
            terminal.see("gaps 1")
            steady(terminal, -23.0)
            terminal.type("q")
            assert terminal.end() == 0
            assert "Gaps      1, " in terminal.before
    finally:
        server.start()


def test_no_sound_server(run: Run, tmp_path: Path) -> None:
    with nowhere():
        around = {name: os.environ[name] for name in SERVERS if name in os.environ}
        ran = run("live", "--graph", graph(tmp_path), **around)
        assert (ran.code, ran.out) == (4, "")
        assert len(ran.err.splitlines()) == 1
        assert "no sound card" in ran.sentence and "jackd" in ran.sentence


def test_a_device_that_is_not_there(run: Run, around: dict[str, str], tmp_path: Path) -> None:
    ran = run("live", "--output", "Nonesuch", "--graph", graph(tmp_path), **around)
    assert ran.code == 4
    assert ran.sentence == "flowaudio: there is no sound card called 'Nonesuch'; there is 'system'"
    ran = run("live", "--input", "Nonesuch", "--output", "none", "--json", **around)
    assert (ran.code, ran.json["kind"]) == (3, "source")


# --- without a terminal ---------------------------------------------------------------------------------------------

def test_a_line_a_second(run: Run, around: dict[str, str], tmp_path: Path) -> None:
    ran = run("live", "--graph", graph(tmp_path), "--seconds", "2.4", **around)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["0:01", "0:02"]
    assert "out -20.0 -20.0 dBFS" in lines[1] and "load" in lines[1] and "xruns" in lines[1]
    assert lines[2].startswith("graph.toml has played for 0:02.")
    assert "\x1b" not in ran.out


def test_lines_for_programs(run: Run, around: dict[str, str], tmp_path: Path) -> None:
    ran = run("live", "--graph", graph(tmp_path), "--seconds", "2.4", "--json", "--record", tmp_path / "take.wav",
              **around)
    assert (ran.code, ran.err) == (0, "")
    told: list[dict[str, Any]] = [json.loads(line) for line in ran.out.splitlines()]
    status = [each for each in told if each["type"] == "status"]
    assert [round(each["time_s"]) for each in status] == [1, 2]
    assert status[1]["in"] is None
    assert status[1]["out"]["peak_dbfs"] == pytest.approx([-20, -20], abs=0.05)
    assert status[1]["recording"] == str(tmp_path / "take.wav")
    assert {"recording", "recorded"} <= {each["kind"] for each in told if each["type"] == "event"}
    last = told[-1]
    assert last["type"] == "summary"
    assert last["max_peak_dbfs"] == {"in": None, "out": pytest.approx(-20, abs=0.01)}
    assert last["recorded"][0]["output"] == str(tmp_path / "take.wav")
    frames = probe(tmp_path / "take.wav").frames
    assert frames is not None
    assert last["recorded"][0]["duration_s"] == pytest.approx(frames / 48_000, abs=0.001)


def test_quiet(run: Run, around: dict[str, str], tmp_path: Path) -> None:
    ran = run("live", "--graph", graph(tmp_path), "--seconds", "1", "--quiet", **around)
    assert (ran.code, ran.out) == (0, "")
    assert all("nothing to play in time" in line or "no room" in line or "longer than a block" in line
               for line in ran.err.splitlines()), ran.err


def test_a_reader_that_goes_away(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    words = [*command, "live", "--graph", str(graph(tmp_path)), "--record", str(tmp_path / "take.wav")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=around)
    try:
        assert process.stdout is not None and process.stderr is not None
        assert "out" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert read(tmp_path / "take.wav").shape[1] > 24_000


def test_a_broken_file_is_told_in_a_pipe_too(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    path = graph(tmp_path)
    words = [*command, "live", "--graph", str(path), "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=around,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        assert process.stdout is not None
        kinds = []
        for line in process.stdout:
            told = json.loads(line)
            if told["type"] == "status" and not kinds:
                path.write_text("flowaudio = ")
            if told["type"] == "event" and told["kind"] in ("broken", "swapped"):
                kinds.append(told["kind"])
                if told["kind"] == "swapped":
                    break
                assert "the old graph plays on" in told["text"]
                graph(tmp_path, -3)
        assert kinds == ["broken", "swapped"]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 130
        last = [json.loads(line) for line in out.splitlines()]
        assert last[-1] == {"error": "stopped; nothing was left half-written", "kind": "interrupted", "code": 130}
        assert last[-2]["type"] == "summary"
    finally:
        process.kill()
        process.wait()


# --- files ----------------------------------------------------------------------------------------------------------

def test_from_a_file_to_a_file_without_a_sound_card(run: Run, speech: Path, tmp_path: Path) -> None:
    """The same as the offline render, late by what the graph is late."""
    from flowaudio.graph import document as documents

    with nowhere():
        around = {name: os.environ[name] for name in SERVERS if name in os.environ}
        ran = run("live", "--graph", "mobile", "--input", speech, "--output", tmp_path / "out.wav", "--json", **around)
    assert (ran.code, ran.err) == (0, "")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert told[-1]["time_s"] >= 4
    made, whole = read(tmp_path / "out.wav"), read(speech)
    expected = render(documents.load(shipped()["mobile"]), whole, 48_000)
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() < 2 / 32768
    assert listing(tmp_path) == ["out.wav"]


def test_a_file_to_a_sound_card_ends_with_the_file(run: Run, around: dict[str, str], speech: Path) -> None:
    began = time.monotonic()
    ran = run("live", "--input", speech, "--json", **around)
    assert ran.code == 0
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert told[-1]["time_s"] == pytest.approx(4.0, abs=0.5)
    assert time.monotonic() - began > 4.0
    whole = read(speech)
    assert told[-1]["max_peak_dbfs"]["out"] == pytest.approx(20 * np.log10(np.abs(whole).max()), abs=0.01)


# --- what is wrong --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("words", "code", "parts"), [
    (["--seconds", "0"], 2, ["--seconds must be above 0 (got 0)"]),
    (["--keep", "5000"], 2, ["--keep must be between 0 and 3600 (got 5000)"]),
    (["--block", "0"], 2, ["--block must be between 1 and"]),
    (["--channels", "65"], 2, ["--channels must be between 1 and 64"]),
    (["--no-input", "--input", "x"], 2, ["--no-input and --input exclude each other"]),
    (["--graph", "podacst"], 2, ["neither a file nor a ready graph called 'podacst'", "podcast"]),
    (["--graph", "{broken}"], 2, ["graph.toml", "gain_db must be between"]),
    (["--record", "no/take.wav"], 4, ["take.wav cannot be written", "make the folder first"]),
    (["--record", "take.xyz"], 2, ["take.xyz", "unknown kind (.xyz)"]),
    (["--output", "no/out.wav", "--input", "{speech}"], 4, ["out.wav cannot be written"]),
    (["--input", "{speech}", "--output", "{speech}"], 2, ["is both input and output"]),
    (["--input", "https://localhost:1/a.mp3", "--output", "none"], 3, ["needs the protocol https; allow it with"]),
    (["--output", "none", "--no-input"], 2, ["nothing sets the pace; name an --input"]),
    (["--nonsense"], 2, ["--nonsense"]),
])
def test_what_cannot_be(call: Run, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str],
                        code: int, parts: list[str]) -> None:
    """One sentence, before anything sounds; nothing is left."""
    monkeypatch.chdir(tmp_path)
    broken = graph(tmp_path, 500)
    names = {"speech": speech, "broken": broken}
    ran = call("live", "--quiet", *(word.format(**names) for word in words))
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert len(ran.err.splitlines()) == 1
    for part in parts:
        assert part in ran.sentence
    assert listing(tmp_path) == ["graph.toml"]


# --- what is compiled -----------------------------------------------------------------------------------------------

def test_nothing_is_compiled_while_it_plays(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    """Every compiled function that was used is among those that are looked after before the device is opened."""
    graph(tmp_path)
    code = """
import gc
from flowaudio.cli import kernels
from flowaudio.cli.main import main
from flowaudio.core.native import Native
code = main(["live", "--graph", "graph.toml", "--seconds", "1", "--quiet", "--record", "take.wav"])
ready = {id(value) for name in kernels.LIVE for value in kernels.natives_in(name)}
print(code, sorted(each.__name__ for each in gc.get_objects() if type(each) is Native and each._linked is not None
                   and id(each) not in ready))
"""
    done = subprocess.run([command[0], "-c", code], capture_output=True, text=True, env=around, cwd=tmp_path,
                          check=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_tmux(command: list[str], around: dict[str, str], tmp_path: Path) -> None:
    """A terminal that is not ours."""
    graph(tmp_path)
    words = " ".join([*command, "live", "--graph", "graph.toml"])
    tmux = [need("tmux"), "-L", f"flowaudio-{os.getpid()}", "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-x", "90", "-y", "28", f"{words}; echo code-$?; read x"], check=True,
                   env=around, cwd=tmp_path)

    def shown(part: str) -> str:
        def screen() -> str:
            text = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout
            return text if part in text else ""

        return str(wait_until(screen, part))

    try:
        text = shown("-23.0  -20.0")
        assert text.splitlines()[0].startswith("flowaudio live  graph.toml")
        assert text.splitlines()[27].startswith("q quit")
        assert "20k" in text and "█" in text
        subprocess.run([*tmux, "send-keys", "m"], check=True)
        shown(" MUTE ")
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        assert "graph.toml has played for" in shown("code-0")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
