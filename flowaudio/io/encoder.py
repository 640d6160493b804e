"""Writing: float blocks to MP3, AAC, Opus, FLAC and WAV files of exactly the length that was written."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from flowaudio.core.errors import ParameterError, TargetError
from flowaudio.core.layouts import MAX_CHANNELS, layout_name
from flowaudio.core.named_layouts import DEFAULT, layout_speakers
from flowaudio.io.codecs import FAILURES, av, failure
from flowaudio.io.covers import check_cover, picture_block
from flowaudio.io.dither import Dither
from flowaudio.io.formats import FLAC, MP3, WAV, Codec, Container, Opus, check, check_container, container_for
from flowaudio.io.info import Cover
from flowaudio.io.samples import Block
from flowaudio.io.settings import OPUS_ORDER, encoder_settings, makeup
from flowaudio.io.target import Target, is_device

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["Encoder"]

# Frames a packet of a codec that takes any number: WAV.
_PCM_FRAMES = 4096


class Encoder:
    """Encodes blocks to a file, a context manager::

        with Encoder("talk.mp3", MP3(bitrate=128_000), 48_000, 2, tags={"title": "Talk"}) as encoder:
            encoder.write(block)

    `target` is a path or a writable binary file object, which stays open. A path gets its file on `close`, whole;
    until then, and after an exception or `abort`, it keeps what stood there. `codec` is one of `MP3`, `AAC`, `Opus`,
    `FLAC` and `WAV`; the container goes by the path's suffix, or by `container` (a suffix such as ``".aac"``) for file
    objects. The file decodes to as many frames as were written, except raw ADTS (.aac), which has no place to say so.

    Samples outside ±1 are clipped and counted in `clipped_samples`, save in a float WAV; NaN becomes 0 and counts too.
    Where bits drop (16 and 24 bits) the signal is dithered, the same way each time: equal input gives equal files.
    `tags` (title, artist, album, date, ...) and `cover` go where the container has a place; WAV and .aac have none for
    a picture. `layout` is FFmpeg's name of the channels' layout, such as ``"3.1"``, for WAV and FLAC, which keep it.

    Raises ParameterError if the settings do not fit together, before anything is opened, and TargetError, one sentence,
    where the target cannot be written: nothing half-written is left behind.
    An encoder belongs to one thread at a time.
    """

    clipped_samples: int = 0
    """Samples that lay outside ±1 so far, or were no numbers."""
    frames: int = 0
    """Frames written so far."""

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        codec: Codec,
        sample_rate: int,
        channels: int,
        *,
        tags: Mapping[str, str] | None = None,
        cover: Cover | None = None,
        container: str | None = None,
        layout: str = DEFAULT,
    ) -> None:
        self._open = False
        check(codec, sample_rate, channels)
        layout_speakers(layout, channels, "layout")
        if layout != DEFAULT and not isinstance(codec, (FLAC, WAV)):
            raise ParameterError(f"{type(codec).__name__} has one layout for each number of channels; leave layout out "
                                 f"(got {layout})")
        self._named = layout
        self._codec = codec
        self._channels = channels
        self._rate = sample_rate
        # The float formats drop no bits.
        depth = getattr(codec, "bit_depth", 32)
        self._dither = Dither(depth) if depth < 32 else None
        self._limit = np.float32(np.finfo(np.float32).max if codec == WAV(bit_depth=32) else 1.0)
        self._unit = Fraction(1, sample_rate)
        self._filled = 0  # frames in self._pending
        self._encoded = 0  # frames that the encoder got
        self._makeup = np.float32(makeup(codec, sample_rate))
        self._padding = 0  # frames that LAME put behind the sound
        place = _container(target, codec, container)
        if cover:
            check_cover(cover)
        try:
            self._target = Target(target)
        except FAILURES as error:
            raise failure(TargetError, str(target), error) from error
        try:
            self._start(place, dict(tags or {}), cover)
        except BaseException as error:
            self._target.discard()
            if isinstance(error, FAILURES) and not isinstance(error, ParameterError):
                raise failure(TargetError, self._target.name, self._target.error or error) from error
            raise
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind:
            self.abort()
        else:
            self.close()

    def __del__(self) -> None:
        self.abort()

    def write(self, block: Block) -> None:
        """Encode `block`, float32 `[channels, frames]`, of any length. The block is the caller's again at once."""
        if not self._open:
            raise TargetError(f"{self._target.name} is closed; write its blocks inside the with statement")
        block = self._within_range(self._checked(block))
        size, done = self._pending.shape[1], 0
        with self._failing_cleanly():
            while done < block.shape[1]:
                step = min(size - self._filled, block.shape[1] - done)
                self._pending[:, self._filled : self._filled + step] = block[:, done : done + step]
                self._filled, done = self._filled + step, done + step
                if self._filled == size:
                    self._encode_pending()
        self.frames += block.shape[1]

    def close(self) -> None:
        """Write what is left, and give the file its name. TargetError if that fails: the name keeps what it had."""
        if not self._open:
            return
        if not self.frames and not isinstance(self._codec, (FLAC, WAV)):
            self.abort()
            name = type(self._codec).__name__
            raise TargetError(f"{self._target.name} was not written: {name} cannot hold a sound of no length")
        with self._failing_cleanly():
            if self._filled:
                self._encode_pending()
            self._mux(self._stream.encode(None))
            self._output.close()
            self._raise_lost_error()
            self._target.commit()
        self._open = False

    def abort(self) -> None:
        """Give up: nothing is left of the file, and the name keeps what it had. After `close` this does nothing."""
        if self._open:
            self._open = False
            self._target.discard()

    def _start(self, container: Container, tags: dict[str, str], cover: Cover | None) -> None:
        """Open the muxer and the encoder, and write the file's head."""
        options = dict(container.options)
        if container.muxer == "mp4":
            if not self._target.seekable():
                raise TargetError(
                    f"{self._target.name} cannot be gone back to, which AAC in {container.suffix} needs; "
                    "write to a file, or raw AAC with container='.aac'"
                )
            # The edit list counts in this unit: with any other the length would be rounded.
            options["movie_timescale"] = str(self._rate)
        self._output = av.open(self._target, "w", format=container.muxer, container_options=options)
        # No dates and no random serial numbers: equal input gives equal files.
        self._output.flags |= _BITEXACT
        self._output.metadata.update(tags)
        self._stream = self._add_stream()
        packet = None
        if cover and container.suffix in _PICTURE_AS_TAG:
            self._output.metadata["METADATA_BLOCK_PICTURE"] = picture_block(cover)
        elif cover and container.suffix in _PICTURE_AS_STREAM:
            packet = self._add_picture(cover)
        self._output.start_encoding()
        if packet:
            self._output.mux(packet)
        self._pending = np.empty((self._channels, self._stream.codec_context.frame_size or _PCM_FRAMES), np.float32)

    def _add_stream(self) -> "AudioStream":
        encoder, sample_format, options = encoder_settings(self._codec)
        usual = layout_name(self._channels) if self._channels <= MAX_CHANNELS else f"{self._channels} channels"
        layout = usual if self._named == DEFAULT else self._named
        made = self._output.add_stream(encoder, rate=self._rate, layout=layout, format=sample_format, options=options)
        stream = cast("AudioStream", made)
        if bitrate := getattr(self._codec, "bitrate", None):
            stream.bit_rate = bitrate
        self._layout, self._format = stream.codec_context.layout, stream.codec_context.format
        return stream

    def _add_picture(self, cover: Cover) -> "Packet[VideoStream]":
        """A stream for the cover, made from what FFmpeg sees in it, and the one packet that belongs there."""
        try:
            with av.open(io.BytesIO(cover.data), "r") as picture:
                stream = self._output.add_stream_from_template(picture.streams.video[0])
                packet = next(picture.demux(video=0))
            if not stream.width:
                raise ValueError("its head is missing")
        except (*FAILURES, LookupError) as error:
            raise ParameterError(f"cover is no {cover.mime} that can be read; save the picture anew") from error
        stream.disposition = av.stream.Disposition.attached_pic
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        return packet

    def _checked(self, block: Block) -> Block:
        """The block, if it is one. The shape is never guessed: what has it the wrong way round is refused."""
        if isinstance(block, np.ndarray) and block.dtype == np.float32 and (self._channels,) == block.shape[:-1]:
            return block
        got = f"{block.dtype} {list(block.shape)}" if isinstance(block, np.ndarray) else type(block).__name__
        raise ParameterError(f"Encoder.write takes float32 [{self._channels}, frames] (got {got})")

    def _within_range(self, block: Block) -> Block:
        """The block with nothing outside ±1 in it; most have nothing, and are not copied."""
        if not block.size:
            return block
        limit = self._limit
        # A NaN makes both comparisons false.
        if block.min() >= -limit and block.max() <= limit:
            return block
        self.clipped_samples += int(np.count_nonzero(~(np.abs(block) <= limit)))
        return np.clip(np.where(np.isnan(block), np.float32(0), block), -limit, limit)

    def _encode_pending(self) -> None:
        block = self._pending[:, : self._filled]
        self._filled = 0
        if isinstance(self._codec, Opus) and self._channels in OPUS_ORDER:
            block = block[OPUS_ORDER[self._channels], :]
        if self._makeup != 1.0:
            block = block * self._makeup
        samples: NDArray[Any] = self._dither(block) if self._dither else block
        frame = av.AudioFrame(self._format, self._layout, block.shape[1])
        rows = samples if self._format.is_planar else samples.T.reshape(1, -1)
        # With eight channels PyAV counts a plane too many.
        for plane, row in zip(frame.planes[: len(rows)], rows, strict=True):
            plane.update(row.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._encoded, self._unit
        self._encoded += frame.samples
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: "list[Packet[AudioStream]]") -> None:
        for packet in packets:
            if isinstance(self._codec, MP3) and packet.has_sidedata("skip_samples"):
                self._sum_padding(packet)
            self._output.mux(packet)
        self._raise_lost_error()

    def _sum_padding(self, packet: "Packet[AudioStream]") -> None:
        """LAME's padding may spread over two packets, but the muxer writes the last one's into the file's head."""
        skip = packet.get_sidedata("skip_samples")
        self._padding += int.from_bytes(bytes(skip)[4:8], "little")
        skip.update(bytes(skip)[:4] + self._padding.to_bytes(4, "little") + bytes(skip)[8:])
        packet.set_sidedata(skip)

    def _raise_lost_error(self) -> None:
        """FFmpeg buffers what it writes, and tells of an error later or never."""
        if self._target.error:
            raise self._target.error

    @contextmanager
    def _failing_cleanly(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            self.abort()
            lost = self._target.error
            if lost is not None and not isinstance(lost, FAILURES):
                raise lost from error
            raise failure(TargetError, self._target.name, lost or error) from error
        except BaseException:  # Ctrl-C: the muxer may stand anywhere
            self.abort()
            raise


_BITEXACT = 0x400
"""FFmpeg's flag AVFMT_FLAG_BITEXACT."""

_PICTURE_AS_STREAM = (".mp3", ".m4a", ".mp4", ".flac")
_PICTURE_AS_TAG = (".opus", ".ogg")


def _container(target: str | os.PathLike[str] | BinaryIO, codec: Codec, suffix: str | None) -> Container:
    if suffix is not None:
        return check_container(codec, f"output{suffix}")
    if not isinstance(target, (str, os.PathLike)) or is_device(Path(target)):
        return container_for(codec)  # a file object, a device or a pipe has no suffix to go by
    return check_container(codec, Path(target))
