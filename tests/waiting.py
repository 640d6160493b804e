"""Waiting for what happens beside a test: it fails if it never does."""

import time
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["LIMIT_S", "wait_until"]

LIMIT_S = 120.0
"""What has not happened by then never will, however busy the machine is."""


def wait_until(true: Callable[[], Any], what: str = "what should happen", limit_s: float = LIMIT_S) -> Any:
    """What `true` returns as soon as that is true. A test fails if it never is."""
    end = time.monotonic() + limit_s
    while not (value := true()):
        if time.monotonic() > end:
            pytest.fail(f"waited {limit_s:g} s in vain: {what}")
        time.sleep(0.005)
    return value
