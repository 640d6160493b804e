"""FFmpeg's encoders and their options for our codecs."""

from flowaudio.io.formats import AAC, FLAC, MP3, WAV, Codec, Opus

__all__ = ["OPUS_ORDER", "encoder_settings", "makeup"]

_LAME_BEST = 2
"""LAME's own advice. Its q 0 and 1 take three times as long, for differences that nobody has been shown to hear."""

_LAME_STEPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LAME_SCALE = {192: 0.97, 224: 0.98, 256: 1.0, 320: 1.0}
"""At a constant bitrate LAME turns the level down, by 0.95 below these kbit/s (measured, LAME 3.100)."""

_LAMBDA = 118
"""FFmpeg's unit of quality scales (FF_QP2LAMBDA)."""

OPUS_ORDER = {5: [0, 1, 4, 2, 3], 7: [0, 1, 4, 3, 5, 2, 6]}
"""FFmpeg's libopus encoder mixes up the channels of 5.0 and 6.1: taken in this order they come right."""


def encoder_settings(codec: Codec) -> tuple[str, str, dict[str, str]]:
    """FFmpeg's encoder, the sample format it gets, and its options."""
    match codec:
        case MP3():
            options = {"reservoir": str(int(codec.reservoir))}
            if codec.bitrate is None:
                options |= {"flags": "+qscale", "global_quality": str(codec.quality * _LAMBDA)}
            else:
                options["compression_level"] = str(max(codec.quality, _LAME_BEST))
            return "libmp3lame", "fltp", options
        case AAC():
            return "aac", "fltp", {"profile": "aac_low"}
        case Opus():
            return "libopus", "flt", {"application": codec.application}
        case FLAC():
            options = {"compression_level": str(codec.compression_level), "bits_per_raw_sample": str(codec.bit_depth)}
            return "flac", "s16" if codec.bit_depth == 16 else "s32", options
        case WAV():
            encoders = {16: ("pcm_s16le", "s16"), 24: ("pcm_s24le", "s32"), 32: ("pcm_f32le", "flt")}
            return *encoders[codec.bit_depth], {}


def makeup(codec: Codec, sample_rate: int) -> float:
    """What the samples are multiplied by, so that the file decodes as loud as it was written."""
    if not isinstance(codec, MP3) or codec.bitrate is None:
        return 1.0
    highest = 320 if sample_rate >= 32_000 else 160
    wanted = min(codec.bitrate / 1000, highest)
    return 1 / _LAME_SCALE.get(min(_LAME_STEPS, key=lambda step: abs(step - wanted)), 0.95)
