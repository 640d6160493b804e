"""Reading: anything that FFmpeg decodes, as blocks of float samples."""

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from flowaudio.core.errors import SourceError
from flowaudio.core.layouts import MAX_CHANNELS, Speakers
from flowaudio.core.named_layouts import DEFAULT
from flowaudio.io.codecs import FAILURES, failure, fraction
from flowaudio.io.endings import is_cut
from flowaudio.io.info import Cover, SourceInfo
from flowaudio.io.probing import EXACT_CONTAINERS, Source, best_stream, describe, is_cover, open_source, source_name
from flowaudio.io.resampling import Converter, keeps_order
from flowaudio.io.samples import Block, Part, in_blocks, part_samples, speakers_of

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.packet import Packet

__all__ = ["Decoder"]

# Frames gathered before they are converted: enough that Python's share of the work stays small, and few enough that
# who asks for short blocks of a live stream has them soon. Who asks for more, up to the last, gets them as they are
# gathered; what is longer is put together from parts.
_GATHERED_LEAST, _GATHERED, _GATHERED_MOST = 4_096, 16_384, 65_536

_MIME_TYPES = {"mjpeg": "image/jpeg", "png": "image/png"}


class Decoder:
    """Decodes the main audio stream of a source, a context manager::

        with Decoder("talk.mp4", sample_rate=48_000, channels=2) as decoder:
            for block in decoder.blocks(1024):
                ...

    `source` is a path, a URL or a binary file object, which stays open; `sample_rate` (Hz) and `channels` say what the
    blocks shall have, by default what the source has. The sound starts and ends where it did before it was encoded:
    encoder delays are taken off, and rate conversion adds none. A source that is cut short or damaged gives all that
    is good in it and then raises SourceError; with `tolerant` it ends instead, and `damage` says what is wrong.
    A URL, and what a playlist refers to, needs its protocol in `allowed_protocols`. Of what is sent `live`, no more
    than a second is looked at before it begins.

    Raises SourceError, one sentence, for a source that is missing, is no audio, is empty or has no sound in it.
    A decoder belongs to one thread at a time.
    """

    info: SourceInfo
    sample_rate: int
    """Of the blocks, in Hz."""
    channels: int
    """Of the blocks."""
    layout: str
    """Of the blocks, by FFmpeg's name; ``"default"`` for that of their number, and where FFmpeg has none."""
    cover: Cover | None
    """The picture that came with the sound, if it is a JPEG or PNG."""
    damage: str = ""
    """What was found to be missing or damaged, as a sentence; empty while all is well."""

    def __init__(
        self,
        source: Source,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        allowed_protocols: Iterable[str] = ("file",),
        tolerant: bool = False,
        live: bool = False,
    ) -> None:
        self._source = source
        self._name = source_name(source)
        self._tolerant = tolerant
        self._container = open_source(source, allowed_protocols, live=live)
        try:
            self._stream, self._order, layout = best_stream(self._container, self._name)
            # Codec threads have hung programs, and audio gains nothing from them.
            self._stream.codec_context.thread_count = 1
            self.info = describe(self._container, self._stream, self._name)
            self.sample_rate = sample_rate or self.info.sample_rate
            self.channels = channels or self.info.channels
            self._check_mix(self.info.channels)
            kept = self.channels == self.info.channels and keeps_order(self._order)
            self.layout = layout if kept else DEFAULT
            self._read_cover()
        except BaseException as error:
            self._container.close()
            if isinstance(error, FAILURES):
                raise failure(SourceError, self._name, error) from error
            raise
        self._position = 0  # decoded frames at the source's rate
        self._broken_at: int | None = None  # position of the first packet that failed
        self._leap_at: int | None = None  # position where time first leapt ahead
        self._next_s = float("inf")  # when the next packet is due
        self._lost = False  # sound was lost for certain
        self._tick_s = float(fraction(self._stream.time_base))
        self._orders: dict[str, Speakers] = {}
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the source; a file object that was given stays open."""
        self._closed = True
        self._container.close()

    def blocks(self, frames: int | None = None) -> Iterator[Block]:
        """The sound, once, as C-contiguous float32 blocks `[channels, frames]`, nominally within ±1.

        All blocks but the last have `frames` frames; with None they have as many as comes easily. Every block is the
        caller's to keep. Raises SourceError where the source turns out to be damaged, after all that is good.
        """
        gather = frames if frames is not None and frames <= _GATHERED_MOST else _GATHERED
        if gather < _GATHERED_LEAST:
            gather *= -(-_GATHERED_LEAST // gather)
        pieces = self._converted(gather)
        yield from pieces if frames is None else in_blocks(pieces, frames, self.channels)
        self._judge()

    def _converted(self, gather: int) -> Iterator[Block]:
        """Blocks at the wanted rate and channels, of any length above 0."""
        converter, current = None, None
        for kind, block in self._gathered(gather):
            if kind != current:
                # Chained streams may change rate or layout on the way.
                if converter and (rest := converter.finish()) is not None and rest.size:
                    yield rest
                self._check_mix(len(kind[1]))
                converter, current = Converter(*kind, self.sample_rate, self.channels), kind
            assert converter is not None
            # A source that claims a rate of few Hz would fill the memory with what one block becomes.
            step = max(1, 64 * _GATHERED * kind[0] // self.sample_rate)
            for begin in range(0, block.shape[1], step):
                if (ready := converter.process(block[:, begin : begin + step])).size:
                    yield ready
        if converter and (rest := converter.finish()) is not None and rest.size:
            yield rest

    def _gathered(self, gather: int) -> Iterator[tuple[tuple[int, Speakers], Block]]:
        """Decoded frames as float blocks of `gather` frames, where the format does not change: each with its rate and
        speakers."""
        parts: list[Part] = []
        count = 0
        current: tuple[int, Speakers, str] | None = None
        for frame, length in self._trimmed():
            kind = (frame.sample_rate, self._speakers(frame), frame.format.name)
            if current and parts and kind != current:
                yield current[:2], part_samples(parts)
                parts, count = [], 0
            current, begin = kind, 0
            while count + length - begin >= gather:
                end = begin + gather - count
                yield current[:2], part_samples([*parts, Part(frame, begin, end)])
                parts, count, begin = [], 0, end
            if begin < length:
                parts.append(Part(frame, begin, length))
                count += length - begin
        if current and parts:
            yield current[:2], part_samples(parts)

    def _speakers(self, frame: "AudioFrame") -> Speakers:
        name = frame.layout.name
        if name not in self._orders:
            names_none = name == f"{len(self._order)} channels"
            self._orders[name] = self._order if names_none else speakers_of(frame.layout)
        return self._orders[name]

    def _trimmed(self) -> "Iterator[tuple[AudioFrame, int]]":
        """Decoded frames with the number of samples that count, without the padding at an MP4 file's end."""
        stream = self._stream
        # FFmpeg's decoder takes off what an encoder put before the sound. What it put behind an MP4's, FFmpeg leaves:
        # the last packet's duration is short by it, or else the stream's is.
        exact = self.info.container == "mov" and fraction(stream.time_base) == Fraction(1, self.info.sample_rate)
        end = stream.duration if exact else None
        held: tuple[AudioFrame, int] | None = None
        whole = True
        for packet, frames in self._decoded():
            left = packet.duration if exact and packet.duration else 1 << 62
            for frame in frames:
                length = min(frame.samples, left)
                left -= length
                whole = length == frame.samples
                if length:
                    if held:
                        yield held
                    self._position += length
                    held = (frame, length)
        if held and end and whole and self._position > end:
            cut = min(held[1], self._position - end)
            self._position -= cut
            held = (held[0], held[1] - cut)
        if held and held[1]:
            yield held

    def _decoded(self) -> "Iterator[tuple[Packet[AudioStream], list[AudioFrame]]]":
        """Packets with what they decode to; one that cannot be decoded is noted and left out."""
        for packet in self._packets():
            self._watch(packet)
            try:
                frames = packet.decode()
            except FAILURES:
                self._broken_at = self._position if self._broken_at is None else self._broken_at
                continue
            # Junk behind the last sound is a tag, or how a recorded stream ends; only junk before sound is a loss.
            self._lost |= bool(frames) and self._broken_at is not None
            yield packet, frames
            # FFmpeg calls the end of every WAV corrupt whose writer could not go back to fill in the length.
            if packet.is_corrupt and self._broken_at is None and self.info.container != "wav":
                self._broken_at, self._lost = self._position, True

    def _packets(self) -> "Iterator[Packet[AudioStream]]":
        yield from self._early
        while True:
            if self._closed:
                # FFmpeg would read from memory that is gone.
                raise SourceError(f"{self._name} is closed; read its blocks inside the with statement")
            try:
                packet = next(self._demuxed, None)
            except IndexError:
                # PyAV, at the end, trips over streams that were not there at the start.
                return
            except FAILURES as error:
                if not self._position:
                    raise failure(SourceError, self._name, error) from error
                self._broken_at, self._lost = self._position, True
                return
            if packet is None:
                return
            yield packet

    def _watch(self, packet: "Packet[AudioStream]") -> None:
        """Note where time leaps ahead: if sound turns out to be missing, it is missing there."""
        if packet.pts is None:
            return
        begin = packet.pts * self._tick_s
        if self._leap_at is None and begin > self._next_s + 0.05:
            self._leap_at = self._position
        self._next_s = begin + (packet.duration or 0) * self._tick_s

    def _judge(self) -> None:
        """At the end of the sound: was it all there?"""
        due, rate = self._due_frames(), self.info.sample_rate
        if not self._position and (self._broken_at is not None or self.info.container not in EXACT_CONTAINERS):
            raise SourceError(f"{self._name} is no audio that can be read: no part of it can be decoded")
        # FFmpeg states one frame in a float WAV that holds none.
        short = due is not None and self._position < due and due > 1
        if not (short or self._lost or self._ends_early()):
            return
        places = (self._broken_at, self._leap_at if short else None, self._position)
        at = next(place for place in places if place is not None)
        if at < self._position:
            self.damage = f"{self._name} is damaged at {at / rate:.2f} s, where a part is missing; the rest is good"
        else:
            where, whole = f"{at / rate:.2f}", f"{self.info.duration_s or 0.0:.2f}"
            of = f" of {whole} s" if short and self.info.duration_s and whole != where else ""
            self.damage = f"{self._name} breaks off at {where} s{of}; what comes before is good"
        if not self._tolerant:
            raise SourceError(f"{self.damage}, and is kept with tolerant=True")

    def _due_frames(self) -> int | None:
        """The fewest frames that a whole source of this kind has; None if it states no length."""
        info = self.info
        if info.frames is not None:
            return info.frames if info.container in EXACT_CONTAINERS else info.frames - info.sample_rate // 10
        if info.container == "matroska" and not info.others and info.duration_s:
            return int((info.duration_s - 0.1) * info.sample_rate)
        return None

    def _ends_early(self) -> bool:
        try:
            if not isinstance(self._source, (str, os.PathLike)):
                return is_cut(self._source, self.info.container)
            with Path(self._source).open("rb") as file:
                return is_cut(file, self.info.container)
        except (OSError, ValueError, AttributeError):
            return False  # a pipe or URL cannot be looked at again

    def _read_cover(self) -> None:
        """FFmpeg gives a picture as the first packet of a stream of its own."""
        pictures = [s for s in self._container.streams.video if is_cover(s) and s.codec_context]
        picture = next((s for s in pictures if s.codec_context.codec.canonical_name in _MIME_TYPES), None)
        self.cover = None
        self._early: list[Packet[AudioStream]] = []
        self._demuxed: Iterator[Packet[AudioStream]] = self._container.demux(self._stream)
        if picture is None:
            return
        both = self._container.demux(self._stream, picture)
        self._demuxed = (cast("Packet[AudioStream]", packet) for packet in both if packet.stream is self._stream)
        # A picture that is announced but not there must not make this read the whole file.
        for packet in islice(both, 64):
            if packet.stream is picture and packet.size:
                self.cover = Cover(data=bytes(packet), mime=_MIME_TYPES[picture.codec_context.codec.canonical_name])
                return
            self._early.append(cast("Packet[AudioStream]", packet))

    def _check_mix(self, channels: int) -> None:
        if channels != self.channels and max(channels, self.channels) > MAX_CHANNELS:
            raise SourceError(
                f"{self._name} has {channels} channels, which cannot be mixed to {self.channels}; "
                f"mixing goes from and to 1 to {MAX_CHANNELS} channels"
            )
