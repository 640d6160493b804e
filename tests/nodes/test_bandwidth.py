"""BandwidthDetector: real encoders, filters that are none, losses at known places."""

import io
import itertools
from typing import Any

import av
import numpy as np
import pytest
import scipy.signal

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.bandwidth import BandwidthDetector

RATE = 48_000


def detected(x: Any, rate: int = RATE, lengths: Any = (4096,), **values: Any) -> tuple[list[Any], dict[str, Any]]:
    plan = Plan(chain(BandwidthDetector(**values)), rate, x.shape[0], 8192)
    found: list[Any] = []
    at, lengths = 0, itertools.cycle(lengths)
    while at < x.shape[1]:
        count = next(lengths)
        piece = x[:, at:at + count]
        np.testing.assert_array_equal(plan.process(piece), piece)
        found += plan.events()
        at += count
    return found, plan.read("bandwidth_detector")


def music(seconds: float, rate: int = RATE, channels: int = 2) -> Any:
    """Noise that falls by 4.5 dB an octave, cymbals, a buzzing tone."""
    rng = np.random.default_rng(1)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    slope = np.maximum(np.fft.rfftfreq(n, 1 / rate), 20) ** -0.75
    bed = np.fft.irfft(np.fft.rfft(rng.standard_normal((channels, n))) * slope, n)
    high = scipy.signal.butter(2, min(5000, rate / 3), "high", fs=rate)
    cymbal = scipy.signal.lfilter(*high, 0.05 * rng.standard_normal((channels, n)) * np.exp(-(t % 0.25) / 0.03))
    tone = sum(0.03 / h * np.sin(2 * np.pi * 220 * h * t) for h in range(1, 15))
    return (0.05 * bed / bed.std() + cymbal + tone).astype(np.float32)


def encoded(x: Any, codec: str, bits: int, rate: int = RATE) -> Any:
    """Through an encoder and back."""
    file = io.BytesIO()
    container: Any = av.open(file, "w", format="mp3" if codec == "libmp3lame" else "adts")
    with container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(x, format="fltp", layout="stereo")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    file.seek(0)
    container = av.open(file)
    with container:
        return np.concatenate([frame.to_ndarray().astype(np.float32) for frame in container.decode(audio=0)], axis=1)


def low_passed(x: Any, hz: float, rate: int = RATE) -> Any:
    """As a resampler cuts: 90 dB down within a few percent."""
    return scipy.signal.sosfilt(scipy.signal.cheby2(16, 90, 1.04 * hz, output="sos", fs=rate), x)


def sixteen(x: Any) -> Any:
    """With the noise floor of 16 bits."""
    dither = np.random.default_rng(2).triangular(-1, 0, 1, x.shape)
    return (np.round(x * 32_767 + dither) / 32_768).astype(np.float32)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(("codec", "bits", "low", "high"), [
    ("libmp3lame", 64_000, 10_500, 12_000), ("libmp3lame", 128_000, 15_500, 17_300),
    ("libmp3lame", 192_000, 18_400, 19_700), ("aac", 64_000, 11_500, 13_500), ("aac", 128_000, 16_500, 18_800)])
def test_encoders_leave_a_ceiling(codec: str, bits: int, low: float, high: float, rate: int) -> None:
    found, measured = detected(sixteen(encoded(music(8, rate), codec, bits, rate)), rate)
    assert found == []
    assert np.all((measured["cutoff_hz"] > low) & (measured["cutoff_hz"] < high))
    assert np.all(measured["confidence"] > 0.9)
    assert np.all(measured["depth_db"] > 40)


def test_a_high_bit_rate_leaves_one_at_20_khz() -> None:
    _, measured = detected(encoded(music(8), "libmp3lame", 320_000))
    assert np.all(abs(measured["cutoff_hz"] - 20_300) < 500)
    assert np.all(measured["confidence"] > 0.9)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000, 192_000])
def test_what_has_no_ceiling(rate: int) -> None:
    for x in (music(6, rate), 0.1 * np.random.default_rng(0).standard_normal((1, 6 * rate))):
        found, measured = detected(sixteen(x), rate)
        assert found == []
        assert np.all(measured["confidence"] == 0.0)
        assert np.all(measured["cutoff_hz"] == rate / 2)


