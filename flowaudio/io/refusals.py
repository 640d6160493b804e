"""From what PortAudio has against a stream to one sentence with the cure."""

from collections.abc import Sequence

from flowaudio.core.errors import FlowaudioError
from flowaudio.io.devices import Device, error_of
from flowaudio.io.loading import NoPortAudio
from flowaudio.io.portaudio import NoAnswer, Refusal
from flowaudio.runtime.card import Request

__all__ = ["INVALID_SAMPLE_RATE", "UNAVAILABLE", "check_channels", "told"]

HOST_ERROR, INVALID_CHANNEL_COUNT, INVALID_SAMPLE_RATE = -9999, -9998, -9997
BAD_COMBINATION, NO_MEMORY, BUFFER_TOO_BIG, BUFFER_TOO_SMALL, UNAVAILABLE = -9993, -9992, -9991, -9990, -9985

BUSY = ("busy", "in use", "exclusive", "already open")
"""What systems say of a device that somebody else has."""


def told(problem: Exception, side: str, name: str, device: Device | None, request: Request,
         rates: Sequence[int] = ()) -> FlowaudioError:
    """The error to raise for `problem`; `rates` are those that the device takes, where that is the question."""
    error = error_of(side)
    if isinstance(problem, NoPortAudio):
        return error(str(problem))
    who = f"the sound card {device.name if device is not None else name or 'that is the default'!r}"
    if isinstance(problem, NoAnswer):
        return error(f"{who} gives no answer ({problem}): connect it again, or start its sound server again")
    if not isinstance(problem, Refusal):
        return problem if isinstance(problem, FlowaudioError) else error(f"{who} cannot be used: {problem}")
    return error(_sentence(problem, who, request, rates))


def _sentence(refusal: Refusal, who: str, request: Request, rates: Sequence[int]) -> str:
    code = refusal.code
    if code == INVALID_SAMPLE_RATE:
        known = f"it takes {_rates(rates)}" if rates else "and none of the usual ones"
        return f"{who} does not take {request.rate} Hz, {known}: use one that it takes, or set it to another"
    if code == INVALID_CHANNEL_COUNT:
        return f"{who} does not take {_sides(request)}: ask for fewer, or see flowaudio devices"
    if code == BAD_COMBINATION:
        return f"{who} cannot be opened for input and output in one: give the engine two sound cards"
    if code in (BUFFER_TOO_BIG, BUFFER_TOO_SMALL):
        return f"{who} does not take blocks of {request.block} frames: use block=0, and it chooses"
    busy = any(word in f"{refusal.host} {refusal.text}".lower() for word in BUSY)
    if code == UNAVAILABLE or (code == HOST_ERROR and busy):
        return (f"{who} is in use by another program, or has gone: close that program, or use the sound server's "
                f"device ({refusal})")
    if code == NO_MEMORY:                   # what JACK gives for a server that has just gone, too
        return f"{who} has no room for {_sides(request)}, or its server has gone: start the server again"
    return f"{who} cannot be opened: {refusal}; see whether another program can use it"


def check_channels(device: Device, request: Request, side: str) -> None:
    """:raises SourceError, TargetError: `device` has fewer channels than are asked for."""
    for word, wanted, has in (("input", request.input_channels, device.input_channels),
                              ("output", request.output_channels, device.output_channels)):
        if side in (word, "duplex") and wanted > has:
            raise error_of(side)(f"the sound card {device.name!r} has {has} {word} channel{'s' * (has != 1)}, not "
                                 f"{wanted}: ask for at most {has}")


def _sides(request: Request) -> str:
    counts = [f"{count} {word} channel{'s' * (count != 1)}" for count, word in
              ((request.input_channels, "input"), (request.output_channels, "output")) if count]
    return " and ".join(counts)


def _rates(rates: Sequence[int]) -> str:
    *others, last = (f"{rate} Hz" for rate in rates)
    return f"{', '.join(others)} or {last}" if others else last
