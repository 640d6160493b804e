"""The command, in a process of its own, and sound for it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_tools import Ran, Run, document
from support import ROOT

from flowaudio.cli.main import main
from flowaudio.io import WAV, Encoder


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Of the runs. Their kernel cache is that of the other tests, so that each kernel is compiled once in all."""
    kept = {name: value for name, value in os.environ.items() if name not in ("FLOWAUDIO_DEBUG", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def command() -> list[str]:
    return [sys.executable, "-m", "flowaudio"]


@pytest.fixture(scope="session")
def run(environment: dict[str, str], command: list[str]) -> Run:
    """``run("info", path)`` as it is typed; `cwd` and further environment as keywords."""
    def run(*arguments: object, cwd: Path | None = None, **more: str) -> Ran:
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=900,
                              env={**environment, **more})
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Run:
    """The same within this process: for what is refused before the work begins, and needs no process of its own."""
    def call(*arguments: object) -> Ran:
        code = main([str(each) for each in arguments])
        return Ran(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of bursts of noise at 48 kHz, stereo, 16 bit; it is only read."""
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    n = np.arange(4 * 48_000)
    noise = np.random.default_rng(1).standard_normal((2, n.size))
    x = 0.03 * noise * (0.2 + np.abs(np.sin(2 * np.pi * 1.5 * n / 48_000)))
    with Encoder(path, WAV(), 48_000, 2, tags={"title": "A talk"}) as encoder:
        encoder.write(x.astype(np.float32))
    return path


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A graph of two nodes, as a document."""
    return document(tmp_path, 'connections = ["in -> low -> gain -> out"]', low="OnePole", gain="Gain")
