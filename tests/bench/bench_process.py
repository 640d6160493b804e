"""`flowaudio process` as a whole: ``python tests/bench/bench_process.py``.

Four figures: the time of mastering five minutes to a podcast MP3 against the MP3 encoding alone and a measuring pass;
the memory of an hour against that of a minute; a warm and a cold start of the command. Each result is checked first:
loudness, true peak and length of what came out.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import milliseconds

import flowaudio as fa
from flowaudio.stream.mastering import effects_only, metered

RATE = 48_000


def speech_like(seconds: float, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """Words of voiced sound with pauses between them; float32 [channels, frames]."""
    rng = np.random.default_rng(7)
    frames = round(seconds * rate)
    t = np.arange(frames) / rate
    pitch = np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * t)) / rate
    voice = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 12))
    words = np.clip(3 * np.sin(2 * np.pi * 1.3 * t) + 1, 0, 1) * np.clip(4 * np.sin(2 * np.pi * 0.11 * t) + 3, 0, 1)
    x = 0.1 * voice * words + 0.001 * rng.standard_normal(frames)
    return np.tile(x.astype(np.float32), (channels, 1))


def write(path: Path, x: np.ndarray, rate: int, repeats: int = 1) -> None:
    """A WAV file of 16 bits with `x` again and again."""
    with fa.Encoder(path, fa.WAV(bit_depth=16), rate, x.shape[0]) as encoder:
        for _ in range(repeats):
            encoder.write(x)


def whole_job(folder: Path) -> None:
    """Five minutes to a podcast MP3, against its parts."""
    source = folder / "five.wav"
    x = speech_like(300)
    write(source, x, RATE)
    codec = fa.quality_presets()["podcast"].codec

    fa.process(source, folder / "master.wav", preset="podcast", codec=fa.WAV(bit_depth=32))
    with fa.Decoder(folder / "master.wav") as decoder:
        master = list(decoder.blocks(8192))  # LAME works longer on what is louder: it gets the same sound

    def encode_alone() -> None:
        with fa.Encoder(folder / "alone.mp3", codec, RATE, 2) as encoder:
            for block in master:
                encoder.write(block)

    joined, _ = metered(effects_only(fa.quality_presets()["podcast"].graph))

    def measure_alone() -> None:
        plan = fa.Plan(joined, RATE, 2)
        with fa.Decoder(source) as decoder:
            for block in decoder.blocks():
                plan.process(block)

    measure_alone()  # compiles, if need be
    rounds = []
    for _ in range(3):
        encode, measure = milliseconds(encode_alone), milliseconds(measure_alone)
        start = time.perf_counter()
        report = fa.process(source, folder / "five.mp3", preset="podcast")
        rounds.append(((time.perf_counter() - start) * 1e3, encode, measure))
        assert report.reached, report
        assert fa.probe(folder / "five.mp3").frames == x.shape[1]
    whole, encode, measure = sorted(rounds, key=lambda r: r[0] / (r[1] + r[2]))[1]
    print(f"podcast of 300 s: {whole / 1e3:.2f} s; MP3 encoding alone {encode / 1e3:.2f} s, measuring pass "
          f"{measure / 1e3:.2f} s: {(whole - measure) / encode:.2f} x the encoding plus the measuring pass "
          f"({report.passes} passes over the input)")


def command(*arguments: str, cache: str | None = None) -> tuple[float, int]:
    """Seconds and peak memory in MB of one run of the command."""
    environment = {**os.environ, **({"FLOWAUDIO_CACHE_DIR": cache} if cache else {})}
    # Not getrusage: what it calls the peak was inherited from this process.
    code = "import sys; from flowaudio.cli.main import main; c = main();" \
           "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0], file=sys.stderr);" \
           "sys.exit(c)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True,
                          check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return seconds, int(done.stderr.strip().splitlines()[-1]) // 1024


def memory(folder: Path) -> None:
    """An hour and a minute of the same sound."""
    minute = speech_like(60, 16_000, 1)
    peaks = {}
    for name, repeats in (("minute", 1), ("hour", 60)):
        write(folder / f"{name}.wav", minute, 16_000, repeats)
        _, peaks[name] = command("process", str(folder / f"{name}.wav"), str(folder / f"{name}.mp3"), "--preset",
                                 "podcast", "--quiet")
        assert fa.probe(folder / f"{name}.mp3").frames == minute.shape[1] * repeats
    print(f"peak memory: a minute {peaks['minute']} MB, an hour {peaks['hour']} MB: "
          f"{peaks['hour'] - peaks['minute']:+d} MB")


def starts(folder: Path) -> None:
    """Ten seconds through the command, with and without compiled kernels."""
    write(folder / "ten.wav", speech_like(10), RATE)
    arguments = ("process", str(folder / "ten.wav"), str(folder / "ten.mp3"), "--preset", "podcast", "--json")
    cache = str(folder / "cache")
    cold, _ = command(*arguments, cache=cache)
    warm = sorted(command(*arguments, cache=cache)[0] for _ in range(5))
    print(f"start of `flowaudio process` on 10 s: cold {cold:.1f} s, warm {warm[2]:.2f} s (best {warm[0]:.2f} s)")


def main() -> None:
    """All four."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts(folder)
        whole_job(folder)
        memory(folder)


if __name__ == "__main__":
    main()
