"""What somebody asks of an engine, looked at before anything is done."""

import math
import os
from typing import Any

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown

__all__ = ["number", "same_file", "whole"]


def number(name: str, value: Any, low: float, high: float, unit: str) -> float:
    """A real number from `low` to `high`; ParameterError for anything else."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not (low <= value <= high) or not math.isfinite(value):
        raise ParameterError(f"{name} must be between {low:g} and {high:g} {unit} (got {shown(value)})")
    return float(value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number from `low` to `high`; ParameterError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ParameterError(f"{name} must be a whole number between {low} and {high} (got {shown(value)})")
    return value


def same_file(one: str, other: str) -> bool:
    """Whether two paths lead to the same file, whether or not it is there."""
    return os.path.realpath(one) == os.path.realpath(other)
