"""The three tests of the document that the project was created from, and the presets as it gives them."""

import numpy as np

import flowaudio as fa
from flowaudio.io.formats import AAC, FLAC, MP3
from flowaudio.nodes import Compressor, Equalizer, Limiter, Normalizer


def sine(seconds: float, rate: int, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_audio_processing_pipeline() -> None:
    processor = fa.AudioProcessor(fa.AudioConfig(sample_rate=48_000, channels=2, bit_depth=24, buffer_size=1024,
                                                 enable_effects=True))
    stream = fa.AudioStream(data=sine(1.0, 44_100)[np.newaxis], sample_rate=44_100, bit_depth=16)
    result = processor.process_stream(stream)
    assert (result.sample_rate, result.channels, result.bit_depth) == (48_000, 2, 24)
    assert result.data.shape == (2, 48_000)
    inner = slice(2000, -2000)  # the conversion rings at the edges of the tone
    np.testing.assert_allclose(result.data[:, inner], np.stack([sine(1.0, 48_000)] * 2)[:, inner], atol=2e-5)
    grid = result.data.astype(np.float64) * 2**23
    np.testing.assert_array_equal(grid, np.rint(grid))


def test_compression_effect() -> None:
    buffer = np.full((1, 1000), 0.1, np.float32)
    buffer[0, 500] = 0.8
    result = fa.render(fa.chain(Compressor(threshold_db=-20, ratio=4, attack_ms=5, release_ms=100)), buffer, 48_000)
    assert result[0, 500] < 0.8
    assert abs(np.abs(result).mean() - 0.1) < 0.05


def test_quality_analysis() -> None:
    metrics = fa.QualityAnalyzer().analyze_buffer(
        (0.5 * np.sin(2 * np.pi * 440 * np.arange(1024) / 1024)).astype(np.float32))
    assert metrics.rms_level > 0
    assert metrics.peak_level <= 0.5
    assert not metrics.silence_detected
    assert not metrics.clipping_detected
    assert metrics.frequency_spectrum.size
    # And what a sine must read: 0.5 peak is -6.02 dBFS in its bin, 0.5 / sqrt(2) RMS.
    assert abs(metrics.rms_level - 0.5 / np.sqrt(2)) < 1e-4
    assert np.argmax(metrics.frequency_spectrum) == 440
    assert abs(metrics.frequency_spectrum.max() + 6.02) < 0.01


def test_the_analyser_tells_silence_and_clipping() -> None:
    analyzer = fa.QualityAnalyzer()
    quiet = analyzer.analyze_buffer(np.zeros((2, 4800), np.float32))
    assert quiet.silence_detected
    assert not quiet.clipping_detected
    clipped = analyzer.analyze_buffer(np.clip(sine(0.1, 48_000, level=3.0), -0.99, 0.99))
    assert clipped.clipping_detected
    assert not clipped.silence_detected
    noisy = sine(1.0, 48_000) * (np.arange(48_000) % 24_000 < 12_000)
    noisy += 0.0005 * np.random.default_rng(1).standard_normal(48_000).astype(np.float32)
    assert 50 < analyzer.analyze_buffer(noisy).signal_to_noise_ratio < 60


def test_presets_are_those_of_the_document() -> None:
    presets = fa.quality_presets()
    assert set(presets) == {"mobile", "hifi", "podcast"}
    mobile, hifi, podcast = presets["mobile"], presets["hifi"], presets["podcast"]

    assert mobile.codec == AAC(profile="LC", bitrate=128_000)
    assert (mobile.name, mobile.bitrate, mobile.quality_floor) == ("Mobile Streaming", 128_000, 0.8)
    assert mobile.enable_normalization
    compressor, limiter = mobile.effects
    assert isinstance(compressor, Compressor)
    assert (compressor.threshold_db, compressor.ratio, compressor.attack_ms, compressor.release_ms) == (-20, 4, 5, 100)
    assert isinstance(limiter, Limiter)
    assert (limiter.ceiling_dbtp, limiter.release_ms) == (-1, 50)

    assert isinstance(hifi.codec, FLAC)
    assert (hifi.name, hifi.codec.compression_level, hifi.bitrate) == ("High Fidelity", 5, 320_000)
    assert (hifi.quality_floor, hifi.enable_normalization) == (0.95, False)
    (equalizer,) = hifi.effects
    assert [(b.frequency_hz, b.gain_db, b.q) for b in equalizer.bands] == [(60, 0, 1), (1000, 0, 1), (10_000, 0, 1)]

    assert podcast.codec == MP3(quality=0, bitrate=192_000)
    assert (podcast.name, podcast.bitrate, podcast.quality_floor) == ("Podcast Optimized", 192_000, 0.85)
    compressor, equalizer, normalizer = podcast.effects[:3]
    assert isinstance(compressor, Compressor)
    assert (compressor.threshold_db, compressor.ratio, compressor.attack_ms, compressor.release_ms) == (-18, 3, 10, 150)
    assert isinstance(equalizer, Equalizer)
    assert [(b.frequency_hz, b.gain_db, b.q) for b in equalizer.bands] == [(80, -3, 1), (250, 2, 1), (8000, 1, 1)]
    assert isinstance(normalizer, Normalizer)
    assert (normalizer.target_lufs, normalizer.window_ms) == (-16, 1000)
