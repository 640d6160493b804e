"""Every ready graph loads, comes back from every format, runs, and does to the sound what its description says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from naive_graph import assert_equal
from scipy import signal

from flowaudio.core.errors import DocumentError
from flowaudio.graph import shipped as module
from flowaudio.graph.document import dumps, load, loads
from flowaudio.graph.encoding import FORMATS
from flowaudio.graph.plan import Plan, render
from flowaudio.graph.shipped import find, shipped

RATE = 48_000
NAMES = ["broadcast", "calls", "dub_delay", "ducking", "failover", "hifi", "live_monitor", "loudness", "mobile",
         "night_mode", "podcast", "vocal_chain", "watch"]
SPLIT = {"ducking", "failover"}
"""Those that take their channels apart: they have tests of their own beside these."""


def speech(seconds: float = 4.0, level_db: float = -20.0, channels: int = 2, quiet: float = 0.1) -> Any:
    """Noise with the spectrum and the syllables of speech, loud and quiet phrases in turn."""
    random = np.random.default_rng(7)
    n = int(seconds * RATE)
    time = np.arange(n) / RATE
    voice = signal.sosfilt(signal.butter(2, [120, 3500], "bandpass", fs=RATE, output="sos"), random.standard_normal(n))
    voice *= np.clip(np.sin(2 * np.pi * 2.2 * time), 0, None) * np.where(time % 2 < 1, 1.0, quiet)
    voice *= 10 ** (level_db / 20) / np.sqrt(np.mean(voice**2))
    return np.stack([voice * (1 - 0.3 * c) for c in range(channels)]).astype(np.float32)


def level_db(x: Any) -> float:
    return float(10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-30))


def true_peak_db(x: Any) -> float:
    return float(20 * np.log10(np.abs(signal.resample_poly(x.astype(np.float64), 8, 1, axis=1)).max()))


def response_db(graph: Any, *frequencies: float) -> list[float]:
    """Gain for small sines, below every threshold."""
    gains = []
    for frequency in frequencies:
        x = 1e-4 * np.sin(2 * np.pi * frequency * np.arange(RATE // 2) / RATE)[np.newaxis]
        y = render(graph, x, RATE)
        gains.append(level_db(y[:, RATE // 4:]) - level_db(x[:, RATE // 4:]))
    return gains


def of(name: str) -> Any:
    return load(shipped()[name])


def test_all_are_there() -> None:
    assert list(shipped()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_loads_and_comes_back(name: str) -> None:
    graph = of(name)
    assert graph.graph["name"] == name
    assert len(graph.graph["description"]) > 20
    for format in FORMATS:
        assert_equal(loads(dumps(graph, format), format), graph)


@pytest.mark.parametrize("name", sorted(set(NAMES) - SPLIT))
def test_renders(name: str) -> None:
    """Without trouble, at usual and unusual rates and channel counts; blocks do not change the sound."""
    graph = of(name)
    x = speech(1.5)
    y = render(graph, x, RATE, 256)
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    assert level_db(y) > -50
    assert np.array_equal(y[:, :RATE], render(graph, x[:, :RATE + 20_000], RATE, 1023)[:, :RATE])
    for rate, channels in ((8_000, 1), (96_000, 6)):
        x = speech(0.2, channels=channels)
        plan = Plan(graph, rate, channels)
        assert plan.output_channels == channels
        assert np.isfinite(plan.process(x)).all()
        assert plan.trouble == {}
    plan = Plan(graph, RATE, 2)
    assert not plan.process(np.zeros((2, RATE // 4), np.float32)).any()


@pytest.mark.parametrize("name", ["dub_delay", "mobile", "night_mode", "podcast", "vocal_chain"])
def test_peaks_stay_under_the_ceiling(name: str) -> None:
    ceiling = of(name).nodes["limit"]["node"].ceiling_dbtp
    x = speech(2.0, level_db=-6.0)
    assert np.abs(x).max() > 1
    assert true_peak_db(render(of(name), x, RATE)) < ceiling + 0.2


def ranges(x: Any) -> float:
    """Decibels between the loud and the quiet phrases of `speech`."""
    second = [level_db(x[:, k * RATE:(k + 1) * RATE]) for k in range(4)]
    return (second[0] + second[2] - second[1] - second[3]) / 2


def test_hifi_changes_nothing() -> None:
    x = speech(1.0)
    assert np.abs(render(of("hifi"), x, RATE) - x).max() < 1e-6


@pytest.mark.parametrize(("name", "least"), [
    ("mobile", 3.0), ("night_mode", 10.0), ("vocal_chain", 4.0), ("podcast", 4.0)])
def test_dynamics_are_narrowed(name: str, least: float) -> None:
    x = speech(4.0, level_db=-14.0)
    assert 19 < ranges(x) < 21
    assert ranges(render(of(name), x, RATE)) < ranges(x) - least


def test_podcast_reaches_its_loudness() -> None:
    """Within 4 LU, for the live graph hears one second at a time and is quicker to turn down than up."""
    pyebur128 = pytest.importorskip("pyebur128")
    reached = []
    for level in (-32.0, -8.0):
        y = render(of("podcast"), np.tile(speech(4.0, level_db=level, quiet=0.7), (1, 4)), RATE)[:, 8 * RATE:]
        meter = pyebur128.R128State(2, RATE, pyebur128.MeasurementMode.MODE_I)
        meter.add_frames(y.T.astype(np.float64).ravel(), y.shape[1])
        reached.append(pyebur128.get_loudness_global(meter))
    assert abs(reached[0] - reached[1]) < 1
    assert all(abs(r + 16) < 1 for r in reached)


def test_podcast_takes_bass_away() -> None:
    bass, warm, middle, clear = response_db(of("podcast"), 40, 250, 1500, 16_000)
    assert bass < warm - 3
    assert warm > middle + 1
    assert clear > middle + 0.5


def test_night_mode_has_little_bass_and_lifts_what_is_quiet() -> None:
    bass, middle = response_db(of("night_mode"), 40, 1000)
    assert bass < middle - 8
    x = speech(2.0, level_db=-50.0)
    assert level_db(render(of("night_mode"), x, RATE)) > level_db(x) + 8


def test_vocal_chain_cleans_and_brightens() -> None:
    rumble, middle, air = response_db(of("vocal_chain"), 30, 1000, 14_000)
    assert rumble < middle - 12
    assert air > middle + 2


def test_dub_delay_repeats_and_dulls() -> None:
    x = np.zeros((2, 3 * RATE), np.float32)
    x[:, 100:2500] = 0.5 * signal.chirp(np.arange(2400) / RATE, 100, 0.05, 8000)
    y = render(of("dub_delay"), x, RATE)
    step = 375 * RATE // 1000
    echoes = [y[:, 100 + k * step:2500 + k * step] for k in range(4)]
    levels = [level_db(e) for e in echoes]
    assert levels[0] - 12 < levels[1] < levels[0] - 1
    assert levels[2] < levels[1] - 2
    assert levels[3] < levels[2] - 2
    assert levels[3] > -80
    between = y[:, 100 + step - 200:100 + step]
    assert level_db(between) < levels[1] - 12
    treble = [np.abs(np.fft.rfft(e[0]))[300:].sum() / np.abs(np.fft.rfft(e[0]))[:100].sum() for e in echoes]
    assert treble[2] < treble[1] < treble[0]
    assert level_db(y[:, -RATE // 4:]) < -35


# --- finding --------------------------------------------------------------------------------------------------------

def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find("podcast") == shipped()["podcast"]
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.toml"
    mine.write_text("")
    assert find("mine.toml") == Path("mine.toml")
    assert find(mine) == mine
    (tmp_path / "podcast").mkdir()
    assert find("podcast") == shipped()["podcast"]      # a folder is no document
    (tmp_path / "hifi").write_text("")
    assert find("hifi") == Path("hifi")                 # a file comes first


@pytest.mark.parametrize(("name", "message"), [
    ("podcats", "there is neither a file nor a ready graph called 'podcats'; did you mean podcast or broadcast?"),
    ("zzz", f"; there is {', '.join(NAMES)}"), ("", "called ''"),
    ("none.toml", "there is no file 'none.toml'"), ("no/podcast", "there is no file 'no/podcast'"),
    ("a\0b", "called 'a\\x00b'"), ("x" * 5000, "called 'xxx")])
def test_what_cannot_be_found(name: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        find(name)
    assert message in str(caught.value)


def test_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel within the package, in a checkout beside it; another package's graphs are none of ours."""
    package = tmp_path / "flowaudio"
    package.mkdir()
    monkeypatch.setattr(module, "files", lambda name: package)
    assert shipped() == {}
    beside = tmp_path / "graphs"
    beside.mkdir()
    (beside / "a.toml").write_text("")
    assert shipped() == {}
    (tmp_path / "pyproject.toml").write_text("")
    assert shipped() == {"a": beside / "a.toml"}
    inside = package / "_graphs"
    inside.mkdir()
    (inside / "b.json").write_text("")
    (inside / "notes.txt").write_text("")
    assert shipped() == {"b": inside / "b.json"}
