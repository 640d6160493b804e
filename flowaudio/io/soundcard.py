"""Sound cards: a device by name, opened for a compiled callback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flowaudio.core.errors import FlowaudioError, ParameterError
from flowaudio.io.cardstream import Chosen, SoundCardStream
from flowaudio.io.devices import Device, error_of, forget, look
from flowaudio.io.feedback import is_laptop, may_howl
from flowaudio.io.naming import find
from flowaudio.io.refusals import check_channels
from flowaudio.runtime.card import Request

__all__ = ["SoundCard", "looks_like_feedback"]

STEREO = 2
MOST_CHANNELS = 512
MOST_FRAMES = 1 << 16
MOST_LATENCY_S = 10.0
LEAST_RATE, MOST_RATE = 1_000, 768_000


@dataclass(frozen=True, init=False, repr=False)
class SoundCard:
    """A sound card by its name, or the system's default. Nothing is opened before an engine opens it::

        SoundCard()                                     the default, for input as for output
        SoundCard("Scarlett")                           the one with this in its name
        SoundCard("Speakers", host="WASAPI")            where several parts of the system offer the same
        SoundCard("system, JACK Audio Connection Kit", channels=8)

    :param channels: of the device that are used; by default at most two.
    :param rate: frames a second; by default what the device prefers.
    :param block: frames of a call. 0, the default, is as the device likes, and has the least latency: with a fixed
        size PortAudio holds a whole block back wherever a device's own may vary (always with JACK), and a graph sounds
        the same whatever the blocks are.
    :param latency: "low" or "high", as the device recommends for playing an instrument and for playing a file; or
        seconds. JACK has its own setting for that.
    :param host: the part of the system that offers the device, or some of its name: "ALSA", "WASAPI", "jack".
    :raises ParameterError: a value that no sound card takes.
    """

    name: str
    host: str
    block: int
    latency: str | float
    _channels: int | None
    _rate: int | None

    def __init__(self, name: str = "", *, channels: int | None = None, rate: int | None = None,
                 block: int | None = None, latency: Literal["low", "high"] | float = "low", host: str = "") -> None:
        for field, text in (("name", name), ("host", host)):
            if not isinstance(text, str):
                raise ParameterError(f"SoundCard.{field} must be text, as flowaudio devices shows it (got {text!r})")
        _between("channels", channels, 1, MOST_CHANNELS)
        _between("rate", rate, LEAST_RATE, MOST_RATE)
        _between("block", block, 0, MOST_FRAMES)
        seconds = isinstance(latency, int | float) and not isinstance(latency, bool)
        if not (0 < latency <= MOST_LATENCY_S if seconds else latency in ("low", "high")):  # type: ignore[operator]
            raise ParameterError(f"SoundCard.latency must be 'low', 'high', or seconds above 0 and up to "
                                 f"{MOST_LATENCY_S:g} (got {latency!r})")
        for field, value in (("name", name), ("host", host), ("block", block or 0), ("latency", latency),
                             ("_channels", channels), ("_rate", rate)):
            object.__setattr__(self, field, value)

    def __repr__(self) -> str:
        shown = [repr(self.name)] if self.name else []
        for field, value, default in (("channels", self._channels, None), ("rate", self._rate, None),
                                      ("block", self.block, 0), ("latency", self.latency, "low"),
                                      ("host", self.host, "")):
            if value != default:
                shown.append(f"{field}={value!r}")
        return f"SoundCard({', '.join(shown)})"

    def rate(self, side: str) -> int:
        """Frames a second: what was asked for, else what the device prefers as "input" or "output".

        :raises SourceError, TargetError: it is not there.
        """
        device = self.device(side)
        return self._rate or device.rate

    def channels(self, side: str) -> int:
        """How many channels are used on that side: what was asked for, else two, or one if it has one.

        :raises SourceError, TargetError: it is not there.
        """
        device = self.device(side)
        return self._channels or min(STEREO, device.channels(side))

    def device(self, side: str) -> Device:
        """What the name means now, as "input", "output" or "duplex".

        :raises SourceError, TargetError: nothing, or more than one device.
        """
        return find(look(error_of(side)), self.name, self.host, side)

    def clock(self) -> int:
        """0: its time is the monotonic clock's."""
        return 0

    def same_device(self, other: object) -> bool:
        """Whether this one's input and the other's output are one device, which one stream serves.

        :raises SourceError, TargetError: one of them is not there.
        """
        if not isinstance(other, SoundCard):
            return False
        into, out = self.device("input"), other.device("output")
        return into.output_channels > 0 and (into.index, into.name, into.host) == (out.index, out.name, out.host)

    def may_hear(self, output: object) -> bool:
        """Whether it is this machine's microphone, and `output` its loudspeaker, as far as their names tell."""
        return isinstance(output, SoundCard) and looks_like_feedback(self, output)

    def refresh(self) -> None:
        """Look again which devices there are, when they are asked for next."""
        forget()

    def open(self, side: str, request: Request) -> SoundCardStream:
        """Open it as "input", "output" or "duplex". Which devices there are is looked up at this moment.

        :raises ParameterError: a request that fits no stream.
        :raises SourceError, TargetError: it is not there, is in use, or refuses the rate or the channels.
        """
        wanted = {"input": (True, False), "output": (False, True), "duplex": (True, True)}.get(side)
        if wanted is None:
            raise ParameterError(f"a stream's side is input, output or duplex (got {side!r})")
        if wanted != (request.input_channels > 0, request.output_channels > 0):
            raise ParameterError(f"a stream of the side {side} cannot have {request.input_channels} input and "
                                 f"{request.output_channels} output channels")

        def choose(known: Sequence[Device]) -> Chosen:
            device = find(known, self.name, self.host, side)
            check_channels(device, request, side)
            return Chosen(device if wanted[0] else None, device if wanted[1] else None,
                          self._latency_s(device.input_latency_ms, device.safe_input_latency_ms),
                          self._latency_s(device.output_latency_ms, device.safe_output_latency_ms))

        return SoundCardStream(side, self.name, request, choose)

    def _latency_s(self, low_ms: float, high_ms: float) -> float:
        if isinstance(self.latency, str):
            return (low_ms if self.latency == "low" else high_ms) / 1e3
        return float(self.latency)


def looks_like_feedback(input_card: SoundCard, output_card: SoundCard) -> bool:
    """Whether the one is this machine's microphone and the other its loudspeaker, as far as their names tell.

    False where a device is not there: to open it says so.
    """
    try:
        into, out = input_card.device("input"), output_card.device("output")
    except FlowaudioError:
        return False
    return may_howl(into, out, is_laptop())


def _between(field: str, value: Any, low: int, high: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
        raise ParameterError(f"SoundCard.{field} must be between {low} and {high} (got {value!r})")
