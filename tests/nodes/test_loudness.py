"""LoudnessMeter, by the cases of EBU Tech 3341 and against other implementations."""

import math
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import naive_dynamics as naive
import numpy as np
import pytest
from support import in_pieces

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes import _kweighting
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness

SILENT = -math.inf


def measured(x: Any, rate: int = 48_000, block: int = 512) -> LoudnessReading:
    """Reading after a whole signal, which must come out as it went in."""
    x = np.asarray(x, np.float32)
    plan = Plan(chain(LoudnessMeter()), rate, x.shape[0], block)
    np.testing.assert_array_equal(plan.process(x), x)
    return loudness(plan.read("loudness_meter"))


def speechlike(seconds: float, rate: int = 48_000, channels: int = 2, level: float = 0.2) -> Any:
    """Noise in words and pauses."""
    rng = np.random.default_rng(5)
    frames = round(seconds * rate)
    words = np.repeat(rng.random(frames // (rate // 5) + 1) ** 3, rate // 5)[:frames]
    return (level * words * rng.standard_normal((channels, frames))).astype(np.float32)


def test_the_filters_are_those_of_the_standard() -> None:
    b1, a1, b2, a2 = naive.TABLE_48K
    table = [*b1, -a1[1], -a1[2], -a2[1], -a2[2]]
    np.testing.assert_allclose(_kweighting.coefficients(48_000), table, atol=1e-8)
    assert b2 == [1.0, -2.0, 1.0]


@pytest.mark.parametrize("rate", [48_000, 44_100])
@pytest.mark.parametrize(("parts", "wanted"), [
    (((20, -23),), -23), (((20, -33),), -33), (((10, -36), (60, -23), (10, -36)), -23),
    (((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)), -23), (((20, -26), (20.1, -20), (20, -26)), -23)])
def test_cases_1_to_5(rate: int, parts: tuple[tuple[float, float], ...], wanted: float) -> None:
    reading = measured(naive.tones(*parts, rate=rate), rate)
    assert abs(reading.integrated_lufs - wanted) < 0.1
    if len(parts) == 1:
        assert abs(reading.momentary_lufs - wanted) < 0.1
        assert abs(reading.short_term_lufs - wanted) < 0.1
        assert abs(reading.true_peak_dbtp - wanted) < 0.05


def test_case_6_and_the_weights() -> None:
    wave = naive.tones((20, 0), channels=1)
    x = wave * 10 ** (np.array([-28, -28, -24, -30, -30]) / 20)[:, None]
    assert abs(measured(x).integrated_lufs + 23) < 0.1
    with_lfe = np.insert(x, 3, wave[0], axis=0)
    assert abs(measured(with_lfe).integrated_lufs + 23) < 0.1
    np.testing.assert_array_equal(_kweighting.channel_weights(8), [1, 1, 1, 0, 1, 1, 1.41, 1.41])
    np.testing.assert_array_equal(_kweighting.channel_weights(1), [1])


def test_cases_9_and_12() -> None:
    assert abs(measured(naive.tones(*[(1.34, -20), (1.66, -30)] * 5)).short_term_max_lufs + 23) < 0.1
    assert abs(measured(naive.tones(*[(0.18, -20), (0.22, -30)] * 25)).momentary_max_lufs + 23) < 0.1


@pytest.mark.parametrize("shift", range(0, 20, 3))
def test_cases_10_and_13(shift: int) -> None:
    late = np.zeros((2, round(shift * 0.15 * 48_000)), np.float32)
    x = np.concatenate([late, naive.tones((3, -23), (1, -200))], axis=1)
    assert abs(measured(x).short_term_max_lufs + 23) < 0.1
    late = np.zeros((2, round(shift * 0.02 * 48_000)), np.float32)
    x = np.concatenate([late, naive.tones((0.4, -23), (1, -200))], axis=1)
    assert abs(measured(x).momentary_max_lufs + 23) < 0.1


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 96_000, 192_000])
def test_a_tone_reads_the_same_at_any_rate(rate: int) -> None:
    x = naive.tones((3, 0), rate=rate, channels=1, frequency_hz=997)
    assert abs(measured(x, rate).integrated_lufs + 3.01) < 0.06


