"""The quality score and the analyser of streams."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowaudio.core.errors import ParameterError
from flowaudio.stream.analysis import analyze
from flowaudio.stream.faults import KINDS, Tally
from flowaudio.stream.quality import QualityAnalyzer
from flowaudio.stream.score import FAULTS, FREE, Measurements, quality_score, score_parts

RATE = 48_000


def score(m: Measurements) -> float:
    parts = score_parts(m)
    assert all(0 <= part <= 1 for part in parts.values())
    whole = quality_score(parts)
    assert 0 <= whole <= 1
    assert whole == pytest.approx(math.prod(parts.values()))
    return whole


def music(seconds: float, seed: int = 0) -> np.ndarray:
    """Notes with an attack and a decay over soft noise, faded in and out; [2, frames]."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    since = t % 0.5
    pitch = 220 * 2 ** (rng.integers(0, 12, 1000)[(t / 0.5).astype(int)] / 12)
    wave = 0.3 * np.sin(2 * np.pi * pitch * since) * np.exp(-5 * since) * np.minimum(since / 0.005, 1)
    wave *= np.clip((0.5 - since) / 0.02, 0, 1) ** 2            # let go, not cut off
    x = np.stack([wave, 0.8 * np.roll(wave, 400)]) + 1e-4 * rng.standard_normal((2, t.size))
    return (x * np.minimum(1, np.minimum(t, t[::-1]) / 0.2) ** 2).astype(np.float32)


# --- the score ------------------------------------------------------------------------------------------------------

kinds = st.sampled_from([*FAULTS, "some_kind_of_somebody_else"])
tallies = st.builds(Tally, st.floats(0, 1e4), st.floats(0, 1e4))
faults = st.dictionaries(kinds, tallies, max_size=5)


@given(faults=faults, kind=kinds, more=tallies, duration=st.floats(0, 1e5))
def test_more_fault_never_raises_the_score(faults: Mapping[str, Tally], kind: str, more: Tally,
                                           duration: float) -> None:
    before = faults.get(kind, Tally())
    worse = {**faults, kind: Tally(before.times + more.times, before.seconds + more.seconds)}
    assert score(Measurements(duration, RATE, worse)) <= score(Measurements(duration, RATE, faults))


@given(field=st.sampled_from(["snr_db", "dynamic_range_db", "bandwidth_hz"]), a=st.floats(-50, 150),
       b=st.floats(-50, 150))
def test_better_measurements_never_lower_the_score(field: str, a: float, b: float) -> None:
    scale = 200 if field == "bandwidth_hz" else 1
    low, high = (Measurements(10, RATE, {}, bandwidth_confidence=1.0, **{field: scale * each})
                 for each in (min(a, b), max(a, b)))
    assert score(low) <= score(high)


@given(field=st.sampled_from(["true_peak_dbtp", "dc_offset"]), a=st.floats(0, 20), b=st.floats(0, 20))
def test_worse_measurements_never_raise_the_score(field: str, a: float, b: float) -> None:
    low, high = (Measurements(10, RATE, {}, **{field: each}) for each in (min(a, b), max(a, b)))
    assert score(low) >= score(high)


def test_examples_of_the_formula() -> None:
    assert score(Measurements(60, RATE, {})) == 1
    assert score(Measurements(60, RATE, {}, snr_db=20.0)) == 0.75
    assert score(Measurements(60, RATE, {}, integrated_lufs=-20.0, target_lufs=-16.0)) == pytest.approx(0.9)
    assert score(Measurements(60, RATE, {}, integrated_lufs=-15.2, target_lufs=-16.0)) == 1
    assert score(Measurements(60, RATE, {}, damaged=True)) == 0.8
    assert score(Measurements(60, RATE, {"silence": Tally(1, 30)})) == 0.75
    assert score(Measurements(60, RATE, {"silence": Tally(1, 60)})) == 0
    assert score(Measurements(60, RATE, {"click": Tally(FAULTS["click"].halving, 0)})) == 0.5
    assert score(Measurements(60, RATE, {"low_quality": Tally(5, 60)})) == 1
    assert score(Measurements(60, RATE, {}, bandwidth_hz=10_000.0, bandwidth_confidence=1.0)) == 0.85


def test_every_kind_has_its_place() -> None:
    """Kinds that the detectors declare have a sentence and a cost, and there are no others."""
    from flowaudio.core.node import declaration
    from flowaudio.stream.instruments import DETECTORS

    told = {kind for each in DETECTORS.values() for kind in declaration(each.make()).events}
    told |= {"low_quality", "not_a_number", "cut_end", "false_stereo"}
    assert told == set(KINDS)
    assert told == set(FAULTS) | FREE
    assert not set(FAULTS) & FREE


def test_clean_music_scores_well_and_faults_cost() -> None:
    x = music(20)
    clean = analyze(x, sample_rate=RATE)
    assert clean.quality_score is not None
    assert clean.quality_score > 0.95, (clean.score_parts, clean.events)
    before = clean.quality_score
    rng = np.random.default_rng(4)
    for count in (1, 5, 25):
        y = x.copy()
        y[:, rng.integers(RATE, 19 * RATE, count)] += 0.7
        after = analyze(y, sample_rate=RATE).quality_score
        assert after is not None
        assert after < before
        before = after


# --- streams --------------------------------------------------------------------------------------------------------

def run(analyzer: QualityAnalyzer, x: np.ndarray, size: int) -> list:
    return [analyzer.analyze_buffer(x[:, k:k + size]) for k in range(0, x.shape[1], size)]


