"""What `live` draws: the spectrum's scale, bars, and a picture for a terminal of any size."""

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from screens import OTHER_SCREEN, Emulator

from flowaudio.cli.live_bars import ASCII, BLOCKS, axis, bar, columns, scale, short_db
from flowaudio.cli.live_keys import typed
from flowaudio.cli.live_lines import json_line, plain_line
from flowaudio.cli.live_screen import HELP, Screen, View
from flowaudio.cli.live_spectrum import FRAMES, Spectrum
from flowaudio.cli.live_terminal import Line, Painter, fitted
from flowaudio.live.events import Event
from flowaudio.live.stats import Stats
from flowaudio.nodes.loudness import LoudnessReading
from flowaudio.stream.metering import Levels

RATE = 48_000


def sine(hz: float, dbfs: float, rate: int = RATE) -> Any:
    """float32 ``[1, 4096]``."""
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz / rate * np.arange(FRAMES) + hz)).astype(np.float32)[None]


# --- spectrum -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bands", [16, 37, 48])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_sine_reads_its_level_wherever_it_lies(bands: int, rate: int) -> None:
    spectrum = Spectrum(rate, bands)
    for hz in np.geomspace(4 * rate / FRAMES, 19_000, 150):
        band = int(np.searchsorted(spectrum.edges_hz, hz)) - 1
        assert spectrum.levels(sine(hz, -20, rate))[band] == pytest.approx(-20, abs=0.1), hz


def test_a_sine_stays_in_its_place() -> None:
    spectrum = Spectrum(RATE, 40)
    levels = spectrum.levels(sine(1000, 0))
    band = int(np.searchsorted(spectrum.edges_hz, 1000)) - 1
    assert int(levels.argmax()) == band
    assert np.delete(levels, range(band - 2, band + 3)).max() < -45


def test_noise_reads_its_power() -> None:
    """White noise of -20 dBFS, as a sine of that RMS has it, spread over the bands by their width."""
    x = np.random.default_rng(1).standard_normal((1, FRAMES)) * 10 ** (-20 / 20) / math.sqrt(2)
    spectrum = Spectrum(RATE, 16)
    level = spectrum.levels(x.astype(np.float32))
    share = np.diff(spectrum.edges_hz) / (RATE / 2)
    assert level[-4:] == pytest.approx(-20 + 10 * np.log10(share[-4:]), abs=0.8)


def test_the_loudest_channel_counts_and_an_offset_does_not() -> None:
    spectrum = Spectrum(RATE, 40)
    x = np.concatenate([sine(1000, -40), sine(1000, -12)]) + np.float32(0.5)
    assert spectrum.levels(x).max() == pytest.approx(-12, abs=0.1)
    assert spectrum.levels(x)[:8].max() < -60


@pytest.mark.parametrize("frames", [0, 1, 100, 5 * FRAMES])
def test_any_number_of_samples(frames: int) -> None:
    """It has only begun, or more is given than is looked at."""
    levels = Spectrum(8000, 20).levels(np.zeros((2, frames), np.float32))
    assert levels.tolist() == [-120] * 20


def test_it_falls_slowly() -> None:
    spectrum = Spectrum(RATE, 40)
    top = spectrum.follow(sine(1000, -20), 1.0).max()
    assert spectrum.follow(np.zeros((1, FRAMES), np.float32), 0.5).max() == pytest.approx(top - 20)
    assert spectrum.follow(sine(1000, -6), 0.01).max() == pytest.approx(-6, abs=0.1)


# --- bars -----------------------------------------------------------------------------------------------------------

def plain(line: Line) -> str:
    return "".join(text for _, text in line)