@pytest.mark.parametrize("order", [1, 2, 4, 8])
@pytest.mark.parametrize("hz", [2000, 5000, 12_000])
def test_a_dull_recording_has_none(order: int, hz: float) -> None:
    """Filters as analogue ones are: made at four times the rate."""
    wide = np.random.default_rng(0).standard_normal((1, 6 * 4 * RATE))
    dull = scipy.signal.sosfilt(scipy.signal.butter(order, hz, output="sos", fs=4 * RATE), wide)
    found, measured = detected(sixteen(0.2 * scipy.signal.decimate(dull, 4, ftype="fir")))
    assert found == []
    assert np.all(measured["confidence"] < 0.2)


@pytest.mark.parametrize("hz", [500.0, 2000.0, 5000.0, 15_000.0])
def test_a_tone_has_none(hz: float) -> None:
    x = 0.5 * np.sin(2 * np.pi * hz * np.arange(6 * RATE) / RATE)[np.newaxis]
    for signal in (x.astype(np.float32), sixteen(x)):
        assert np.all(detected(signal)[1]["confidence"] == 0.0)


@pytest.mark.parametrize(("rate", "hz"), [(44_100, 8000.0), (48_000, 3400.0), (96_000, 22_050.0), (192_000, 24_000.0)])
def test_what_was_upsampled_shows_where_it_came_from(rate: int, hz: float) -> None:
    _, measured = detected(sixteen(low_passed(music(6, rate), hz, rate)), rate)
    assert np.all(abs(measured["cutoff_hz"] / hz - 1) < 0.07)
    assert np.all(measured["confidence"] > 0.7)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_loss_and_its_end(channels: int) -> None:
    x = music(24, channels=channels)
    x[0, 8 * RATE:16 * RATE] = low_passed(x[:1], 8000.0)[0, 8 * RATE:16 * RATE]
    (began, ended), measured = detected(sixteen(x))
    assert (began.kind, began.channel, began.end) == ("bandwidth_loss", 0, None)
    assert ended.start == began.start
    near = max(0.55, 0.09 * channels)
    assert began.start / RATE == pytest.approx(8, abs=near)
    assert ended.end / RATE == pytest.approx(16, abs=near)
    assert began.strength == pytest.approx(8000, rel=0.06)
    assert np.all(measured["confidence"] == 0.0)


def test_a_pause_is_no_loss_and_a_loss_outlasts_a_pause() -> None:
    x = music(20, channels=1)
    x[:, 5 * RATE:10 * RATE] = 0
    assert detected(sixteen(x))[0] == []
    x[:, 12 * RATE:] = low_passed(x, 8000.0)[:, 12 * RATE:]
    x[:, 16 * RATE:17 * RATE] = 0
    assert [event.end for event in detected(sixteen(x))[0]] == [None]


def test_cymbals_that_cease_are_no_loss() -> None:
    x = music(12, channels=1).astype(float)
    dull = scipy.signal.sosfilt(scipy.signal.butter(4, 3000, output="sos", fs=RATE), x)
    x[:, 5 * RATE:] = dull[:, 5 * RATE:]
    assert detected(sixteen(x))[0] == []


def test_the_same_in_any_cutting() -> None:
    x = music(11)
    x[:, 4 * RATE:8 * RATE] = low_passed(x, 9000.0)[:, 4 * RATE:8 * RATE]
    x, rng = sixteen(x), np.random.default_rng(3)
    events, measures = detected(x, lengths=(8192,))
    assert len(events) == 4
    for lengths in ((333, 1, 7), (256,), tuple(rng.integers(1, 3000, 50).tolist())):
        again, measured = detected(x, lengths=lengths)
        assert again == events
        for name, values in measured.items():
            np.testing.assert_array_equal(values, measures[name])


def test_silence_damage_and_too_little_to_say() -> None:
    found, measured = detected(np.zeros((2, 2 * RATE), np.float32))
    assert found == []
    assert list(measured["confidence"]) == [0.0, 0.0]
    assert list(measured["cutoff_hz"]) == [24_000.0, 24_000.0]
    x = sixteen(low_passed(music(6), 8000.0))
    x[0, 50_000:50_100], x[1, 100_000] = 1e30, -1e30
    measured = detected(x)[1]
    assert np.all(measured["confidence"] > 0.9)
    assert np.all(detected(x[:, :RATE])[1]["confidence"] < 0.3)
