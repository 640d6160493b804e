"""A file that stands under its name only when it is whole."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

__all__ = ["Target", "is_device"]


def is_device(path: Path) -> bool:
    """Whether something stands there that is neither file nor folder: it is written to, not replaced."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError):
        return False


class Target:
    """What an encoder writes to: a path, or a binary file object that the caller owns.

    A path is written as a hidden temporary file in the same folder. `commit` gives it its name, replacing what stood
    there; `discard` removes it. A device or pipe is written directly, and so is a file object.

    Raises OSError; after an error in `write` the first one also stands in `error`, since FFmpeg may lose it. So does
    a KeyboardInterrupt that came just then.
    """

    def __init__(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        self.error: BaseException | None = None
        self.closed = False
        """True once nothing more is written: FFmpeg's muxer then leaves the file alone."""
        self._temporary: Path | None = None
        if not isinstance(target, (str, os.PathLike)):
            self.name = str(getattr(target, "name", "<stream>"))
            self._file = target
            self._owned = False
            return
        self.name = os.fspath(target)
        # A link stays a link: the file it points to is replaced.
        self._path = Path(target).resolve()
        self._owned = True
        self._file = self._open()

    def _open(self) -> BinaryIO:
        if self._path.is_dir() or is_device(self._path):
            return self._path.open("wb")
        self._temporary = self._path.with_name(f".{self._path.name[:100]}.{secrets.token_hex(4)}.part")
        return self._temporary.open("xb")

    def seekable(self) -> bool:
        """Whether what was written can be gone back to."""
        seekable = getattr(self._file, "seekable", None)
        return bool(seekable()) if seekable else hasattr(self._file, "seek")

    def write(self, data: bytes) -> int:
        """Write all of `data`, whatever the file takes at once."""
        rest = memoryview(data)
        try:
            while rest:
                written = self._file.write(rest)
                rest = rest[written:] if isinstance(written, int) else rest[len(rest) :]
        except BaseException as error:  # Ctrl-C too: FFmpeg's callback would swallow it
            self.error = self.error or error
            raise
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()

    def commit(self) -> None:
        """Close the file and give it its name."""
        self.closed = True
        if not self._owned:
            self._file.flush() if hasattr(self._file, "flush") else None
            return
        self._file.close()
        if self._temporary:
            with contextlib.suppress(OSError):
                shutil.copymode(self._path, self._temporary)
            self._temporary.replace(self._path)
            self._temporary = None

    def discard(self) -> None:
        """Close the file and remove it; the name keeps what stood there."""
        self.closed = True
        if self._owned:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._temporary:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None
