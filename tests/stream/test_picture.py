"""The picture: drawn for every report, whole or not at all, and refused in one sentence."""

import dataclasses
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.stream.analysis import analyze
from flowaudio.stream.picture import check_picture, figure

RATE = 48_000

pytest.importorskip("matplotlib")


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (0.05 * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


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
