"""The command in a process of its own, with one kernel cache for all tests of the folder."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowaudio.io import WAV, Encoder

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass
class Ran:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The last line on standard error, which has to be the only one that is no progress."""
        return self.err.strip().splitlines()[-1]


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    given = os.environ.get("FLOWAUDIO_CACHE_DIR")
    cache = given or str(tmp_path_factory.mktemp("cache"))
    kept = {name: value for name, value in os.environ.items() if name not in ("FLOWAUDIO_DEBUG", "COLUMNS")}
    return {**kept, "FLOWAUDIO_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def command() -> list[str]:
    return [sys.executable, "-m", "flowaudio"]


@pytest.fixture(scope="session")
def run(environment: dict[str, str], command: list[str]) -> Run:
    """``run("info", path)`` as it is typed; `cwd` and further environment as keywords."""
    def run(*arguments: object, cwd: Path | None = None, **more: str) -> Ran:
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300,
                              env={**environment, **more})
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


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


def listing(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(os.listdir(folder))


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A graph of two nodes, as a document."""
    return document(tmp_path, 'connections = ["in -> low -> gain -> out"]', low="OnePole", gain="Gain")


def document(folder: Path, connections: str, **nodes: str) -> Path:
    """A graph document; each node a type, with further lines behind a line break."""
    path = folder / "graph.toml"
    tables = "".join(f'[nodes.{name}]\ntype = "{kind.partition(chr(10))[0]}"\n{kind.partition(chr(10))[2]}\n'
                     for name, kind in nodes.items())
    path.write_text(f"flowaudio = 1\n{connections}\n{tables}")
    return path
