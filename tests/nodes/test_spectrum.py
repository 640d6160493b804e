"""Spectrum and Spectrogram, against NumPy's transform of the same frames in float64."""

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.signal

from flowaudio.core.errors import ParameterError
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.spectrum import Spectrogram, Spectrum, spectrogram

RATE = 48_000
WINDOWS = {"rectangle": "boxcar", "hann": "hann", "blackman_harris": "blackmanharris", "flat_top": "flattop"}


def noise(channels: int, frames: int, seed: int = 0) -> Any:
    return (0.2 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def sine(hz: float, frames: int, amplitude: float = 1.0, rate: int = RATE) -> Any:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(frames) / rate + 0.3)).astype(np.float32)[np.newaxis]


def measured(node: Any, x: Any, lengths: Any = (4096,), rate: int = RATE) -> dict[str, Any]:
    plan = Plan(chain(node), rate, x.shape[0], 8192)
    at, lengths = 0, itertools.cycle(lengths)
    while at < x.shape[1]:
        count = next(lengths)
        piece = x[:, at:at + count]
        np.testing.assert_array_equal(plan.process(piece), piece)
        at += count
    assert plan.trouble == {}
    return plan.read(plan.order[0])


def windows_of(x: Any, size: int, hop: int, window: str = "hann") -> Any:
    """Power of every whole window of one channel, one-sided: [window, bins]."""
    shape = scipy.signal.get_window(WINDOWS[window], size)
    starts = range(0, x.size - size + 1, hop)
    spectra = np.array([np.fft.rfft(x[at:at + size].astype(float) * shape) for at in starts])
    made = abs(spectra * 2 / shape.sum()) ** 2
    made[:, [0, -1]] /= 2
    return made


