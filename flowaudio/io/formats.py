"""What can be written: the codecs with their settings, the files that hold them, and the rates and channels they take.

Nothing here loads FFmpeg, so that settings can be declared, checked and saved where no codec is at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from flowaudio.core.errors import ParameterError
from flowaudio.core.layouts import MAX_CHANNELS

__all__ = [
    "AAC",
    "CONTAINERS",
    "FLAC",
    "MP3",
    "WAV",
    "Codec",
    "Container",
    "Opus",
    "check",
    "check_container",
    "container_for",
    "default_codec",
    "fitting",
]


def _between(codec: object, name: str, low: int, high: int) -> None:
    value = getattr(codec, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ParameterError(f"{type(codec).__name__}.{name} must be between {low} and {high} (got {value!r})")


def _one_of(codec: object, name: str, choices: tuple[object, ...]) -> None:
    value = getattr(codec, name)
    if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
        *others, last = map(str, choices)
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise ParameterError(f"{type(codec).__name__}.{name} must be {allowed} (got {value!r})")


@dataclass(frozen=True, kw_only=True)
class MP3:
    """MPEG layer III by LAME, one or two channels.

    With a `bitrate` (bits per second, constant; LAME takes the nearest step that the sample rate has), `quality` is
    how hard LAME works: 0 best, 9 fastest; 0 to 2 are LAME's q 2, its own advice for the best. The file decodes as
    loud as it was written: what LAME turns the level down by (0.45 dB at 128 kbit/s) is made up for.
    With ``bitrate=None`` the bitrate varies and `quality` is LAME's V scale: 0 is about 245, 2 about 190, 9 about
    65 kbit/s. ``reservoir=False`` makes every frame stand alone, for streams that are cut or switched between frames.
    """

    quality: int = 2
    bitrate: int | None = 192_000
    reservoir: bool = True

    def __post_init__(self) -> None:
        _between(self, "quality", 0, 9)
        if self.bitrate is not None:
            _between(self, "bitrate", 8_000, 320_000)
        _one_of(self, "reservoir", (True, False))


@dataclass(frozen=True, kw_only=True)
class AAC:
    """MPEG-4 AAC by FFmpeg's own encoder: profile LC; `bitrate` in bits per second, the sum of all channels."""

    profile: Literal["LC"] = "LC"
    bitrate: int = 128_000

    def __post_init__(self) -> None:
        _one_of(self, "profile", ("LC",))
        _between(self, "bitrate", 8_000, 2_048_000)


@dataclass(frozen=True, kw_only=True)
class Opus:
    """Opus by libopus: tuned for music (audio), speech (voip) or least delay (lowdelay).

    `bitrate` in bits per second is the sum of all channels; at most 256,000 a channel. It varies around that value.
    """

    application: Literal["audio", "voip", "lowdelay"] = "audio"
    bitrate: int = 128_000

    def __post_init__(self) -> None:
        _one_of(self, "application", ("audio", "voip", "lowdelay"))
        _between(self, "bitrate", 6_000, 256_000 * MAX_CHANNELS)


@dataclass(frozen=True, kw_only=True)
class FLAC:
    """Lossless: `bit_depth` 16 or 24; `compression_level` 0 (fast) to 12 (small) changes the size only."""

    compression_level: int = 5
    bit_depth: Literal[16, 24] = 16

    def __post_init__(self) -> None:
        _between(self, "compression_level", 0, 12)
        _one_of(self, "bit_depth", (16, 24))


@dataclass(frozen=True, kw_only=True)
class WAV:
    """Plain samples: `bit_depth` 16 or 24 (integers) or 32 (floats, which are not clipped at ±1)."""

    bit_depth: Literal[16, 24, 32] = 16

    def __post_init__(self) -> None:
        _one_of(self, "bit_depth", (16, 24, 32))


Codec = MP3 | AAC | Opus | FLAC | WAV


@dataclass(frozen=True, kw_only=True)
class Container:
    """A kind of file: the suffix it goes by, FFmpeg's name of it with its options, and the codec that it holds."""

    suffix: str
    muxer: str
    codec: type[Codec]
    options: Mapping[str, str] = field(default_factory=dict)


CONTAINERS: dict[str, Container] = {
    container.suffix: container
    for container in (
        Container(suffix=".mp3", muxer="mp3", codec=MP3),
        Container(suffix=".m4a", muxer="mp4", codec=AAC, options={"brand": "M4A "}),
        Container(suffix=".mp4", muxer="mp4", codec=AAC),
        Container(suffix=".aac", muxer="adts", codec=AAC),
        Container(suffix=".opus", muxer="opus", codec=Opus),
        Container(suffix=".ogg", muxer="ogg", codec=Opus),
        Container(suffix=".flac", muxer="flac", codec=FLAC),
        Container(suffix=".wav", muxer="wav", codec=WAV, options={"rf64": "auto"}),
    )
}
"""Every suffix that can be written. The first that names a codec is the codec's own."""


