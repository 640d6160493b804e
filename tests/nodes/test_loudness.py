"""LoudnessMeter, against definitions written out in NumPy and against other implementations.

The tables of the EBU are in `test_ebu`, comparisons with ffmpeg in `test_loudness_ffmpeg`.
"""

import math
from typing import Any

import naive_dynamics as naive
import numpy as np
import pytest
from support import in_pieces

from flowaudio.core.errors import ParameterError
from flowaudio.core.named_layouts import layout_speakers
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes import _highest, _kweighting, _truepeak
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness

SILENT = -math.inf


def measured(x: Any, rate: int = 48_000, block: int = 512, **settings: Any) -> LoudnessReading:
    """Reading after a whole signal, which must come out as it went in."""
    x = np.asarray(x, np.float32)
    plan = Plan(chain(LoudnessMeter(**settings)), rate, x.shape[0], block)
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


@pytest.mark.parametrize(("channels", "layout", "names"), [
    (1, "default", "FC"), (2, "default", "FL FR"), (3, "default", "FL FR FC"), (3, "2.1", "FL FR LFE"),
    (4, "default", "FL FR BL BR"), (4, "quad", "FL FR BL BR"), (4, "3.1", "FL FR FC LFE"), (4, "4.0", "FL FR FC BC"),
    (5, "default", "FL FR FC BL BR"), (5, "4.1", "FL FR FC LFE BC"), (6, "default", "FL FR FC LFE BL BR"),
    (3, "3.0(back)", "FL FR BC"), (4, "quad(side)", "FL FR SL SR"), (6, "6.0", "FL FR FC BC SL SR"),
    (6, "hexagonal", "FL FR FC BL BR BC"), (8, "7.1(wide)", "FL FR FC LFE BL BR FLC FRC"),
    (8, "octagonal", "FL FR FC BL* BR* BC SL SR"), (8, "5.1.2", "FL FR FC LFE SL SR TFL TFR"),
    (24, "22.2", "FL60 FR60 FC LFE BL* BR* FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR LFE TSL TSR BFC BFL BFR"),
    (7, "default", "FL FR FC LFE BC SL SR"),
    (8, "default", "FL FR FC LFE BL* BR* SL SR")])
def test_every_speaker_has_its_weight(channels: int, layout: str, names: str) -> None:
    wave = naive.tones((0.5, 0), channels=1, frequency_hz=997)[0]
    x = np.zeros((channels, wave.size))
    for c, name in enumerate(names.split()):
        x[:] = 0
        x[c] = wave
        beside = ("BL", "BR", "SL", "SR", "FL60", "FR60")
        gain = 10 * math.log10(1.41) if name in beside else SILENT if name == "LFE" else 0.0
        assert measured(x, true_peak=False, layout=layout).integrated_lufs == pytest.approx(-3.01 + gain, abs=0.01)


def test_layouts_must_fit() -> None:
    with pytest.raises(ParameterError, match=r"must fit 2 channels: stereo, downmix \(got 2.1, which has 3\)"):
        measured(np.zeros((2, 100)), layout="2.1")
    with pytest.raises(ParameterError, match=r"must be one of default, mono, stereo"):
        LoudnessMeter(layout="surround")
    np.testing.assert_array_equal(_kweighting.channel_weights(layout_speakers("default", 12, "it")), np.ones(12))


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 88_200, 96_000, 192_000])
def test_a_tone_reads_the_same_at_any_rate(rate: int) -> None:
    x = naive.tones((3, 0), rate=rate, channels=1, frequency_hz=997)
    assert abs(measured(x, rate).integrated_lufs + 3.01) < 0.06


@pytest.mark.parametrize("rate", [1000, 2000, 3000, 3363])
def test_a_low_tone_reads_the_same_at_rates_without_the_shelf(rate: int) -> None:
    x = naive.tones((3, 0), rate=rate, channels=1, frequency_hz=200)
    usual = naive.tones((3, 0), channels=1, frequency_hz=200)
    assert abs(measured(x, rate).integrated_lufs - measured(usual).integrated_lufs) < 0.1


