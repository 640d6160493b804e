"""What an engine asks of a sound card, real or simulated: a stream that calls a compiled function, block by block.

The function is a PortAudio callback, ``int callback(in, out, frames, times, flags, user)``, by address. `in` and `out`
are float32, interleaved ``[frames, channels]``, and 0 where the stream has no such side.
"""

from typing import NamedTuple, Protocol

__all__ = ["INPUT_OVERFLOW", "INPUT_UNDERFLOW", "OUTPUT_OVERFLOW", "OUTPUT_UNDERFLOW", "Card", "CardStream", "Request"]

# PortAudio's flags, as the callback gets them.
INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW = 1, 2, 4, 8


class Request(NamedTuple):
    """A stream that somebody wants."""

    rate: int                           # frames a second
    block: int                          # frames a call; 0: as the device likes, and not always the same
    input_channels: int                 # 0: no input
    output_channels: int                # 0: no output
    callback: int                       # address of the compiled function
    user: int                           # what it is given as its last argument
    keep: tuple[object, ...]            # owners of what the two addresses point to: kept until the stream is closed


class CardStream(Protocol):
    """A stream that is open. After :meth:`close` has returned, its callback is never called again."""

    rate: float                         # as the device has it
    input_latency_frames: int           # from the converter to the callback, as the driver says
    output_latency_frames: int          # from the callback to the converter

    def start(self) -> None:
        """The callback is called from now on, from a thread of its own."""

    def stop(self) -> None:
        """No more calls; it can be started again."""

    def close(self) -> None:
        """Give the device back. May be called more than once."""

    @property
    def active(self) -> bool:
        """Whether calls can be expected: False before the start, and when the device has gone."""


class Card(Protocol):
    """A device by name, or a simulation of one. It is looked up each time that it is opened."""

    @property
    def name(self) -> str:
        """As its owner wrote it; "" for the system's default."""

    def rate(self, side: str) -> int:
        """The rate that the device prefers as "input" or "output"; SourceError or TargetError if it is not there."""

    def channels(self, side: str) -> int:
        """How many channels it has on that side."""

    def clock(self) -> int:
        """Address of an int64 with its virtual time in ns; 0 for a real device, whose time is the monotonic clock."""

    def same_device(self, other: object) -> bool:
        """Whether both are one device with one clock, so that one stream can serve both."""

    def may_hear(self, output: object) -> bool:
        """Whether it looks like a microphone beside the loudspeaker that `output` is."""

    def refresh(self) -> None:
        """Look again which devices there are: one that was gone may be back."""

    def open(self, side: str, request: Request) -> CardStream:
        """`side` is "input", "output" or "duplex".

        :raises SourceError, TargetError: it is not there, is in use, or refuses the rate or the channels.
        """
