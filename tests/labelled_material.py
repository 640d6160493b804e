"""Pieces of clean material: music and speech made by seed, mastered as music is, and recordings where there are some.

Each piece is checked by measurements that have nothing to do with the detectors (`faults_in`): no run of 3 equal
samples where it is loud, no 2 s under -58 dBFS in a channel, no offset, no 5 s of negative correlation, a quiet start.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import labelled_music as music
import labelled_speech as voices
import numpy as np
from scipy import signal

from flowaudio.graph.graph import chain
from flowaudio.graph.plan import render
from flowaudio.io.decoder import Decoder
from flowaudio.io.encoder import Encoder
from flowaudio.io.formats import AAC, MP3, Opus
from flowaudio.nodes.limiter import Limiter

__all__ = ["RECORDINGS", "Piece", "Recipe", "faults_in", "full_set", "make", "recorded", "small_set"]

Array = np.ndarray[Any, Any]


class Piece(NamedTuple):
    """Clean sound. `grey`: kinds that do not count here, for the piece may truly have them."""

    name: str
    rate: int
    x: Array                            # float32 [2, frames]
    grey: frozenset[str] = frozenset()


class Recipe(NamedTuple):
    """How a piece is made."""

    style: str                          # of music.STYLES, or speech, talk (two voices), radio (speech over music)
    seed: int
    rate: int
    seconds: float
    master: str                         # loud, broadcast, soft, cd
    codec: str = ""                     # mp3, aac, opus

    @property
    def name(self) -> str:
        """Unique in a set."""
        return f"{self.style}-{self.seed}-{self.master}{'-' * bool(self.codec)}{self.codec}"


CODECS: dict[str, Any] = {"mp3": (MP3(bitrate=320_000), ".mp3"), "aac": (AAC(bitrate=256_000), ".m4a"),
                          "opus": (Opus(bitrate=160_000), ".opus")}


def _source(recipe: Recipe) -> Array:
    rate, seconds, seed = recipe.rate, recipe.seconds, recipe.seed
    if recipe.style in music.STYLES:
        return music.compose(recipe.style, rate, seconds, seed)
    n = len(voices.VOICES)
    room = (0.12, 0.25, 0.5, 1.1)[seed % 4]
    noise_db = (-72.0, -66.0, -60.0)[seed % 3]
    if recipe.style == "speech":
        return voices.speech(rate, seconds, seed, (seed % n,), room, noise_db)
    talk = voices.speech(rate, seconds, seed, (seed % n, (3 * seed + 1) % n), room, noise_db)
    if recipe.style == "talk":
        return talk
    under = music.compose(sorted(music.STYLES)[seed % len(music.STYLES)], rate, seconds, 100 + seed)
    loud = np.abs(talk).max(axis=0)
    follow = signal.sosfiltfilt(signal.butter(1, 0.8, fs=rate, output="sos"), loud)
    duck = 0.6 - 0.35 * np.clip(follow / (0.5 * follow.max()), 0, 1)
    return talk + duck * under * 0.11 / np.sqrt(np.mean(under ** 2))


def _mastered(x: Array, recipe: Recipe) -> Array:
    """Level, limiter and fades as the recipe says; float32."""
    target_db, ceiling_db = {"loud": (-13.5, -0.3), "broadcast": (-19.0, -1.0), "soft": (-26.0, -6.0),
                             "cd": (-17.0, -0.3)}[recipe.master]
    y = x * 10 ** (target_db / 20) / np.sqrt(np.mean(x * x))
    fade_in, fade_out = (6.0, 8.0) if recipe.style in ("ambient", "strings") and recipe.seed % 2 else (0.05, 0.6)
    a, b = int(fade_in * recipe.rate), int(fade_out * recipe.rate)
    y[:, :a] *= (np.arange(a) / a) ** 2
    y[:, -b:] *= ((np.arange(b) + 1) / b)[::-1] ** 2
    if recipe.style != "console":
        y = y + 10 ** (-88 / 20) * np.random.default_rng(recipe.seed).standard_normal(y.shape)
    y = render(chain(Limiter(ceiling_dbtp=ceiling_db)), y.astype(np.float32), recipe.rate, 4096)
    if recipe.master == "cd":
        rng = np.random.default_rng([recipe.seed, 16])
        y = np.round(y * 32768 + rng.uniform(-0.5, 0.5, y.shape) + rng.uniform(-0.5, 0.5, y.shape)) / 32768
    return np.asarray(y, np.float32)


def _coded(x: Array, rate: int, codec: str) -> Array:
    settings, container = CODECS[codec]
    file = io.BytesIO()
    with Encoder(file, settings, rate, x.shape[0], container=container) as encoder:
        encoder.write(0.85 * x)                                 # room for what coding adds to peaks
    file.seek(0)
    with Decoder(file, sample_rate=rate, channels=2) as decoder:
        return np.concatenate([np.array(block) for block in decoder.blocks(65_536)], axis=1)


def make(recipe: Recipe) -> Piece:
    """The piece, from the folder that LABELLED_CACHE names if it was made before."""
    folder = os.environ.get("LABELLED_CACHE")
    sources = (Path(__file__).with_name(f"labelled_{part}.py").read_bytes() for part in
               ("sounds", "music", "speech", "material"))
    key = hashlib.sha256(repr(recipe).encode() + b"".join(sources)).hexdigest()[:16]
    kept = Path(folder or ".") / f"{recipe.name}-{key}.npy"
    if folder and kept.exists():
        x = np.load(kept)
    else:
        x = _mastered(_source(recipe), recipe)
        if recipe.codec:
            x = _coded(x, recipe.rate, recipe.codec)
        if folder:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, x)
    return Piece(recipe.name, recipe.rate, x, frozenset({"bandwidth_loss"} if recipe.codec else ()))


MASTERS = ("loud", "broadcast", "soft", "cd")


def full_set(seconds: float = 120.0) -> list[Recipe]:
    """An hour and three quarters: every style three times, speech, and some of it through codecs."""
    made = []
    for i, style in enumerate(music.STYLES):
        made += [Recipe(style, s, (48_000, 44_100)[(i + s) % 2], seconds, MASTERS[(i + s) % 4]) for s in (1, 2, 3)]
    made += [Recipe("speech", s, (48_000, 44_100)[s % 2], seconds, MASTERS[s % 4]) for s in range(8)]
    made += [Recipe("talk", s, (48_000, 44_100)[s % 2], seconds, MASTERS[(s + 1) % 4]) for s in range(3)]
    made += [Recipe("radio", s, (48_000, 44_100)[s % 2], seconds, MASTERS[s % 2]) for s in range(5)]
    made += [Recipe(style, 4, 48_000, seconds, "loud", codec)
             for style, codec in (("band", "mp3"), ("speech", "opus"), ("bells", "aac"), ("electro", "mp3"),
                                  ("radio", "aac"), ("castanets", "opus"))]
    return made


def small_set() -> list[Recipe]:
    """About ten minutes for the test suite."""
    styles = ("electro", "castanets", "console", "drummer", "speech", "band", "trio", "bells", "radio", "talk")
    return [Recipe(style, 14 if style == "radio" else 11 + i, (48_000, 44_100)[i % 2], 60.0, MASTERS[i % 4])
            for i, style in enumerate(styles)]


RECORDINGS = {
    "frozen-bubble-data": ("/usr/share/games/frozen-bubble/snd/*zik*.ogg",),
    "extremetuxracer-data": ("/usr/share/games/etr/music/*.ogg",),
    "lincity-ng-data": ("/usr/share/games/lincity-ng/music/default/*.ogg",),
}
"""Debian packages with recorded music, and where it is."""


def recorded(most_s: float = 240.0) -> Iterator[Piece | str]:
    """Real pieces of the packages that are installed, or a sentence for one that is not or cannot be used.

    A start of 0.1 s of silence and a fade of 50 ms is put before them: a file that starts loud is a cut start. Where
    `faults_in` finds something, that kind does not count on the piece: nobody knows whether it is meant.
    """
    for package, patterns in RECORDINGS.items():
        files = sorted(file for pattern in patterns for file in Path("/").glob(pattern[1:]))
        if not files:
            yield f"{package} is not installed: its recordings are left out"
        for file in files:
            with Decoder(str(file), channels=2) as decoder:
                rate, got, blocks = decoder.sample_rate, 0, []
                for block in decoder.blocks(65_536):
                    blocks.append(np.array(block))
                    got += blocks[-1].shape[1]
                    if got > most_s * rate:
                        break
            y = np.concatenate(blocks, axis=1)[:, :int(most_s * rate)]
            y = y * min(1.0, 0.97 / max(1e-9, float(np.abs(y).max())))
            quiet = np.sqrt(np.mean(y * y, axis=0)) < 1e-4
            y = y[:, int(np.argmin(quiet)):len(quiet) - int(np.argmin(quiet[::-1]))]
            a = int(0.05 * rate)
            y[:, :a] *= (np.arange(a) / a) ** 2
            y = np.concatenate([np.zeros((2, rate // 10)), y], axis=1).astype(np.float32)
            found = faults_in(y, rate)
            yield Piece(f"{package}:{file.name}", rate, y, frozenset({"bandwidth_loss", *found}))


def _means(x: Array, length: int) -> Array:
    """Of every stretch of `length` frames, at half steps; float64 [channel, stretch]."""
    step = length // 2
    n = max(2, x.shape[1] // step)
    cells = x[:, :n * step].astype(float).reshape(x.shape[0], n, -1).sum(axis=2)
    return (cells[:, :-1] + cells[:, 1:]) / length


def faults_in(x: Array, rate: int) -> set[str]:
    """Kinds of faults that simple measurements see in what should be clean."""
    found = set()
    inner = x[:, rate // 5:x.shape[1] - 2 * rate]
    flat = (np.abs(inner[:, 2:]) > 0.3) & (inner[:, 2:] == inner[:, 1:-1]) & (inner[:, 1:-1] == inner[:, :-2])
    if flat.sum() > 20 or np.abs(x).max() > 1.0:
        found.add("clipping")
    if inner.shape[1] > 6 * rate:
        middle = x[:, 8 * rate:-3 * rate] if x.shape[1] > 40 * rate else inner
        if _means(middle ** 2, 2 * rate).min() < 10 ** -5.8:
            found.add("silence")
        if np.abs(_means(x, 2 * rate)).max() > 0.005:
            found.add("dc_offset")
        power, cross = _means(x ** 2, 5 * rate), _means(x[:1] * x[1:], 5 * rate)
        if (cross[0] / np.sqrt(power[0] * power[1] + 1e-12)).min() < -0.2:
            found.add("phase_inversion")
    if np.abs(x[:, :rate // 100]).max() > 10 ** -2.9:
        found.add("cut_start")
    return found
