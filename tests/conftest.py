"""How the tests are shared out among the workers of pytest-xdist: whole files, the long ones first.

Two workers that go through one file side by side need the same kernels at the same time, and one of them waits for the
other one's compiler; and what the tests of a module share is made twice. What begins last ends alone, with the other
workers idle: so what takes longest begins first.

Not by xdist's own marker for groups: xdist hands a group on inside of a test's id, which pytest 9.2 leaves as it is,
and the groups are none.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    "a sound server": ("cli/test_live.py", "live/test_jack.py", "io/test_soundcard.py", "io/test_hotplug.py",
                       "cli/test_devices.py", "test_readme.py"),
    "notebooks": ("notebooks/test_browser.py", "notebooks/test_notebooks.py"),
}
"""Files that need something for themselves: JACK, of which there can be one; a browser and kernels, on two cores."""

LONGEST = ("a sound server", "nodes/test_detection.py", "cli/test_analyze.py", "cli/test_commands.py", "notebooks",
           "testing/test_drivers.py", "testing/test_plugin.py", "testing/test_check.py", "runtime/test_rack.py",
           "nodes/test_laws.py", "runtime/test_drift.py")
"""What takes more than about 20 s with an empty kernel cache. The first waits for sound most of the time, and what is
next to it compiles."""

_SCOPES = {f"tests/{file}": name for name, files in TOGETHER.items() for file in files}
_PLACES = {scope: number for number, scope in enumerate(LONGEST)}


def scope(test: str) -> str:
    """What goes to one worker as a whole with the test of this id."""
    file = test.partition("::")[0]
    return _SCOPES.get(file, file.removeprefix("tests/"))


class Scheduling(LoadFileScheduling):
    """Whole files, and together what belongs together, in the order in which the workers have collected it."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Ours for ``--dist=loadfile``, which is this project's default; another one if it is asked for."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False      # not by the number of tests
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker the longest come first; all others stay in their order, as all do without workers."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _PLACES.get(scope(item.nodeid), len(_PLACES)))
