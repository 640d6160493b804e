"""Programs and packages that a test needs: without them it is skipped, save in CI, where it fails."""

import importlib.util
import os
import shutil
from typing import NoReturn

import pytest


def need(program: str) -> str:
    """The path of `program`. Where it is missing the test is skipped with the reason, or fails if CI=true."""
    path = shutil.which(program)
    if path is None:
        _without(f"the program {program}")
    return path


def need_module(name: str) -> None:
    """As `need`, of a Python package."""
    if importlib.util.find_spec(name) is None:
        _without(f"the Python package {name}")


def _without(what: str) -> NoReturn:
    reason = f"needs {what}, which is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
