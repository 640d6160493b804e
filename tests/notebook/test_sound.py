"""A signal shows what it is: the player has its very samples, the levels are true, no peak is lost in the picture."""

import base64
import io
import math
import re
import sys
import xml.etree.ElementTree as ET
import zlib
from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import ParameterError
from flowaudio.notebook.listening import listen
from flowaudio.notebook.pixels import PALETTE, outline, png, shaded, spectrogram
from flowaudio.notebook.sound import Signal, show, wave_picture

RATE = 48_000


def sine(level_db: float, hz: float = 997.0, seconds: float = 2.0, channels: int = 2) -> Any:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.tile(10 ** (level_db / 20) * np.sin(2 * np.pi * hz * t), (channels, 1)).astype(np.float32)


def played(page: str) -> tuple[Any, int]:
    """What the player of a page has: [channels, frames] and rate."""
    (content,) = re.findall(r'src="data:audio/flac;base64,([^"]*)"', page)
    with fa.Decoder(io.BytesIO(base64.b64decode(content))) as decoder:
        assert decoder.info.bit_depth == 16
        assert decoder.info.frames is not None      # or the player could not say how long it is
        blocks = list(decoder.blocks(RATE))
        return np.concatenate(blocks, axis=1), decoder.info.sample_rate


def test_the_player_has_the_samples_at_their_level() -> None:
    x = sine(-40)
    y, rate = played(Signal(x, RATE)._repr_html_())
    assert rate == RATE
    assert y.shape == x.shape
    assert np.abs(y - x).max() <= 1.51 / 32768      # dither and rounding, and nothing was made louder


def test_silence_stays_silence_and_what_is_no_number_too() -> None:
    x = np.zeros((1, 1000), np.float32)
    x[0, 500] = np.nan
    y, _ = played(Signal(x, RATE)._repr_html_())
    assert not y.any()
    assert "silent" in str(Signal(x, RATE))


def test_levels_are_told() -> None:
    signal = Signal(sine(-20), RATE)
    assert signal.levels.integrated_lufs == pytest.approx(-20, abs=0.05)    # BS.1770: 997 Hz in both of two channels
    assert signal.levels.true_peak_dbtp == pytest.approx(-20, abs=0.1)
    assert signal.levels.rms_dbfs == pytest.approx(-23.01, abs=0.02)
    assert "-20.0 LUFS" in signal._repr_html_()


def test_clipping_is_counted_not_hidden() -> None:
    signal = Signal(2 * sine(0, seconds=0.5), RATE)
    assert signal.levels.clipped == int((np.abs(signal.array) >= 1).sum())
    assert f"{signal.levels.clipped} samples at or above full scale, clipped by the player" in signal._repr_html_()
    assert np.abs(played(signal._repr_html_())[0]).max() <= 1


def test_titles_cannot_break_out() -> None:
    page = Signal(sine(-20, seconds=0.1), RATE, title="<script>x</script>")._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_long_and_wide_signals_say_what_the_player_leaves_out() -> None:
    page = Signal(np.zeros((3, 61 * 8000), np.float32), 8000)._repr_html_()
    assert "The player has the first 60 s and channels 1 and 2 only" in page
    assert played(page)[0].shape == (2, 60 * 8000)


