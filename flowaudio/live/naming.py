"""Names for files that are written without anybody watching: never one that something stands under."""

import os
import re
from pathlib import Path

from flowaudio.core.errors import TargetError

__all__ = ["plain", "reserved"]


def plain(text: str) -> str:
    """Text as a part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", text).lstrip(".")


def reserved(path: Path) -> Path:
    """This name, or the first of NAME-2, NAME-3, … that nobody has: an empty file stands there now, and is ours.

    :raises TargetError: nothing can be written there.
    """
    made, count = path, 1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                return made
            except FileExistsError:
                count += 1
                made = path.with_name(f"{path.stem}-{count}{path.suffix}")
    except OSError as error:
        raise TargetError(f"{made} cannot be written: {error.strerror}; choose another folder") from error
