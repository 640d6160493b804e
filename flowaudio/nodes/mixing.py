"""What a mixing desk does: level, sum, place between left and right."""

import math
from typing import Any, NamedTuple

import numpy as np

from flowaudio.core.errors import ParameterError
from flowaudio.core.kernel import kernel
from flowaudio.core.layouts import MAX_CHANNELS, speakers
from flowaudio.core.memory import port
from flowaudio.core.node import Format, Port, node
from flowaudio.core.params import choice, flag, param
from flowaudio.core.simd import fma, load, load_part, splat, store, store_part
from flowaudio.core.units import db_to_gain

__all__ = ["Gain", "Mix", "Pan", "apply_matrix"]

SILENCE_DB = -120.0
"""A gain this low is none at all."""

ZERO = np.float32(0.0)


def _linear(db: float) -> float:
    """A gain in dB as a factor; exactly 0 at SILENCE_DB."""
    return 0.0 if db <= SILENCE_DB else db_to_gain(db)


class GainParams(NamedTuple):
    """For the kernel of Gain and Mix."""

    gain: float                         # linear


@node(in_place=True)
class Gain:
    """Makes a signal louder or softer.

    ``y[n] = g x[n]`` with ``g = 10^(gain_db / 20)``; at -120 dB, the lowest, ``g`` is 0: silence.

    Latency: none. Error against float64: one rounding (2^-24, relative).
    """

    gain_db: float = param(SILENCE_DB, 48.0, "gain; -120 is silence", default=0.0)
    invert: bool = flag("turn the polarity around", default=False)

    def prepare(self, format: Format) -> tuple[GainParams, None]:
        gain = _linear(self.gain_db)
        return GainParams(-gain if self.invert else gain), None

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        frames = y.shape[1]
        gain = splat(p.gain)
        for c in range(y.shape[0]):
            source, target = x[c], y[c]
            # Lanes by hand: x and y may be one array, and then LLVM's own vector code steps aside for a slow loop.
            for n in range(0, frames - 7, 8):
                store(target, n, gain * load(source, n))
            rest = frames % 8
            if rest:
                store_part(target, frames - rest, rest, gain * load_part(source, frames - rest, rest))


@node(inputs=(Port("in", many=True),))
class Mix:
    """Adds up any number of inputs, in the order in which they were connected.

    ``y[n] = g (x1[n] + x2[n] + ...)``. For a level of its own put a :class:`Gain` before an input.

    Latency: none; inputs that are late in different ways are aligned. Error against float64: one rounding (2^-24)
    of the sum so far an input, and one for the gain.
    """

    gain_db: float = param(SILENCE_DB, 48.0, "gain of the sum; -120 is silence", default=0.0)
    normalize: bool = flag("divide by the number of inputs: the sum is no louder than the loudest", default=False)

    def prepare(self, format: Format) -> tuple[GainParams, None]:
        return GainParams(_linear(self.gain_db) / (len(format.inputs) if self.normalize else 1)), None

    @kernel
    def process(xs: Any, y: Any, p: Any, s: Any) -> None:
        frames = y.shape[1]
        edges = xs.size // 2
        gain = splat(p.gain)
        for c in range(y.shape[0]):
            target = y[c]
            for n in range(0, frames - 31, 32):  # four sums at a time: they hide what finding an edge's memory costs
                source = port(xs, 0, frames)[c]
                v0, v1, v2, v3 = load(source, n), load(source, n + 8), load(source, n + 16), load(source, n + 24)
                for k in range(1, edges):
                    source = port(xs, k, frames)[c]
                    v0 += load(source, n)
                    v1 += load(source, n + 8)
                    v2 += load(source, n + 16)
                    v3 += load(source, n + 24)
                store(target, n, gain * v0)
                store(target, n + 8, gain * v1)
                store(target, n + 16, gain * v2)
                store(target, n + 24, gain * v3)
            for n in range(frames - frames % 32, frames, 8):
                count = min(8, frames - n)
                v0 = load_part(port(xs, 0, frames)[c], n, count)
                for k in range(1, edges):
                    v0 += load_part(port(xs, k, frames)[c], n, count)
                store_part(target, n, count, gain * v0)


class MatrixParams(NamedTuple):
    """For every kernel that is one matrix."""

    matrix: Any                         # float32 [output channel, input channel]


