"""Facts of an event, for names, commands and messages."""

import math
import re
import string
import time
from typing import Any

from flowaudio.core.errors import ParameterError
from flowaudio.core.params import shown
from flowaudio.live.events import Event
from flowaudio.live.naming import plain

__all__ = ["Template", "facts"]

_SAMPLE = Event("silence", 1.5, "a sentence", "node", "began", 2.5, 1, -60.0)

_NAMES = ("time", *Event._fields)

LONGEST = 4096


def facts(event: Event) -> dict[str, Any]:
    """All that is known of an event: strings, numbers and None, as JSON has them."""
    made = event._asdict()
    for name in ("at_s", "end_s", "strength"):
        if made[name] is not None and not math.isfinite(made[name]):
            made[name] = None
    return made


class Template:
    """Text with places such as ``{kind}`` or ``{at_s:.1f}``, that an event fills. What is not known of it is empty.

    Names alone are allowed, with a format; no attributes, indices or conversions.
    """

    def __init__(self, text: Any, owner: str, *, in_a_name: bool = False) -> None:
        """:param in_a_name: it is a path: what the event brings may not lead out of its folder."""
        if not isinstance(text, str) or not text or "\0" in text or len(text) > LONGEST:
            raise ParameterError(f"{owner} must be text of 1 to {LONGEST} characters, none of them zero "
                                 f"(got {shown(text)})")
        self.text, self._in_a_name = text, in_a_name
        try:
            self._parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise self._wrong(owner, str(error)) from None
        for _, name, spec, conversion in self._parts:
            if name is not None and (name not in _NAMES or conversion):
                raise self._wrong(owner, f"nothing is known of {shown('{' + name + '}')}")
            if spec and ("{" in spec or re.search(r"\d{4}", spec)):
                raise self._wrong(owner, f"{shown(spec)} is no format")
        try:
            self.sample()
        except ValueError as error:
            raise self._wrong(owner, str(error)) from None

    def _wrong(self, owner: str, why: str) -> ParameterError:
        known = ", ".join(f"{{{name}}}" for name in _NAMES)
        return ParameterError(f"{owner} cannot be filled: {why} (in {shown(self.text)}); there is {known}, with a "
                              "format such as {at_s:.1f}; braces of its own are written {{ and }}")

    def sample(self) -> str:
        """Filled with some event."""
        return self.filled(_SAMPLE)

    def filled(self, event: Event) -> str:
        """With what is known of this one."""
        known = {**event._asdict(), "time": time.strftime("%Y-%m-%d-%H%M%S")}
        made = []
        for before, name, spec, _ in self._parts:
            made.append(before)
            if name is not None:
                value = known[name]
                filled = "" if value is None else format(value, spec or "")
                made.append(plain(filled) if self._in_a_name else filled)
        return "".join(made).replace("\0", "")
