"""The version, of an installed package or of a checkout."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

__all__ = ["version"]


def version() -> str:
    """Such as ``0.1.0``."""
    beside = Path(__file__).parents[2] / "pyproject.toml"
    try:
        return installed("flowaudio")
    except PackageNotFoundError:        # run from a checkout that is not installed
        import tomllib

        found: str = tomllib.loads(beside.read_text("utf-8"))["project"]["version"]
        return found
