"""What is seen while a command works: bars on a terminal, plain lines elsewhere, nothing where it must be quiet.

All of it goes to standard error: standard output is for results.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowaudio.cli.output import clock
from flowaudio.core import cache

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Display", "display"]

COMPILING = "Compiling kernels for the first time"


class Display:
    """Phases of work, one bar each, and kernels while they compile."""

    def __init__(self, quiet: bool, machine: bool = False) -> None:
        """`quiet`: show nothing. `machine`: a program reads the result; it gets bars if somebody watches, no lines."""
        watched = sys.stderr.isatty()
        self._plain = not quiet and not watched and not machine
        self._bars: Progress | None = _bars() if watched and not quiet else None
        self._phase: tuple[str, float] = ("", 0.0)
        self._task: TaskID | None = None
        self._began = 0.0
        self._seen: dict[str, int] = {}
        self._kernels: TaskID | None = None
        self._place = (0, 0)            # of the kernel that is loaded now, among how many
        self.compiled: list[str] = []
        """Names of the kernels that were not in the cache, so far."""

    def __call__(self, what: str, done_s: float, total_s: float | None) -> None:
        """How far a phase is, in seconds of sound: what `process` calls."""
        if what != self._phase[0] or done_s < self._phase[1]:
            self._finish()
            self._start(what)
        self._phase = (what, done_s)
        if self._bars is not None and self._task is not None:
            speed = done_s / max(time.perf_counter() - self._began, 1e-3)
            left = (total_s - done_s) / speed if total_s and done_s else None
            note = f"{speed:4.0f} x real time"
            if left is not None:
                note += f"  {clock(max(left, 0.0), tenths=False):>5} left"
            total = max(total_s, done_s) if total_s else None
            self._bars.update(self._task, completed=done_s, total=total, note=note if done_s else "")

    def place(self, number: int, total: int) -> None:
        """Which kernel is loaded now, among how many: told when it turns out that it must be compiled."""
        if number == 1:
            self._finish()
        self._place = (number, total)

    def loaded(self) -> None:
        """All kernels are there."""
        self._place = (0, 0)
        self._hide_kernels()

    def _start(self, what: str) -> None:
        self._seen[what] = self._seen.get(what, 0) + 1
        again = "" if self._seen[what] == 1 else " again"
        self._began = time.perf_counter()
        if self._plain:
            print(f"flowaudio: {what}{again}", file=sys.stderr, flush=True)
        if self._bars is not None:
            self._task = self._bars.add_task(f"{what.capitalize()}{again}", total=None, note="")

    def _finish(self) -> None:
        """The phase is over: its bar is full, and has nothing left."""
        if self._bars is not None and self._task is not None:
            task = self._bars.tasks[self._bars.task_ids.index(self._task)]
            total = task.total or max(task.completed, 1.0)
            speed = total / max(time.perf_counter() - self._began, 1e-3)
            note = f"{speed:4.0f} x real time" if "real time" in task.fields["note"] else ""
            self._bars.update(self._task, completed=total, total=total, note=note)
        self._task, self._phase = None, ("", 0.0)

    def _compiling(self, name: str, seconds: float | None) -> None:
        """Called by the kernel cache before and after each kernel that has to be compiled."""
        if seconds is not None:
            if not self._place[1]:
                self._hide_kernels()
            return
        self.compiled.append(name)
        if self._plain and len(self.compiled) == 1:
            print(f"flowaudio: {COMPILING[0].lower()}{COMPILING[1:]}; later runs start at once", file=sys.stderr,
                  flush=True)
        if self._bars is not None:
            if self._kernels is None:
                self._kernels = self._bars.add_task(COMPILING, total=None, note="")
            number, total = self._place
            note = f"{name} ({number} of {total})" if total else name
            self._bars.update(self._kernels, completed=max(number - 1, 0), total=total or None, note=note)

    def _hide_kernels(self) -> None:
        if self._bars is not None and self._kernels is not None:
            self._bars.remove_task(self._kernels)
            self._kernels = None

    def _open(self) -> None:
        if self._bars is not None:
            self._bars.start()

    def _close(self) -> None:
        if self._bars is not None:
            self._bars.stop()


@contextlib.contextmanager
def display(quiet: bool, machine: bool = False) -> Iterator[Display]:
    """A display for as long as this lasts; what it drew then disappears."""
    shown = Display(quiet, machine)
    with cache.on_compile(shown._compiling):
        shown._open()
        try:
            yield shown
        finally:
            shown._close()


def _bars() -> "Progress":
    from rich.console import Console, ConsoleDimensions
    from rich.progress import BarColumn, Progress, TextColumn

    class Narrower(Console):
        """Leaves room for the ``^C`` that a terminal echoes: if it broke the line, a bar would stay behind."""

        @property  # type: ignore[misc]  # nobody sets it
        def size(self) -> ConsoleDimensions:
            full = super().size
            return ConsoleDimensions(max(full.width - 3, 1), full.height)

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None),
               TextColumn("{task.percentage:>3.0f}%", markup=False), TextColumn("{task.fields[note]}", markup=False))
    shown = Narrower(file=sys.stderr, highlight=False, markup=False, emoji=False)
    return Progress(*columns, console=shown, transient=True, expand=True)