def db(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, 1e-20))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("size", "rate"), [(64, 8000), (2048, 44_100), (16_384, 192_000)])
def test_a_full_scale_sine_reads_zero_at_its_bin(window: str, size: int, rate: int) -> None:
    place = size // 5
    got = measured(Spectrum(size=size, window=window), sine(place * rate / size, 3 * size, rate=rate), rate=rate)
    assert got["power_dbfs"].shape == (1, size // 2 + 1)
    assert got["power_dbfs"][0].argmax() == place
    assert got["power_dbfs"][0, place] == pytest.approx(0.0, abs=1e-3 if window != "rectangle" else 0.01)
    assert got["bin_hz"][place] == place * rate / size


@pytest.mark.parametrize(("window", "loss_db"), [("rectangle", 3.92), ("hann", 1.42), ("blackman_harris", 0.83),
                                                 ("flat_top", 0.01)])
def test_between_two_bins_it_reads_as_much_less_as_the_docstring_says(window: str, loss_db: float) -> None:
    got = measured(Spectrum(size=1024, window=window), sine(200.5 * RATE / 1024, 4096))
    assert got["power_dbfs"].max() == pytest.approx(-loss_db, abs=0.02)


@pytest.mark.parametrize("window", WINDOWS)
def test_noise_density_and_the_mean_square(window: str) -> None:
    x = noise(1, 40 * RATE)
    got = measured(Spectrum(size=1024, window=window, average="all"), x)
    width = RATE / 1024
    density = got["power_dbfs"][0, 2:-2] - 10 * np.log10(got["noise_bandwidth_hz"])
    mean_square = np.mean(x.astype(float) ** 2)
    assert np.median(density) == pytest.approx(10 * np.log10(2 * mean_square / (RATE / 2)), abs=0.1)
    total = np.sum(10 ** (got["power_dbfs"].astype(float) / 10)) * width / got["noise_bandwidth_hz"]
    assert total == pytest.approx(2 * mean_square, rel=0.01)     # against a full-scale sine, whose mean square is 1/2


def test_a_constant_reads_its_rms_and_half_the_rate_does_too() -> None:
    x = np.full((2, 4096), 1.0, np.float32)
    x[1, ::2] = -1.0
    got = measured(Spectrum(size=1024, source="channels"), x)["power_dbfs"]
    assert got[0, 0] == pytest.approx(3.0103, abs=1e-3)
    assert got[1, -1] == pytest.approx(3.0103, abs=1e-3)


@pytest.mark.parametrize(("average", "size", "overlap", "window"), [
    ("none", 256, 0.5, "hann"), ("all", 1024, 0.0, "flat_top"), ("all", 64, 0.75, "blackman_harris"),
    ("exponential", 512, 0.5, "rectangle")])
def test_averages(average: str, size: int, overlap: float, window: str) -> None:
    x, hop = noise(1, 20_011), round(size * (1 - overlap))
    node = Spectrum(size=size, overlap=overlap, window=window, average=average, average_ms=50.0)
    got = measured(node, x)
    each = windows_of(x[0], size, hop, window)
    mean, least = np.zeros(size // 2 + 1), {"none": 1.0, "all": 0.0}.get(average, 1 - np.exp(-hop / RATE / 0.05))
    for n, power in enumerate(each):
        mean += (power - mean) * max(least, 1 / (n + 1))
    assert list(got["windows"]) == [len(each)]
    np.testing.assert_allclose(got["power_dbfs"][0], db(mean), atol=3e-3)
    loud = db(mean) > db(mean).max() - 30
    np.testing.assert_allclose(got["power_dbfs"][0, loud], db(mean)[loud], atol=5e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_sources(channels: int) -> None:
    x = noise(channels, 3000)
    first, second = x[0].astype(float), x[1 % channels].astype(float)
    wanted = {"mono": x.astype(float).mean(axis=0), "mid": (first + second) / 2, "side": (first - second) / 2}
    for source, signal in wanted.items():
        got = measured(Spectrum(size=1024, source=source, average="none"), x)["power_dbfs"]
        np.testing.assert_allclose(got, db(windows_of(signal, 1024, 512)[-1:]), atol=2e-3)
    got = measured(Spectrum(size=1024, source="channels", average="none"), x)["power_dbfs"]
    np.testing.assert_allclose(got, [db(windows_of(row, 1024, 512)[-1]) for row in x], atol=2e-3)


@pytest.mark.parametrize("node", [Spectrum(size=256, average="exponential"), Spectrum(size=512, hop_ms=3.3),
                                  Spectrum(size=128, source="channels", average="all"),
                                  Spectrogram(size=256, columns=7), Spectrogram(size=64, source="channels")])
def test_the_same_in_any_cutting(node: Any) -> None:
    x, rng = noise(2, 5003), np.random.default_rng(3)
    whole = measured(node, x, (8192,))
    for lengths in ((1,), (7,), (8,), (33,), (256,), (300, 1, 5), tuple(rng.integers(1, 99, 50).tolist())):
        for name, values in measured(node, x, lengths).items():
            np.testing.assert_array_equal(values, whole[name], err_msg=name)


def test_silence_and_a_fresh_node_read_the_floor() -> None:
    fresh = Plan(chain(Spectrum()), RATE, 2).read("spectrum")
    for got in (measured(Spectrum(), np.zeros((2, 9000), np.float32)), fresh):
        assert np.all(got["power_dbfs"] == -200.0)
    read = spectrogram(measured(Spectrogram(), np.zeros((1, 9000), np.float32)))
    assert read.power_dbfs.shape == (1025, 7)
    assert np.all(read.power_dbfs == -200.0)


def test_what_is_beyond_all_sound_counts_as_silence() -> None:
    x = noise(2, 30_000)
    x[0, 5000:5100], x[1, 5005], x[1, 5006] = 1e30, -1e7, 3e38
    for source in ("channels", "mono"):
        node = Spectrum(size=1024, average="all", source=source)
        expected = measured(node, np.where(abs(x) < 1e6, x, np.float32(0)))["power_dbfs"]
        np.testing.assert_array_equal(measured(node, x)["power_dbfs"], expected)


@pytest.mark.parametrize("node", [Spectrum(average="all"), Spectrum(source="channels"), Spectrogram(columns=50)])
def test_what_is_no_number_does_not_stay(node: Any) -> None:
    x = noise(2, 30_000)
    x[0, 5000:5100], x[1, 5005], x[1, 5006] = np.nan, np.inf, -np.inf
    plan = Plan(chain(node), RATE, 2, 512)
    plan.process(x)
    for values in plan.read(plan.order[0]).values():
        assert np.all(np.isfinite(values))
        assert not np.all(values == -200.0)


def test_the_ring_holds_the_last_columns_and_their_places() -> None:
    x = noise(1, 10_000)
    each = db(windows_of(x[0], 512, 128))
    got = measured(Spectrogram(size=512, overlap=0.75, columns=10), x)
    assert list(got["written"]) == [len(each)]
    read = spectrogram(got)
    np.testing.assert_allclose(read.power_dbfs, each[-10:].T, atol=3e-3)
    np.testing.assert_allclose(read.times_s * RATE, np.arange(len(each) - 10, len(each)) * 128 + 256)
    assert sorted(got["first_frame"]) == [128 * k for k in range(len(each) - 10, len(each))]


def test_a_whole_file_is_kept_and_an_impulse_stands_at_its_time() -> None:
    x = np.zeros((2, RATE), np.float32)
    x[1, 30_000] = 1.0
    read = spectrogram(measured(Spectrogram(size=256, hop_ms=2.0, columns=600, source="channels"), x), source=1)
    assert read.power_dbfs.shape == (129, (RATE - 256) // 96 + 1)
    assert read.times_s[read.power_dbfs.sum(axis=0).argmax()] == pytest.approx(30_000 / RATE, abs=0.001)
    assert read.bin_hz[-1] == RATE / 2


def test_sizes_are_rounded_up_and_too_much_memory_is_refused() -> None:
    assert measured(Spectrum(size=1000), noise(1, 100))["bin_hz"].size == 513
    with pytest.raises(ParameterError, match=r"Spectrogram.columns must be at most \d+ with 1 times 32769 bins"):
        Plan(chain(Spectrogram(size=65_536, columns=1_000_000)), RATE, 2)


def test_reset_begins_anew() -> None:
    x = noise(2, 5000)
    for node in (Spectrum(average="all"), Spectrogram(size=512, columns=5)):
        plan = Plan(chain(node), RATE, 2, 1000)
        plan.process(x)
        plan.reset()
        plan.process(x)
        for name, values in measured(node, x).items():
            np.testing.assert_array_equal(plan.read(plan.order[0])[name], values, err_msg=name)
