"""The picture: drawn for every report, whole or not at all, and refused in one sentence."""

import dataclasses
import importlib.util
import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.stream.analysis import analyze
from flowaudio.stream.lanes import bars, lanes_of
from flowaudio.stream.look import clock, fitting, number, time_ticks, width_pt
from flowaudio.stream.picture import check_picture, figure
from flowaudio.stream.report import Report

pytest.importorskip("matplotlib")

from matplotlib.text import Text

RATE = 48_000


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (0.05 * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def texts(drawn: Any) -> list[str]:
    """All that is written, on the figure and in its panels."""
    return [text.get_text() for text in drawn.findobj(Text) if text.get_text()]


def card(report: Report, name: str) -> tuple[str, str]:
    """A card's value and unit."""
    said = [text.get_text() for text in figure(report).texts]
    place = said.index(name)
    return said[place + 1], said[place + 2]


def panels(report: Report) -> Any:
    """Waveform, loudness, what was found, spectrogram."""
    return figure(report).axes[:4]


def test_a_picture_of_many_faults(tmp_path: Path) -> None:
    x = noise(20)
    x[:, 5 * RATE:9 * RATE] = 0
    x[:, 12 * RATE:12 * RATE + 700] = np.nan
    for n in range(30):
        x[:, 14 * RATE + 2000 * n] = 0.9
    report = analyze(x, sample_rate=RATE, preset="podcast")
    report.plot(tmp_path / "out.png")
    assert png_size(tmp_path / "out.png") == (1600, 900)
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    drawn = figure(report)
    texts = [text.get_text() for text in drawn.texts]
    assert f"{report.integrated_lufs:.1f}".replace("-", "−") in texts
    lanes = [label.get_text() for axes in drawn.axes for label in axes.get_yticklabels()]
    assert any(name.startswith("silence") for name in lanes)


@pytest.mark.parametrize(("seconds", "channels", "rate"), [
    (0, 2, 48_000), (1 / 48_000, 1, 48_000), (0.05, 2, 48_000), (3, 1, 8_000), (3, 8, 192_000), (70, 2, 8_000)])
def test_sound_of_any_kind(seconds: float, channels: int, rate: int, tmp_path: Path) -> None:
    analyze(noise(seconds, channels, rate), sample_rate=rate).plot(tmp_path / "out.png")
    assert png_size(tmp_path / "out.png") == (1600, 900)


@pytest.mark.parametrize("level", [0.0, 1e-7, 8000.0])
def test_silence_and_excess(level: float, tmp_path: Path) -> None:
    x = np.full((2, 4 * RATE), level, np.float32)
    analyze(x, sample_rate=RATE).plot(tmp_path / "out.svg")
    assert b"<svg" in (tmp_path / "out.svg").read_bytes()


def test_odd_names(tmp_path: Path) -> None:
    report = analyze(noise(1), sample_rate=RATE, detectors=False)
    for name in ("$x_{$.wav", "音楽 🎵.wav", "a" * 300, "/"):
        dataclasses.replace(report, source=name).plot(tmp_path / "out.png")


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = analyze(noise(1), sample_rate=RATE, detectors=False)
    with pytest.raises(ParameterError, match=r"ends in \.png, .*got '.*out\.txt'"):
        report.plot(tmp_path / "out.txt")
    with pytest.raises(TargetError):
        report.plot(tmp_path / "nowhere" / "out.png")
    with pytest.raises(ParameterError, match="no overview to draw"):
        dataclasses.replace(report, overview=None).plot(tmp_path / "out.png")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"a picture needs matplotlib: pip install 'flowaudio\[plot\]'"):
        report.plot(tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


def test_formats() -> None:
    assert check_picture("a/b.PNG") == "png"
    assert check_picture(Path("b.jpeg")) == "jpg"


@pytest.mark.parametrize("seconds", [0.004, 0.05, 0.5, 1, 2.5, 6, 20.8, 24, 25.1, 59, 75, 601, 3600, 86_400, 1e6])
def test_the_time_axis_says_what_it_marks(seconds: float) -> None:
    ticks, decimals = time_ticks(seconds)
    assert ticks[0] == 0
    assert 0 <= seconds - ticks[-1] < ticks[1] * (1 + 1e-9)
    assert 3 <= len(ticks) <= 13
    for tick in ticks:
        parts = [float(part) for part in reversed(clock(tick, decimals).split(":"))]
        assert sum(part * 60 ** k for k, part in enumerate(parts)) == pytest.approx(tick, abs=1e-6)


def test_numbers_are_written_as_people_write_them() -> None:
    said = [number(each, 2) for each in (-0.004, 0.0, -0.006, None, -111.3)]
    assert said == ["0.00", "0.00", "−0.01", "–", "−111.30"]
    assert [clock(59.96, 1), clock(59.96), clock(3.25, 2), clock(3725)] == ["1:00.0", "1:00", "0:03.25", "1:02:05"]


def test_what_is_too_wide_is_made_to_fit() -> None:
    for text, room in (("−111.3", 40.0), ("a" * 200, 300.0), ("W" * 200, 300.0), ("$x_{$" * 30, 300.0)):
        shown, size = fitting(text, 17, room)
        assert width_pt(shown, size) <= room
        assert size >= 8
    assert fitting("short", 17, 300.0) == ("short", 17)


def test_no_text_of_the_header_runs_into_another() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    report = dataclasses.replace(
        analyze(noise(4), sample_rate=RATE), source="a folder/" + "W" * 90 + ".wav", noise_floor_dbfs=-111.3,
        true_peak_dbtp=-100.04, correlation=-0.999, events_left_out=12_345, tempo_bpm=120.0, bandwidth_hz=12_345.0,
        damage="a folder/" + "W" * 90 + ".wav breaks off at 3.00 s of 4.00 s; what comes before is good")
    drawn = figure(report)
    renderer = FigureCanvasAgg(drawn).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in drawn.texts if text.get_text()]
    for (first, one), (second, other) in itertools.combinations(boxes, 2):
        assert not one.overlaps(other), (first, second)
    assert all(box.x0 >= 0 and box.x1 <= drawn.bbox.width for _, box in boxes)


