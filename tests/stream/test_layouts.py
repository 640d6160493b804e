"""What a file says of its channels is heard: its loudness, and that an LFE may be silent."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from need import need

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import NAMED_LAYOUTS
from flowaudio.io import FLAC, WAV, Decoder, Encoder
from flowaudio.stream.analysis import analyze
from flowaudio.stream.compare import compare
from flowaudio.stream.process import process
from flowaudio.stream.quality import QualityAnalyzer

RATE = 48_000
TO_EIGHT = [name for name, names in NAMED_LAYOUTS.items() if len(names) <= 8]
BEHIND = {"BC", "TBL", "TBC", "TBR"}
"""FFmpeg's ebur128 weighs everything behind as surround. BS.1770-5, table 4, does so from 60° to 120° and below 30° of
elevation only: not at 180°, not above, and not at 135°, where the back ones stand in a layout that has sides."""


def sound(channels: int, seconds: float = 4.0) -> np.ndarray:
    """Noise, in each channel louder than in the one before."""
    rng = np.random.default_rng(1)
    x = np.stack([(0.02 + 0.01 * c) * rng.standard_normal(round(seconds * RATE)) for c in range(channels)])
    return np.clip(x, -1, 1).astype(np.float32)


def file(path: Path, layout: str, codec: WAV | FLAC | None = None) -> Path:
    x = sound(len(NAMED_LAYOUTS[layout]))
    with Encoder(path, codec or WAV(bit_depth=32), RATE, len(x), layout=layout) as encoder:
        encoder.write(x)
    return path


def as_ffmpeg_weighs(layout: str) -> bool:
    names = set(NAMED_LAYOUTS[layout])
    return not names & BEHIND and not {"SL", "BL"} <= names


@pytest.mark.parametrize("layout", TO_EIGHT)
def test_loudness_is_that_of_ffmpeg_where_it_keeps_to_the_standard(tmp_path: Path, layout: str) -> None:
    path = file(tmp_path / "a.wav", layout)
    told = subprocess.run([need("ffmpeg"), "-nostats", "-hide_banner", "-i", str(path), "-af", "ebur128", "-f", "null",
                           "-"], check=True, capture_output=True, text=True).stderr
    theirs = float(re.findall(r"I:\s+(-[\d.]+) LUFS", told)[-1])
    ours = analyze(path, detectors=False).integrated_lufs
    assert ours is not None
    if as_ffmpeg_weighs(layout):
        assert ours == pytest.approx(theirs, abs=0.06)
    else:
        assert theirs - 1.5 < ours < theirs - 0.1


@pytest.mark.parametrize("layout", ["3.1", "4.0", "hexagonal", "7.1(wide)"])
def test_process_and_analyze_agree_and_the_layout_is_kept(tmp_path: Path, layout: str) -> None:
    path, output = file(tmp_path / "a.wav", layout), tmp_path / "b.flac"
    before = analyze(path, detectors=False).integrated_lufs
    made = process(path, output, target_lufs=-23.0)
    assert made.input_lufs == pytest.approx(before, abs=0.01)
    assert made.integrated_lufs == pytest.approx(-23.0, abs=0.2)
    assert analyze(output, detectors=False).integrated_lufs == pytest.approx(made.integrated_lufs, abs=0.01)
    with Decoder(output) as decoder:
        assert decoder.layout == layout


def test_a_layout_can_be_said(tmp_path: Path) -> None:
    path = file(tmp_path / "a.wav", "3.1")
    x = sound(4)
    wanted = analyze(path, detectors=False).integrated_lufs
    assert wanted is not None
    said = analyze(x, sample_rate=RATE, layout="3.1", detectors=False).integrated_lufs
    guessed = analyze(x, sample_rate=RATE, detectors=False).integrated_lufs
    assert said == pytest.approx(wanted, abs=0.001)
    assert guessed is not None and guessed > wanted + 2
    assert compare(x, x, sample_rate=RATE, layout="3.1").loudness_a_lufs == pytest.approx(wanted, abs=0.001)
    assert compare(path, x, sample_rate=RATE).loudness_a_lufs == pytest.approx(wanted, abs=0.001)
    as_quad = process(path, tmp_path / "b.wav", layout="quad", target_lufs=-23.0)
    assert as_quad.input_lufs == pytest.approx(guessed, abs=0.01)
    live = QualityAnalyzer(RATE, layout="3.1", detectors=False).analyze_buffer(x).integrated_lufs
    assert live == pytest.approx(wanted, abs=0.001)
    with pytest.raises(ParameterError, match=r"^layout must fit 4 channels: quad, .* \(got 5.1, which has 6\)$"):
        analyze(x, sample_rate=RATE, layout="5.1")


def test_only_some_files_have_a_place_for_a_layout(tmp_path: Path) -> None:
    from flowaudio.io import Opus

    with pytest.raises(ParameterError, match="Opus has one layout for each number of channels"):
        Encoder(tmp_path / "a.opus", Opus(), RATE, 4, layout="3.1")


@pytest.mark.parametrize(("layout", "lfe"), [("5.1", 3), ("2.1", 2), ("4.1", 3)])
def test_a_silent_lfe_is_no_fault(layout: str, lfe: int) -> None:
    x = sound(len(NAMED_LAYOUTS[layout]), 25.0)
    x[lfe] = 0
    report = analyze(x, sample_rate=RATE, layout=layout, detectors=["silence", "stuck", "dropout"])
    assert [(each.kind, each.channel) for each in report.events] == [("cut_start", None), ("cut_end", None)]
    front = x.copy()
    front[0], front[lfe] = 0, x[1]
    report = analyze(front, sample_rate=RATE, layout=layout, detectors=["silence", "stuck"])
    assert {(each.kind, each.channel) for each in report.events} == {("silence", 0), ("dead_channel", 0)}


def test_all_are_silent_whatever_the_lfe_does() -> None:
    x = sound(6, 10.0)
    x[[0, 1, 2, 4, 5], 2 * RATE:8 * RATE] = 0
    report = analyze(x, sample_rate=RATE, detectors=["silence", "stuck"])
    assert [(each.kind, each.start_frame, each.end_frame, each.channel) for each in report.events] == [
        ("silence", 2 * RATE, 8 * RATE, None)]
