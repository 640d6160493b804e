"""Opening a source and reading what it says of itself, before anything is decoded."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from flowaudio.core.errors import SourceError
from flowaudio.core.layouts import MAX_CHANNELS, Speakers, layout_name
from flowaudio.core.named_layouts import layout_called
from flowaudio.io.codecs import FAILURES, TAG_OPTIONS, av, failure, fraction, protocol_whitelist, readable
from flowaudio.io.info import SourceInfo
from flowaudio.io.samples import speakers_of

if TYPE_CHECKING:
    from av.audio.layout import AudioLayout
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream

__all__ = [
    "EXACT_CONTAINERS",
    "Source",
    "best_stream",
    "describe",
    "is_cover",
    "open_source",
    "probe",
    "source_name",
    "stated_frames",
]

Source = str | os.PathLike[str] | BinaryIO

_DTS = (0x7FFE8001, 0xFE7F0180, 0x1FFFE800, 0xFF1F00E8)
"""What a DTS frame begins with: in words of 16 and 14 bits, in both orders of bytes."""

LIVE = {"analyzeduration": "1000000", "max_probe_packets": "4"}
"""FFmpeg's options for what is sent live: at most a second is looked at; an endless WAV took four."""

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")


def probe(source: Source, *, allowed_protocols: Iterable[str] = ("file",)) -> SourceInfo:
    """What `source` (a path, URL or binary file object) says of itself. SourceError where it holds no sound."""
    name = source_name(source)
    with open_source(source, allowed_protocols) as container:
        stream, _, _ = best_stream(container, name)
        return describe(container, stream, name)


