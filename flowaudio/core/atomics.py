"""Atomic operations on aligned int64 in memory, by address, for compiled code: what the rings are made of."""

from flowaudio.core.stub import stub

__all__ = ["add", "compare_exchange", "exchange", "load_acquire", "store_release"]


@stub
def load_acquire(address: int) -> int:
    """Load; nothing that follows is moved before it."""


@stub
def store_release(address: int, value: int) -> None:
    """Store; nothing that precedes is moved behind it."""


@stub
def exchange(address: int, value: int) -> int:
    """Store and return what was there (acquire and release)."""


@stub
def compare_exchange(address: int, expected: int, value: int) -> bool:
    """Store if `expected` is there; whether it was (acquire and release)."""


@stub
def add(address: int, value: int) -> int:
    """Add and return what was there before (acquire and release)."""
