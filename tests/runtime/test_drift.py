"""Two clocks joined, in simulated time: the true latency, the sound, the faults, and what is told of them."""

from typing import Any

import naive_drift as sim
import numpy as np
import pytest
from naive_drift import Cards

from flowaudio.core.errors import ParameterError
from flowaudio.core.native import forbidden_symbols, native
from flowaudio.runtime.drift import Drift, drift_anew, least_ring_frames, safe_target_frames
from flowaudio.runtime.intake import FLOWING, PRIMING, REFILLING
from flowaudio.runtime.interpolation import filter_taps

PAIRS = [(64, 64), (128, 128), (64, 1024), (1024, 64), (1024, 256), (441, 512), (1024, 1024)]
RATES = [(44100, 48000), (48000, 44100), (96000, 48000), (48000, 96000), (16000, 48000)]


def steady(cards: Cards, seconds: float) -> float:
    """Run on, without any fault; by how many ms the true latency is off its target at worst."""
    before = cards.drift.underruns + cards.drift.resyncs, cards.w[sim.SILENT]
    low, high = cards.astray_ms(cards.run(seconds))
    assert (cards.drift.underruns + cards.drift.resyncs, cards.w[sim.SILENT]) == before
    return max(-low, high)


def sine(frequency: float, rate: float = 48000) -> Any:
    """Of amplitude 0.5 and a whole number of Hz: a second of it repeats."""
    return 0.5 * np.sin(2 * np.pi * frequency / rate * np.arange(round(rate)))[None]


# Latency.


def test_three_hours_200_ppm_apart() -> None:
    cards = Cards(a_ppm=100, b_ppm=-100, log_every=64)
    assert cards.until_locked() < 6
    assert steady(cards, 3 * 3600) < 0.7
    assert steady(cards, 600) < 0.05
    assert abs(cards.drift.ppm - 200) < 20


@pytest.mark.parametrize("blocks", PAIRS)
@pytest.mark.parametrize("ppm", [(250, -250), (-100, 100)])
def test_all_blocks(blocks: tuple[int, int], ppm: tuple[int, int]) -> None:
    cards = Cards(a_block=blocks[0], b_block=blocks[1], a_ppm=ppm[0], b_ppm=ppm[1], seed=blocks[0] + ppm[0])
    assert cards.until_locked() < 6
    assert steady(cards, 20) < 1.5
    assert steady(cards, 300) < 0.25
    assert cards.drift.locked
    assert abs(cards.drift.delay_frames - cards.drift.target_frames) < 0.2e-3 * 48000


@pytest.mark.parametrize("rates", RATES)
def test_all_rates(rates: tuple[int, int]) -> None:
    cards = Cards(*rates, 256, 480, a_ppm=-150, b_ppm=100)
    assert cards.until_locked() < 6
    assert steady(cards, 20) < 1.0
    assert steady(cards, 120) < 0.25
    assert abs(cards.drift.ppm + 250) < 30


@pytest.mark.parametrize("blocks", [(128, 128), (1024, 256)])
def test_a_clock_that_changes_suddenly(blocks: tuple[int, int]) -> None:
    cards = Cards(a_block=blocks[0], b_block=blocks[1], a_ppm=100)
    cards.until_locked()
    cards.run(30)
    cards.f[sim.A_RATE] *= 1 + 50e-6
    assert steady(cards, 60) < 0.4
    assert cards.drift.locked
    assert abs(cards.drift.ppm - 150) < 20