def test_true_peak_is_that_of_a_long_interpolator() -> None:
    x = speechlike(2)
    wanted = 20 * np.log10(naive.true_peak(x, times=16))
    reading = measured(x)
    assert abs(reading.true_peak_dbtp - wanted) < 0.3  # white noise: the makes of interpolators differ
    assert reading.sample_peak_dbfs == pytest.approx(20 * np.log10(np.max(np.abs(x))), abs=1e-4)
    assert measured(x, true_peak=False).true_peak_dbtp == reading.sample_peak_dbfs
    low = 0.4 * np.hanning(48_000) * np.sin(np.arange(48_000))[None]  # it begins and ends without a step
    assert measured(low).true_peak_dbtp == pytest.approx(20 * np.log10(0.4), abs=0.01)


def interpolated(x: Any) -> float:
    """The greatest of all points that the meter's interpolators make of one channel, in float64, none left out."""
    taps = _truepeak.coefficients().astype(float)
    line = np.concatenate([np.zeros(80), x])
    for part in (taps[:32], taps[40:46], taps[46:]):
        line = _woven(line, part)
    return float(np.abs(line[:-8 * 36]).max())


def _woven(line: Any, part: Any) -> Any:
    """A signal with the points half-way between its samples."""
    between = np.convolve(line, np.concatenate([part[::-1], part]), "full")[part.size:part.size + line.size]
    return np.stack([line, between], axis=1).ravel()


@pytest.mark.parametrize("rate", [8000, 48_000])
@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_is_left_out_is_higher(rate: int, seed: int) -> None:
    """Where the curve cannot be higher than what is known, the meter does not compute it. Here is all of it."""
    rng = np.random.default_rng(seed)
    n = np.arange(30_000)
    x = 0.5 * np.sin(n * rng.uniform(0.001, 3) + rng.uniform(0, 6)) * rng.random(300).repeat(100)
    x += 10 ** rng.uniform(-3, 0) * rng.standard_normal(n.size) + (rng.random(n.size) < 1e-3) * rng.uniform(-1, 1)
    x = x.astype(np.float32)
    wanted = 20 * math.log10(max(interpolated(x.astype(float)), np.abs(x).max()))
    assert measured(x[None], rate).true_peak_dbtp == pytest.approx(wanted, abs=1e-5)
    assert measured(x[None], rate, block=1).true_peak_dbtp == measured(x[None], rate).true_peak_dbtp


@pytest.mark.parametrize(("parts", "bound"), [(3, _highest.BEND), (2, _highest.FINE_BEND)])
def test_the_bounds_are_those_of_the_taps(parts: int, bound: float) -> None:
    """By how much the curve may leave the straight line between two points, of 1 in the second difference."""
    taps = _truepeak.coefficients().astype(float)
    fine = np.zeros(257)
    fine[128] = 1
    for part in (taps[:32], taps[40:46], taps[46:])[-parts:]:
        fine = _woven(fine, part)
    worst = 0.0
    for point in range(2 ** parts):
        weights = fine[point::2 ** parts][::-1]             # of the samples around one point, in their order
        place = np.arange(weights.size) - 128.0
        second = (weights * place).sum()
        line = np.zeros_like(weights)
        line[128], line[129] = weights.sum() - second, second
        worst = max(worst, np.abs(np.cumsum(np.cumsum(weights - line))).sum())
    assert 0.99 * bound < worst < bound


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


def naive_range(x: Any) -> float:
    """EBU Tech 3342, section 3, at 48 kHz: window by window, sorted."""
    power = (naive.k_weighted(x) ** 2).sum(axis=0)
    windows = np.array([power[n:n + 144_000].mean() for n in range(0, power.size - 144_000 + 1, 4800)])
    windows = windows[-0.691 + 10 * np.log10(np.maximum(windows, 1e-20)) > -70]
    windows = np.sort(-0.691 + 10 * np.log10(windows[windows > windows.mean() / 100]))
    low, high = (windows[round((windows.size - 1) * part)] for part in (0.10, 0.95))
    return float(high - low)