@pytest.mark.parametrize(("rms", "peak", "hold", "drawn"), [
    (-160, -160, -160, "            "),
    (-30, -20, -10, "██████── │  "),
    (-30, -30, -30, "██████      "),
    (-27.5, -27.5, -27.5, "██████▌     "),
    (0, 0, 0, "████████████"),
    (6, 12, 12, "████████████"),
    (-60, -5, -5, "───────────│"),
])
def test_bars(rms: float, peak: float, hold: float, drawn: str) -> None:
    """12 cells for 60 dB."""
    shown = plain(bar(rms, peak, hold, 12))
    assert len(shown) == 12
    if hold > max(peak, -60):
        assert shown == drawn
    else:
        assert shown.replace("│", " ").rstrip() in (drawn.rstrip(), drawn.replace("│", " ").rstrip())


def test_colours_of_a_bar() -> None:
    styles = [(style, len(text)) for style, text in bar(0, 0, 0, 60)]
    assert styles == [("green", 48), ("yellow", 9), ("red", 3)]


def test_bars_of_any_length_in_plain_letters() -> None:
    for width in range(1, 80):
        for level in (-200.0, -59.9, -33.3, -3.0, 0.0, 20.0, math.inf, -math.inf):
            shown = plain(bar(level - 6, level, level, width, ASCII))
            assert len(shown) == width
            assert set(shown) <= set(" #-|")


def test_levels_as_numbers() -> None:
    assert [short_db(value) for value in (-12.34, 0.0, -160.0, -math.inf)] == [" -12.3", "   0.0", "    -∞", "    -∞"]
    assert short_db(-math.inf, ASCII) == "  -inf"


def test_the_scale_stands_where_the_bar_ends() -> None:
    for width in (60, 61, 100):
        line = scale(width)
        assert len(line) == width
        for db in (-50, -30, -20, 0):
            end = line.index(f"{db}" if db else " 0") + len(f"{db}" if db else " 0")
            assert abs(end - len(plain(bar(db, db, db, width)).rstrip())) <= 3 - (db == 0) * 3 + 1
    assert scale(5)


def test_the_axis_of_a_spectrum() -> None:
    spectrum = Spectrum(RATE, 48)
    line = axis(spectrum.edges_hz, 2)
    assert line.split() == ["20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"]
    band = int(np.searchsorted(spectrum.edges_hz, 1000)) - 1
    assert abs(line.index("1k") - 2 * band) <= 1
    assert axis(Spectrum(8000, 20).edges_hz, 2).split()[-1] == "2k"


def test_columns_stand() -> None:
    drawn = columns(np.array([0.0, -45.0, -90.0, -78.75, -200.0, 50.0]), 4, 2, -90.0, 0.0)
    assert drawn == ["█         █ ",
                     "█         █ ",
                     "█ █       █ ",
                     "█ █   ▄   █ "]


# --- keys -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("sent", "keys"), [
    (b"m", "m"), (b"mb q", "mb q"), (b"\x1b[A", ""), (b"\x1b[1;5Cm", "m"), (b"\x1bOPq", "q"), (b"\x1b", ""),
    (b"\x1bq", ""), (b"\xc3\xa4k", "äk"), (b"\xff", ""), (b"\x1b[200~q", "q"),
])
def test_what_a_terminal_sends(sent: bytes, keys: str) -> None:
    """Arrows, function keys and Alt are no keys of ours."""
    assert typed(sent) == keys


# --- pictures -------------------------------------------------------------------------------------------------------

KNOWN: dict[str, Any] = {"time_s": 83.2, "running": True, "load": 0.031, "peak_load": 0.12, "latency_ms": 8.0,
                         "node_loads": {"comp": 0.011, "eq": 0.008, "meter": 0.5}, "node_silenced": {}}
STATS = Stats(**{**dict.fromkeys(Stats._fields, 0), **KNOWN})
FAULT = "graph.toml: nodes.comp: Compressor.ratio must be between 1 and 100 (got 0.5); the old graph plays on"


