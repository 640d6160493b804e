"""The nodes that come with flowaudio, one file a family."""

from flowaudio.nodes.channels import ChannelMap
from flowaudio.nodes.delay import Delay
from flowaudio.nodes.ducker import Ducker
from flowaudio.nodes.dynamics import Compressor
from flowaudio.nodes.equalizer import Band, Equalizer
from flowaudio.nodes.failover import Failover
from flowaudio.nodes.filters import Biquad, OnePole
from flowaudio.nodes.limiter import Limiter
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness
from flowaudio.nodes.meters import LevelMeter
from flowaudio.nodes.mixing import Gain, Mix, Pan
from flowaudio.nodes.noise import Noise
from flowaudio.nodes.normalizer import Normalizer
from flowaudio.nodes.pick import Pick
from flowaudio.nodes.reverb import Reverb
from flowaudio.nodes.sources import Sine, Sweep

__all__ = [
    "Band",
    "Biquad",
    "ChannelMap",
    "Compressor",
    "Delay",
    "Ducker",
    "Equalizer",
    "Failover",
    "Gain",
    "LevelMeter",
    "Limiter",
    "LoudnessMeter",
    "LoudnessReading",
    "Mix",
    "Noise",
    "Normalizer",
    "OnePole",
    "Pan",
    "Pick",
    "Reverb",
    "Sine",
    "Sweep",
    "loudness",
]
