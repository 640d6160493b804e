"""What several tests of machine code need."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "at", "python"]

ROOT = Path(__file__).parent.parent


def at(array: Any) -> int:
    """Where an array begins."""
    return int(array.__array_interface__["data"][0])


def python(code: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    """A new Python process with a kernel cache of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    variables = {**os.environ, "PYTHONPATH": path, "FLOWAUDIO_CACHE_DIR": str(cache), **environment}
    return subprocess.Popen([sys.executable, "-W", "error", "-c", code], text=True, env=variables, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
