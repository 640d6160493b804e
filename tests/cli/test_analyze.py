"""The commands analyze and compare."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_tools import Run, listing

from flowaudio.io import WAV, Encoder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of noise with three of silence in it, mono."""
    path = tmp_path_factory.mktemp("faulty") / "faulty.wav"
    x = 0.05 * np.random.default_rng(2).standard_normal((1, 6 * 48_000)).astype(np.float32)
    x[:, 48_000:4 * 48_000] = 0
    with Encoder(path, WAV(), 48_000, 1) as encoder:
        encoder.write(x)
    return path


def test_analyze_as_json(run: Run, speech: Path) -> None:
    ran = run("analyze", speech, "--json")
    assert (ran.code, ran.err) == (0, "")
    report = ran.json
    assert report["source"] == str(speech)
    for name in ("duration_s", "sample_rate", "channels", "integrated_lufs", "loudness_range_lu",
                 "max_momentary_lufs", "max_short_term_lufs", "true_peak_dbtp", "peak_dbfs", "rms_dbfs",
                 "dynamic_range_db", "snr_db", "correlation", "quality_score", "events"):
        assert name in report
    assert (report["duration_s"], report["sample_rate"], report["channels"]) == (4.0, 48_000, 2)
    assert -40 < report["integrated_lufs"] < -20
    assert report["dynamic_range_db"] is None
    assert "needs" in report["reasons"]["dynamic_range_db"]


def test_analyze_for_people(run: Run, faulty: Path) -> None:
    ran = run("analyze", faulty, "--events")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == str(faulty)
    said = {line[2:18].strip(): line[18:].strip() for line in lines[1:] if line.startswith("  ")}
    assert said["Format"] == "48 kHz, mono"
    assert said["Duration"] == "6.000 s"
    assert "silence 1" in said["Found"]
    assert said["Loudness"].endswith("LUFS")
    assert any(line.startswith("  silence at 0:01.000 for 3 s") for line in lines)
    assert not any("silence at" in line for line in run("analyze", faulty).out.splitlines())
    quiet = run("analyze", faulty, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_analyze_many(run: Run, speech: Path, faulty: Path, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    ran = run("analyze", speech, tmp_path / "text.wav", faulty, tmp_path / "nowhere.wav")
    assert ran.code == 3
    rows = {line.split()[0]: line for line in ran.out.splitlines()}
    assert "LUFS" in rows["File"]
    assert "0:04.0" in rows["speech.wav"]
    assert "silence 1" in rows["faulty.wav"]
    assert "cannot be read" in rows["text.wav"]
    told = [line for line in ran.err.splitlines() if "text.wav" in line or "nowhere.wav" in line]
    assert len(told) == 2
    ran = run("analyze", speech, tmp_path / "text.wav", "--json")
    assert ran.code == 3
    first, second = ran.json
    assert first["quality_score"] > 0
    assert (second["source"], second["kind"], second["code"]) == (str(tmp_path / "text.wav"), "source", 3)
    assert run("analyze", speech, faulty, "--quiet").code == 0


def test_a_preset_judges(run: Run, faulty: Path) -> None:
    ran = run("analyze", faulty, "--preset", "hifi", "--json")
    assert ran.code == 0
    assert ran.json["quality_floor"] == 0.95
    assert ran.sentence.endswith("below the floor of 0.95")
    assert "low_quality" in {event["kind"] for event in ran.json["events"]}


def test_a_damaged_file_is_measured_and_told(run: Run, speech: Path, tmp_path: Path) -> None:
    (tmp_path / "half.wav").write_bytes(speech.read_bytes()[:400_000])
    ran = run("analyze", tmp_path / "half.wav", "--json")
    assert ran.code == 0
    assert ran.json["damage"] in ran.sentence
    assert 1.5 < ran.json["duration_s"] < 2.5


def test_a_picture(run: Run, speech: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ran = run("analyze", speech, "--plot", tmp_path / "out.png", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert listing(tmp_path) == ["out.png"]


def test_what_is_refused(call: Run, speech: Path, tmp_path: Path) -> None:
    for words, code, sentence in (
        (["analyze"], 2, "the following arguments are required: FILE"),
        (["analyze", tmp_path / "nowhere.wav"], 3, "nowhere.wav"),
        (["analyze", speech, "--preset", "loud"], 2, "there is no preset called 'loud'"),
        (["analyze", speech, "--plot", tmp_path / "a.txt"], 2, "a picture's name ends in .png"),
        (["analyze", speech, "--plot", tmp_path / "no" / "a.png"], 4, "a.png"),
        (["analyze", speech, speech, "--plot", tmp_path / "a.png"], 2, "--plot draws one file (got 2)"),
        (["analyze", "http://localhost/a.wav"], 3, "--allow http"),
        (["compare", speech], 2, "the following arguments are required: B"),
        (["compare", speech, tmp_path / "nowhere.wav"], 3, "nowhere.wav"),
    ):
        ran = call(*words)
        assert ran.code == code, words
        assert sentence in ran.sentence
    assert listing(tmp_path) == []
    ran = call("analyze", tmp_path / "nowhere.wav", "--json")
    assert json.loads(ran.out)["code"] == 3


def test_compare(run: Run, speech: Path, tmp_path: Path) -> None:
    assert "yes, every sample" in run("compare", speech, speech).out
    from io_tools import read

    x = read(speech)
    with Encoder(tmp_path / "late.wav", WAV(bit_depth=32), 48_000, 2) as encoder:
        encoder.write(np.pad(-0.5 * x, ((0, 0), (480, 0))).astype(np.float32))
    ran = run("compare", speech, tmp_path / "late.wav")
    assert ran.code == 0
    assert " ".join(ran.out.split()).startswith(f"{tmp_path / 'late.wav'} against {speech}")
    assert "480 samples later (10 ms)" in ran.out
    assert "-6.0 dB" in ran.out
    assert "inverted" in ran.out
    assert "is 0.01 s longer" in ran.err
    found = run("compare", speech, tmp_path / "late.wav", "--json").json
    assert (found["delay_samples"], found["polarity"], found["identical"]) == (480, -1, False)
    assert found["gain_db"] == pytest.approx(-6.02, abs=0.01)