def passages(seed: int, seconds: float = 40) -> Any:
    """Noise in passages of some seconds, from silence to loud."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * 48_000)
    levels = 10 ** (rng.uniform(-60, -10, 90) / 20)
    lengths = rng.integers(20_000, 200_000, 90)
    return (np.resize(levels.repeat(lengths), frames) * rng.standard_normal((2, frames))).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_range_is_the_naive_one(seed: int) -> None:
    x = passages(seed)
    assert measured(x, true_peak=False).loudness_range_lu == pytest.approx(naive_range(x), abs=0.03)


def test_range_of_what_is_repeated_stays() -> None:
    x = passages(7, 120)
    once = measured(x, true_peak=False)
    often = measured(np.tile(x, 4), true_peak=False)
    assert often.loudness_range_lu == pytest.approx(once.loudness_range_lu, abs=0.5)


def test_range_of_little() -> None:
    assert measured(naive.tones((2.99, -20))).loudness_range_lu == SILENT
    assert measured(naive.tones((3, -20))).loudness_range_lu == 0
    assert measured(naive.tones((9, -71))).loudness_range_lu == SILENT
    assert measured(naive.tones((9, 40))).loudness_range_lu == 0  # above the last bin
    assert not measured(naive.tones((59.99, -20)), true_peak=False).loudness_range_stable
    assert measured(naive.tones((60, -20)), true_peak=False).loudness_range_stable


def test_range_agrees_with_libebur128() -> None:
    pyebur128 = pytest.importorskip("pyebur128")
    for seed in range(3):
        x = passages(seed, 120)
        other = pyebur128.R128State(2, 48_000, pyebur128.MeasurementMode.MODE_LRA)  # it takes one window a second
        other.add_frames(np.ascontiguousarray(x.T).ravel(), x.shape[1])
        wanted = pyebur128.get_loudness_range(other)
        assert measured(x, true_peak=False).loudness_range_lu == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf, 1e30, -2e4])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_what_is_no_sound_counts_as_nothing(spoilt: float, channels: int) -> None:
    x = speechlike(4, channels=channels)
    places = np.random.default_rng(1).integers(0, x.shape[1], 50)
    x[-1, places] = 0
    plan = Plan(chain(LoudnessMeter()), 48_000, channels, 700)
    plan.process(x)
    wanted = plan.read("loudness_meter")
    assert np.isfinite(wanted["integrated_lufs"]).all()
    x[-1, places] = spoilt
    plan.reset()
    y = plan.process(x)
    np.testing.assert_equal(plan.read("loudness_meter"), wanted)
    np.testing.assert_array_equal(y, np.where(np.isfinite(x), x, 0))
    assert plan.trouble == {}


def test_silence_and_too_short() -> None:
    nothing = measured(np.zeros((2, 96_000)))
    assert nothing == LoudnessReading(*[SILENT] * 8, loudness_range_stable=False)
    short = measured(naive.tones((0.39, -20)))
    assert short.integrated_lufs == SILENT
    assert short.true_peak_dbtp == pytest.approx(-20, abs=0.05)
    assert measured(naive.tones((0.4, -20))).integrated_lufs == pytest.approx(-20, abs=0.1)
    assert measured(naive.tones((3, -71))).integrated_lufs == SILENT


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 88_200, 192_000])
def test_a_block_counts_with_its_last_frame(rate: int) -> None:
    """Also where 10 ms are no whole number of frames: the first block ends at 0.4 s, the first window at 3 s."""
    x = naive.tones((3, -20), rate=rate)
    plan = Plan(chain(LoudnessMeter()), rate, 2, 8192)
    known = []
    for begin, end in ((0, 2 * rate // 5 - 1), (2 * rate // 5 - 1, 2 * rate // 5), (2 * rate // 5, 3 * rate - 1),
                       (3 * rate - 1, 3 * rate)):
        plan.process(x[:, begin:end])
        reading = loudness(plan.read("loudness_meter"))
        known.append((math.isfinite(reading.integrated_lufs), math.isfinite(reading.loudness_range_lu)))
    assert known == [(False, False), (True, False), (True, False), (True, True)]


def test_hours_say_what_a_minute_said() -> None:
    x = speechlike(60, 8000, 1) + 1e-3
    plan = Plan(chain(LoudnessMeter(true_peak=False)), 8000, 1, 8192)
    plan.process(x)
    once = loudness(plan.read("loudness_meter"))
    for _ in range(200):
        plan.process(x)
    often = loudness(plan.read("loudness_meter"))
    assert often.integrated_lufs == pytest.approx(once.integrated_lufs, abs=0.01)
    assert often.loudness_range_lu == pytest.approx(once.loudness_range_lu, abs=0.5)


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
