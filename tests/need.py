"""Programs that a test needs: without them it is skipped, save in CI, where it fails."""

import os
import shutil

import pytest


def need(program: str) -> str:
    """The path of `program`. Where it is missing the test is skipped with the reason, or fails if CI=true."""
    path = shutil.which(program)
    if path is None:
        reason = f"needs the program {program}, which is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