def view(channels: int = 2, **changes: Any) -> View:
    levels = Levels(*((value,) * channels for value in (-10.0, -16.0, -8.0, -6.0)), 0)
    loud = LoudnessReading(-18.3, -17.2, -18.8, -12, -15, -1.3, -1.5)
    made = View(graph="podcast.toml", route="USB -> USB", rate=RATE, levels_in=levels, levels_out=levels, loudness=loud,
                reductions={"comp": 3.3, "limit": 0.0}, sound=sine(1000, -20), stats=STATS, load=0.034, own=("meter",),
                muted=False, bypassed=False, recording="", recorded_s=0.0, status="", help=False,
                events=[Event("mark", 1.2, "mark 1"), Event("broken", 40.5, FAULT)], keys="q quit  m mute")
    return made._replace(**changes)


def picture(seen: View, width: int = 100, height: int = 30) -> list[str]:
    return [plain(fitted(line, width)) for line in Screen().picture(seen, width, height)]


def test_everything_is_there() -> None:
    shown = "\n".join(picture(view(recording="take.flac", recorded_s=12.0)))
    for part in ("podcast.toml", "USB -> USB", "48 kHz", "latency 8.0 ms", "1:23", "REC 0:12 take.flac", "-16.0   -8.0",
                 "M -17.2", "S -18.8", "I -18.3", "true peak  -1.3 dBTP", "comp ", "-3.3", "load  3.4 %",
                 "comp 1.1 %", "xruns 0", "0:01.2  mark 1", "Compressor.ratio must be between", "20k", "q quit"):
        assert part in shown, part
    assert "meter" not in shown         # a node that is not the user's


def test_a_fault_is_told_in_full() -> None:
    for width in (60, 80):
        shown = " ".join(" ".join(picture(view(), width, 24)).split())
        assert FAULT in shown


@pytest.mark.parametrize(("change", "part"), [
    ({"muted": True}, " MUTE "), ({"bypassed": True}, " BYPASS "),
    ({"stats": STATS._replace(running=False)}, " NO DEVICE "),
    ({"stats": STATS._replace(underruns=2, late_blocks=3)}, "xruns 5 (2 under, 0 over, 3 late)"),
    ({"stats": STATS._replace(gaps=1, gap_s=2.5)}, "gaps 1 (2.5 s)"), ({"stats": STATS._replace(howls=4)}, "howls 4"),
    ({"status": "compiling Reverb"}, "compiling Reverb"), ({"help": True}, HELP[0][1]),
    ({"levels_in": None}, "out L"), ({"reductions": {}}, "loud"),
])
def test_states_are_shown(change: dict[str, Any], part: str) -> None:
    assert part in "\n".join(picture(view(**change)))


@pytest.mark.parametrize("change", [{"muted": True}, {"bypassed": True}, {"stats": STATS._replace(running=False)},
                                    {"muted": True, "recording": "a-long-name.flac", "recorded_s": 12.0}])
def test_states_are_shown_in_a_narrow_terminal(change: dict[str, Any]) -> None:
    wide = picture(view(**change), 120, 24)[0].split("flowaudio live")[0].replace("a-long-name.flac", "").strip()
    assert wide
    assert wide in picture(view(**change), 30, 24)[0]


def test_one_fault_is_counted_once() -> None:
    """A driver tells one fault of a card with two sides as an underrun and as an overrun."""
    shown = picture(view(stats=STATS._replace(underruns=121, overruns=121, late_blocks=3)))
    assert "xruns 124 (121 under, 121 over, 3 late)" in "\n".join(shown)


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (60, 20), (40, 12), (20, 5), (20, 60), (300, 5), (500, 200)])
@pytest.mark.parametrize("channels", [1, 2, 8, 64])
@pytest.mark.parametrize("helping", [False, True])
def test_any_size_and_any_number_of_channels(size: tuple[int, int], channels: int, helping: bool) -> None:
    width, height = size
    many = {f"a compressor with a long name {k}": float(k) for k in range(9)}
    seen = view(channels, help=helping, reductions=many, recording="x" * 300, status="saving", graph="日本語.toml",
                events=[Event("broken", 1e5, FAULT * 5)] * 3)
    for screen in (Screen(), Screen(ASCII)):
        lines = screen.picture(seen, width, height)
        assert len(lines) == height
        assert all(cell_len(plain(fitted(line, width))) <= width for line in lines)
        assert plain(lines[-1]).startswith("q quit")
        assert "load" in plain(lines[-2])