def source_name(source: Source) -> str:
    """The name of a source as messages give it."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "<stream>"))


def open_source(source: Source, allowed_protocols: Iterable[str], timeout_s: float = 10.0, *,
                live: bool = False) -> "InputContainer":
    """Open a source with FFmpeg. It, and what it refers to (a playlist's parts), may use the allowed protocols only.

    :param live: it comes as fast as it sounds: do not wait for more than needs be.
    """
    allowed = tuple(allowed_protocols)
    name = source_name(source)
    url = _URL.match(source) if isinstance(source, str) else None
    if isinstance(source, (str, os.PathLike)):
        protocol = url[1].lower() if url else "file"
        if protocol not in allowed:
            listed = ", ".join(map(repr, (*allowed, protocol)))
            raise SourceError(f"{name} needs the protocol {protocol}; allow it with allowed_protocols=({listed})")
        if not url:
            _check_path(Path(source))
    looks = LIVE if live else {} if url else _looks(source)
    try:
        container: InputContainer = av.open(
            # Without the prefix FFmpeg takes what stands before a colon in a file's name for a protocol.
            f"file:{os.fspath(source)}" if isinstance(source, (str, os.PathLike)) and not url else source,
            "r",
            container_options={"protocol_whitelist": protocol_whitelist(allowed), **looks},
            buffer_size=1 << 17,
            timeout=timeout_s if url else None,
            **TAG_OPTIONS,
        )
        return container
    except FAILURES as error:
        raise failure(SourceError, name, error) from error


def _looks(source: Source) -> dict[str, str]:
    """FFmpeg's option for how long it looks for a codec that hides in a WAV of 16 bits, where its own choice is dear.

    It guesses at 32 packets, half a megabyte, with all that it knows, which takes as long as analysing ten seconds of
    sound. What hides there is DTS, which may begin late, and is told by its first words here; the rest shows itself in
    the first packets.
    """
    if isinstance(source, (str, os.PathLike)) and (path := Path(source)).is_file():
        with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
            head = file.read(12)
            if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE" and not _holds_dts(file.read(1 << 19)):
                return {"max_probe_packets": "4"}
    return {}


def _holds_dts(head: bytes) -> bool:
    """Whether a DTS frame may begin somewhere, at an even place."""
    for skipped in (0, 2):
        words = np.frombuffer(head, ">u4", max(len(head) - skipped, 0) // 4, skipped if len(head) > skipped else 0)
        if any(bool((words == word).any()) for word in _DTS):
            return True
    return False


def _check_path(path: Path) -> None:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
    except (OSError, ValueError) as error:
        raise failure(SourceError, str(path), error) from error
    if path.is_file() and size == 0:
        raise SourceError(f"{path} is empty; it holds not one byte of sound")


def best_stream(container: "InputContainer", name: str) -> "tuple[AudioStream, Speakers, str]":
    """The audio stream that FFmpeg holds for the main one, the speakers that its channels are mixed by, and the name of
    its layout, "default" where FFmpeg has none."""
    stream = cast("AudioStream | None", container.streams.best("audio"))
    if stream is None:
        others = ", ".join(f"{other.type} {_codec_name(other)}" for other in container.streams) or "nothing"
        raise SourceError(f"{name} has no sound in it, only {others}; name a file with an audio stream")
    if stream.codec_context is None:
        raise SourceError(f"{name} is of a codec that FFmpeg here cannot decode; convert it to FLAC or WAV first")
    order, layout = _settled_order(stream)
    if not stream.codec_context.sample_rate or not order:
        raise SourceError(f"{name} is no audio that can be read: it states no sample rate or no channels")
    return stream, order, layout


def _settled_order(stream: "AudioStream") -> tuple[Speakers, str]:
    """The stream's speakers, as they are mixed, and FFmpeg's name of their layout; one that is none of FFmpeg's own is
    reduced to its count.

    PyAV shares the memory of such a layout and frees it twice: `layout` takes it over from the decoder here, once.
    """
    layout = stream.codec_context.layout
    if layout.name.startswith(f"{layout.nb_channels} channels ("):
        stream.codec_context.layout = f"{layout.nb_channels} channels"
    return speakers_of(layout), layout_called(tuple(channel.name for channel in layout.channels))


def describe(container: "InputContainer", stream: "AudioStream", name: str) -> SourceInfo:
    """Everything that is known before decoding."""
    context = stream.codec_context
    duration = _duration(container, stream)
    tags = {key.lower(): readable(value) for key, value in (container.metadata | stream.metadata).items()}
    covers = [other for other in container.streams.video if is_cover(other)]
    return SourceInfo(
        path=name,
        container=container.format.name.split(",")[0],
        codec=_codec_name(stream),
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=_layout_name(context.layout),
        bit_depth=_bit_depth(stream),
        bitrate=context.bit_rate or container.bit_rate or None,
        duration_s=duration,
        frames=stated_frames(container, stream),
        tags=tags,
        has_cover=bool(covers),
        others=tuple(f"{s.type} {_codec_name(s)}" for s in container.streams if s is not stream and s not in covers),
    )


def is_cover(stream: "Stream") -> bool:
    """Whether a stream is no film but the picture that belongs to the sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def stated_frames(container: "InputContainer", stream: "AudioStream") -> int | None:
    """The length in frames, where the container states it exactly."""
    if not stream.duration or not stream.time_base:
        return None
    frames = round(stream.duration * fraction(stream.time_base) * stream.codec_context.sample_rate)
    kind = container.format.name.split(",")[0]
    if kind == "caf" and _codec_name(stream).startswith("pcm_"):
        # The duration is that of the file's own length, the count that of its header.
        return max(frames, stream.frames)
    if kind in EXACT_CONTAINERS or kind == "mov":
        return frames
    if kind == "mp3" and stream.start_time:
        # Only a LAME header moves the start; without one the length is a guess from the bitrate.
        return frames
    head = stream.codec_context.extradata or b""
    if kind == "ogg" and head.startswith(b"OpusHead"):
        # Ogg counts the encoder's delay (pre-skip) as sound.
        return frames - int.from_bytes(head[10:12], "little")
    return None


EXACT_CONTAINERS = frozenset({"aiff", "au", "caf", "flac", "w64", "wav"})
"""Containers whose header counts frames, so that one that is missing is one that was lost."""


def _duration(container: "InputContainer", stream: "AudioStream") -> float | None:
    frames = stated_frames(container, stream)
    if frames is not None:
        return frames / stream.codec_context.sample_rate
    if stream.duration and stream.time_base:
        return float(stream.duration * fraction(stream.time_base))
    return container.duration / av.time_base if container.duration else None


def _layout_name(layout: "AudioLayout") -> str:
    """FFmpeg's name; where a file only counts its channels, that of the layout they are taken for."""
    count = layout.nb_channels
    return layout_name(count) if layout.name == f"{count} channels" and count <= MAX_CHANNELS else layout.name


def _bit_depth(stream: "AudioStream") -> int | None:
    context = stream.codec_context
    head = context.extradata or b""
    name = _codec_name(stream)
    if pcm := re.match(r"pcm_[sfu](\d+)", name):
        return int(pcm[1])
    if name == "flac" and len(head) >= 14:
        # STREAMINFO: after the 20 bits of the rate and 3 of the channels stand 5 bits, depth - 1.
        return ((head[12] & 1) << 4 | head[13] >> 4) + 1
    if name == "alac" and len(head) >= 18:
        return head[17]
    return context.format.bits if context.codec.lossless and not context.codec.lossy else None


def _codec_name(stream: "Stream") -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else "of an unknown codec"
