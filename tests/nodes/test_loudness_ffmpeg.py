"""LoudnessMeter against ffmpeg's `ebur128` filter: speech and music that people made, and noise in steps."""

import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.signal as sps
from need import need

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness

SECONDS = 30
SHARE = Path("/usr/share")
PROMPTS = SHARE / "asterisk/sounds/en_US_f_Allison"
READING = SHARE / "pocketsphinx/test/data/librivox"
CIRCUS = SHARE / "games/circuslinux/data/music"
SONGS = SHARE / "games/asc/music"

# Debian packages, all small and of main: speech read aloud, prompts by telephone, music as MP3 and as tracker modules.
PIECES = [
    ("pocketsphinx-testdata", READING / "sense_and_sensibility_01_austen_64kb-0870.wav"),
    ("pocketsphinx-testdata", READING / "sense_and_sensibility_01_austen_64kb-0890.wav"),
    ("asterisk-core-sounds-en-gsm", PROMPTS / "demo-instruct.gsm"),
    ("asterisk-core-sounds-en-gsm", PROMPTS / "demo-congrats.gsm"),
    ("asc-music", SONGS / "frontiers.mp3"),
    ("asc-music", SONGS / "machine_wars.mp3"),
    ("asc-music", SONGS / "time_to_strike.mp3"),
    ("circuslinux-data", CIRCUS / "finally.mod"),
    ("circuslinux-data", CIRCUS / "hiscore.mod"),
    ("circuslinux-data", CIRCUS / "kaupunki.mod"),
    ("circuslinux-data", CIRCUS / "klovninarki.mod"),
]


class Told(NamedTuple):
    """What ffmpeg says at the end."""

    integrated_lufs: float
    loudness_range_lu: float
    true_peak_dbtp: float


def ffmpeg(*arguments: str, given: bytes = b"") -> bytes:
    """What it writes to its output."""
    command = [need("ffmpeg"), "-v", "error", *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True).stdout


def decoded(file: Path) -> tuple[Any, int]:
    """The first SECONDS of a file as float32 ``[channels, frames]``, and its rate."""
    shown = subprocess.run([need("ffprobe"), "-v", "error", "-select_streams", "a:0", "-of", "csv=p=0",
                            "-show_entries", "stream=sample_rate,channels", str(file)], check=True, capture_output=True)
    rate, channels = (int(number) for number in shown.stdout.split()[0].split(b","))
    raw = ffmpeg("-i", str(file), "-t", str(SECONDS), "-f", "f32le", "-")
    return np.ascontiguousarray(np.frombuffer(raw, np.float32).reshape(-1, channels).T), rate


def told_by_ffmpeg(x: Any, rate: int) -> Told:
    """By the numbers that the filter adds to each frame: its summary has one digit only."""
    said = ffmpeg("-f", "f32le", "-ar", str(rate), "-ac", str(x.shape[0]), "-i", "-", "-f", "null", "-af",
                  "ebur128=metadata=1:peak=true,ametadata=print:file=-", "-", given=np.ascontiguousarray(x.T).tobytes())
    last = dict(line.split("=") for line in said.decode().splitlines() if line.startswith("lavfi.r128."))
    peak = max(float(value) for name, value in last.items() if name.startswith("lavfi.r128.true_peaks_ch"))
    return Told(float(last["lavfi.r128.I"]), float(last["lavfi.r128.LRA"]), 20 * np.log10(peak))


def measured(x: Any, rate: int) -> LoudnessReading:
    plan = Plan(chain(LoudnessMeter()), rate, x.shape[0], 4096)
    plan.process(x)
    return loudness(plan.read("loudness_meter"))


def assert_agree(x: Any, rate: int) -> None:
    told, ours = told_by_ffmpeg(x, rate), measured(x, rate)
    assert ours.integrated_lufs == pytest.approx(told.integrated_lufs, abs=0.05)
    assert ours.loudness_range_lu == pytest.approx(told.loudness_range_lu, abs=0.5)
    assert ours.true_peak_dbtp == pytest.approx(told.true_peak_dbtp, abs=0.2)


@pytest.mark.parametrize(("package", "file"), PIECES, ids=[file.stem for _, file in PIECES])
def test_real_pieces(package: str, file: Path) -> None:
    if not file.exists():
        reason = f"needs {file} of the Debian package {package}, which is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    x, rate = decoded(file)
    assert np.abs(x).max() > 0.1
    assert_agree(x, rate)


@pytest.mark.parametrize(("voice", "speed"), [("en-us", 170), ("de", 120), ("fr", 230)])
def test_synthetic_speech(voice: str, speed: int, tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    text = "Loudness is what remains when all that is silent has been left out. Pause. " * 3
    subprocess.run([need("espeak-ng"), "-v", voice, "-s", str(speed), "-w", str(file), text], check=True)
    assert_agree(*decoded(file))


@pytest.mark.parametrize("rate", [44_100, 96_000])
@pytest.mark.parametrize("depth_db", [4, 25])
def test_noise_in_steps(rate: int, depth_db: float) -> None:
    """In place of cases 7 and 8 of EBU Tech 3341: programmes of a narrow and of a wide range."""
    rng = np.random.default_rng(round(depth_db))
    frames = 30 * rate
    steps = 10 ** ((-20 - rng.uniform(0, depth_db, 60)) / 20)
    levels = np.resize(steps.repeat(rng.integers(rate // 5, 3 * rate, 60)), frames)
    noise = sps.lfilter([0.3], [1, -0.95], rng.standard_normal((2, frames)), axis=1)
    assert_agree((levels * noise).astype(np.float32), rate)
