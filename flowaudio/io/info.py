"""What a source says about itself: its format, its tags, its picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Cover", "SourceInfo", "portable_tags"]


@dataclass(frozen=True, kw_only=True)
class Cover:
    """A picture that travels with the sound: the bytes of a JPEG or PNG file, and ``image/jpeg`` or ``image/png``."""

    data: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What an audio source says of itself before it is decoded. What it leaves open is None."""

    path: str
    """The name under which it was opened; ``<stream>`` for a nameless file object."""
    container: str
    """FFmpeg's name of the container, such as ``wav`` or ``mov``."""
    codec: str
    """FFmpeg's name of the codec, such as ``mp3`` or ``pcm_s16le``."""
    sample_rate: int
    channels: int
    layout: str
    bit_depth: int | None
    """Bits a sample of a lossless codec; None for a lossy one."""
    bitrate: int | None
    """Bits per second of the audio stream, or of the file where only that is known."""
    duration_s: float | None
    frames: int | None
    """Length in frames where the source states it exactly; a truncated source states more than it holds."""
    tags: Mapping[str, str]
    """Title, artist and so on, by FFmpeg's names in lower case."""
    has_cover: bool
    others: tuple[str, ...]
    """The streams beside the decoded one, such as ``video h264``."""


# Tags that describe the old file's bits (its length, its gain, its encoder) and are wrong of a new one.
_ABOUT_THE_FILE = {
    "compatible_brands", "creation_time", "encoded_by", "encoder", "encoder_options", "handler_name", "itunnorm",
    "itunsmpb", "language", "major_brand", "metadata_block_picture", "minor_version", "tlen", "vendor_id",
}  # fmt: skip
_ABOUT_ITS_GAIN = ("replaygain_", "r128_")


def portable_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that stay true when the sound is processed and encoded anew: all but those about the old file's bits."""
    return {
        name.lower(): value
        for name, value in tags.items()
        if name.lower() not in _ABOUT_THE_FILE and not name.lower().startswith(_ABOUT_ITS_GAIN)
    }