def test_the_ratio_moves_slowly() -> None:
    cards = Cards(a_block=256, b_block=256, a_ppm=400, b_ppm=-400)
    rows = cards.run(60)
    heard = rows[rows[:, sim.HIGH] >= 0]
    ppm_per_s = np.diff(heard[:, sim.RATIO]) / np.diff(heard[:, sim.TIME]) * 1e6
    assert np.abs(ppm_per_s).max() < 501
    assert np.abs(ppm_per_s[len(ppm_per_s) // 2:]).max() < 30


def test_a_call_in_parts_is_one_call() -> None:
    """A callback may hand its block over in pieces, all with the time of the call."""
    worst = []
    for part in (0, 100):
        cards = Cards(a_block=1024, b_block=1024, a_ppm=150, part=part)
        cards.until_locked()
        worst.append(steady(cards, 30))
    assert abs(worst[0] - worst[1]) < 0.01


@pytest.mark.parametrize("group", [2, 4])
def test_calls_in_groups(group: int) -> None:
    """Where a system makes several calls at once, a group is a block; the delay settles all the same."""
    target = safe_target_frames(48000, 48000, group * 128, group * 128)
    cards = Cards(a_ppm=100, b_ppm=-100, target=target)
    cards.w[sim.A_GROUP] = cards.w[sim.B_GROUP] = group
    steady(cards, 40)
    low, high = cards.astray_ms(cards.run(60))
    assert high - low < 0.3
    assert cards.drift.underruns + cards.drift.resyncs == 0


def test_a_new_target_is_approached() -> None:
    cards = Cards(a_ppm=100)
    cards.until_locked()
    cards.drift.target_frames += 48 * 5
    cards.run(40)
    assert steady(cards, 10) < 0.2


# Faults.


@pytest.mark.parametrize("blocks", [(128, 128), (64, 1024), (1024, 256)])
@pytest.mark.parametrize("lost_ms", [10, 30, 200, 3000])
def test_the_input_loses_frames(blocks: tuple[int, int], lost_ms: int) -> None:
    cards = Cards(a_block=blocks[0], b_block=blocks[1], a_ppm=100, b_ppm=-100)
    cards.until_locked()
    cards.run(20)
    cards.w[sim.A_MISSES] = blocks_lost = max(lost_ms * 48 // blocks[0], 1)
    cards.run(3 + 0.001 * lost_ms)
    assert cards.drift.underruns == 1
    silent_s, lost_s = cards.w[sim.SILENT] / 48000, blocks_lost * blocks[0] / 48000
    assert lost_s - 0.07 < silent_s < lost_s + 0.2
    assert cards.drift.mode == FLOWING
    assert steady(cards, 30) < 0.5


@pytest.mark.parametrize("blocks", [(128, 128), (64, 1024), (1024, 256)])
@pytest.mark.parametrize("lost_ms", [30, 200, 3000])
def test_the_output_loses_time(blocks: tuple[int, int], lost_ms: int) -> None:
    cards = Cards(a_block=blocks[0], b_block=blocks[1], a_ppm=100, b_ppm=-100, ring=1 << 14)
    cards.until_locked()
    cards.run(20)
    cards.w[sim.B_MISSES] = lost_ms * 48 // blocks[1]
    cards.run(3 + 0.001 * lost_ms)
    assert cards.drift.resyncs == 1
    assert cards.drift.underruns == 0
    assert steady(cards, 30) < 0.6


@pytest.mark.parametrize("held_ms", [3, 50, 150])
def test_a_late_output_that_catches_up_costs_nothing(held_ms: int) -> None:
    cards = Cards(a_ppm=100, ring=1 << 15)
    cards.until_locked()
    cards.run(20)
    cards.f[sim.B_HELD] = cards.f[sim.B_DUE] + held_ms * 1e6
    assert steady(cards, 30) < 0.2


def test_a_dry_ring_is_silent_and_comes_back() -> None:
    cards = Cards(channels=1, signal=np.full((1, 48000), 0.5), record_s=8, a_ppm=50)
    cards.run(2)
    assert cards.drift.mode == FLOWING
    cards.w[sim.A_MISSES] = 375 * 3
    cards.run(1)
    assert cards.drift.mode == REFILLING
    assert not cards.drift.locked
    assert cards.drift.underruns == 1
    cards.run(4)
    assert cards.drift.mode == FLOWING
    y = cards.heard()[0]
    assert (y[round(2.1 * 48000):3 * 48000] == 0).all()
    np.testing.assert_allclose(y[-48000:], 0.5, atol=1e-6)
    silent = np.count_nonzero(y[48000:] == 0)
    assert abs(silent - cards.w[sim.SILENT]) < 100      # what is told is what is heard, but for the filters' lengths
    assert cards.drift.underruns == 1


@native
def anew(drift: int) -> int:
    """What a reader of a station does when that is back."""
    drift_anew(drift)
    return 0


@pytest.mark.parametrize(("told", "limit_s"), [(True, 2.5), (False, 9.0)])
@pytest.mark.parametrize("lost_s", [2, 3, 5, 20])
def test_a_station_that_skips_is_heard_again(lost_s: int, told: bool, limit_s: float) -> None:
    """Its packets come unevenly: what is lost must not pass for lateness for ever."""
    cards = Cards(a_block=4096, b_block=256, a_ppm=50, a_jitter=50.0, jitter_ms=250.0, target=72_000)
    cards.run(30)
    assert cards.drift.mode == FLOWING
    cards.w[sim.A_MISSES] = lost_s * 48_000 // 4096
    cards.run(lost_s)
    assert (cards.drift.mode, cards.drift.underruns) == (REFILLING, 1)
    if told:
        anew(cards.drift.address)
    cards.run(limit_s)
    assert cards.drift.mode == FLOWING
    cards.run(10)
    assert (cards.drift.mode, cards.drift.underruns) == (FLOWING, 1)
    assert abs(cards.drift.delay_frames - 72_000) < 0.2 * 48_000


def test_silence_before_the_first_sound_is_no_fault() -> None:
    cards = Cards(a_block=1024, b_block=64)
    cards.f[sim.A_DUE] += 2e9
    cards.w[sim.A_CALL] += 2 * 10**9
    cards.run(1.9)
    assert cards.drift.mode == PRIMING
    cards.run(10)
    assert cards.drift.mode == FLOWING
    assert cards.w[sim.SILENT] == 0
    assert cards.drift.underruns == cards.drift.resyncs == 0


def test_a_ring_that_was_full_for_long_is_taken_up() -> None:
    cards = Cards(a_ppm=100)
    cards.f[sim.B_DUE] += 9e9
    cards.w[sim.B_CALL] += 9 * 10**9
    cards.run(9)
    assert cards.ring.fill == cards.ring.capacity
    cards.run(3)
    assert steady(cards, 20) < 0.7


def test_calls_that_are_too_long_for_the_target_stay_silent() -> None:
    cards = Cards(a_block=64, b_block=4096, target=1000, ring=1 << 15)
    cards.run(5)
    assert cards.drift.mode == PRIMING
    cards.drift.target_frames = safe_target_frames(48000, 48000, 64, 4096)
    cards.run(5)
    assert cards.drift.mode == FLOWING


# Sound.


@pytest.mark.parametrize("rates", [(48000, 48000), *RATES[:3]])
@pytest.mark.parametrize("frequency", [1000, 10_000])
def test_a_sine_stays_clean(rates: tuple[int, int], frequency: int) -> None:
    """After the lock, with quiet clocks: the ratio still moves a little, and the sine is found where it is."""
    cards = Cards(*rates, 256, 256, channels=1, a_ppm=100, b_ppm=-100, a_jitter=0, b_jitter=0,
                  signal=sine(frequency, rates[0]), record_s=62)
    cards.run(60)
    y = cards.heard()[0, -16384:]
    n = np.arange(y.size)
    turn = 2 * np.pi * frequency / rates[1] * (1 + 200e-6)
    for _ in range(8):                  # Gauss-Newton, for the exact frequency
        basis = np.stack([np.cos(turn * n), np.sin(turn * n)], axis=1)
        (a, b), *_ = np.linalg.lstsq(basis, y, rcond=None)
        slope = n * (b * basis[:, 0] - a * basis[:, 1])
        found, *_ = np.linalg.lstsq(np.column_stack([basis, slope]), y, rcond=None)
        turn += found[2]
    basis = np.stack([np.cos(turn * n), np.sin(turn * n)], axis=1)
    found, *_ = np.linalg.lstsq(basis, y, rcond=None)
    noise_db = 10 * np.log10(np.mean((y - basis @ found) ** 2) / (np.sum(found**2) / 2))
    assert noise_db < -105
    assert abs(20 * np.log10(2 * np.hypot(*found))) < 0.001


@pytest.mark.parametrize("blocks", [(128, 128), (64, 1024), (1024, 64)])
@pytest.mark.parametrize("fault", ["none", "A loses 30 ms", "A loses 300 ms", "B loses 30 ms", "B loses 300 ms"])
def test_nothing_clicks(blocks: tuple[int, int], fault: str) -> None:
    """A 1 kHz sine bends nowhere much more than it does of itself, through start, faults and new beginnings."""
    cards = Cards(a_block=blocks[0], b_block=blocks[1], channels=1, signal=sine(1000), record_s=5, ring=1 << 15,
                  a_ppm=200, b_ppm=-200)
    cards.run(1.5)
    if fault != "none":
        card, _, ms, _ = fault.split()
        side = 0 if card == "A" else 1
        cards.w[(sim.A_MISSES, sim.B_MISSES)[side]] = max(int(ms) * 48 // blocks[side], 1)
    cards.run(3)
    assert cards.drift.underruns + cards.drift.resyncs == (fault != "none")
    bend = np.abs(np.diff(cards.heard()[0], 2)).max()
    assert bend < 1.2 * 0.5 * (2 * np.pi * 1000 / 48000) ** 2


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_channels(channels: int) -> None:
    """Each channel is the first one, at its own power of two: bit for bit."""
    gains = 0.5 ** np.arange(channels)[:, None]
    cards = Cards(44100, 48000, channels=channels, signal=sine(440, 44100) * gains, record_s=4)
    cards.run(3)
    y = cards.heard()
    assert np.abs(y[0]).max() > 0.49
    np.testing.assert_array_equal(y, y[0] * gains)


# What is refused, and what is compiled.


def test_targets() -> None:
    assert safe_target_frames(48000, 48000, 256, 128) == 256 + 128 + filter_taps(48000, 48000) // 2 + 1 + 120
    assert safe_target_frames(96000, 48000, 256, 128) > safe_target_frames(48000, 48000, 256, 256)
    assert least_ring_frames(48000, 500, 256) > 2 * 500


@pytest.mark.parametrize(("arguments", "sentence"), [
    ((0, 48000, 48000, 500), r"Drift\.channels must be at least 1 \(got 0\)"),
    ((2, 10, 48000, 500), r"Drift\.input_rate must be between 1000 and 1000000 Hz \(got 10\)"),
    ((2, 48000, 0, 500), r"Drift\.output_rate must be"),
    ((2, 48000, 48000, 48), r"target_frames must be more than the 48 frames of its filter \(got 48\)"),
    ((2, 48000, 48000, 500, 0.0), r"Drift\.jitter_ms must be between 0.01 and 1000 \(got 0.0\)"),
])
def test_what_cannot_be_is_refused(arguments: Any, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        Drift(*arguments)


def test_the_machine_code_is_clean() -> None:
    externals = sim.simulate.linked.object.externals
    assert not forbidden_symbols(externals)
    assert set(externals) <= {"atan2", "memmove", "memcpy", "memset", "floor", "sqrt", "atan2f"}