@pytest.mark.parametrize(("cycles", "degrees", "peak", "wanted"), [
    (4, 0, 0.5, -6.0), (4, 45, 0.5, -6.0), (6, 60, 0.5, -6.0), (8, 67.5, 0.5, -6.0), (4, 45, 1.41, 3.0)])
def test_cases_15_to_19(cycles: int, degrees: float, peak: float, wanted: float) -> None:
    n = np.arange(48_000)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / 480)
    x = peak * fade * np.sin(2 * np.pi * n / cycles + np.radians(degrees))
    assert -0.1 < measured(x[None]).true_peak_dbtp - wanted < 0.1


def test_true_peak_is_that_of_a_long_interpolator() -> None:
    x = speechlike(2)
    wanted = 20 * np.log10(naive.true_peak(x, times=16))
    reading = measured(x)
    assert abs(reading.true_peak_dbtp - wanted) < 0.3  # white noise: the makes of interpolators differ
    assert reading.sample_peak_dbfs == pytest.approx(20 * np.log10(np.max(np.abs(x))), abs=1e-4)
    low = 0.4 * np.hanning(48_000) * np.sin(np.arange(48_000))[None]  # it begins and ends without a step
    assert measured(low).true_peak_dbtp == pytest.approx(20 * np.log10(0.4), abs=0.01)


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_integrated_is_the_naive_one(gain: float) -> None:
    x = gain * speechlike(12)
    assert measured(x).integrated_lufs == pytest.approx(naive.integrated(x.astype(np.float32)), abs=1e-3)


def test_agrees_with_libebur128_and_pyloudnorm() -> None:
    pyebur128 = pytest.importorskip("pyebur128")
    pyloudnorm = pytest.importorskip("pyloudnorm")
    for rate in (44_100, 48_000):
        x = speechlike(20, rate)
        other = pyebur128.R128State(2, rate, pyebur128.MeasurementMode.MODE_I)
        other.add_frames(np.ascontiguousarray(x.T).ravel(), x.shape[1])
        ours = measured(x, rate).integrated_lufs
        assert ours == pytest.approx(pyebur128.get_loudness_global(other), abs=1e-3)
        assert ours == pytest.approx(pyloudnorm.Meter(rate).integrated_loudness(x.T.astype(float)), abs=0.06)


def test_agrees_with_ffmpeg_on_speech(tmp_path: Path) -> None:
    if not (shutil.which("ffmpeg") and shutil.which("espeak-ng")):
        pytest.skip("needs ffmpeg and espeak-ng")
    file = tmp_path / "speech.wav"
    text = "Loudness is what remains when all that is silent has been left out. " * 3
    subprocess.run(["espeak-ng", "-w", str(file), text], check=True)
    with wave.open(str(file)) as opened:
        rate = opened.getframerate()
        x = np.frombuffer(opened.readframes(opened.getnframes()), np.int16).astype(np.float32) / 32768
    told = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-i", str(file), "-af", "ebur128", "-f", "null", "-"],
                          check=True, capture_output=True, text=True).stderr
    wanted = float(told.rsplit("I:", 1)[1].split()[0])
    assert measured(x[None], rate).integrated_lufs == pytest.approx(wanted, abs=0.05 + 0.05)  # it rounds to 0.1


def test_silence_and_too_short() -> None:
    nothing = measured(np.zeros((2, 96_000)))
    assert nothing == LoudnessReading(*[SILENT] * 7)
    short = measured(naive.tones((0.39, -20)))
    assert short.integrated_lufs == SILENT
    assert short.true_peak_dbtp == pytest.approx(-20, abs=0.05)
    assert measured(naive.tones((0.4, -20))).integrated_lufs == pytest.approx(-20, abs=0.1)
    assert measured(naive.tones((3, -71))).integrated_lufs == SILENT


@pytest.mark.parametrize("rate", [11_025, 48_000])
def test_any_cutting(rate: int) -> None:
    x = speechlike(1.2, rate, 3)
    whole, pieces = (Plan(chain(LoudnessMeter()), rate, 3, 8192) for _ in range(2))
    whole.process(x)
    for lengths in ([1, 7], [7, 256, 3], [1000, 13]):
        pieces.reset()
        in_pieces(pieces, x, lengths)
        for name, value in whole.read("loudness_meter").items():
            np.testing.assert_array_equal(value, pieces.read("loudness_meter")[name], err_msg=name)