def test_what_is_no_fault_is_no_event() -> None:
    x = noise(4)
    x[1] = x[0]
    fade = np.linspace(0, 1, RATE // 2, dtype=np.float32) ** 4
    x[:, :RATE // 2] *= fade
    x[:, -RATE // 2:] *= fade[::-1]
    report = analyze(x, sample_rate=RATE)
    assert [event.kind for event in report.events] == ["false_stereo"]
    assert card(report, "found") == ("0", "events")
    said = texts(figure(report))
    assert "nothing wrong was found" in said
    assert any("false stereo" in text for text in said)
    x[:, 2 * RATE:2 * RATE + 9] = np.nan
    report = analyze(x, sample_rate=RATE, detectors=False)
    assert card(report, "found") == ("1", "event")
    assert "nothing wrong was found" not in texts(figure(report))


def test_nothing_good_is_said_of_what_is_not_there() -> None:
    empty = analyze(noise(0), sample_rate=RATE)
    assert not any("nothing wrong" in text for text in texts(figure(empty)))
    damaged = dataclasses.replace(analyze(noise(4), sample_rate=RATE, detectors=False), damage="it breaks off")
    assert "nothing wrong was found in what is there" in texts(figure(damaged))


def test_red_is_only_what_is_out_of_phase() -> None:
    report = analyze(noise(1), sample_rate=RATE, detectors=False)

    def colour(correlation: float) -> Any:
        drawn = figure(dataclasses.replace(report, correlation=correlation))
        said = [text.get_text() for text in drawn.texts]
        return drawn.texts[said.index("correlation") + 1].get_color()

    assert colour(-0.004) == colour(-0.09) == colour(0.9)
    assert colour(-0.2) != colour(0.9)


def test_loudness_is_drawn_from_where_its_windows_are_full() -> None:
    _, loud, _, _ = panels(analyze(noise(6), sample_rate=RATE))
    (short,) = [line for line in loud.lines if line.get_label() == "short-term"]
    assert 3.0 <= short.get_xdata()[0] < 3.3
    assert np.ptp(short.get_ydata()) < 1.0          # of steady noise
    (momentary,) = [each for each in loud.collections if each.get_label() == "momentary"]
    assert 0.4 <= momentary.get_datalim(loud.transData).x0 < 0.7
    _, loud, _, _ = panels(analyze(noise(2), sample_rate=RATE))
    assert "short-term" not in [line.get_label() for line in loud.lines]


@pytest.mark.parametrize("seconds", [0.05, 1.0, 6.0, 12.3, 31.0, 70.0])
def test_the_spectrogram_reaches_from_end_to_end(seconds: float) -> None:
    rate = 8000
    x = noise(seconds, rate=rate)
    x[:, x.shape[1] // 2:] *= 10
    *_, tones = panels(analyze(x, sample_rate=rate, detectors=False))
    (image,) = tones.images
    left, right, _, _ = image.get_extent()
    assert left <= 0
    assert right >= seconds - 1e-9
    levels = np.asarray(image.get_array()).mean(axis=0)
    assert np.isfinite(levels).all()
    step = (right - left) / levels.size
    jump = left + step * (int(np.argmax(np.diff(levels))) + 1)
    assert abs(jump - seconds / 2) <= 0.02 + 2 * step


def test_every_finding_has_its_bar() -> None:
    x = noise(8)
    found = analyze(x, sample_rate=RATE).events
    many = [dataclasses.replace(found[0], kind="click", start_s=k / 500, end_s=k / 500) for k in range(4000)]
    (lane,) = lanes_of(many)
    places = bars(lane, 8.0)
    assert len(places) < 600
    assert places[0][0] == 0
    assert sum(places[-1]) == pytest.approx(8.0, abs=1e-6)
    ends = [dataclasses.replace(found[0], kind="cut_end", start_s=7.99, end_s=8.0)]
    ((start, width),) = bars(lanes_of(ends)[0], 8.0)
    assert start == pytest.approx(7.984)
    assert width == pytest.approx(0.016)
