"""How a picture of a report looks: colours, and how numbers, times and lengths of text are written in it."""

from typing import TYPE_CHECKING

from flowaudio.stream.faults import moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BAD", "CARD", "FAINT", "FAIR", "GOOD", "GRID", "INK", "PAPER", "clock", "fitting", "number", "style",
           "time_axis", "time_ticks", "width_pt"]

INK, FAINT, GRID, PAPER, CARD = "#1b2530", "#71808f", "#dfe5ea", "#ffffff", "#f3f6f8"
GOOD, FAIR, BAD = "#2a9d6f", "#e0a030", "#c8372d"

STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800,
           3600, 7200, 10_800, 21_600, 43_200)
"""From one mark of the time axis to the next: what can be read off a clock."""

MARKS = 10
"""On the time axis, at most, as long as there is a step for it."""


def number(value: float | None, digits: int = 1) -> str:
    """As it is printed: a dash for None, a true minus, and no minus before a zero."""
    if value is None:
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")     # -0.0 and 0.0 are 0.0


def clock(seconds: float, decimals: int = 0) -> str:
    """``0:03``, ``0:03.25``, ``1:02:05``: rounded to `decimals`, three at most."""
    said = moment(round(max(seconds, 0.0), decimals))
    return said[:len(said) - 3 + decimals] if decimals else said[:-4]


def time_ticks(duration_s: float) -> tuple[list[float], int]:
    """Places of the marks on a time axis, and the decimals that their step has."""
    if duration_s <= 0:
        return [0.0], 0
    step = next((each for each in STEPS_S if duration_s <= MARKS * each), 86_400.0)
    decimals = 3 if step < 0.01 else 2 if step < 0.1 else 1 if step < 1 else 0
    return [place * step for place in range(int(duration_s / step + 1e-6) + 1)], decimals


def time_axis(axes: "Axes", duration_s: float) -> None:
    """From the beginning to the end of the sound, with marks at whole steps."""
    ticks, decimals = time_ticks(duration_s)
    axes.set_xlim(0, max(duration_s, 1e-3))
    axes.set_xticks(ticks, [clock(each, decimals) for each in ticks])


def width_pt(text: str, size: float, weight: str = "normal") -> float:
    """How wide a text of this size is."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    plain = text.replace("$", "S")              # two of them would be taken for a formula
    return float(TextPath((0, 0), plain, size=size, prop=FontProperties(weight=weight)).get_extents().x1)


def fitting(text: str, size: float, room_pt: float, weight: str = "normal", least: float = 8.0) -> tuple[str, float]:
    """A text and its size, no wider than `room_pt`: smaller, and from `least` on with its middle left out."""
    wide = width_pt(text, size, weight)
    if wide <= room_pt:
        return text, size
    if size * room_pt / wide >= least:
        return text, size * room_pt / wide
    kept = int(len(text) * room_pt / (wide * least / size))
    while True:                         # letters are not equally wide
        shown = f"{text[:kept - kept // 3]}…{text[len(text) - kept // 3:]}"
        if kept <= 2 or width_pt(shown, least, weight) <= room_pt:
            return shown, least
        kept -= 1 + kept // 32


def style(axes: "Axes") -> None:
    """No frame, faint marks, upright lines at the times."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    axes.yaxis.label.set_color(FAINT)
    axes.yaxis.label.set_fontsize(9)
    axes.yaxis.set_label_coords(-0.055, 0.5)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
