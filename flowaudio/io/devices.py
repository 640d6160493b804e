"""Which sound cards there are."""

import threading
import time
from dataclasses import dataclass, field, replace

from flowaudio.core.errors import FlowaudioError, SourceError, TargetError
from flowaudio.io.loading import NoPortAudio
from flowaudio.io.portaudio import Instance, NoAnswer, Refusal, give_back, lease

__all__ = ["Device", "devices", "error_of", "forget", "look", "read_devices"]

ALSA = 8
"""PaHostApiTypeId of ALSA."""

FRESH_S = 1.0
"""A list of devices is good for so long for questions that come together: to make one takes up to half a second."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A sound card, or what a sound server offers as one."""

    name: str
    host: str
    """The system's part that offers it: ALSA, JACK Audio Connection Kit, Core Audio, Windows WASAPI…"""
    input_channels: int = 0
    output_channels: int = 0
    rate: int = 48_000
    """Frames a second that it prefers."""
    input_latency_ms: float = 0.0
    """The least that is offered; the same holds for the output."""
    output_latency_ms: float = 0.0
    safe_input_latency_ms: float = 0.0
    """What is offered to those who are in no hurry."""
    safe_output_latency_ms: float = 0.0
    is_default_input: bool = False
    is_default_output: bool = False
    first_of_host: tuple[bool, bool] = field(default=(False, False), repr=False)
    """Whether it is its host's default input and output."""
    index: int = field(default=-1, repr=False, compare=False)
    """PortAudio's number of it; good until PortAudio is initialised again."""

    def channels(self, side: str) -> int:
        """On the side "input", "output", or on both ("duplex")."""
        if side == "duplex":
            return min(self.input_channels, self.output_channels)
        return self.input_channels if side == "input" else self.output_channels


def devices() -> list[Device]:
    """All sound cards, as the system has them now.

    :raises SourceError: PortAudio is missing (with the package to install), or does not answer.
    """
    return look(SourceError, 0.0)


def error_of(side: str) -> type[FlowaudioError]:
    """What an error of that side is raised as."""
    return TargetError if side == "output" else SourceError


_lock = threading.Lock()
_seen: list[tuple[float, list[Device]]] = []


def look(error: type[FlowaudioError], age_s: float = FRESH_S) -> list[Device]:
    """All sound cards, as they were at most `age_s` ago. What is in the way is raised as `error`."""
    with _lock:
        if _seen and time.monotonic() - _seen[0][0] < age_s:
            return _seen[0][1]
        try:
            instance = lease()
            found = instance.call(lambda: _look(instance))
        except NoPortAudio as missing:
            raise error(str(missing)) from missing
        except NoAnswer as late:
            raise error(f"the sound system gives no answer to the question which sound cards there are ({late}): start "
                        "its server (JACK, PipeWire, PulseAudio) again") from late
        except Refusal as refusal:
            raise error(f"the sound system does not say which sound cards there are: {refusal}") from refusal
        _seen[:] = [(time.monotonic(), found)]
        return found


def forget() -> None:
    """Whoever asks next gets a new list."""
    with _lock:
        _seen.clear()


def _look(instance: Instance) -> list[Device]:
    try:
        instance.initialise()
        try:
            return read_devices(instance)
        finally:
            instance.terminate()
    finally:
        give_back(instance)


def read_devices(instance: Instance) -> list[Device]:
    """Those that an initialised instance knows. Belongs to its thread.

    ALSA's own way to JACK is left out: it is the same server, with more delay.
    """
    library = instance.library
    defaults = library.Pa_GetDefaultInputDevice(), library.Pa_GetDefaultOutputDevice()
    found = []
    for k in range(instance.check(library.Pa_GetDeviceCount())):
        about = library.Pa_GetDeviceInfo(k)
        host = library.Pa_GetHostApiInfo(about.hostApi)
        name = instance.string(about.name)
        if host.type == ALSA and name == "jack":
            continue
        found.append(Device(
            name=name, host=instance.string(host.name), rate=round(about.defaultSampleRate),
            input_channels=about.maxInputChannels, output_channels=about.maxOutputChannels,
            input_latency_ms=1e3 * about.defaultLowInputLatency, output_latency_ms=1e3 * about.defaultLowOutputLatency,
            safe_input_latency_ms=1e3 * about.defaultHighInputLatency,
            safe_output_latency_ms=1e3 * about.defaultHighOutputLatency,
            is_default_input=k == defaults[0], is_default_output=k == defaults[1],
            first_of_host=(k == host.defaultInputDevice, k == host.defaultOutputDevice), index=k))
    return _with_defaults(found)


def _with_defaults(found: list[Device]) -> list[Device]:
    """Where the default was left out, the first host's own has its place."""
    if not any(device.is_default_input for device in found):
        first = next((device for device in found if device.first_of_host[0]), None)
        found = [replace(device, is_default_input=device is first) for device in found]
    if not any(device.is_default_output for device in found):
        first = next((device for device in found if device.first_of_host[1]), None)
        found = [replace(device, is_default_output=device is first) for device in found]
    return found
