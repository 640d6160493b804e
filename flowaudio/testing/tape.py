"""What a recorded run is on disk: a folder with what came in, what went out, and what was asked for.

- ``requests.log``: entries, each its length and its CRC-32 (two little-endian uint32) and a msgpack table. The first
  is the rack as it began; then one a request, in their order; the last says how many frames there are.
- ``in.f32``, ``out.f32``: little-endian float32, a frame's channels side by side.

All three only ever grow, and each entry is one write: whatever stops a run, what was written before can be read.
"""

import numbers
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import DocumentError, SourceError, TargetError
from flowaudio.core.params import as_dict
from flowaudio.graph.encoding import decode, encode

__all__ = ["VERSION", "Tape", "TapeWriter", "plain", "read_tape"]

Array = np.ndarray[Any, Any]

VERSION = 1

LOG, IN_FILE, OUT_FILE = "requests.log", "in.f32", "out.f32"

HEAD = struct.Struct("<II")
"""Of an entry: its length and its CRC-32."""


class TapeWriter:
    """A recording that grows."""

    def __init__(self, folder: Path) -> None:
        """:raises TargetError: the folder holds a recording already, or cannot be written to."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._log, self._in, self._out = (
                (folder / name).open("xb", buffering=0) for name in (LOG, IN_FILE, OUT_FILE))
        except FileExistsError:
            raise TargetError(f"{folder} holds a recording already: choose another folder") from None
        except OSError as error:
            raise TargetError(f"{folder} cannot be written to: {error.strerror}; choose another folder") from error

    def note(self, entry: dict[str, Any]) -> None:
        """Add an entry to the log. DocumentError: it holds what no document can."""
        data = encode(entry, "msgpack")
        self._log.write(HEAD.pack(len(data), zlib.crc32(data)) + data)

    def sound(self, x: Array, y: Array) -> None:
        """Add what came in and what went out, float32 ``[channels, frames]``."""
        for file, rows in ((self._in, x), (self._out, y)):
            file.write(np.ascontiguousarray(rows.T, "<f4").data)

    def close(self) -> None:
        """Nothing more comes."""
        for file in (self._log, self._in, self._out):
            file.close()


class Tape(NamedTuple):
    """A recording as it was read."""

    began: dict[str, Any]               # the rack at its beginning
    requests: list[dict[str, Any]]      # in their order
    x: Array                            # float32 [channels, frames], from the disk when it is looked at
    y: Array                            # of the same length
    whole: bool                         # it was closed, and nothing of the log is damaged
    late_letters: int                   # that came too late for their frame
    missed_frames: int                  # that nobody wrote down: then the recording ends before them


def read_tape(folder: Path) -> Tape:
    """A recording, as far as it was written.

    :raises SourceError: there is none, or a later flowaudio has written it.
    """
    try:
        data = (folder / LOG).read_bytes()
    except OSError as error:
        raise SourceError(f"{folder} holds no recording: {LOG} cannot be read ({error.strerror})") from error
    entries, undamaged = _entries(data)
    if not entries or entries[0].get("what") != "run":
        raise SourceError(f"{folder} holds no recording: {LOG} does not begin with one")
    began = entries[0]
    if began.get("version") != VERSION:
        raise SourceError(f"{folder} is a recording of version {began.get('version')}, and this flowaudio reads "
                          f"version {VERSION}")
    x = _rows(folder / IN_FILE, began["channels"])
    y = _rows(folder / OUT_FILE, began["output_channels"])
    frames = min(x.shape[1], y.shape[1])
    notes = {entry["what"]: entry.get("count", 0) for entry in entries if entry["what"] in ("late", "missed", "end")}
    requests = [entry for entry in entries[1:] if entry["what"] not in ("late", "missed", "end")]
    return Tape(began, requests, x[:, :frames], y[:, :frames], undamaged and notes.get("end") == frames,
                notes.get("late", 0), notes.get("missed", 0))


def _entries(data: bytes) -> tuple[list[dict[str, Any]], bool]:
    """All entries up to the first that is not whole, and whether there is none such."""
    made: list[dict[str, Any]] = []
    at = 0
    while at < len(data):
        if at + HEAD.size > len(data):
            return made, False
        size, check = HEAD.unpack_from(data, at)
        content = data[at + HEAD.size:at + HEAD.size + size]
        if len(content) < size or zlib.crc32(content) != check:
            return made, False
        try:
            made.append(decode(content, "msgpack"))
        except DocumentError:
            return made, False
        at += HEAD.size + size
    return made, True


def _rows(path: Path, channels: int) -> Array:
    """The whole frames of a file, ``[channels, frames]``."""
    try:
        size = path.stat().st_size // (4 * channels)
        if not size:                    # nothing can be mapped of an empty file
            return np.zeros((channels, 0), np.float32)
        return np.memmap(path, "<f4", "r", 0, (size, channels)).T
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def plain(value: Any) -> Any:
    """Parameter values as documents hold them; what they cannot hold is left for `encode` to refuse."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return plain(as_dict(value)) if hasattr(type(value), "__params__") else value
