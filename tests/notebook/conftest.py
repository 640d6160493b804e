"""A real IPython shell in this process, and sound cards that are not there."""

import atexit
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from flowaudio.testing import SimulatedCard


@pytest.fixture(scope="package")
def one_shell() -> Iterator[Any]:
    """IPython's own shell, as a kernel has it, without history on disk; everything is put back at the end."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from flowaudio.notebook.formatters import register

    before = sys.modules["__main__"], sys.excepthook, sys.displayhook
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    made: Any = InteractiveShell.instance(config=config)
    register(made)
    try:
        yield made
    finally:
        atexit.unregister(made.atexit_operations)
        made._atexit_once()
        InteractiveShell.clear_instance()
        sys.modules["__main__"], sys.excepthook, sys.displayhook = before


@pytest.fixture
def shell(one_shell: Any) -> Iterator[Any]:
    """The shell without anything in it."""
    yield one_shell
    for name in [name for name in one_shell.user_ns if not name.startswith("_")]:
        if name not in one_shell.user_ns_hidden:
            del one_shell.user_ns[name]


@pytest.fixture
def card() -> SimulatedCard:
    """Hears a steady level of 0.1: what is missing of it would show."""
    made = SimulatedCard()
    made.play_into_input(lambda frames: np.full((2, frames), 0.1, np.float32))
    return made