def test_a_stream_measures_as_a_file() -> None:
    x = music(12)
    last = run(QualityAnalyzer(RATE), x, 4800)[-1]
    report = analyze(x, sample_rate=RATE)
    assert last.integrated_lufs == report.integrated_lufs
    assert last.loudness_range_lu == report.loudness_range_lu
    assert last.true_peak_dbtp == report.true_peak_dbtp
    assert last.dynamic_range == report.dynamic_range_db
    assert last.noise_floor_dbfs == report.noise_floor_dbfs
    assert last.position_s == 12
    assert last.quality_score > 0.9


@pytest.mark.parametrize("size", [1, 100, 4096, 7001])
def test_buffers_of_any_length(size: int) -> None:
    x = music(2)[:, :40_000 if size > 1 else 300]
    metrics = run(QualityAnalyzer(RATE), x, size)
    whole = QualityAnalyzer(RATE).analyze_buffer(x)
    for name in ("integrated_lufs", "true_peak_dbtp", "momentary_lufs", "correlation", "dc_offset"):
        assert getattr(metrics[-1], name) == getattr(whole, name)
    np.testing.assert_array_equal(metrics[-1].frequency_spectrum, whole.frequency_spectrum)
    part = x[:, -(x.shape[1] % size or size):].astype(np.float64)
    assert metrics[-1].rms_level == pytest.approx(np.sqrt(np.mean(part**2)))
    assert metrics[-1].peak_level == np.abs(part).max()


def test_faults_are_told_where_they_are_and_forgotten() -> None:
    x = music(40)
    x[:, 9 * RATE + 33] += 0.8
    analyzer = QualityAnalyzer(RATE, window_s=5.0)
    metrics = run(analyzer, x, RATE // 10)
    told = [event for each in metrics for event in each.events if event.kind == "click"]
    assert any(abs(event.start - 9 * RATE - 33) < 10 for event in told)
    scores = np.array([each.score_parts["clicks"] for each in metrics])
    assert scores[:85].min() == 1
    assert scores[92:130].max() < 1
    assert scores[160:].min() == 1


def test_a_long_silence_lowers_the_quality_and_is_told() -> None:
    x = music(30)
    x[:, 5 * RATE:20 * RATE] = 0
    metrics = run(QualityAnalyzer(RATE, quality_floor=0.6), x, RATE // 5)
    silent = [each.position_s for each in metrics if each.silence_detected]
    assert min(silent) <= 5.5
    assert 19.5 < max(silent) <= 20.3
    low = [event for each in metrics for event in each.events if event.kind == "low_quality"]
    assert [event.phase for event in low] == ["began", "ended"]
    assert low[0].start == low[1].start
    assert 5 * RATE < low[0].start < 20 * RATE
    assert any(each.low_quality for each in metrics)
    assert not metrics[-1].low_quality
    assert any("silence" in each.lasting for each in metrics)


def test_clipping_is_told_in_its_buffer() -> None:
    x = music(3)
    x[0, 70_000:74_000] = np.clip(9 * x[0, 70_000:74_000], -0.98, 0.98)
    metrics = run(QualityAnalyzer(RATE), x, 4800)
    clipped = [k for k, each in enumerate(metrics) if each.clipping_detected]
    assert clipped
    assert set(clipped) <= {14, 15, 16, 17, 18}


def test_no_numbers_count_as_silence() -> None:
    analyzer = QualityAnalyzer(RATE)
    x = music(1)
    x[:, 1000:1100] = np.nan
    x[0, 25_000] = np.inf
    metrics = analyzer.analyze_buffer(x)
    told = [(event.start, event.end, event.strength) for event in metrics.events if event.kind == "not_a_number"]
    assert told == [(1000, 1100, 200), (25_000, 25_001, 1)]
    assert math.isfinite(metrics.rms_level)
    assert metrics.score_parts["numbers"] < 1
    assert analyzer.analyze_buffer(np.full((2, 480), np.nan)).peak_level == 0


def test_another_channel_count_is_another_stream() -> None:
    analyzer = QualityAnalyzer(RATE)
    analyzer.analyze_buffer(music(1))
    mono = analyzer.analyze_buffer(music(1)[0])
    assert mono.position_s == 1
    assert mono.correlation is None
    assert analyzer.analyze_buffer(music(1)[0]).position_s == 2
    analyzer.reset()
    assert analyzer.analyze_buffer(music(1)[0]).position_s == 1


def test_a_preset_gives_floor_and_target() -> None:
    analyzer = QualityAnalyzer(RATE, preset="podcast")
    assert analyzer.quality_floor == 0.85
    assert "loudness" in run(analyzer, music(2), 4800)[-1].score_parts
    assert "loudness" not in run(QualityAnalyzer(RATE, preset="hifi"), music(2), 4800)[-1].score_parts


@pytest.mark.parametrize("wrong", [{"sample_rate": 10}, {"fft_size": 2}, {"window_s": 0.0}, {"quality_floor": 1.5},
                                   {"preset": "none"}, {"detectors": ("none",)}])
def test_settings_that_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        QualityAnalyzer(**wrong)


@pytest.mark.parametrize("wrong", [np.zeros((2, 0)), np.zeros((2, 2, 2)), np.array(["a"])])
def test_buffers_that_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="analyze_buffer takes"):
        QualityAnalyzer().analyze_buffer(wrong)