def test_names_from_outside_cannot_move_the_cursor() -> None:
    odd = "a\x1b[2J\nb"
    seen = view(graph=odd, route=odd, recording=odd, reductions={odd: 1.0}, events=[Event("failed", 1.0, odd)],
                stats=STATS._replace(node_loads={odd: 0.5}))
    assert not any(c in line for line in picture(seen) for c in "\x1b\n")


def test_the_picture_does_not_jump_when_something_happens() -> None:
    quiet, loud = picture(view(events=[])), picture(view())
    same = [k for k, (a, b) in enumerate(zip(quiet, loud, strict=True)) if a == b]
    assert len(same) >= 27


# --- painting -------------------------------------------------------------------------------------------------------

def test_a_painted_picture_is_the_picture() -> None:
    """What a terminal shows after any number of pictures and sizes, drawn as changes only."""
    rng = np.random.default_rng(3)
    screen, painter, terminal = Screen(), Painter(ColorSystem.EIGHT_BIT), Emulator(100, 30)
    terminal.modes.add(OTHER_SCREEN)
    for k in range(60):
        width, height = ((100, 30), (80, 24), (60, 20))[k // 20]
        terminal.resize(width, height)
        level = float(rng.uniform(-60, 0))
        seen = view(load=k / 100, sound=sine(100.0 * k + 50, level), muted=bool(k % 7 == 0), graph="日本" * (k % 5),
                    events=[Event("mark", k, f"mark {k}")][: k % 2])
        lines = screen.picture(seen, width, height)
        terminal.feed(painter.paint(lines, width, height))
        assert terminal.lines() == [plain(fitted(line, width)).rstrip() for line in lines], k


def test_only_what_has_changed_is_written() -> None:
    painter, lines = Painter(None), [[("bold", "one")], [("", "two")], [("", "three")]]
    painter.paint(lines, 20, 3)
    assert painter.paint(lines, 20, 3) == ""
    assert painter.paint([lines[0], [("", "2")], lines[2]], 20, 3) == "\x1b[2;1H2\x1b[K"
    painter.forget()
    assert "three" in painter.paint(lines, 20, 3)


def test_without_colours_nothing_is_coloured() -> None:
    painted = Painter(None).paint(Screen().picture(view(muted=True), 80, 24), 80, 24)
    assert "\x1b[31" not in painted and re.findall(r"\x1b\[[\d;]*m", painted) == ["\x1b[0m"]


# --- lines ----------------------------------------------------------------------------------------------------------

def test_lines_for_pipes_and_programs() -> None:
    silent = Levels((-160.0,), (-160.0,), (-160.0,), (-160.0,), 0)
    nothing = LoudnessReading(*[-math.inf] * 7)
    seen = view(levels_in=silent, loudness=nothing, muted=True)
    assert plain_line(seen) == (" 1:23  in -inf  out -10.0 -10.0 dBFS  M -inf S -inf I -inf LUFS  comp -3.3 dB  "
                                "limit 0.0 dB  load 3.4 %  xruns 0  gaps 0  muted")
    told = json_line(seen)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["in"]["peak_dbfs"] == [None]
    assert told["loudness"]["integrated_lufs"] is None
    assert told["out"] == {"peak_dbfs": [-10.0, -10.0], "rms_dbfs": [-16.0, -16.0], "clipped": 0}
    assert BLOCKS.dot not in plain_line(seen)
