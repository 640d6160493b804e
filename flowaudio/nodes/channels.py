"""From one number of channels to another: mono, stereo, 5.1 and what lies between."""

from typing import Any

import numpy as np

from flowaudio.core.kernel import kernel
from flowaudio.core.layouts import mix_matrix
from flowaudio.core.node import Format, node
from flowaudio.core.params import integer
from flowaudio.nodes.mixing import MatrixParams, apply_matrix

__all__ = ["ChannelMap"]


@node
class ChannelMap:
    """Mixes a signal to `channels` channels, with the standard coefficients for each pair of layouts.

    ``y[o] = sum over i of m[o, i] x[i]``. The layouts and the matrix are those of
    :func:`flowaudio.core.layouts.mix_matrix`: mono goes to both sides of stereo as it is, stereo to mono is
    ``(L + R) / 2``, and of 5.1 in stereo each side gets its front, and centre and surround at -3 dB; the LFE is left
    out. As many channels as before: nothing changes.

    Not normalised: a full-scale 5.1 signal can reach +7.7 dBFS in stereo. Latency: none. Error against float64: one
    rounding (2^-24) for each input channel that an output takes. One to eight channels on both sides.
    Reference: ITU-R BS.775-4, table 2.
    """

    channels: int = integer(1, 8, "channels that go out", default=2)

    def prepare(self, format: Format) -> tuple[MatrixParams, None]:
        return MatrixParams(mix_matrix(format.channels, self.channels).astype(np.float32)), None

    def output_channels(self, format: Format) -> int:
        return self.channels

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        apply_matrix(x, y, p.matrix)