def container_for(codec: Codec) -> Container:
    """The container that a codec goes into where no file name says otherwise: AAC into .m4a, Opus into .opus."""
    return next(container for container in CONTAINERS.values() if isinstance(codec, container.codec))


def default_codec(path: str | PurePath) -> Codec:
    """The codec, with its default settings, that a file of this name holds. ParameterError for an unknown suffix."""
    return _container(PurePath(path)).codec()


def check_container(codec: Codec, path: str | PurePath) -> Container:
    """The container that `path` names, if it holds `codec`. ParameterError with the cure otherwise."""
    path = PurePath(path)
    container = _container(path)
    if not isinstance(codec, container.codec):
        name, fitting = type(codec).__name__, container.codec.__name__
        better = path.with_suffix(container_for(codec).suffix).name
        raise ParameterError(f"{path.name} cannot hold {name}; name the output {better} or choose {fitting}")
    return container


def _container(path: PurePath) -> Container:
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        known = ", ".join(suffix[1:] for suffix in CONTAINERS)
        better = path.with_suffix(".mp3").name if path.name else "output.mp3"
        kind = f"of an unknown kind ({path.suffix})" if path.suffix else "without a suffix"
        raise ParameterError(f"{path.name or path} is a name {kind}; end it with one of {known}, such as {better}")
    return container


_RATES: dict[type[Codec], tuple[int, ...]] = {
    MP3: (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    AAC: (7_350, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000),
    Opus: (8_000, 12_000, 16_000, 24_000, 48_000),
}
_CHANNELS: dict[type[Codec], int] = {MP3: 2, AAC: MAX_CHANNELS, Opus: MAX_CHANNELS, FLAC: MAX_CHANNELS, WAV: 64}
_MAX_RATE = {FLAC: 655_350, WAV: 10_000_000}


def check(codec: Codec, sample_rate: int, channels: int) -> None:
    """Make sure that the encoder takes `sample_rate` (Hz) and `channels`, before anything is opened.

    Raises ParameterError: one sentence with the cure.
    """
    if not isinstance(codec, Codec):
        names = ", ".join(kind.__name__ for kind in _CHANNELS)
        raise ParameterError(f"codec must be one of {names} with its settings (got {codec!r})")
    _check_rate(codec, sample_rate)
    name, most = type(codec).__name__, _CHANNELS[type(codec)]
    if not 1 <= channels <= most:
        counts = "1 or 2" if most == 2 else f"1 to {most}"
        others = [kind.__name__ for kind, limit in _CHANNELS.items() if channels <= limit]
        cure = f"mix to {most}" + (f" or choose {', '.join(others)}" if others else "") if channels > 0 else "mix to 1"
        raise ParameterError(f"{name} takes {counts} channels (got {channels}); {cure}")
    if isinstance(codec, Opus) and codec.bitrate > 256_000 * channels:
        raise ParameterError(
            f"Opus.bitrate must be at most {256_000 * channels} for {channels} channel{'s' * (channels > 1)} "
            f"(got {codec.bitrate})"
        )


def _check_rate(codec: Codec, sample_rate: int) -> None:
    name, rates = type(codec).__name__, _RATES.get(type(codec))
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int) or sample_rate < 1:
        raise ParameterError(f"sample_rate must be a whole number of Hz above 0 (got {sample_rate!r})")
    if rates:
        if sample_rate not in rates:
            # The next rate up loses nothing; above the highest, that one is the best there is.
            better = next((rate for rate in rates if rate > sample_rate), rates[-1])
            listed = ", ".join(map(str, rates))
            raise ParameterError(f"{name} does not take {sample_rate} Hz; resample to {better} Hz (it takes {listed})")
        return
    if sample_rate > (most := _MAX_RATE[type(codec)]):
        raise ParameterError(f"{name} takes at most {most} Hz (got {sample_rate}); resample to 192000 Hz")
    if isinstance(codec, FLAC) and sample_rate > 65_535 and sample_rate % 10:
        better = round(sample_rate, -1)
        raise ParameterError(f"FLAC takes rates above 65535 Hz in tens (got {sample_rate}); resample to {better} Hz")


def fitting(codec: Codec, sample_rate: int, channels: int) -> tuple[int, int]:
    """The rate (Hz) and channels nearest to those given that the encoder takes; rates rather up than down."""
    rates = _RATES.get(type(codec))
    if rates:
        sample_rate = next((rate for rate in rates if rate >= sample_rate), rates[-1])
    elif sample_rate > _MAX_RATE[type(codec)]:
        sample_rate = 192_000
    elif isinstance(codec, FLAC) and sample_rate > 65_535 and sample_rate % 10:
        sample_rate = round(sample_rate, -1)
    return sample_rate, min(channels, _CHANNELS[type(codec)])
