"""The one place that loads PyAV (FFmpeg): every other module of the project takes `av` from here.

It also turns FFmpeg's errors into ours, and says which protocols an input may use.
"""

import errno
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeVar

import av
import av.error
import av.logging

from flowaudio.core.errors import SourceError, TargetError

__all__ = ["FAILURES", "TAG_OPTIONS", "av", "failure", "fraction", "protocol_whitelist", "readable"]

# FFmpeg's log callback takes the GIL under a lock of its own, which has hung threads; errors carry what we need.
av.logging.set_level(None)

# Up to version 18 tags in an unknown encoding are an error unless asked otherwise; from 19 on they are surrogates.
TAG_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Options of `av.open` that keep a tag in an unknown encoding from being an error."""

FAILURES = (av.error.FFmpegError, OSError, EOFError, ValueError)
"""What PyAV raises when a source or target is at fault."""


def readable(tag: str) -> str:
    """A tag with what is no UTF-8 in it replaced."""
    return tag.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fraction(time_base: Any) -> Fraction:
    """PyAV's rational number as Python's; 0 where it is not known."""
    return Fraction(time_base.numerator, time_base.denominator) if time_base else Fraction(0)


_Failure = TypeVar("_Failure", SourceError, TargetError)

_READING = {
    errno.ENOENT: "does not exist; check the name",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EACCES: "may not be read; check its permissions",
    errno.EPERM: "may not be read; check its permissions",
    errno.ECONNREFUSED: "cannot be reached (connection refused); check the address and that the server runs",
    errno.ETIMEDOUT: "did not answer in time; check the address and the network",
    errno.EIO: "cannot be read (input/output error); check the address, the network or the disk",
}
_WRITING = {
    errno.ENOENT: "cannot be written: its folder does not exist; make the folder first",
    errno.ENOTDIR: "cannot be written: its folder is a file; name another folder",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EACCES: "cannot be written: no permission for its folder; choose another or change its permissions",
    errno.EPERM: "cannot be written: no permission for its folder; choose another or change its permissions",
    errno.EROFS: "cannot be written: the file system is read-only; choose another folder",
    errno.ENOSPC: "cannot be written: the disk is full; free some space or choose another disk",
    errno.EDQUOT: "cannot be written: the disk quota is used up; free some space or choose another disk",
    errno.EFBIG: "cannot be written: it outgrew the largest file allowed here; choose a smaller format or another disk",
    errno.ENAMETOOLONG: "cannot be written: the name is too long; choose a shorter one",
    errno.EPIPE: "cannot be written: the reader of the pipe went away",
}
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.InvalidDataError, "is no audio that can be read, or its beginning or its index is missing"),
    (av.error.EOFError, "is no audio that can be read: it ends before any sound"),
    (av.error.ExitError, "did not answer in time; check the address and the network"),
    (av.error.ProtocolNotFoundError, "cannot be opened: FFmpeg here lacks its protocol; download the file first"),
    (av.error.HTTPNotFoundError, "is not there (HTTP 404); check the address"),
    (av.error.HTTPClientError, "is refused by its server; check the address and the access rights"),
    (av.error.HTTPServerError, "cannot be had: its server failed; try again later"),
)


def failure(kind: type[_Failure], name: str, error: BaseException) -> _Failure:
    """FFmpeg's or the system's `error` about the source or target `name` as one sentence of ours."""
    for known, sentence in _KINDS:
        if isinstance(error, known):
            return kind(f"{name} {sentence}")
    table = _READING if kind is SourceError else _WRITING
    sentence = table.get(getattr(error, "errno", None) or 0, "")
    if not sentence:
        verb = "read" if kind is SourceError else "written"
        sentence = f"cannot be {verb}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    return kind(f"{name} {sentence}")


_BENEATH = {"http": ("http", "tcp"), "https": ("https", "tls", "tcp"), "rtmp": ("rtmp", "tcp"), "rtp": ("rtp", "udp")}


def protocol_whitelist(allowed: Iterable[str]) -> str:
    """FFmpeg's whitelist for the protocols that the user allowed, with what lies beneath them (https: tls and tcp)."""
    names = [name for protocol in allowed for name in _BENEATH.get(protocol, (protocol,))]
    return ",".join(dict.fromkeys(names)) or "none"
