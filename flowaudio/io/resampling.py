"""Sample-rate conversion and channel mixing of a stream, block by block."""

from fractions import Fraction

import numpy as np
import soxr
from numpy.typing import NDArray

from flowaudio.core.layouts import MAX_CHANNELS, Speakers, mix_matrix

__all__ = ["Converter", "Mixer", "Resampler", "Restorer", "keeps_order"]

Block = NDArray[np.float32]


class Resampler:
    """Takes a stream to another sample rate: linear phase, no delay, exactly ``round(n * out / in)`` frames."""

    def __init__(self, input_rate: int, output_rate: int, channels: int) -> None:
        self._ratio = Fraction(output_rate, input_rate)
        self._channels = channels
        self._stream = soxr.ResampleStream(input_rate, output_rate, channels, dtype="float32", quality="VHQ")
        self._taken = 0
        self._given = 0

    def process(self, block: Block) -> Block:
        """What `block` `[channels, frames]` makes ready, `[channels, m]`; m may be 0."""
        self._taken += block.shape[1]
        return self._convert(block, last=False)

    def finish(self) -> Block:
        """The rest of the stream, `[channels, m]`."""
        due = round(self._taken * self._ratio) - self._given
        rest = self._convert(np.zeros((self._channels, 0), np.float32), last=True)[:, :due]
        # libsoxr rounds the length its own way: a missing last frame lies half a period past the end.
        return np.ascontiguousarray(np.pad(rest, ((0, 0), (0, due - rest.shape[1]))))

    def _convert(self, block: Block, last: bool) -> Block:
        output = self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last)
        self._given += output.shape[0]
        return np.ascontiguousarray(output.T)


class Restorer:
    """Takes a stream from one clock to another: `ratio` frames become one. Linear phase, no delay."""

    def __init__(self, ratio: float, channels: int) -> None:
        self._stream = soxr.ResampleStream(ratio, 1.0, channels, dtype="float32", quality="VHQ")
        self._channels = channels

    def process(self, block: Block) -> Block:
        """What `block` `[channels, frames]` makes ready, `[channels, m]`; m may be 0."""
        return np.ascontiguousarray(self._stream.resample_chunk(np.ascontiguousarray(block.T)).T)

    def finish(self) -> Block:
        """The rest of the stream, `[channels, m]`."""
        none = np.zeros((0, self._channels), np.float32)
        return np.ascontiguousarray(self._stream.resample_chunk(none, last=True).T)


class Mixer:
    """Mixes channels by a matrix `[outputs, inputs]`, sample by sample: block size cannot change a bit of it."""

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        self._rows = [[(channel, np.float32(row[channel])) for channel in np.flatnonzero(row)] for row in matrix]

    def __call__(self, block: Block) -> Block:
        """The mix `[outputs, frames]` of a block `[inputs, frames]`."""
        output = np.zeros((len(self._rows), block.shape[1]), np.float32)
        for row, terms in zip(output, self._rows, strict=True):
            for channel, gain in terms:
                row += block[channel] * gain
        return output


class Converter:
    """Takes a stream of one sample rate and layout to another; where both agree, blocks pass untouched.

    As many channels out as in are put in the order of our layouts, and not mixed.
    """

    def __init__(self, input_rate: int, input_speakers: Speakers, output_rate: int, output_channels: int) -> None:
        channels = len(input_speakers)
        self._mixer = _mixer(input_speakers, output_channels)
        self._resampler = None
        if input_rate != output_rate:
            # The dearer step works on the fewer channels.
            self._resampler = Resampler(input_rate, output_rate, min(channels, output_channels))
        self._mix_first = output_channels < channels

    def process(self, block: Block) -> Block:
        """What `block` `[inputs, frames]` makes ready, `[outputs, m]`."""
        if self._mixer and self._mix_first:
            block = self._mixer(block)
        if self._resampler:
            block = self._resampler.process(block)
        return self._mixer(block) if self._mixer and not self._mix_first else block

    def finish(self) -> Block | None:
        """The rest of the stream, `[outputs, m]`; None where nothing was held back."""
        if self._resampler is None:
            return None
        block = self._resampler.finish()
        return self._mixer(block) if self._mixer and not self._mix_first else block


def keeps_order(inputs: Speakers) -> bool:
    """Whether a Converter to as many channels leaves these where they are: those of our layouts are put in order."""
    return _mixer(inputs, len(inputs)) is None


def _mixer(inputs: Speakers, outputs: int) -> Mixer | None:
    if len(inputs) == outputs > MAX_CHANNELS:
        return None
    matrix = mix_matrix(inputs, outputs)
    if len(inputs) == outputs:
        reorders = np.array_equal(matrix @ matrix.T, np.eye(outputs)) and set(matrix.flat) == {0.0, 1.0}
        if not reorders or np.array_equal(matrix, np.eye(outputs)):
            return None
    return Mixer(matrix)
