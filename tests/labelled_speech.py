"""Speech for the labelled set: sentences of word lists, spoken by espeak-ng, in a room, with some noise.

Clean by construction: pauses are at most 1.6 s and hold the room's noise; plosives, sibilants and breathing noise are
speech's own. No room is without an echo: what the synthesiser cuts off hard, the room lets decay. espeak-ng speaks at
22,050 Hz: what a voice has above is added as noise that follows its highest octave.
"""

import functools
import shutil
import subprocess
from typing import Any

import labelled_sounds as sounds
import numpy as np
from scipy import signal

__all__ = ["VOICES", "speech", "text"]

Array = np.ndarray[Any, Any]
VOICES = (("en-gb", "m3", 165), ("en-us", "f2", 150), ("de", "m1", 150), ("fr", "f4", 170), ("es", "m7", 180),
          ("en-us", "m8", 200), ("de", "f3", 135), ("en-gb-scotland", "m5", 145), ("it", "f5", 165),
          ("en-gb", "f1", 185))
"""Language, variant and words a minute."""

WORDS = {
    "en": (("The keeper", "A tall captain", "Patty's pupil", "My neighbour", "The baker", "Every second tourist",
            "The sixth sister", "An old carpenter", "Doctor Peabody", "The chess club"),
           ("picked", "dropped", "carefully painted", "kept asking about", "cannot stop", "broke", "put back",
            "sketched", "wrapped up", "quickly booked"),
           ("the copper kettle", "a packet of crisps", "six thick thistle sticks", "the last ticket", "a bucket of tar",
            "that squeaking door", "the big brass bell", "a paper boat", "twelve cups of tea", "the ship's clock"),
           ("before breakfast", "at the top of the steps", "in spite of the storm", "on Tuesday", "without a word",
            "because the bus was late", "near the station", "for the third time", "as usual", "with both hands")),
    "de": (("Der Bäcker", "Die kluge Katze", "Ein Postbote", "Mein Großvater", "Das tapfere Kind", "Die Kapitänin"),
           ("packt", "putzt", "zerbricht", "betrachtet", "verkauft", "sucht"),
           ("zwanzig Zwetschgen", "den alten Topf", "ein Blaukraut", "die Trompete", "das letzte Boot",
            "sechs Kutschen"),
           ("am Bahnhof", "vor dem Frühstück", "trotz des Sturms", "mit großer Sorgfalt", "im Keller", "ohne Pause")),
    "fr": (("Le capitaine", "Ma petite tante", "Un pâtissier", "Le professeur", "La gardienne"),
           ("emporte", "prépare", "cache", "raconte", "découpe"),
           ("le panier de poires", "un paquet de biscuits", "la dernière page", "quatre tasses", "le petit bateau"),
           ("avant midi", "près du port", "sans rien dire", "pour la troisième fois", "dans la cuisine")),
    "es": (("El capitán", "Mi vecina", "Un carpintero", "La profesora", "El perro de Pablo"),
           ("compra", "busca", "pinta", "rompe", "guarda"),
           ("tres tristes trigos", "el barco de papel", "la taza pequeña", "un kilo de peras", "la puerta azul"),
           ("antes de cenar", "cerca del puerto", "sin decir nada", "todos los martes", "con mucho cuidado")),
    "it": (("Il capitano", "La zia Pina", "Un postino", "Il mio vicino", "La maestra"),
           ("compra", "dipinge", "rompe", "aspetta", "nasconde"),
           ("il pacco di pasta", "sette tazze", "la barca di carta", "un chilo di pere", "il vecchio tappeto"),
           ("prima di pranzo", "vicino al porto", "senza parlare", "per la terza volta", "in cucina")),
}


def text(language: str, rng: np.random.Generator, sentences: int) -> str:
    """Sentences of who, does, what, when."""
    lists = WORDS[language[:2]]
    made = []
    for _ in range(sentences):
        words = [str(rng.choice(part)) for part in lists]
        made.append(" ".join(words) + str(rng.choice([".", ".", "!", "?"])))
    return " ".join(made)


@functools.lru_cache(maxsize=64)
def _spoken(language: str, variant: str, speed: int, words: str) -> tuple[int, Array]:
    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError("needs the program espeak-ng, which is not installed")
    made = subprocess.run([program, "-v", f"{language}+{variant}", "-s", str(speed), "-a", "70", "--stdout", words],
                          capture_output=True, check=True).stdout
    data = made[made.index(b"data") + 8:]           # the header of a stream does not know its length
    return int.from_bytes(made[24:28], "little"), np.frombuffer(data[:len(data) & ~1], np.int16) / 32768


def _voice(rate: int, language: str, variant: str, speed: int, words: str, rng: np.random.Generator) -> Array:
    """Mono at `rate`, with a top octave, within about ±0.6."""
    low, x = _spoken(language, variant, speed, words)
    common = np.gcd(rate, low)
    y = signal.resample_poly(x, rate // common, low // common)
    bright = signal.sosfilt(signal.butter(4, [4500, 10_000], "bandpass", fs=rate, output="sos"), y)
    follow = signal.sosfilt(signal.butter(1, 150, fs=rate, output="sos"), np.abs(bright))
    air = signal.sosfilt(signal.butter(4, 9000, "high", fs=rate, output="sos"), rng.standard_normal(len(y)))
    return np.asarray(y + 0.8 * np.maximum(follow, 0) * air)


def speech(rate: int, seconds: float, seed: int, voices: tuple[int, ...] = (0,), reverb_s: float = 0.4,
           noise_db: float = -66.0) -> Array:
    """float64 [2, frames]: paragraphs by turns of the `voices` (of VOICES), panned apart; noise in dBFS RMS."""
    rng = np.random.default_rng([seed, 77])
    desk = sounds.Desk(rate, seconds)
    at, turn = 0.3, 0
    while at < seconds - 1.5:
        language, variant, speed = VOICES[voices[turn % len(voices)]]
        said = _voice(rate, language, variant, speed, text(language, rng, int(rng.integers(1, 4))), rng)
        pan = 0.0 if len(voices) == 1 else 0.5 * (-1) ** turn
        desk.add(said, at, rng.uniform(0.8, 1.2), pan, 0.25 if reverb_s < 0.3 else 0.12)
        at += len(said) / rate + rng.uniform(-0.2, 0.7)         # espeak-ng adds a pause of its own
        turn += 1
    y = desk.mixed(reverb_s, seed)
    y *= 0.11 / np.sqrt(np.mean(y * y))
    hiss = rng.standard_normal((2, y.shape[1]))
    rumble = signal.lfilter([0.02], [1, -0.98], rng.standard_normal((2, y.shape[1])))
    noise = hiss * 0.5 + rumble / np.sqrt(np.mean(rumble ** 2))
    return np.asarray(y + noise * 10 ** (noise_db / 20) / np.sqrt(np.mean(noise ** 2)))
