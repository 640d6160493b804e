"""The kernel cache: object code on disk, in a folder of our own.

The folder is ``FLOWAUDIO_CACHE_DIR`` or the user's cache directory. Files are named by a digest of all that went into
them (see :mod:`flowaudio.core.digest`), so one that fits never goes stale. Where the folder cannot be written the
kernels live in memory, and one warning says so. Processes that want the same kernel at the same time compile it once:
the others wait for it. numba's own cache and its settings are not touched.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import platformdirs

try:
    import fcntl
except ImportError:     # Windows: each process compiles for itself
    fcntl = None        # type: ignore[assignment]

__all__ = ["announced", "claimed", "folder", "on_compile", "read", "write"]

_CHECK = 32  # bytes of SHA-256 in front of the content

PATIENCE_S = 120.0
"""How long another process is waited for: the longest kernel takes 10 s on a machine that has nothing else to do. Who
has waited for so long compiles for itself, for the other one may have been stopped."""

_LOOK_S = 0.02  # from one look at the claim to the next


def folder() -> Path:
    """Where compiled kernels are kept."""
    chosen = os.environ.get("FLOWAUDIO_CACHE_DIR")
    return (Path(chosen) if chosen else Path(platformdirs.user_cache_dir("flowaudio"))) / "kernels"


def _path(name: str, digest: str) -> Path:
    return folder() / f"{name}-{digest[:40]}"


def read(name: str, digest: str) -> bytes | None:
    """Content stored under `digest`, or None. A damaged file counts as none."""
    try:
        data = _path(name, digest).read_bytes()
    except OSError:
        return None
    check, content = data[:_CHECK], data[_CHECK:]
    return content if hashlib.sha256(content).digest() == check else None


def write(name: str, digest: str, content: bytes) -> None:
    """Store `content`; other processes see all of it or nothing."""
    path = _path(name, digest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        _warn_once(f"compiled kernels cannot be kept in {path.parent} ({error.strerror}); "
                   "every start compiles again; set FLOWAUDIO_CACHE_DIR to a folder that can be written")


@contextlib.contextmanager
def claimed(name: str, digest: str) -> Iterator[None]:
    """Within it nobody else who asks compiles this kernel: another thread or process waits here until it is done.

    Look into the cache again once you are inside. The claim is the operating system's lock on a file, and goes with its
    process, however that ends. Where there are no such locks, or no folder to keep a file in, nobody waits.
    """
    path = _path(f".claim-{name}", digest)
    file = _opened(path)
    if file is None:
        yield
        return
    with file:
        held = _locked(file.fileno())
        try:
            yield
        finally:
            if held:
                # Who waits has this file open, and gets its lock; who comes from now on makes a new one.
                with contextlib.suppress(OSError):
                    path.unlink()
                with contextlib.suppress(OSError):      # not by closing alone: a child may have been forked meanwhile
                    fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _opened(path: Path) -> IO[bytes] | None:
    if fcntl is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError:
        return None


def _locked(file: int) -> bool:
    """Wait for the lock of an open file; whether it was given in time."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_S)
        except OSError:                 # a file system without locks
            return True
        else:
            return True


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)


# --- what a first run says ------------------------------------------------------------------------------------------

Observer = Callable[[str, float | None], None]


def _say(name: str, seconds: float | None) -> None:
    if seconds is None:
        print(f"flowaudio: compiling {name} (the first run only)", file=sys.stderr, flush=True)


_observer: Observer = _say


@contextlib.contextmanager
def on_compile(observer: Observer) -> Iterator[None]:
    """While this lasts, `observer(name, None)` is called before a compilation and `observer(name, seconds)` after it.

    Without one, each compilation is told on standard error.
    """
    global _observer
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before


@contextlib.contextmanager
def announced(name: str) -> Iterator[None]:
    """Tell the observer that `name` is compiled now."""
    start = time.perf_counter()
    _observer(name, None)
    yield
    _observer(name, time.perf_counter() - start)
