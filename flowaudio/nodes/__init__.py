"""The nodes that come with flowaudio, one file a family."""

from flowaudio.nodes.bandwidth import BandwidthDetector
from flowaudio.nodes.bursts import NoiseBurstDetector
from flowaudio.nodes.channels import ChannelMap
from flowaudio.nodes.clicks import ClickDetector
from flowaudio.nodes.clipping import ClippingDetector
from flowaudio.nodes.dc_offset import DCDetector
from flowaudio.nodes.delay import Delay
from flowaudio.nodes.dropout import DropoutDetector
from flowaudio.nodes.ducker import Ducker
from flowaudio.nodes.dynamics import Compressor
from flowaudio.nodes.dynamics_meter import DynamicsMeter
from flowaudio.nodes.equalizer import Band, Equalizer
from flowaudio.nodes.failover import Failover
from flowaudio.nodes.filters import Biquad, OnePole
from flowaudio.nodes.hum import HumDetector
from flowaudio.nodes.level_jump import LevelJumpDetector
from flowaudio.nodes.limiter import Limiter
from flowaudio.nodes.loudness import LoudnessMeter, LoudnessReading, loudness
from flowaudio.nodes.meters import LevelMeter
from flowaudio.nodes.mixing import Gain, Mix, Pan
from flowaudio.nodes.noise import Noise
from flowaudio.nodes.noise_meter import NoiseMeter
from flowaudio.nodes.normalizer import Normalizer
from flowaudio.nodes.phase import PhaseDetector
from flowaudio.nodes.pick import Pick
from flowaudio.nodes.pitch import PitchTracker
from flowaudio.nodes.reverb import Reverb
from flowaudio.nodes.silence import SilenceDetector
from flowaudio.nodes.sources import Sine, Sweep
from flowaudio.nodes.spectrum import Spectrogram, SpectrogramReading, Spectrum, spectrogram
from flowaudio.nodes.stereo import StereoMeter
from flowaudio.nodes.stuck import StuckChannelDetector
from flowaudio.nodes.tempo import TempoTracker

__all__ = [
    "Band",
    "BandwidthDetector",
    "Biquad",
    "ChannelMap",
    "ClickDetector",
    "ClippingDetector",
    "Compressor",
    "DCDetector",
    "Delay",
    "DropoutDetector",
    "Ducker",
    "DynamicsMeter",
    "Equalizer",
    "Failover",
    "Gain",
    "HumDetector",
    "LevelJumpDetector",
    "LevelMeter",
    "Limiter",
    "LoudnessMeter",
    "LoudnessReading",
    "Mix",
    "Noise",
    "NoiseBurstDetector",
    "NoiseMeter",
    "Normalizer",
    "OnePole",
    "Pan",
    "PhaseDetector",
    "Pick",
    "PitchTracker",
    "Reverb",
    "SilenceDetector",
    "Sine",
    "Spectrogram",
    "SpectrogramReading",
    "Spectrum",
    "StereoMeter",
    "StuckChannelDetector",
    "Sweep",
    "TempoTracker",
    "loudness",
    "spectrogram",
]
