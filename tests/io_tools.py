"""Sounds to encode, and how near two sounds are: shared by the tests of flowaudio.io."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from flowaudio.io import Decoder, Encoder

Sound = NDArray[np.float32]


def sound(frames: int, channels: int = 2, rate: int = 48_000, seed: int = 0) -> Sound:
    """Noise below a fifth of the rate, another in each channel: every codec keeps it, and no lag fits it twice."""
    noise = np.random.default_rng(seed).standard_normal((channels, frames + 256))
    low = signal.sosfilt(signal.butter(6, 0.2 if rate > 12_000 else 0.3, output="sos"), noise)
    return np.asarray(np.clip(0.18 * low / low.std(), -0.9, 0.9), np.float32)[:, 256:]


def write(target, x: Sound, codec, rate: int = 48_000, step: int = 1009, **options) -> Encoder:
    """Encode `x` in blocks of `step` frames."""
    with Encoder(target, codec, rate, x.shape[0], **options) as encoder:
        for begin in range(0, x.shape[1], step):
            encoder.write(x[:, begin : begin + step])
    return encoder


def read(source, frames: int | None = None, **options) -> Sound:
    """Everything that a source decodes to."""
    with Decoder(source, **options) as decoder:
        blocks = list(decoder.blocks(frames))
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((decoder.channels, 0), np.float32)


def lag(x: Sound, y: Sound) -> int:
    """By how many frames `y` comes after `x`, where they agree best."""
    scores = signal.correlate(y, x, mode="full", method="fft")
    return int(np.argmax(scores)) - (len(x) - 1)


def snr_db(x: Sound, y: Sound) -> float:
    """How far the difference of two equally long sounds lies below them."""
    noise = np.sum((x.astype(np.float64) - y) ** 2)
    return float(10 * np.log10(np.sum(x.astype(np.float64) ** 2) / max(noise, 1e-30)))
