"""The nodes that come with flowaudio, one file a family."""

from flowaudio.nodes.channels import ChannelMap
from flowaudio.nodes.delay import Delay
from flowaudio.nodes.dynamics import Compressor
from flowaudio.nodes.equalizer import Band, Equalizer
from flowaudio.nodes.filters import Biquad, OnePole
from flowaudio.nodes.limiter import Limiter
from flowaudio.nodes.loudness import LoudnessMeter
from flowaudio.nodes.meters import LevelMeter
from flowaudio.nodes.mixing import Gain, Mix, Pan
from flowaudio.nodes.noise import Noise
from flowaudio.nodes.normalizer import Normalizer
from flowaudio.nodes.reverb import Reverb
from flowaudio.nodes.sources import Sine, Sweep

__all__ = [
    "Band",
    "Biquad",
    "ChannelMap",
    "Compressor",
    "Delay",
    "Equalizer",
    "Gain",
    "LevelMeter",
    "Limiter",
    "LoudnessMeter",
    "Mix",
    "Noise",
    "Normalizer",
    "OnePole",
    "Pan",
    "Reverb",
    "Sine",
    "Sweep",
]
