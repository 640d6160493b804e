"""The full report, with all detectors, on one core: ``python tests/bench/bench_analyze.py``.

One and five minutes of 48 kHz stereo: from an array, and from a WAV, a FLAC and an MP3 file, with what FFmpeg alone
takes of that; then what each node of the plan takes, and the memory of an hour against that of a minute. Times are the
least of several runs by turns, by the processor's clock for all threads of the process: what others do on the machine
counts less, and a thread of a codec would count.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
from bench_process import speech_like, write

import flowaudio as fa
from flowaudio.graph import walk
from flowaudio.stream.analysis import analyze, instruments_for
from flowaudio.stream.instruments import Instruments
from flowaudio.stream.overview import step_frames

RATE, SECONDS = 48_000, 60
REPEATS = 7


def music(seconds: float) -> np.ndarray:
    """Notes and drums over soft noise; float32 [2, frames]."""
    rng = np.random.default_rng(3)
    t = np.arange(round(seconds * RATE)) / RATE
    since = t % 0.5
    pitch = 220 * 2 ** (rng.integers(0, 12, 1000)[(t / 0.5).astype(int) % 1000] / 12)
    wave = sum(np.sin(2 * np.pi * k * pitch * since) / k for k in range(1, 6)) * np.exp(-4 * since)
    drum = rng.standard_normal(t.size) * np.exp(-40 * ((t + 0.25) % 0.5))
    x = 0.15 * np.minimum(since / 0.005, 1) * wave + 0.1 * drum
    return np.stack([x, np.roll(0.8 * x, 300)]).astype(np.float32) + np.float32(1e-4) * rng.standard_normal(
        (2, t.size)).astype(np.float32)


def least_s(works: Sequence[Callable[[], object]]) -> list[float]:
    """Of several runs of each by turns, seconds of the processor, all threads together."""
    best = [1e9] * len(works)
    for _ in range(REPEATS):
        for k, work in enumerate(works):
            start = time.process_time()
            work()
            best[k] = min(best[k], time.process_time() - start)
    return best


def ffmpeg(path: Path) -> None:
    """What FFmpeg and PyAV take by themselves to read all of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        packets = list(container.demux(stream))
        for packet in packets:
            packet.decode()


def decoded(path: Path) -> None:
    """The blocks of a file, and nothing else."""
    with fa.Decoder(path) as decoder:
        for _ in decoder.blocks(RATE):
            pass


def files(folder: Path, x: np.ndarray) -> None:
    """The whole report of an array, and of files of it; what FFmpeg and the decoder have of that."""
    of_array = analyze(x, sample_rate=RATE)
    assert of_array.integrated_lufs is not None
    paths = []
    for name, codec, apart_lu in (("a.wav", fa.WAV(bit_depth=16), 0.01), ("a.flac", fa.FLAC(), 0.01),
                                  ("a.mp3", fa.MP3(), 0.2)):
        paths.append(folder / name)
        with fa.Encoder(paths[-1], codec, RATE, 2) as encoder:
            encoder.write(x)
        report = analyze(paths[-1])
        assert report.duration_s == of_array.duration_s
        assert abs((report.integrated_lufs or 0) - of_array.integrated_lufs) < apart_lu
    works: list[Callable[[], object]] = [lambda: analyze(x, sample_rate=RATE),
                                         lambda: analyze(x, sample_rate=RATE, detectors=False)]
    works += [partial(work, path) for path in paths for work in (analyze, ffmpeg, decoded)]
    took = least_s(works)
    seconds = x.shape[1] / RATE
    print(f"{seconds / 60:.0f} min of stereo, processor time a minute of sound:")
    for name, each in zip(("array", "array, no detectors"), took, strict=False):
        print(f"    {name:20} {each * 6e4 / seconds:7.1f} ms: {seconds / each:4.0f} x real time")
    for k, path in enumerate(paths):
        each, alone, blocks = took[2 + 3 * k:5 + 3 * k]
        name, of = f"{path.suffix[1:].upper()} file", each / took[0]
        print(f"    {name:20} {each * 6e4 / seconds:7.1f} ms: {seconds / each:4.0f} x real time, {of:.2f} of "
              f"the array's (FFmpeg alone {alone * 6e4 / seconds:.1f} ms, the decoder {blocks * 6e4 / seconds:.1f})")


def nodes(x: np.ndarray) -> None:
    """What each takes within the plan."""
    step = step_frames(RATE)
    made = instruments_for(True, RATE, 60)
    best = dict.fromkeys(made, 1e9)
    for _ in range(REPEATS):
        listener = Instruments(RATE, 2, made, step)
        plan, sink = listener.plan, np.zeros((2, step), np.float32)
        header = plan.image.header
        inner, outer = (np.ndarray((2, plan.block), np.float32, plan.image.arena,
                                   int(header[k] - plan.image.arena.__array_interface__["data"][0]))
                        for k in (walk.IN, walk.OUT))
        for begin in range(0, x.shape[1] - plan.block, plan.block):
            inner[:] = x[:, begin:begin + plan.block]
            walk.walk_timed_native(plan.header, plan.block)
            sink[:, :plan.block] = outer
        for op, row in zip(plan.ops, plan.image.rows, strict=True):
            best[op.name] = min(best[op.name], row[walk.BUSY_NS] * 1e-6 * 60 * RATE / x.shape[1])
    for name, ms in sorted(best.items(), key=lambda pair: -pair[1]):
        print(f"    {name:12} {ms:6.1f} ms")
    print(f"    {'all':12} {sum(best.values()):6.1f} ms a minute of stereo")


def memory(folder: Path) -> None:
    """An hour and a minute of the same sound, each in a process of its own."""
    minute = speech_like(60, 16_000, 1)
    peaks = {}
    for name, repeats in (("minute", 1), ("hour", 60)):
        write(folder / f"{name}.wav", minute, 16_000, repeats)
        code = (f"import flowaudio.stream.analysis as a; r = a.analyze({str(folder / f'{name}.wav')!r});"
                "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0], r.duration_s)")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        kilobytes, seconds = done.stdout.split()
        assert float(seconds) == 60 * repeats
        peaks[name] = int(kilobytes) // 1024
    print(f"peak memory: a minute {peaks['minute']} MB, an hour {peaks['hour']} MB: "
          f"{peaks['hour'] - peaks['minute']:+d} MB")


def main() -> None:
    """All of them."""
    x = music(SECONDS)
    with tempfile.TemporaryDirectory() as name:
        files(Path(name), x)
        files(Path(name), music(5 * SECONDS))
        nodes(x)
        memory(Path(name))


if __name__ == "__main__":
    main()