@kernel
def apply_matrix(x: Any, y: Any, matrix: Any) -> None:
    """``y = matrix @ x``, time in lanes. Coefficients that are zero cost nothing: most are."""
    frames = y.shape[1]
    for o in range(y.shape[0]):
        target = y[o]
        for n in range(0, frames - 31, 32):
            v0 = v1 = v2 = v3 = splat(ZERO)
            for i in range(x.shape[0]):
                gain = matrix[o, i]
                if gain != ZERO:
                    source = x[i]
                    v0 = fma(gain, load(source, n), v0)
                    v1 = fma(gain, load(source, n + 8), v1)
                    v2 = fma(gain, load(source, n + 16), v2)
                    v3 = fma(gain, load(source, n + 24), v3)
            store(target, n, v0)
            store(target, n + 8, v1)
            store(target, n + 16, v2)
            store(target, n + 24, v3)
        for n in range(frames - frames % 32, frames, 8):
            count = min(8, frames - n)
            v0 = splat(ZERO)
            for i in range(x.shape[0]):
                gain = matrix[o, i]
                if gain != ZERO:
                    v0 = fma(gain, load_part(x[i], n, count), v0)
            store_part(target, n, count, v0)


@node
class Pan:
    """Places a signal between left and right.

    With the angle ``a = (pan + 1) pi / 4`` the gains of left and right are, by the law::

        constant_power   cos a, sin a                  -3.0 dB in the middle: equal power, for a room
        linear           (1 - pan) / 2, (1 + pan) / 2  -6.0 dB: equal sum, for a fold-down to mono
        compromise       the geometric mean of both    -4.5 dB

    - One channel comes in: stereo goes out.
    - Stereo, and `stereo` is ``balance``: the side away from `pan` gets softer, with the law's curve brought to 0 dB in
      the middle; the other stays. More channels, up to eight: so with every left and every right speaker of the layout.
    - Stereo, and `stereo` is ``pan``: the side away from `pan` moves over to the other by the law; nothing is lost.

    Latency: none. Error against float64: one rounding (2^-24) an input channel.
    Reference: law and stereo pan after W3C Web Audio API, StereoPannerNode (its law is ``constant_power``).
    """

    pan: float = param(-1.0, 1.0, "from left (-1) to right (1)", default=0.0, unit="")
    law: str = choice(("constant_power", "compromise", "linear"), "gains between the sides", default="constant_power")
    stereo: str = choice(("balance", "pan"), "what happens to a signal that has two sides already", default="balance")

    def prepare(self, format: Format) -> tuple[MatrixParams, None]:
        channels = format.channels
        if channels > MAX_CHANNELS:
            raise ParameterError(f"Pan takes 1 to {MAX_CHANNELS} channels (got {channels}): "
                                 f"put a ChannelMap(channels=2) before it")
        if channels == 1:
            return MatrixParams(np.array([[g] for g in self._gains(self.pan)], np.float32)), None
        if channels == 2 and self.stereo == "pan":
            return MatrixParams(np.array(self._moved(), np.float32)), None
        return MatrixParams(np.diag(self._balance(channels)).astype(np.float32)), None

    def output_channels(self, format: Format) -> int:
        return max(format.channels, 2)

    def _gains(self, pan: float) -> tuple[float, float]:
        """Left and right for one channel."""
        angle = (pan + 1.0) * math.pi / 4.0
        power = (math.cos(angle) if pan < 1.0 else 0.0), math.sin(angle)
        line = 0.5 * (1.0 - pan), 0.5 * (1.0 + pan)
        if self.law == "constant_power":
            return power
        return line if self.law == "linear" else (math.sqrt(power[0] * line[0]), math.sqrt(power[1] * line[1]))

    def _balance(self, channels: int) -> list[float]:
        middle = self._gains(0.0)[0]
        left, right = (min(g / middle, 1.0) for g in self._gains(self.pan))
        sides = {"L": left, "R": right}
        return [sides.get(name[-1], 1.0) if name != "LFE" else 1.0 for name in speakers(channels)]

    def _moved(self) -> list[list[float]]:
        """The near side stays whole; the far side is panned between where it was and there."""
        if self.pan <= 0.0:
            left, right = self._gains(2.0 * self.pan + 1.0)
            return [[1.0, left], [0.0, right]]
        left, right = self._gains(2.0 * self.pan - 1.0)
        return [[left, 0.0], [right, 1.0]]

    @kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        apply_matrix(x, y, p.matrix)
