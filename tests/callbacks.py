"""Compiled callbacks for tests of sound cards, and what they count."""

import os
import subprocess
import sys

import numpy as np
from support import ROOT

from flowaudio.core.memory import copy, f32_1d, i64_1d
from flowaudio.core.native import Native, native
from flowaudio.io.jack import mark_gone
from flowaudio.runtime.card import Request

__all__ = ["Counts", "ramp", "record", "run", "through"]

CALLS, FRAMES, LEAST, MOST, FLAGS, CHANNELS, ROOM, TAPE, WORDS = range(9)


@native
def through(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """What comes in goes out, where there are both."""
    u = i64_1d(user, WORDS)
    frames &= 0xFFFFFFFF
    if inp and out:
        copy(out, inp, 4 * u[CHANNELS] * frames)
    u[LEAST] = min(u[LEAST], frames) if u[CALLS] else frames
    u[MOST] = max(u[MOST], frames)
    u[FLAGS] |= flags
    u[FRAMES] += frames
    u[CALLS] += 1
    return 0


@native
def ramp(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """Frames that know their own place: the number of each, on every channel."""
    u = i64_1d(user, WORDS)
    frames &= 0xFFFFFFFF
    y = f32_1d(out, u[CHANNELS] * frames)
    for n in range(frames):
        for c in range(u[CHANNELS]):
            y[n * u[CHANNELS] + c] = np.float32(u[FRAMES] + n)
    u[FRAMES] += frames
    u[CALLS] += 1
    return 0


@native
def record(inp: int, out: int, frames: int, times: int, flags: int, user: int) -> int:
    """Keep the first channel of what comes in, as long as there is room."""
    u = i64_1d(user, WORDS)
    frames &= 0xFFFFFFFF
    x, tape = f32_1d(inp, u[CHANNELS] * frames), f32_1d(u[TAPE], u[ROOM])
    for n in range(min(frames, u[ROOM] - u[FRAMES])):
        tape[u[FRAMES] + n] = x[n * u[CHANNELS]]
    u[FRAMES] += min(frames, u[ROOM] - u[FRAMES])
    u[CALLS] += 1
    return 0


class Counts:
    """What a callback counts, and the requests that lead to it."""

    def __init__(self, channels: int = 2, room: int = 0) -> None:
        self.words = np.zeros(WORDS, np.int64)
        self.tape = np.zeros(max(room, 1), np.float32)
        self.channels = channels
        self.words[CHANNELS], self.words[ROOM] = channels, room
        self.words[TAPE] = self.tape.__array_interface__["data"][0]

    def request(self, side: str = "duplex", *, callback: Native = through, rate: int = 48_000,
                block: int = 0) -> Request:
        """A stream that calls `callback`, which counts here."""
        return Request(rate, block, self.channels * (side != "output"), self.channels * (side != "input"),
                       callback.address, self.words.__array_interface__["data"][0], (self, callback))

    @property
    def calls(self) -> int:
        return int(self.words[CALLS])

    @property
    def frames(self) -> int:
        return int(self.words[FRAMES])

    @property
    def sizes(self) -> tuple[int, int]:
        """The shortest and the longest block."""
        return int(self.words[LEAST]), int(self.words[MOST])


def run(code: str) -> "subprocess.CompletedProcess[str]":
    """A Python process. Its kernels are those of the tests, compiled here so that it says nothing of that."""
    for each in (through, ramp, record, mark_gone):
        each.linked  # noqa: B018
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run([sys.executable, "-W", "error", "-X", "faulthandler", "-c", code], capture_output=True,
                          env={**os.environ, "PYTHONPATH": path}, text=True, timeout=300)
