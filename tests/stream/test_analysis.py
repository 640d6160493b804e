"""Analysing: values that are right, reasons where there are none, and no input that breaks it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from io_tools import write

from flowaudio.core.errors import ParameterError, SourceError
from flowaudio.io import FLAC, WAV
from flowaudio.stream._extremes import extremes
from flowaudio.stream.analysis import analyze
from flowaudio.stream.cleaning import Cleaner
from flowaudio.stream.config import AudioStream
from flowaudio.stream.faults import MOST, Ledger, moment
from flowaudio.stream.instruments import DETECTORS
from flowaudio.stream.overview import COLUMNS, PIECES, SPECTRA, Columns, Sketch, step_frames
from flowaudio.stream.report import Report

RATE = 48_000
MAY_BE_NONE = ("integrated_lufs", "loudness_range_lu", "max_momentary_lufs", "max_short_term_lufs", "true_peak_dbtp",
               "peak_dbfs", "rms_dbfs", "crest_db", "dynamic_range_db", "snr_db", "noise_floor_dbfs", "correlation",
               "balance_db", "dc_offset", "tempo_bpm", "bandwidth_hz")
PROMISED = ("duration_s", "sample_rate", "channels", "integrated_lufs", "loudness_range_lu", "max_momentary_lufs",
            "max_short_term_lufs", "true_peak_dbtp", "peak_dbfs", "rms_dbfs", "dynamic_range_db", "snr_db",
            "correlation", "quality_score", "events")


def tone(seconds: float, dbfs: float = -23.0, hz: float = 1000.0, channels: int = 2, rate: int = RATE) -> np.ndarray:
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def noise(seconds: float, rms: float = 0.05, channels: int = 2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rms * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)


def checked(report: Report) -> Report:
    """What holds for every report: JSON without NaN, and a reason for each value that is not there."""
    made = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert set(PROMISED) <= set(made)
    for name in MAY_BE_NONE:
        assert getattr(report, name) is not None or report.reasons[name], name
    assert (report.quality_score is None) == ("quality_score" in report.reasons)
    for event in report.events:
        assert 0 <= event.start_frame <= event.end_frame
        assert event.start_s == event.start_frame / report.sample_rate
        assert event.sentence
    assert str(report).startswith(report.source)
    return report


def plain(report: Report, *without: str) -> dict[str, object]:
    return {name: value for name, value in report.as_dict().items() if name not in ("elapsed_s", "source", *without)}


# --- values ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_a_tone_measures_what_it_is(rate: int) -> None:
    report = checked(analyze(tone(8, rate=rate), sample_rate=rate, detectors=False))
    for value in (report.integrated_lufs, report.max_momentary_lufs, report.max_short_term_lufs):
        assert value == pytest.approx(-23.0, abs=0.1)
    assert report.peak_dbfs == pytest.approx(-23.0, abs=0.01)
    assert report.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)
    assert report.rms_dbfs == pytest.approx(-26.01, abs=0.01)
    assert report.crest_db == pytest.approx(3.01, abs=0.02)
    assert report.correlation == pytest.approx(1.0, abs=1e-6)
    assert report.balance_db == pytest.approx(0.0, abs=1e-6)
    assert report.loudness_range_lu == pytest.approx(0.0, abs=0.1)
    assert report.dc_offset == pytest.approx(0.0, abs=1e-4)
    assert (report.duration_s, report.sample_rate, report.channels) == (8.0, rate, 2)
    assert len(report.channel_reports) == 2
    assert report.channel_reports[1].rms_dbfs == pytest.approx(-26.01, abs=0.01)


def test_levels_and_offset_are_those_of_numpy() -> None:
    x = noise(5, channels=3)
    x[1] = 0.5 * x[1] + 0.02
    report = checked(analyze(x, sample_rate=RATE))
    exact = x.astype(np.float64)
    assert report.peak_dbfs == pytest.approx(20 * np.log10(np.abs(exact).max()), abs=1e-3)
    assert report.rms_dbfs == pytest.approx(10 * np.log10(np.mean(exact**2)), abs=1e-3)
    assert report.dc_offset == pytest.approx(exact.mean(axis=1)[1], abs=1e-5)
    for c, each in enumerate(report.channel_reports):
        assert each.dc_offset == pytest.approx(exact[c].mean(), abs=1e-5)


def test_noise_and_pauses_give_a_ratio() -> None:
    on = np.arange(20 * RATE) % (2 * RATE) < RATE
    x = tone(20, -12) * on + noise(20, 0.001)
    report = checked(analyze(x, sample_rate=RATE, detectors=False))
    assert report.noise_floor_dbfs == pytest.approx(-60.0, abs=1.0)
    assert report.snr_db == pytest.approx(60 - 15, abs=1.0)


def test_a_file_measures_as_its_array(tmp_path: Path) -> None:
    x = noise(7.3)
    x[:, 100_000:101_000] = 0
    of_array = checked(analyze(x, sample_rate=RATE))
    write(tmp_path / "in.wav", x, WAV(bit_depth=32))
    of_file = checked(analyze(tmp_path / "in.wav"))
    assert plain(of_file) == plain(of_array)
    assert of_file.source == str(tmp_path / "in.wav")
    assert plain(analyze(io.BytesIO((tmp_path / "in.wav").read_bytes()))) == plain(of_array)
    assert plain(analyze(AudioStream(data=x, sample_rate=RATE))) == plain(of_array)
    for same in (x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert plain(analyze(same, sample_rate=RATE)) == plain(of_array)


def test_a_long_tone_reports_its_curves() -> None:
    x = np.concatenate([tone(6, -40), tone(6, -20)], axis=1)
    view = analyze(x, sample_rate=RATE, detectors=False).overview
    assert view is not None
    assert view.lowest.shape == view.highest.shape
    wave = np.arange(len(view.lowest)) * view.wave_s
    np.testing.assert_allclose(view.highest[(wave > 7) & (wave < 11)], 0.1, atol=1e-3)
    np.testing.assert_allclose(view.lowest[wave < 5], -0.01, atol=1e-4)
    at = (np.arange(len(view.momentary_lufs)) + 1) * view.loudness_s
    np.testing.assert_allclose(view.momentary_lufs[(at > 7) & (at < 12)], -20, atol=0.1)
    np.testing.assert_allclose(view.short_term_lufs[(at > 3.2) & (at < 6)], -40, atol=0.1)
    column = view.spectrum_db[round(9 / view.spectrum_s)]
    assert view.spectrum_hz[column.argmax()] == pytest.approx(1000, abs=view.spectrum_hz[1])
    assert column.max() == pytest.approx(-20, abs=1.5)


def test_progress_is_told() -> None:
    told: list[tuple[str, float, float | None]] = []
    analyze(noise(5), sample_rate=RATE, detectors=False, progress=lambda *each: told.append(each))
    assert len(told) > 3
    assert [each[1] for each in told] == sorted(each[1] for each in told)
    assert {each[2] for each in told} == {5.0}


def test_detectors_can_be_chosen() -> None:
    x = tone(6)
    x[:, 2 * RATE:5 * RATE] = 0
    assert "silence" in {event.kind for event in analyze(x, sample_rate=RATE).events}
    assert {event.kind for event in analyze(x, sample_rate=RATE, detectors=("silence",)).events} == {"silence"}
    assert analyze(x, sample_rate=RATE, detectors=False).events == ()
    with pytest.raises(ParameterError, match=r"there is no detector called 'noise'.*silence, dropout"):
        analyze(x, sample_rate=RATE, detectors=["noise"])
    assert set(DETECTORS) >= {"silence", "clipping", "clicks"}


def test_what_lasts_to_the_end_ends_there() -> None:
    x = np.concatenate([tone(2), np.zeros((2, 4 * RATE), np.float32)], axis=1)
    found = analyze(x, sample_rate=RATE, detectors=("silence",)).events
    assert [(event.end_frame, event.channel) for event in found] == [(6 * RATE, None)]
    assert abs(found[0].start_frame - 2 * RATE) <= 0.02 * RATE
    assert "silence at 0:0" in found[0].sentence


def test_a_sound_that_is_cut_at_both_ends() -> None:
    x = tone(3)
    kinds = {event.kind: event for event in analyze(x, sample_rate=RATE, detectors=("dropout",)).events}
    assert set(kinds) == {"cut_start", "cut_end"}
    assert kinds["cut_end"].end_frame == 3 * RATE
    fade = np.minimum(1, np.minimum(np.arange(3 * RATE), np.arange(3 * RATE)[::-1]) / 10_000)
    assert analyze(x * fade**2, sample_rate=RATE, detectors=("dropout",)).events == ()


# --- presets --------------------------------------------------------------------------------------------------------

def test_a_preset_judges() -> None:
    x = noise(5, 0.05)
    plainly, judged = analyze(x, sample_rate=RATE), analyze(x, sample_rate=RATE, preset="podcast")
    assert plainly.quality_floor is None
    assert judged.quality_floor == 0.85
    assert judged.target_lufs == -16
    assert judged.score_parts["loudness"] < 1
    assert "loudness" not in plainly.score_parts
    assert analyze(x, sample_rate=RATE, preset="hifi").target_lufs is None
    assert analyze(x, sample_rate=RATE, preset="hifi", quality_floor=0.1).quality_floor == 0.1


def test_low_quality_is_an_event() -> None:
    x = noise(5)
    x[:, ::RATE // 4] = np.nan
    report = checked(analyze(x, sample_rate=RATE, quality_floor=0.5))
    assert report.low_quality
    (low,) = [event for event in report.events if event.kind == "low_quality"]
    assert (low.start_frame, low.end_frame, low.strength) == (0, 5 * RATE, report.quality_score)
    assert not analyze(tone(5), sample_rate=RATE, quality_floor=0.5, detectors=False).low_quality
    with pytest.raises(ParameterError, match="quality_floor must be between 0 and 1"):
        analyze(x, sample_rate=RATE, quality_floor=2.0)


# --- bad input ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("frames", [0, 1, 7, 100, 4_799, 19_199])
def test_short_sound(frames: int, channels: int) -> None:
    report = checked(analyze(noise(1, channels=channels)[:, :frames], sample_rate=RATE))
    assert report.integrated_lufs is None
    assert report.max_short_term_lufs is None
    if frames:
        assert "needs 0.4 s" in report.reasons["integrated_lufs"]
        assert report.peak_dbfs is not None
        assert report.quality_score is not None
    else:
        assert set(report.reasons.values()) == {"there is not one frame of sound"}
        assert report.quality_score is None


def test_silence_only() -> None:
    report = checked(analyze(np.zeros((2, 10 * RATE)), sample_rate=RATE))
    assert report.integrated_lufs is report.true_peak_dbtp is report.snr_db is report.correlation is None
    assert report.reasons["integrated_lufs"] == "there is nothing but silence"


@pytest.mark.parametrize("seconds", [0.05, 1.0, 5.0])
def test_silence_has_no_score(seconds: float) -> None:
    report = checked(analyze(np.zeros((2, round(seconds * RATE))), sample_rate=RATE, quality_floor=0.5))
    assert report.quality_score is None and not report.low_quality
    assert report.reasons["quality_score"] == "there is nothing but silence"


def test_mono_in_both_channels() -> None:
    both = noise(5, channels=1)
    report = checked(analyze(np.repeat(both, 2, axis=0), sample_rate=RATE))
    assert report.correlation == pytest.approx(1.0, abs=1e-6)
    assert "false_stereo" in {event.kind for event in report.events}
    assert "false_stereo" not in {event.kind for event in analyze(noise(5), sample_rate=RATE).events}
    one = checked(analyze(both, sample_rate=RATE))
    assert one.correlation is None
    assert one.reasons["correlation"] == "there is one channel only"


def test_one_channel_of_two_is_silent() -> None:
    x = noise(5)
    x[1] = 0
    report = checked(analyze(x, sample_rate=RATE))
    assert report.correlation is None
    assert report.reasons["correlation"] == "one of the two channels is silent"
    assert report.channel_reports[1].peak_dbfs is None


@pytest.mark.parametrize(("channels", "rate"), [(8, 48_000), (8, 192_000), (2, 192_000), (12, 48_000), (1, 8_000)])
def test_many_channels_and_rates(channels: int, rate: int) -> None:
    report = checked(analyze(noise(4, channels=channels, rate=rate), sample_rate=rate))
    assert len(report.channel_reports) == channels
    assert report.integrated_lufs is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(bad: float) -> None:
    x = noise(6)
    spoilt = x.copy()
    spoilt[0, 1000:1010], spoilt[1, 1005], spoilt[1, 200_000] = bad, bad, bad
    x[0, 1000:1010], x[1, 1005], x[1, 200_000] = 0, 0, 0
    report, clean = checked(analyze(spoilt, sample_rate=RATE)), checked(analyze(x, sample_rate=RATE))
    told = [event for event in report.events if event.kind == "not_a_number"]
    assert [(event.start_frame, event.end_frame, event.strength) for event in told] == [
        (1000, 1010, 11), (200_000, 200_001, 1)]
    assert [event.sentence.partition(": ")[2] for event in told] == [
        "11 samples are NaN or infinite, and count as 0", "1 sample is NaN or infinite, and counts as 0"]
    assert "12 samples are no numbers" in report.reasons["peak_dbfs"]
    assert report.quality_score is not None
    assert clean.quality_score is not None
    assert report.quality_score < clean.quality_score
    assert [getattr(report, name) for name in MAY_BE_NONE] == [getattr(clean, name) for name in MAY_BE_NONE]


def test_pauses_that_are_digital_silence_have_no_noise() -> None:
    x = noise(8)
    assert "no pauses" in analyze(x, sample_rate=RATE).reasons["noise_floor_dbfs"]
    x[:, 3 * RATE:5 * RATE] = 0
    reasons = analyze(x, sample_rate=RATE).reasons
    assert reasons["snr_db"] == reasons["noise_floor_dbfs"]
    assert reasons["snr_db"] == "the pauses are digital silence, in which there is no noise"
    x[1] = 0                            # a channel that never sounds has no pauses
    x[0, 3 * RATE:5 * RATE] = noise(2)[0]
    assert "no pauses" in analyze(x, sample_rate=RATE).reasons["snr_db"]


def test_nothing_but_nan() -> None:
    report = checked(analyze(np.full((2, RATE), np.nan), sample_rate=RATE))
    assert report.peak_dbfs is None
    assert report.quality_score == 0.0


def test_numbers_that_are_too_large() -> None:
    x = noise(2).astype(np.float64)
    x[0, 5000:5002] = 1e300, -30_000
    report = checked(analyze(x, sample_rate=RATE))
    assert [event.start_frame for event in report.events if event.kind == "not_a_number"] == [5000]
    assert report.peak_dbfs == pytest.approx(80.0, abs=0.01)
    assert "divide 16-bit samples" in report.reasons["true_peak_dbtp"]


def test_a_truncated_file(tmp_path: Path) -> None:
    x = noise(10)
    write(tmp_path / "whole.flac", x, FLAC())
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(data[:len(data) // 2])
    whole, half = (checked(analyze(tmp_path / name)) for name in ("whole.flac", "half.flac"))
    assert whole.damage == ""
    assert "breaks off at" in half.damage
    assert 3 < half.duration_s < 7
    assert half.score_parts["damage"] < whole.score_parts["damage"]
    assert half.integrated_lufs == pytest.approx(whole.integrated_lufs, abs=0.2)


def test_a_file_without_a_frame(tmp_path: Path) -> None:
    write(tmp_path / "none.wav", np.zeros((2, 0), np.float32), WAV())
    report = checked(analyze(tmp_path / "none.wav"))
    assert report.duration_s == 0
    assert report.quality_score is None


def test_doubles_beyond_float32_in_a_file(tmp_path: Path) -> None:
    from scipy.io import wavfile

    x = noise(1).astype(np.float64).T
    x[3000, 0] = 1e200
    wavfile.write(tmp_path / "huge.wav", RATE, x)
    report = checked(analyze(tmp_path / "huge.wav"))
    assert [event.start_frame for event in report.events if event.kind == "not_a_number"] == [3000]


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(SourceError):
        analyze(tmp_path / "text.wav")
    with pytest.raises(SourceError, match="nowhere"):
        analyze(tmp_path / "nowhere.wav")
    with pytest.raises(ParameterError, match="an array needs sample_rate="):
        analyze(noise(1))
    with pytest.raises(ParameterError, match="sample_rate is for arrays"):
        analyze(tmp_path / "text.wav", sample_rate=RATE)
    with pytest.raises(ParameterError, match="divide 16-bit samples by 32768"):
        analyze(np.zeros((2, 10), np.int16), sample_rate=RATE)
    with pytest.raises(ParameterError, match="transpose it"):
        analyze(noise(1).T, sample_rate=RATE)
    with pytest.raises(ParameterError, match="sample_rate must be a whole number"):
        analyze(noise(1), sample_rate=-1)
    with pytest.raises(ParameterError, match="array of numbers"):
        analyze(np.zeros((2, 2, 2)), sample_rate=RATE)


# --- parts ----------------------------------------------------------------------------------------------------------

@settings(deadline=None)  # the first example compiles
@given(channels=st.integers(1, 3), frames=st.integers(1, 400), width=st.integers(1, 450), seed=st.integers(0, 99))
def test_extremes_are_those_of_numpy(channels: int, frames: int, width: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)
    low, high, fine = extremes(x, width)
    assert fine
    for n in range(len(low)):
        part = x[:, n * width:(n + 1) * width]
        np.testing.assert_array_equal(low[n], part.min(axis=1))
        np.testing.assert_array_equal(high[n], part.max(axis=1))
    x[seed % channels, seed % frames] = (np.nan, -np.nan, np.inf, -np.inf, 1.1e4, -1.1e4)[seed % 6]
    assert not extremes(x, width)[2]


def test_a_cleaner_joins_what_is_close() -> None:
    cleaner = Cleaner(1000)
    x = np.zeros((2, 1000), np.float32)
    x[0, [10, 50, 500]] = np.nan
    x[1, 990] = np.inf
    cleaner.clean(x, 1000)
    y = np.zeros((2, 1000), np.float32)
    y[1, 5] = np.nan
    clean, _, _ = cleaner.clean(y, 1000)
    assert cleaner.runs == [(10, 51, 2), (500, 501, 1), (990, 1006, 2)]
    assert cleaner.not_numbers == 5
    assert not clean.any()


def test_columns_join_when_they_are_full() -> None:
    columns = Columns(8, (1,), np.maximum)
    for n in range(100):
        columns.add(np.array([n], np.float32))
    assert columns.width == 16
    np.testing.assert_array_equal(columns.data()[:, 0], [15, 31, 47, 63, 79, 95, 99])


def test_an_overview_does_not_grow() -> None:
    rate = 8000
    sketch = Sketch(rate, 1, np.arange(3.0), 256)
    step = step_frames(rate)
    n = 0
    for k in range(30 * COLUMNS // 4):
        width = sketch.width()
        low = np.full((step // width, 1), -k, np.float32)
        sketch.add(low, -low, -20.0, -21.0)
        sketch.add_spectra(np.zeros((3, 3), np.float32))
        n += step
    view = sketch.overview()
    assert COLUMNS // 2 <= len(view.lowest) <= COLUMNS
    assert len(view.spectrum_db) <= SPECTRA
    assert len(view.lowest) * view.wave_s == pytest.approx(n / rate, abs=view.wave_s)
    assert len(view.momentary_lufs) * view.loudness_s == pytest.approx(n / rate, abs=view.loudness_s)
    np.testing.assert_array_equal(view.highest, -view.lowest)
    assert np.all(np.diff(view.lowest[:, 0]) <= 0)
    assert step % PIECES == 0


def test_a_ledger_keeps_so_many() -> None:
    ledger = Ledger(RATE, 2)
    for n in range(MOST + 10):
        ledger.add("click", n, n + 1, 0, 1.0)
    assert (len(ledger.findings), ledger.left_out) == (MOST, 10)
    assert ledger.tallies["click"].times == (MOST + 10) / 2
    assert ledger.add("hum", 0, 10, None, float("nan")).strength is None


def test_moments_read_well() -> None:
    assert (moment(3.1254), moment(65), moment(3661.5)) == ("0:03.125", "1:05.000", "1:01:01.500")
