"""From an error to a sentence, an exit code and a word for programs."""

import errno
import re
from typing import NamedTuple

from flowaudio.cli.parser import UsageError
from flowaudio.core.errors import DocumentError, GraphError, KernelError, ParameterError, SourceError, TargetError

__all__ = ["INTERRUPTED", "PIPE", "Failure", "Stopped", "describe", "one_line"]

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""
PIPE = 141
"""128 and the number of SIGPIPE."""

_KINDS: tuple[tuple[type[BaseException], int, str], ...] = (
    (UsageError, 2, "usage"),
    (ParameterError, 2, "parameter"),
    (DocumentError, 2, "document"),
    (GraphError, 2, "graph"),
    (SourceError, 3, "source"),
    (TargetError, 4, "target"),
    (KernelError, 5, "kernel"),
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What printing into a file fails with."""

# The library names its cures in Python; here they are options.
_CURES = (
    (r"kept with tolerant=True", "kept with --tolerant"),
    (r"allow it with allowed_protocols=.*", "allow it with --allow \\g<protocol>"),
    (r"resample to (\d+) Hz", r"use --sample-rate \1"),
    (r"mix to (\d+)", r"use --channels \1"),
    (r"allow_feedback=True", "--allow-feedback"),
)


class Stopped(BaseException):
    """Another process asks this one to end: a signal with its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Failure(NamedTuple):
    """What is told of an error."""

    sentence: str
    code: int
    kind: str


def describe(error: BaseException) -> Failure:
    """What to say of `error`."""
    if isinstance(error, KeyboardInterrupt):
        return Failure("stopped; nothing was left half-written", INTERRUPTED, "interrupted")
    if isinstance(error, Stopped):
        return Failure("ended by a signal; nothing was left half-written", 128 + error.number, "interrupted")
    for known, code, kind in _KINDS:
        if isinstance(error, known):
            return Failure(_with_our_cures(one_line(str(error))), code, kind)
    if isinstance(error, MemoryError):
        return Failure("there is not enough memory for this", 1, "memory")
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        return Failure(f"standard output cannot be written: {error.strerror}; free some space", 4, "target")
    said = one_line(f"{type(error).__name__}: {error}")
    return Failure(f"this is a fault of flowaudio, please report it: {said} (FLOWAUDIO_DEBUG=1 shows where)", 1, "bug")


def one_line(text: str) -> str:
    """Text from outside (names, tags) that cannot move the cursor or break the line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def _with_our_cures(sentence: str) -> str:
    protocol = re.search(r"needs the protocol ([\w+.-]+)", sentence)
    for pattern, cure in _CURES:
        sentence = re.sub(pattern, cure.replace("\\g<protocol>", protocol[1] if protocol else ""), sentence)
    return sentence
