"""Whether an output can be written, found out before the work and not after it."""

from pathlib import Path

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.io.codecs import failure
from flowaudio.io.target import Target

__all__ = ["check_target"]


def check_target(path: Path, source: str | None = None) -> None:
    """Begin to write `path` and give up again: nothing is left.

    :raises TargetError: it cannot be written. ParameterError: it is the file `source`, which is to be read.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        if path.exists() and not path.is_file():
            return                      # a device or pipe is opened once only
        if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
            raise ParameterError(f"{path} is both input and output; name another output")
        Target(path).discard()
    except ParameterError:
        raise
    except (OSError, ValueError) as error:
        raise failure(TargetError, str(path), error) from error
