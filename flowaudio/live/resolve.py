"""What an engine's `input` and `output` mean: which rate, how many channels, and what has to be opened."""

from typing import Any

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.live.ends import Listening, Reader, Writer, file_of
from flowaudio.runtime.card import Card

__all__ = ["channels_of", "rate_of", "refuse_feedback", "sink_of", "source_of"]


def rate_of(input: Any, in_card: Card | None, out_card: Card | None) -> int | None:
    """Of the side that cannot be resampled: the output's card, the input's, else the source. None: a file says it."""
    if out_card is not None:
        return out_card.rate("output")
    if in_card is not None:
        return in_card.rate("input")
    if isinstance(input, Listening):
        return input.engine.rate
    return None if file_of(input) is not None else 48_000


def source_of(input: Any, in_card: Card | None, rate: int | None, channels: int | None) -> Any:
    """What sound comes from, ready to be connected. A file is opened once: a station sends when it likes."""
    if in_card is not None or input is None or isinstance(input, Listening):
        return input
    file = file_of(input)
    if file is not None:
        return Reader.of_file(file, rate, channels)
    if isinstance(input, np.ndarray):
        return Reader.of_array(input, rate or 48_000)
    raise ParameterError("an engine's input is a SoundCard, a path, a File, an array, another engine's listen() or "
                         f"None (got {input!r})")


def channels_of(source: Any, in_card: Card | None, out_card: Card | None) -> int:
    """Channels that the graph gets."""
    if in_card is not None:
        return in_card.channels("input")
    if isinstance(source, Reader):
        return source.channels
    if isinstance(source, Listening):
        return source.engine.rack.channels_of(source.point)
    return min(out_card.channels("output"), 2) if out_card is not None else 2


def sink_of(output: Any, rate: int, channels: int) -> Any:
    """What takes the sound, if it is no card: a file that is opened now, or what can be written to."""
    file = file_of(output)
    if file is not None:
        return Writer(file, rate, channels)
    if output is not None and not (hasattr(output, "write") and hasattr(output, "close")):
        raise ParameterError(f"an engine's output is a SoundCard, a path, a File, a Memory or None (got {output!r})")
    return output


def refuse_feedback(in_card: Card, out_card: Card) -> None:
    """A loudspeaker that plays into its own microphone howls."""
    if in_card.may_hear(out_card):
        raise ParameterError(f"{in_card.name or 'the default input'} hears what {out_card.name or 'the default output'}"
                             " plays, and would howl: use headphones and allow_feedback=True, or another device")
