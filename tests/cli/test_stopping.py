"""Ctrl-C, and being told to end: in the middle of the work nothing is left behind."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_tools import document, listing


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Two hours of silence that take no room on the disk."""
    frames, path = 7200 * 48_000, tmp_path / "long.wav"
    fields = [(b"RIFF", 4), (2 * frames + 36, 4), (b"WAVEfmt ", 8), (16, 4), (1, 2), (1, 2), (48_000, 4), (96_000, 4),
              (2, 2), (16, 2), (b"data", 4), (2 * frames, 4)]
    head = b"".join(v if isinstance(v, bytes) else v.to_bytes(size, "little") for v, size in fields)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 2 * frames)
    return path


def stopped(command: list[str], environment: dict[str, str], folder: Path, number: int) -> tuple[int, str]:
    """Start, send a signal when the output is being written, and wait for the end."""
    # Whoever runs the tests in the background made them, and their children, deaf to Ctrl-C.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        deadline = time.monotonic() + 240
        while not _growing(folder) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, said


def _growing(folder: Path) -> bool:
    """Whether a temporary file has something in it."""
    for path in folder.iterdir():
        try:
            if path.suffix == ".part" and path.stat().st_size > 10_000:
                return True
        except FileNotFoundError:       # given up between the two looks
            continue
    return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_in_the_middle_of_a_file(command: list[str], environment: dict[str, str], endless: Path, tmp_path: Path,
                                 number: int, code: int) -> None:
    graph = document(tmp_path, 'connections = ["in -> gain -> out"]', gain="Gain")
    (tmp_path / "out.flac").write_bytes(b"from before")
    words = [*command, "run", str(graph), "-i", str(endless), "-o", str(tmp_path / "out.flac")]
    returned, said = stopped(words, environment, tmp_path, number)
    assert returned == code
    assert "nothing was left half-written" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert listing(tmp_path) == ["graph.toml", "long.wav", "out.flac"]
    assert (tmp_path / "out.flac").read_bytes() == b"from before"


def test_in_the_middle_of_rendering(command: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    graph = document(tmp_path, 'connections = ["tone -> out"]', tone="Sine")
    words = [*command, "render", str(graph), "-o", str(tmp_path / "out.flac"), "--seconds", "100000"]
    returned, said = stopped(words, environment, tmp_path, signal.SIGINT)
    assert (returned, said.splitlines()[-1]) == (130, "flowaudio: stopped; nothing was left half-written")
    assert listing(tmp_path) == ["graph.toml"]
