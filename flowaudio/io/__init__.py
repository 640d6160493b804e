"""Sound from and to the outside: files, streams and sound cards.

The settings of codecs (`MP3`, `AAC`, `Opus`, `FLAC`, `WAV`) are plain data. `Decoder`, `Encoder` and `probe` load
FFmpeg when they are first asked for; importing this package loads neither FFmpeg nor a sound card.
"""

from typing import TYPE_CHECKING, Any

from flowaudio.io.formats import AAC, FLAC, MP3, WAV, Codec, Opus
from flowaudio.io.info import Cover, SourceInfo, portable_tags

if TYPE_CHECKING:
    from flowaudio.io.decoder import Decoder
    from flowaudio.io.encoder import Encoder
    from flowaudio.io.probing import probe

__all__ = [
    "AAC",
    "FLAC",
    "MP3",
    "WAV",
    "Codec",
    "Cover",
    "Decoder",
    "Encoder",
    "Opus",
    "SourceInfo",
    "portable_tags",
    "probe",
]

_LAZY = {"Decoder": "decoder", "Encoder": "encoder", "probe": "probing"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
