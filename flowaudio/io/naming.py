"""Which sound card a name means. Names, not numbers: numbers change with every cable."""

import difflib
import sys
from collections.abc import Iterable, Sequence

from flowaudio.core.errors import FlowaudioError
from flowaudio.io.devices import Device, error_of

__all__ = ["find", "no_device"]

CLOSE = 0.7
"""Names that are closer to what was written are perhaps what was meant."""

SIDES = {"input": "inputs", "output": "outputs", "duplex": "inputs and outputs"}


def find(known: Sequence[Device], name: str, host: str, side: str) -> Device:
    """The one of `known` that `name` means: its whole name, else a part of it, in any case of letters.

    `name` may also be "name, host". An empty one means the default of `host`, or of the system.

    :raises SourceError, TargetError: none fits, or more than one; which names there are.
    """
    error = error_of(side)
    usable = [device for device in _of_host(known, host, error) if device.channels(side)]
    if not usable:
        raise error(_nothing(known, name, host, side))
    if not name:
        return _default(usable, host, side)
    for fits in (lambda full, wanted: full == wanted, lambda full, wanted: full.lower() == wanted.lower(),
                 lambda full, wanted: wanted.lower() in full.lower()):
        found = [device for device in usable if fits(device.name, name) or fits(f"{device.name}, {device.host}", name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise error(_many(found, name))
    raise error(_unknown(known, usable, name, side))


def _of_host(known: Sequence[Device], host: str, error: type[FlowaudioError]) -> list[Device]:
    names = sorted({device.host for device in known})
    exact = [name for name in names if name.lower() == host.lower()]
    meant = exact or [name for name in names if host.lower() in name.lower()]
    if known and not meant:
        raise error(f"no sound card comes through {host!r}; there is {_listed(names)}")
    return [device for device in known if device.host in meant]


def _default(usable: Sequence[Device], host: str, side: str) -> Device:
    """The system's; with a host, the host's; for both sides, the one that is the input's."""
    for device in usable:
        is_first = device.first_of_host if host else (device.is_default_input, device.is_default_output)
        if is_first[side == "output"]:
            return device
    word = {"input": "input", "output": "output"}.get(side, "sound card with inputs and outputs")
    raise error_of(side)(f"the system has no default {word}: name one of {_listed(d.name for d in usable)}")


def _nothing(known: Sequence[Device], name: str, host: str, side: str) -> str:
    what = SIDES[side]
    wanted = f" called {name!r}" if name else ""
    through = f" through {host}" if host else ""
    if known:
        return (f"there is no sound card{wanted}{through} with {what}; there is "
                f"{_listed(_with_sides(device) for device in known)}")
    return no_device(f"{wanted}{through} with {what}")


def no_device(wanted: str = "") -> str:
    """What to do where there is none at all."""
    if sys.platform == "linux":
        cure = "start PipeWire, PulseAudio or JACK (jackd -d alsa), or plug one in that this user may use (group audio)"
    else:
        cure = "plug one in, and allow this program to use it in the system's settings"
    return f"there is no sound card{wanted}: {cure}"


def _many(found: Sequence[Device], name: str) -> str:
    names = sorted({device.name for device in found})
    hosts = sorted({device.host for device in found})
    if len(names) == len(found):
        shown = [f"{device.name!r} ({device.host})" for device in found]
        return f"{name!r} fits {_listed(shown, 'and')}: write the whole name"
    if len(hosts) > 1:
        return (f"{name!r} is there through {_listed(hosts, 'and')}: say which, with host={hosts[-1]!r} or as "
                f"{f'{names[0]}, {hosts[-1]}'!r}")
    return (f"{len(found)} sound cards are called {names[0]!r} ({hosts[0]}): give one of them another name in the "
            "system's settings")


def _unknown(known: Sequence[Device], usable: Sequence[Device], wanted: str, side: str) -> str:
    names = {device.name.lower(): device.name for device in usable}
    other = [device for device in known if wanted.lower() in device.name.lower() and not device.channels(side)]
    if other:
        return f"{other[0].name!r} has no {SIDES[side]}; those that have: {_listed(repr(n) for n in names.values())}"
    close = sorted((name for name in names.values() if _closeness(wanted, name) > CLOSE),
                   key=lambda name: -_closeness(wanted, name))[:3]
    end = (f"did you mean {_listed(map(repr, close), 'or')}?" if close
           else f"there is {_listed(repr(n) for n in names.values())}")
    return f"there is no sound card called {wanted!r}; {end}"


def _closeness(wanted: str, name: str) -> float:
    """From 0 to 1: of what was written to as many words in a row of the name."""
    words, count = name.lower().split(), len(wanted.split())
    runs = [" ".join(words[k:k + count]) for k in range(max(len(words) - count, 0) + 1)]
    return max(difflib.SequenceMatcher(None, wanted[:100].lower(), run).ratio() for run in runs)


def _with_sides(device: Device) -> str:
    sides = [f"{count} {word}" for count, word in ((device.input_channels, "in"), (device.output_channels, "out"))
             if count]
    return f"{device.name!r} ({', '.join(sides)})"


def _listed(words: Iterable[str], last: str = "and") -> str:
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final
