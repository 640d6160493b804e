"""The tables of EBU Tech 3341 (loudness, true peak) and EBU Tech 3342 (loudness range), at four rates."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.signal as sps
from support import in_pieces

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import Plan
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness

RATES = [44_100, 48_000, 96_000, 192_000]
SILENT = -1000.0

each_rate = pytest.mark.parametrize("rate", RATES)


@cache
def second(rate: int) -> Any:
    """1 kHz for one second: whole periods, so that it can be put together without a seam."""
    return np.sin(2000 * np.pi * np.arange(rate) / rate).astype(np.float32)


def tone(rate: int, *parts: tuple[float, float], channels: int = 2) -> Any:
    """Stereo of (seconds, peak level in dBFS), one after the other, the phase going on."""
    ends = np.rint(np.cumsum([seconds for seconds, _ in parts]) * rate).astype(int)
    made = np.resize(second(rate), (1, ends[-1]))
    for begin, end, (_, level) in zip([0, *ends], ends, parts, strict=False):
        made[0, begin:end] *= np.float32(10 ** (level / 20))
    return np.repeat(made, channels, axis=0)


def meter(rate: int, channels: int = 2, **settings: Any) -> Plan:
    return Plan(chain(LoudnessMeter(**settings)), rate, channels, 8192)


def reading(plan: Plan) -> LoudnessReading:
    return loudness(plan.read("loudness_meter"))


def loud(x: Any, rate: int) -> LoudnessReading:
    """What a meter says of the loudness of a whole signal."""
    plan = meter(rate, x.shape[0], true_peak=False)
    plan.process_into(x, np.empty_like(x))
    return reading(plan)


def followed(x: Any, rate: int, step_s: float) -> list[LoudnessReading]:
    """What it says at each step on the way."""
    plan, found = meter(rate, x.shape[0], true_peak=False), []
    step = round(step_s * rate)
    for at in range(0, x.shape[1], step):
        plan.process(x[:, at:at + step])
        found.append(reading(plan))
    return found


def near(value: float) -> Any:
    return pytest.approx(value, abs=0.1)


@each_rate
@pytest.mark.parametrize("level", [-23, -33])
def test_cases_1_and_2(rate: int, level: float) -> None:
    told = loud(tone(rate, (20, level)), rate)
    assert (told.momentary_lufs, told.short_term_lufs, told.integrated_lufs) == (near(level),) * 3
    assert (told.momentary_max_lufs, told.short_term_max_lufs) == (near(level),) * 2


@each_rate
@pytest.mark.parametrize("parts", [
    ((10, -36), (60, -23), (10, -36)), ((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)),
    ((20, -26), (20.1, -20), (20, -26))], ids=["3", "4", "5"])
def test_cases_3_to_5(rate: int, parts: tuple[tuple[float, float], ...]) -> None:
    assert loud(tone(rate, *parts), rate).integrated_lufs == near(-23)


@each_rate
def test_case_6(rate: int) -> None:
    gains = 10 ** (np.array([-28, -28, -24, -30, -30], np.float32) / 20)
    x = tone(rate, (20, 0), channels=5) * gains[:, None]
    assert loud(x, rate).integrated_lufs == near(-23)
    assert loud(np.insert(x, 3, second(rate)[0], axis=0), rate).integrated_lufs == near(-23)  # 5.1 with any LFE


@each_rate
def test_case_9(rate: int) -> None:
    told = followed(tone(rate, *[(1.34, -20), (1.66, -30)] * 5), rate, 0.1)
    assert [each.short_term_lufs for each in told[30:]] == [near(-23)] * 120


@each_rate
def test_case_10(rate: int) -> None:
    found = [loud(tone(rate, (0.15 * i, SILENT), (3, -23), (1, SILENT)), rate) for i in range(20)]
    assert [each.short_term_max_lufs for each in found] == [near(-23)] * 20


@each_rate
def test_case_11(rate: int) -> None:
    parts = [part for i in range(20) for part in ((0.15 * i, SILENT), (3, -38 + i), (3 - 0.15 * i, SILENT))]
    told = followed(tone(rate, *parts), rate, 6)
    assert [each.short_term_max_lufs for each in told] == [near(-38 + i) for i in range(20)]


@each_rate
def test_case_12(rate: int) -> None:
    told = followed(tone(rate, *[(0.18, -20), (0.22, -30)] * 25), rate, 0.02)
    assert [each.momentary_lufs for each in told[50:]] == [near(-23)] * 450


@each_rate
def test_case_13(rate: int) -> None:
    found = [loud(tone(rate, (0.02 * i, SILENT), (0.4, -23), (1, SILENT)), rate) for i in range(20)]
    assert [each.momentary_max_lufs for each in found] == [near(-23)] * 20


@each_rate
def test_case_14(rate: int) -> None:
    parts = [part for i in range(20) for part in ((0.02 * i, SILENT), (0.4, -38 + i), (0.4 - 0.02 * i, SILENT))]
    told = followed(tone(rate, *parts), rate, 0.8)
    assert [each.momentary_max_lufs for each in told] == [near(-38 + i) for i in range(20)]


def faded(x: Any, rate: int) -> Any:
    n = np.arange(x.size)
    return (x * np.minimum(1, np.minimum(n, n[::-1]) / (0.01 * rate)))[None].astype(np.float32)


def true_peak_db(x: Any, rate: int) -> float:
    plan = meter(rate, 1)
    plan.process(x)
    return reading(plan).true_peak_dbtp


@each_rate
@pytest.mark.parametrize(("samples", "peak", "degrees", "wanted"), [
    (4, 0.5, 0, -6), (4, 0.5, 45, -6), (6, 0.5, 60, -6), (8, 0.5, 67.5, -6), (4, 1.41, 45, 3)])
def test_cases_15_to_19(rate: int, samples: int, peak: float, degrees: float, wanted: float) -> None:
    x = peak * np.sin(2 * np.pi * np.arange(rate) / samples + np.radians(degrees))
    assert wanted - 0.4 <= true_peak_db(faded(x, rate), rate) <= wanted + 0.2


@each_rate
@pytest.mark.parametrize("offset", range(4))
def test_cases_20_to_23(rate: int, offset: int) -> None:
    """Made at four times the rate: a sixth of the rate, in its middle one period of a quarter of it, twice as high."""
    phase, level = np.full(rate, 1 / 24), np.full(rate, 0.5)
    middle = rate // 48 * 24
    phase[middle:middle + 16], level[middle:middle + 16] = 1 / 16, 1.0
    fine = level * np.sin(2 * np.pi * (np.cumsum(phase) - phase))
    low = sps.convolve(fine, sps.firwin(801, 0.245, window=("kaiser", 8)), "same")
    assert -0.4 <= true_peak_db(faded(low[offset::4], rate), rate) <= 0.2


@each_rate
@pytest.mark.parametrize(("levels", "wanted"), [
    ((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)])
def test_loudness_range(rate: int, levels: tuple[float, ...], wanted: float) -> None:
    told = loud(tone(rate, *[(20, level) for level in levels]), rate)
    assert told.loudness_range_lu == pytest.approx(wanted, abs=1)
    assert told.loudness_range_stable == (len(levels) > 2)


@each_rate
def test_no_cutting_changes_a_case(rate: int) -> None:
    """A bit of everything: levels, silence, a gating block that is not whole, true peaks between the samples."""
    x = tone(rate, (0.13, SILENT), (0.4, -23), (0.3, -70), (2.5, -36), (0.015, -3), (0.4, -18))
    x[1] += 0.3 * np.sin(np.pi / 2 * np.arange(x.shape[1]) + np.pi / 4, dtype=np.float32)
    plan, out = meter(rate), np.empty_like(x)
    plan.process_into(x, out)
    wanted = plan.read("loudness_meter")
    assert wanted["loudness_range_lu"] >= 0
    for block in (1, 7, 100, 256, 441, 4096):
        plan.reset()
        plan.process_into(x, out, block)
        np.testing.assert_equal(plan.read("loudness_meter"), wanted)
    for lengths in ([1, 255, 3], [rate // 100, 1], [777, 8192, 13, 64, 37]):
        plan.reset()
        in_pieces(plan, x, lengths)
        np.testing.assert_equal(plan.read("loudness_meter"), wanted)
