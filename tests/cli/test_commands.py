"""What the commands make and show."""

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cli_tools import Run, document, listing
from io_tools import read

from flowaudio.cli.output import bitrate, clock, size
from flowaudio.core.params import parameters
from flowaudio.graph.known import known_nodes
from flowaudio.graph.shipped import shipped
from flowaudio.io import WAV, Encoder, probe

# --- start ----------------------------------------------------------------------------------------------------------

def test_version_loads_nothing_heavy(environment: dict[str, str], command: list[str]) -> None:
    code = ("import sys; from flowaudio.cli.main import main; main(['--version']);"
            "print([m for m in ('numpy', 'rich', 'av', 'networkx', 'llvmlite', 'numba') if m in sys.modules])")
    done = subprocess.run([command[0], "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("flowaudio 0.")
    assert done.stdout.splitlines()[1] == "[]"


def test_a_warm_run_needs_no_compiler(environment: dict[str, str], command: list[str], run: Run, speech: Path,
                                      tmp_path: Path) -> None:
    words = ["process", str(speech), str(tmp_path / "out.flac"), "--preset", "mobile", "--quiet"]
    assert run(*words).code == 0
    code = (f"import sys; from flowaudio.cli.main import main; print(main({words!r}));"
            "print([m for m in ('numba', 'sounddevice', 'scipy') if m in sys.modules])")
    done = subprocess.run([command[0], "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines() == ["0", "[]"]


def test_help_names_commands_and_codes(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for word in ("process", "render", "warmup", "exit codes:", "an output that cannot be written"):
        assert word in ran.out
    assert run().out == ran.out


# --- process, run ---------------------------------------------------------------------------------------------------

def test_process_reaches_the_loudness_and_says_so(run: Run, speech: Path, tmp_path: Path) -> None:
    ran = run("process", speech, tmp_path / "out.mp3", "--preset", "podcast", "--json")
    assert (ran.code, ran.err) == (0, "")
    report = ran.json
    assert report["reached"] is True
    assert report["output"] == str(tmp_path / "out.mp3")
    assert abs(report["integrated_lufs"] + 16) <= 0.5
    assert report["true_peak_dbtp"] <= -1
    assert listing(tmp_path) == ["out.mp3"]
    assert read(tmp_path / "out.mp3").shape == (2, 4 * 48_000)
    assert probe(tmp_path / "out.mp3").tags["title"] == "A talk"


def test_report_for_people(run: Run, speech: Path, tmp_path: Path) -> None:
    ran = run("process", speech, tmp_path / "out.opus", "--lufs", "-20", "--bitrate", "96k")
    assert ran.code == 0
    lines = [line.split(None, 1) for line in ran.out.splitlines()]
    assert ran.out.splitlines()[0] == f"{tmp_path / 'out.opus'} is ready"
    said = {name: value for name, value in lines[1:] if name not in ("True",)}
    assert said["Format"].startswith("Opus, 48 kHz, stereo")
    assert "LUFS (target -20; " in said["Loudness"]
    assert said["Duration"].startswith("0:04.0 (")
    assert said["Mode"].startswith("measured, then one static gain")
    assert [line for line in ran.err.splitlines() if not line.startswith("flowaudio: ")] == []
    assert "flowaudio: measuring" in ran.err


def test_quiet_is_quiet(run: Run, speech: Path, tmp_path: Path) -> None:
    ran = run("process", speech, tmp_path / "out.wav", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert np.abs(read(tmp_path / "out.wav") - read(speech)).max() < 2 / 32768


def test_silence_is_told(run: Run, tmp_path: Path) -> None:
    with Encoder(tmp_path / "in.wav", WAV(), 44_100, 1) as encoder:
        encoder.write(np.zeros((1, 44_100), np.float32))
    ran = run("process", tmp_path / "in.wav", tmp_path / "out.opus", "--preset", "podcast", "--json")
    assert ran.code == 0
    assert ran.sentence == "flowaudio: out.opus is silent, so it has no loudness to bring to -16 LUFS"
    assert (ran.json["integrated_lufs"], ran.json["sample_rate"]) == (None, 48_000)


def test_what_is_clipped_is_told(run: Run, speech: Path, tmp_path: Path) -> None:
    graph = document(tmp_path, 'connections = ["in -> a -> out"]', a="Gain\ngain_db = 40")
    ran = run("run", graph, "-i", speech, "-o", tmp_path / "out.wav", "--quiet")
    assert ran.code == 0
    assert " samples clipped at full scale; turn the graph's output down" in ran.sentence


def test_video_with_sound(run: Run, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        picture, sound = film.add_stream("mpeg4", rate=10), film.add_stream("aac", rate=48_000, layout="mono")
        picture.width = picture.height = 64
        for n in range(10):
            film.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * n, np.uint8))))
        for n in range(48):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1 * (-1) ** n, np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 1024 * n, Fraction(1, 48_000)
            film.mux(sound.encode(frame))
        film.mux(picture.encode(None))
        film.mux(sound.encode(None))
    assert "video mpeg4" in run("info", tmp_path / "film.mp4").out
    assert run("process", tmp_path / "film.mp4", tmp_path / "sound.mp3", "--quiet").code == 0
    assert probe(tmp_path / "sound.mp3").frames == 48 * 1024


@pytest.mark.parametrize(("name", "options", "codec", "kilobits"), [
    ("v.mp3", ["--quality", "9"], "mp3", (20, 90)),
    ("b.mp3", ["--bitrate", "96k"], "mp3", (95, 99)),
    ("a.m4a", ["--bitrate", "64000"], "aac", (40, 80)),
    ("f.flac", ["--bit-depth", "24"], "flac", (1000, 2400)),
])
def test_codec_settings_arrive(call: Run, speech: Path, tmp_path: Path, name: str, options: list[str], codec: str,
                               kilobits: tuple[int, int]) -> None:
    assert call("process", speech, tmp_path / name, "--quiet", *options).code == 0
    info = probe(tmp_path / name)
    assert info.codec == codec
    assert kilobits[0] <= 8 * (tmp_path / name).stat().st_size / 4 / 1000 <= kilobits[1]
    assert info.bit_depth == (24 if codec == "flac" else None)


def test_ready_graph_by_name(run: Run, speech: Path, tmp_path: Path) -> None:
    ran = run("run", "night_mode", "-i", speech, "-o", "out.m4a", "--channels", "1", "--json", cwd=tmp_path)
    assert (ran.json["mode"], ran.json["channels"], ran.json["trouble"]) == ("as is", 1, {})
    assert listing(tmp_path) == ["out.m4a"]


# --- render ---------------------------------------------------------------------------------------------------------

def test_render_a_graph_of_sources(run: Run, tmp_path: Path) -> None:
    graph = document(tmp_path, 'connections = ["tone -> out"]', tone="Sine\nlevel_dbfs = -6\nchannels = 1")
    ran = run("render", graph, "-o", tmp_path / "out.wav", "--seconds", "3", "--rate", "44100", "--json",
              "--bit-depth", "32")
    assert ran.code == 0
    assert ran.json["peak_dbfs"] == pytest.approx(-6, abs=0.01)
    assert ran.json["rms_dbfs"] == pytest.approx(-9.01, abs=0.01)
    y = read(tmp_path / "out.wav")
    t = np.arange(3 * 44_100) / 44_100
    assert np.abs(y - 10 ** (-6 / 20) * np.sin(2 * np.pi * 1000 * t)).max() < 1e-5


def test_render_keeps_time_and_length(call: Run, speech: Path, tmp_path: Path) -> None:
    """A limiter is late; what it leaves alone has to come out where it went in."""
    graph = document(tmp_path, 'connections = ["in -> limit -> out"]', limit="Limiter")
    ran = call("render", graph, "-i", speech, "-o", tmp_path / "out.wav", "--bit-depth", "32", "--json")
    assert ran.json["latency_frames"] > 0
    assert np.abs(read(tmp_path / "out.wav") - read(speech)).max() < 1e-6
    for seconds in (1.5, 5):
        call("render", graph, "-i", speech, "-o", tmp_path / "out.wav", "--bit-depth", "32", "--seconds", seconds)
        y, x = read(tmp_path / "out.wav"), read(speech)
        assert y.shape == (2, round(48_000 * seconds))
        assert np.abs(y[:, : x.shape[1] - 2000] - x[:, : y.shape[1]][:, : x.shape[1] - 2000]).max() < 0.1
        assert not y[:, x.shape[1] :].any()


def test_render_without_output_writes_nothing(run: Run, tmp_path: Path) -> None:
    document(tmp_path, 'connections = ["tone -> out"]', tone="Noise")
    ran = run("render", "graph.toml", cwd=tmp_path)
    assert ran.code == 0
    assert "RMS       -20.0 dBFS" in ran.out
    assert listing(tmp_path) == ["graph.toml"]


# --- nodes, graphs, info --------------------------------------------------------------------------------------------

def test_nodes_lists_everything(call: Run) -> None:
    table, listed = call("nodes").out, call("nodes", "--json").json
    assert [node["name"] for node in listed] == sorted(known_nodes())
    for node in listed:
        assert f"{node['name']}  " in table
        assert set(parameters(known_nodes()[node["name"]])) <= {each["name"] for each in node["parameters"]}
        assert all(each["doc"] for each in node["parameters"])
        assert node["summary"]
        assert node["latency_frames"] is not None


def test_one_node_is_explained(call: Run) -> None:
    text = call("nodes", "compressor").out
    assert text.splitlines()[0] == "Compressor"
    for part in ("in, sidechain -> out; no latency; measures gain_reduction_db", "-80 to 0 dB", "peak, rms"):
        assert part in text
    assert all(line == line.rstrip() for line in text.splitlines())
    row = next(line for line in call("nodes", "Compressor", "--markdown").out.splitlines() if "`attack_ms`" in line)
    assert row == "| `attack_ms` | number | 5 | 0 to 500 ms | time constant while the reduction grows |"
    wrong = call("nodes", "Compresor")
    assert (wrong.code, wrong.err) == (2, "flowaudio: there is no node called 'Compresor'; did you mean Compressor?\n")


def test_nodes_of_another_package(run: Run, tmp_path: Path) -> None:
    (tmp_path / "extra_nodes.py").write_text(EXTRA)
    metadata = tmp_path / "extra-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[flowaudio.nodes]\nextra = extra_nodes\n")
    root = Path(__file__).parents[2]
    ran = run("nodes", "Half", PYTHONPATH=f"{root}:{tmp_path}")
    assert (ran.code, ran.err) == (0, "")
    assert "how much of it" in ran.out


EXTRA = '''
from flowaudio.core.kernel import kernel
from flowaudio.core.node import node
from flowaudio.core.params import param
__all__ = ["Half"]
@node
class Half:
    """Half of everything."""
    share: float = param(0.0, 1.0, "how much of it", default=0.5)
    def prepare(self, format):
        return None, None
    @kernel
    def process(x, y, p, s):
        y[:, :] = x
'''


def test_graphs_lists_the_ready_ones(call: Run) -> None:
    listed = call("graphs", "--json").json
    assert {each["name"] for each in listed} == set(shipped())
    assert all(each["description"] and Path(each["path"]).is_file() for each in listed)
    assert all(each["name"] in call("graphs").out for each in listed)


def test_info(call: Run, speech: Path) -> None:
    text = call("info", speech).out
    assert "16 bit, 48 kHz, 2 channels (stereo)" in text
    assert "0:04.0 (192000 frames)" in text
    assert "A talk" in text
    told: dict[str, Any] = call("info", speech, "--json").json
    assert (told["frames"], told["codec"], told["tags"]) == (192_000, "pcm_s16le", {"title": "A talk"})


# --- demo, warmup ---------------------------------------------------------------------------------------------------

def test_demo(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--json", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert listing(tmp_path / "flowaudio-demo") == ["demo.mp3", "demo.wav"]
    assert ran.json["mastered"]["reached"] is True
    assert ran.json["made"]["duration_s"] == 12
    x = read(tmp_path / "flowaudio-demo" / "demo.wav")
    assert -12 < 20 * np.log10(np.abs(x).max()) < -1
    assert ran.json["mastered"]["gain_db"] > 3


def test_first_run_says_that_it_compiles(run: Run, chain: Path, speech: Path, tmp_path: Path) -> None:
    fresh = str(tmp_path / "cache")
    first = run("render", chain, "-i", speech, FLOWAUDIO_CACHE_DIR=fresh)
    assert "flowaudio: compiling kernels for the first time; later runs start at once" in first.err.splitlines()
    again = run("render", chain, "-i", speech, FLOWAUDIO_CACHE_DIR=fresh)
    assert "compiling" not in again.err
    assert again.out.splitlines()[:-1] == first.out.splitlines()[:-1]  # all but the speed


def test_warmup_finds_what_is_there(run: Run) -> None:
    run("warmup", "--quiet")
    ran = run("warmup", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["compiled"], ran.json["failed"]) == ([], {})
    names = {"Compressor", "Limiter", "LoudnessMeter", "Sum", "walk_rings", "process", "write_native"}
    assert names <= set(ran.json["found"])


# --- how things are written -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("written", "expected"), [
    (clock(0), "0:00.0"), (clock(7.34), "0:07.3"), (clock(59.94), "0:59.9"), (clock(59.96), "1:00"),
    (clock(3599.6), "1:00:00"), (clock(3725), "1:02:05"), (clock(7.6, tenths=False), "0:08"),
    (bitrate(192_000), "192 kbit/s"), (bitrate(1_411_200), "1411 kbit/s"), (bitrate(24_000_000), "24 Mbit/s"),
    (size(12), "12 bytes"), (size(1_234_567), "1.23 MB"), (size(999_600), "1 MB"), (size(5_000_000_000), "5 GB"),
])
def test_numbers_for_people(written: str, expected: str) -> None:
    assert written == expected
