"""Pieces of music for the labelled set, composed by rule and seed: what is hard for detectors and no fault.

Drum hits, castanets and claps (clicks?), hard note onsets and gated rests (dropouts?), bass and drones (hum? offset?),
wide pads (phase?), general pauses (silence?), verses and choruses (level jumps?), held square waves (clipping?).
Rests are gated in 3 to 12 ms, as noise gates and samplers do, last 60 ms to 1.5 s, and end with a note's own attack.
"""

from collections.abc import Callable
from typing import Any

import labelled_sounds as sounds
import numpy as np
from labelled_sounds import Desk, note_hz

__all__ = ["STYLES", "compose"]

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "dorian": (0, 2, 3, 5, 7, 9, 10)}
ROUTES = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 4), (1, 4, 0, 0), (0, 6, 5, 4))


class Score:
    """Key, tempo, chords and the sections of one piece."""

    def __init__(self, rng: Rng, seconds: float, slow: int, fast: int) -> None:
        self.rng = rng
        self.key = int(rng.integers(36, 48))
        self.scale = SCALES[str(rng.choice(list(SCALES)))]
        self.route = ROUTES[int(rng.integers(len(ROUTES)))]
        self.beat = 60 / rng.uniform(slow, fast)
        self.bars: list[tuple[float, int, float]] = []          # start in seconds, chord, energy 0.45 to 1
        at, bar = 0.25, 0
        energy = 0.6
        while at < seconds - 0.5:
            if bar % 8 == 0:
                energy = float(rng.choice([0.45, 0.6, 0.8, 1.0]))
            self.bars.append((at, self.route[bar % 4], energy))
            at += 4 * self.beat
            bar += 1
            if bar % 8 == 0 and rng.uniform() < 0.4:            # a general pause
                at += rng.uniform(0.3, 1.2)

    def note(self, degree: int, octave: int = 0) -> float:
        """Midi number of a step of the scale."""
        return self.key + 12 * (octave + degree // 7) + self.scale[degree % 7]

    def chord(self, root: int, octave: int = 1) -> list[float]:
        """Frequencies of a triad, sometimes with its seventh."""
        steps = (0, 2, 4, 6) if self.rng.uniform() < 0.3 else (0, 2, 4)
        return [note_hz(self.note(root + s, octave)) for s in steps]


def _kit(desk: Desk, score: Score, dry: float = 0.1, click: float = 0.5, claps: bool = False) -> None:
    """Kick, snare, hats and crashes with four variants of each and uneven hands."""
    rng, rate = score.rng, desk.rate
    kicks, snares = ([f(rate, rng) for _ in range(4)] for f in (lambda r, g: sounds.kick(r, g, click), sounds.snare))
    hats, opened = [sounds.hat(rate, rng) for _ in range(6)], sounds.hat(rate, rng, 0.15)
    hands = [sounds.clap(rate, rng) for _ in range(4)]
    pattern = rng.uniform(size=16) < 0.25
    for i, (at, _, energy) in enumerate(score.bars):
        if i % 8 == 0 and i:
            desk.add(sounds.cymbal(rate, rng, 2.0), at, 0.5 * energy, 0.3, dry)
        for k in range(16):
            t = at + score.beat * k / 4 + abs(rng.normal(0, 0.003))
            hand = energy * rng.uniform(0.7, 1.0)
            if k % 8 == 0 or (pattern[k] and k % 4 != 0 and energy > 0.7):
                desk.add(kicks[rng.integers(4)], t, 0.9 * hand, 0, dry / 3)
            if k % 8 == 4:
                desk.add((hands if claps else snares)[rng.integers(4)], t, 0.7 * hand, 0.1, 2 * dry)
            if k % 2 == 0 or (energy > 0.7 and rng.uniform() < 0.4):
                late = k == 14 and i % 2
                desk.add(opened if late else hats[rng.integers(6)], t, 0.35 * hand, -0.35, dry)


def _bass(desk: Desk, score: Score, kind: str, gate: float = 0.8) -> None:
    rng = score.rng
    for at, root, energy in score.bars:
        for k in range(8):
            if k % 2 == 0 or rng.uniform() < 0.5:
                degree = root + int(rng.choice([0, 0, 0, 4, 7]))
                hz = note_hz(score.note(degree, 0))
                length = score.beat / 2 * gate
                y = (desk.play(sounds.pluck, hz, 2 * length, rng, 0.2) if kind == "pluck" else
                     desk.play(sounds.synth, hz, length, kind, rng, 1.0, 8, decay_s=0.4))
                desk.add(y, at + k * score.beat / 2, 0.5 * (0.5 + 0.5 * energy), 0, 0.02)


def band(desk: Desk, score: Score) -> float:
    """Drums, bass, strummed strings and organ."""
    rng = score.rng
    _kit(desk, score)
    _bass(desk, score, "pluck")
    for at, root, energy in score.bars:
        chord = score.chord(root, 1)
        for k in range(8):
            if rng.uniform() < 0.75:
                for j, hz in enumerate(chord):
                    desk.add(desk.play(sounds.pluck, hz, 0.9, rng, 0.6), at + k * score.beat / 2 + 0.012 * j,
                             0.3 * energy * rng.uniform(0.6, 1), -0.5 if k % 2 else 0.5, 0.15)
        if energy > 0.6:
            for hz in chord:
                desk.add(desk.play(sounds.organ, 2 * hz, 4 * score.beat * 0.97, rng), at, 0.13, 0.4, 0.2)
    return 1.2


def electro(desk: Desk, score: Score) -> float:
    """Four to the floor, saw bass, square stabs with hard onsets and gated rests, dry."""
    rng = score.rng
    _kit(desk, score, dry=0.03, click=0.9, claps=True)
    _bass(desk, score, "saw", gate=0.6)
    for i, (at, root, energy) in enumerate(score.bars):
        chord = score.chord(root, 2)
        for k in range(16):
            if rng.uniform() < (0.5 if energy > 0.6 else 0.25):
                for hz in chord:
                    desk.add(desk.play(sounds.synth, hz, score.beat / 4 * 0.45, "square", rng, 0.3, 4, hard=True),
                             at + k * score.beat / 4, 0.16 * energy, 0.6 * (-1) ** k, 0.03)
        if i % 2 == 0:
            for hz in chord:
                desk.add(desk.play(_wide, hz, 8 * score.beat, rng), at, 0.06 * energy, 0, 0.2)
    return 0.5


def _wide(rate: int, hz: float, seconds: float, rng: Rng) -> Array:
    """A pad of detuned saws: half of them are in the middle, the rest different on each side."""
    voices = [sounds.synth(rate, hz * 2 ** (rng.normal(0, 9) / 1200), seconds, "saw", rng, 250, 400, 0.002)
              for _ in range(5)]
    middle = voices[0] + voices[1]
    return np.stack([middle + voices[2] + voices[3], middle + voices[4] + voices[3] * 0.3])


def strings(desk: Desk, score: Score) -> float:
    """An ensemble with tremolo, kettledrums, general pauses in a long reverb, fades."""
    rng = score.rng
    for i, (at, root, energy) in enumerate(score.bars):
        tremolo = rng.uniform() < 0.35
        for hz in [*score.chord(root, 1), note_hz(score.note(root, 0))]:
            y = desk.play(_wide, hz, 4 * score.beat * float(rng.choice([0.9, 1.0, 1.1])), rng)
            if tremolo:
                y = y * (0.6 + 0.4 * np.abs(np.sin(2 * np.pi * 4.5 * np.arange(y.shape[1]) / desk.rate)))
            desk.add(y, at, 0.16 * energy ** 1.3, rng.uniform(-0.3, 0.3), 0.3)
        if energy > 0.7 and i % 2 == 0:
            for k in range(int(rng.integers(1, 5))):
                y = desk.play(sounds.drum, int(rng.choice([73, 98, 110])), rng)
                desk.add(y, at + k * score.beat / 4, 0.6 * energy, 0.1, 0.3)
    return 2.2


def castanets(desk: Desk, score: Score) -> float:
    """Guitar picked fast, castanets, hand claps: almost nothing but attacks."""
    rng, rate = score.rng, desk.rate
    shells = [sounds.cast(rate, rng) for _ in range(6)]
    hands = [sounds.clap(rate, rng, int(rng.integers(1, 5))) for _ in range(6)]
    for at, root, energy in score.bars:
        for k in range(16):
            t = at + k * score.beat / 4
            hz = note_hz(score.note(root + int(rng.choice([0, 2, 4, 7, 9])), 1))
            y = desk.play(sounds.pluck, hz, 0.7, rng, 0.8)
            desk.add(y, t + abs(rng.normal(0, 0.004)), 0.5 * energy, -0.3, 0.12)
            if rng.uniform() < 0.4 * energy:
                for j in range(int(rng.choice([1, 1, 2, 4]))):
                    desk.add(shells[rng.integers(6)], t + 0.055 * j, 0.5 * rng.uniform(0.5, 1) * energy, 0.6, 0.1)
            if k % 4 == 2 and energy > 0.5:
                desk.add(hands[rng.integers(6)], t, 0.6 * rng.uniform(0.6, 1), rng.uniform(-0.6, 0.6), 0.15)
    return 0.8


def bells(desk: Desk, score: Score) -> float:
    """Bells and a music box over a soft choir."""
    rng = score.rng
    for at, root, energy in score.bars:
        for k in range(8):
            if rng.uniform() < 0.6:
                hz = note_hz(score.note(root + int(rng.choice([0, 2, 4, 7])), int(rng.integers(2, 5))))
                desk.add(desk.play(sounds.bell, hz, float(rng.choice([1.1, 1.7, 2.7])), rng), at + k * score.beat / 2,
                         0.35 * energy * rng.uniform(0.4, 1), rng.uniform(-0.7, 0.7), 0.25)
        for hz in score.chord(root, 1):
            desk.add(desk.play(sounds.choir, hz, 4.2 * score.beat, rng), at, 0.3 * energy, rng.uniform(-0.4, 0.4), 0.3)
    return 1.8


def console(desk: Desk, score: Score) -> float:
    """A game console: squares, a triangle, noise drums, staccato to digital silence, no room."""
    rng = score.rng
    for at, root, energy in score.bars:
        for k in range(16):
            t = at + k * score.beat / 4
            if rng.uniform() < 0.8:
                hz = note_hz(score.note(root + int(rng.choice([0, 2, 4, 7])), 2))
                y = desk.play(sounds.synth, hz, score.beat / 4 * float(rng.choice([0.3, 0.35, 1.0])), "square", rng,
                              0.5, 4, 0.004, hard=True)
                desk.add(y, t, 0.3 * energy, 0.3, 0)
            if k % 2 == 0:
                hz = note_hz(score.note(root + (7 if k % 4 else 0), 0))
                desk.add(desk.play(sounds.synth, hz, score.beat / 2 * 0.65, "triangle", rng, 0.5, 5), t, 0.5, -0.1, 0)
            if k % 4 == 2:
                desk.add(desk.play(sounds.hat, rng, 0.04), t, 0.5 * energy, 0, 0)
    return 0.0


def ambient(desk: Desk, score: Score) -> float:
    """Wide pads that breathe, wind, long fades."""
    rng, rate = score.rng, desk.rate
    for i, (at, root, energy) in enumerate(score.bars):
        if i % 2 == 0:
            for hz in score.chord(root, 1):
                desk.add(desk.play(_wide, hz, 9 * score.beat, rng), at, 0.14 * energy, rng.uniform(-0.5, 0.5), 0.4)
        if i % 4 == 0:
            wind = sounds.breath(rate, 14 * score.beat, 200, 6000, rng)
            wind *= np.sin(np.pi * np.arange(len(wind)) / len(wind)) ** 2
            desk.add(wind, at, 0.07, rng.uniform(-0.8, 0.8), 0.3)
    return 2.5


def pianist(desk: Desk, score: Score) -> float:
    """A piano alone, from soft to loud, with rests."""
    rng = score.rng
    for at, root, energy in score.bars:
        for hz in [*score.chord(root, 1), note_hz(score.note(root, -1))]:
            desk.add(desk.play(sounds.piano, hz, 3 * score.beat, rng, 0.4 + 0.5 * energy), at + rng.uniform(0, 0.02),
                     0.35 * energy, -0.25, 0.15)
        for k in range(8):
            if rng.uniform() < 0.6:
                hz = note_hz(score.note(root + int(rng.integers(0, 8)), 2))
                desk.add(desk.play(sounds.piano, hz, 1.5, rng, round(0.3 + 0.6 * energy, 1)), at + k * score.beat / 2,
                         0.4 * energy * rng.uniform(0.5, 1), 0.3, 0.15)
    return 1.5


def trio(desk: Desk, score: Score) -> float:
    """Ride, brushes, walking bass, piano, swung."""
    rng, rate = score.rng, desk.rate
    rides = [sounds.cymbal(rate, rng, 0.7) for _ in range(4)]
    for at, root, energy in score.bars:
        for k in range(4):
            t = at + k * score.beat
            y = desk.play(sounds.pluck, note_hz(score.note(root + (0, 2, 4, 6)[k], 0)), 1.1 * score.beat, rng, 0.15)
            desk.add(y, t + abs(rng.normal(0, 0.006)), 0.6, 0.1, 0.08)
            desk.add(rides[rng.integers(4)], t, 0.3 * rng.uniform(0.6, 1), -0.4, 0.1)
            if k % 2:
                desk.add(rides[rng.integers(4)], t + 0.66 * score.beat, 0.2, -0.4, 0.1)
                desk.add(desk.play(sounds.snare, rng), t, 0.15 * energy, 0.2, 0.2)
        for k in range(6):
            if rng.uniform() < 0.5:
                for hz in score.chord(root, 1 + int(rng.integers(2)))[:2]:
                    y = desk.play(sounds.piano, hz, 1.2, rng, 0.6)
                    desk.add(y, at + k * score.beat * 0.66, 0.35 * energy, 0.35, 0.15)
    return 0.9


def cathedral(desk: Desk, score: Score) -> float:
    """Organ with a pedal that is held at 40 to 70 Hz, and a choir, in a large room."""
    rng = score.rng
    for i, (at, root, energy) in enumerate(score.bars):
        for hz in score.chord(root, 1):
            y = desk.play(sounds.organ, hz, 4 * score.beat * float(rng.choice([0.86, 0.93, 1.0])), rng)
            desk.add(y, at, 0.3 * energy, -0.2, 0.3)
            if energy > 0.5:
                y = desk.play(sounds.choir, 2 * hz, 4 * score.beat, rng)
                desk.add(y, at, 0.25 * energy, rng.uniform(-0.5, 0.5), 0.4)
        if i % 2 == 0:
            desk.add(desk.play(sounds.organ, note_hz(score.note(root, 0)), 7.8 * score.beat, rng), at, 0.3, 0, 0.3)
    return 2.5


def drummer(desk: Desk, score: Score) -> float:
    """A kit alone and dry, toms and stops, then clapping people."""
    rng, rate = score.rng, desk.rate
    _kit(desk, score, dry=0.05, click=0.8)
    for at, _, energy in score.bars:
        if rng.uniform() < 0.4:
            for k in range(8):
                y = desk.play(sounds.drum, 80 + 25 * (7 - k), rng, 0.4)
                desk.add(y, at + (2 + k / 4) * score.beat, 0.6 * energy, 0.8 - k / 5, 0.05)
    end = score.bars[-2][0]
    single = [sounds.clap(rate, rng, 1) for _ in range(30)]
    for t in np.sort(end + 4 * score.beat * rng.uniform(0, 1, 250)):
        desk.add(single[rng.integers(30)], float(t), 0.3 * rng.uniform(0.2, 1), rng.uniform(-1, 1), 0.3)
    return 0.6


STYLES: dict[str, tuple[Callable[[Desk, Score], float], int, int]] = {
    "band": (band, 85, 140), "electro": (electro, 110, 140), "strings": (strings, 60, 100),
    "castanets": (castanets, 90, 130), "bells": (bells, 60, 100), "console": (console, 110, 160),
    "ambient": (ambient, 60, 80), "pianist": (pianist, 60, 110), "trio": (trio, 110, 170),
    "cathedral": (cathedral, 60, 90), "drummer": (drummer, 90, 140),
}
"""Composer, slowest and fastest tempo of each style."""


def compose(style: str, rate: int, seconds: float, seed: int) -> Array:
    """float64 [2, frames]; not mastered."""
    play, slow, fast = STYLES[style]
    rng = np.random.default_rng([seed, sum(map(ord, style))])
    desk = Desk(rate, seconds)
    reverb_s = play(desk, Score(rng, seconds, slow, fast))
    return desk.mixed(reverb_s, seed)