def test_the_page_of_a_long_signal_is_bounded() -> None:
    noise = (0.3 * np.random.default_rng(1).standard_normal((2, 70 * RATE))).astype(np.float32)
    assert len(Signal(noise, RATE)._repr_html_()) < 16e6    # the worst there is
    pauses = noise * (np.arange(70 * RATE) // RATE % 4 == 0)
    assert len(Signal(0.01 * pauses, RATE)._repr_html_()) < 3e6
    assert len(wave_picture(noise[:, :RATE], RATE)) < 160e3


def test_sixteen_bits_arrive_as_they_are() -> None:
    x = (np.random.default_rng(2).integers(-9000, 9000, (2, 5000)) / 32768).astype(np.float32)
    np.testing.assert_array_equal(played(Signal(x, RATE)._repr_html_())[0], x)


@pytest.mark.parametrize(("rate", "heard"), [(1000, 1000), (192_000, 192_000), (768_000, 192_000), (96_001, 96_000)])
def test_rates_that_flac_has_not_are_converted(rate: int, heard: int) -> None:
    y, told = played(Signal(np.full((1, rate // 10), 0.25, np.float32), rate)._repr_html_())
    assert told == heard
    assert y.shape == (1, heard // 10)
    assert y[0, y.shape[1] // 2] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("x", [np.zeros((100, 2), np.int16), np.zeros((2, 2, 2)), np.zeros((100, 2))[:, :0].T, "x"])
def test_what_is_no_signal_is_refused(x: Any) -> None:
    with pytest.raises(ParameterError, match="a signal must be"):
        Signal(x, RATE)


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="rate must be"):
        Signal(np.zeros(10), 48_000.5)  # type: ignore[arg-type]  # on purpose


def test_no_peak_is_lost_in_the_outline() -> None:
    row = np.zeros(1_000_000, np.float32)
    row[123_456], row[777_777] = 0.9, -0.8
    low, high = outline(row, 720)
    assert len(low) == len(high) == 720
    assert (high.max(), low.min()) == (np.float32(0.9), np.float32(-0.8))
    assert int(high.argmax()) == 123_456 * 720 // 1_000_000


@pytest.mark.parametrize("hz", [200, 440, 5000, 15_000])
def test_a_sine_stands_at_its_frequency_and_level(hz: int) -> None:
    rows = 200
    shown = spectrogram(sine(-12, hz, 1.0, 1), RATE, 50, rows)
    assert shown.shape == (rows, 50)
    column = shown[:, 25]
    expected = rows - 1 - rows * math.log(hz / 30) / math.log(RATE / 2 / 30)
    assert abs(int(column.argmax()) - expected) <= 3
    assert column.max() == pytest.approx(-12, abs=1.5)      # between two bins a Hann window loses 1.4 dB


def test_png_holds_the_pixels() -> None:
    shades = np.random.default_rng(1).integers(0, len(PALETTE), (5, 7)).astype(np.uint8)
    content = png(shades, PALETTE)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    parts, place = {}, 8
    while place < len(content):
        length = int.from_bytes(content[place:place + 4], "big")
        kind, data = content[place + 4:place + 8], content[place + 8:place + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(content[place + 8 + length:place + 12 + length], "big")
        parts[kind], place = data, place + 12 + length
    assert list(parts) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert parts[b"PLTE"] == PALETTE.tobytes()
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(5, 8)
    np.testing.assert_array_equal(rows[:, 1:], shades)
    assert not rows[:, 0].any()


def test_louder_is_brighter() -> None:
    shades = shaded(np.array([-np.inf, -90.0, -60.0, -30.0, 0.0, 10.0]))
    light = PALETTE.astype(int).sum(axis=1)[shades]
    assert light[0] == light[1] < light[2] < light[3] < light[4] == light[5]
    assert (np.diff(PALETTE.astype(int).sum(axis=1)) > 0).all()


@pytest.mark.parametrize("frames", [1, 2, 100, 48_000])
def test_any_length_is_drawn(frames: int) -> None:
    ET.fromstring(wave_picture(np.full((1, frames), 0.5, np.float32), RATE))
    assert "<audio" in Signal(np.full(frames, 0.5), RATE)._repr_html_()
    assert "<audio" not in Signal(np.zeros(0), RATE)._repr_html_()


def test_show_prints_a_line_outside_of_notebooks(capsys: pytest.CaptureFixture[str],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    show(sine(-20, seconds=1.0), RATE)
    assert "1 s, 48 kHz stereo, -20.0 LUFS" in capsys.readouterr().out


def test_show_displays_in_the_middle_of_a_cell(shell: Any) -> None:
    from IPython.utils.capture import capture_output

    shell.push({"show": show, "x": sine(-20, seconds=0.2)})
    with capture_output() as told:
        assert shell.run_cell("for k in range(2):\n    show(x, 48_000)\nNone").success
    assert [("<audio" in each.data["text/html"]) for each in told.outputs] == [True, True]


def test_listen_is_the_offline_render() -> None:
    x = sine(-20, seconds=0.5)
    graph = fa.Gain(gain_db=-6) >> fa.Limiter()
    np.testing.assert_array_equal(listen(graph, x).array, fa.render(graph, x))
    assert listen(graph, x, seconds=0.1).array.shape == (2, 4800)
    assert listen(fa.Sine(), rate=8000, seconds=0.5).array.shape[1] == 4000


def test_listen_reads_files(tmp_path: Any) -> None:
    path = tmp_path / "a.wav"
    with fa.Encoder(path, fa.WAV(bit_depth=32), 24_000, 2) as encoder:
        encoder.write(sine(-20, seconds=1.0)[:, ::2].copy())
    made = listen(fa.Gain(gain_db=0), path, 48_000, seconds=0.5)
    assert made.array.shape == (2, 24_000)
    assert made.title == str(path)


def test_listen_says_what_is_missing() -> None:
    with pytest.raises(ParameterError, match="takes an input"):
        listen(fa.Gain() >> fa.Limiter())
    with pytest.raises(ParameterError, match="seconds"):
        listen(fa.Sine(), seconds=0)
