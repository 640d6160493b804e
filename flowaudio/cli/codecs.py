"""From the options of the command line to a codec."""

import dataclasses
from pathlib import Path
from typing import Any

from flowaudio.core.errors import ParameterError
from flowaudio.io.formats import AAC, FLAC, MP3, WAV, Codec, Opus, default_codec

__all__ = ["chosen_codec"]

_TYPES: dict[str, type[Codec]] = {"mp3": MP3, "aac": AAC, "opus": Opus, "flac": FLAC, "wav": WAV}

_OPTIONS = {"bitrate": "--bitrate", "quality": "--quality", "bit_depth": "--bit-depth"}


def chosen_codec(args: Any, preset: Codec | None = None) -> Codec | None:
    """The codec that was asked for; None where nothing was, and the file's name or the preset decides.

    :param preset: the preset's codec: what is not asked for stays as it has it.
    """
    asked = {field: getattr(args, field) for field in _OPTIONS if getattr(args, field) is not None}
    if args.codec is None and not asked:
        return None
    kind = _TYPES[args.codec] if args.codec else type(default_codec(Path(args.output)))
    known = {field.name for field in dataclasses.fields(kind)}
    for field, option in _OPTIONS.items():
        if field in asked and field not in known:
            has = " and ".join(_OPTIONS[name] for name in _OPTIONS if name in known)
            raise ParameterError(f"{kind.__name__} has no {option}; leave it out (it has {has})")
    if kind is MP3 and "quality" in asked:
        asked.setdefault("bitrate", None)
    return dataclasses.replace(preset if isinstance(preset, kind) else kind(), **asked)
