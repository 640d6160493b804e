"""Whether a loudspeaker would be heard by a microphone of the same machine, as far as names tell."""

import re
import sys
from pathlib import Path

from flowaudio.io.devices import Device

__all__ = ["is_laptop", "may_howl"]

MICROPHONE = (r"\bmic\b|microphone|mikrofon|webcam|camera|kinect|built-?in input"
              r"|internal.*(input|capture)")
LOUDSPEAKER = (r"speaker|lautsprecher|haut-?parleur|altavo|monitor|hdmi|display|built-?in output"
               r"|internal.*(output|playback)")
ON_THE_HEAD = r"head ?(set|phone)|ear ?(phone|pod|bud)|airpod|kopfh|casque|auricular"
BUILT_IN = (r"^(default|sysdefault|pulse|pipewire)\b|primary sound|sound mapper|\bHDA\b.*analog|\bALC\d"
            r"|^sof-")
"""Names that mean both the microphone and the loudspeaker of a laptop: of sound servers' devices and of codecs that
are soldered in."""

PORTABLE = {"8", "9", "10", "14", "30", "31", "32"}
"""Kinds of a computer's case (SMBIOS): portable, laptop, notebook, sub-notebook, tablet, convertible, detachable."""


def may_howl(into: Device, out: Device, laptop: bool) -> bool:
    """Whether `into` is a microphone, and `out` a loudspeaker that it would hear.

    A device that is both (a sound server's default, a built-in codec) counts as them on a laptop only: elsewhere
    nothing is built in, and what is plugged in is not known. JACK's users connect by hand.
    """
    if "JACK" in into.host or "JACK" in out.host or _is(ON_THE_HEAD, into) or _is(ON_THE_HEAD, out):
        return False
    hears = _is(MICROPHONE, into) or (laptop and _is(BUILT_IN, into))
    sounds = _is(LOUDSPEAKER, out) or (laptop and _is(BUILT_IN, out))
    return hears and sounds


def is_laptop() -> bool:
    """Whether this machine has a microphone and loudspeakers of its own: as far as it tells, False where it does not.

    On macOS and Windows names tell enough.
    """
    if sys.platform != "linux":
        return False
    try:
        return Path("/sys/class/dmi/id/chassis_type").read_text().strip() in PORTABLE
    except OSError:
        return False


def _is(pattern: str, device: Device) -> bool:
    return re.search(pattern, device.name, re.IGNORECASE) is not None
