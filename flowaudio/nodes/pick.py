"""Some channels out of many: a sound card's third and fourth as a stereo signal of their own."""

from typing import Any, NamedTuple

from flowaudio.core.errors import ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.node import Format, node
from flowaudio.core.params import integer
from flowaudio.core.simd import load, load_part, store, store_part

__all__ = ["Pick"]


class Params(NamedTuple):
    """What the kernel takes."""

    first: int                          # counted from 0


@node
class Pick:
    """Takes neighbouring channels out of a signal, as they are: ``y[c] = x[first - 1 + c]``.

    With a graph's input of several signals side by side each can go its own way: main and backup of a
    :class:`Failover`, music and voice of a :class:`Ducker`. Channels are counted from 1.

    Latency: none. Error: none.
    """

    first: int = integer(1, 64, "the first channel, counted from 1", default=1)
    count: int = integer(1, 64, "how many channels", default=1)

    def prepare(self, format: Format) -> tuple[Params, None]:
        last = self.first + self.count - 1
        if last > format.channels:
            wanted = f"channel {last}" if self.count == 1 else f"channels {self.first} to {last}"
            raise ParameterError(f"Pick takes {wanted}, and {format.channels} come in: open the input with "
                                 f"channels={last}, or choose others")
        return Params(self.first - 1), None

    def output_channels(self, format: Format) -> int:
        return self.count

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = y.shape[1]
        rest = frames % 8
        for c in range(y.shape[0]):
            source, target = x[p.first + c], y[c]
            for n in range(0, frames - rest, 8):
                store(target, n, load(source, n))
            if rest:
                store_part(target, frames - rest, rest, load_part(source, frames - rest, rest))
