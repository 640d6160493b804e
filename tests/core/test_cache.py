"""The kernel cache: kept, damaged, shared, read-only; and what it leaves alone."""

import math
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import python

from flowaudio.core import cache
from flowaudio.core.cache import claimed, folder, on_compile, read, write
from flowaudio.core.native import native

HANGS_S = 300.0
"""A process that has not ended by then never will."""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOWAUDIO_CACHE_DIR", str(tmp_path))
    return tmp_path / "kernels"


def made() -> Any:
    def three_times(a: int) -> int:
        return 3 * a

    return native(three_times)


def compiled() -> tuple[int, list[str]]:
    """What the function gives, and what was compiled for it."""
    told: list[str] = []
    with on_compile(lambda name, seconds: told.append(name if seconds is None else "done")):
        return made()(14), told


def test_a_folder_of_our_own(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder() == empty
    monkeypatch.delenv("FLOWAUDIO_CACHE_DIR")
    assert folder().parts[-2:] == ("flowaudio", "kernels")


def test_what_is_written_is_read(empty: Path) -> None:
    assert read("x", "a" * 64) is None
    write("x", "a" * 64, b"hello")
    assert read("x", "a" * 64) == b"hello"
    assert read("x", "b" * 64) is None
    assert len(list(empty.iterdir())) == 1


def test_the_second_time_nothing_is_compiled(empty: Path) -> None:
    assert compiled() == (42, ["three_times", "done"])
    assert compiled() == (42, [])


@pytest.mark.parametrize("damage", [b"", b"x" * 31, b"x" * 5000, None])
def test_a_damaged_file_is_compiled_again_and_mended(empty: Path, damage: bytes | None) -> None:
    compiled()
    (file,) = empty.iterdir()
    good = file.read_bytes()
    file.write_bytes(good[:-10] if damage is None else damage)
    assert compiled() == (42, ["three_times", "done"])
    assert compiled() == (42, [])


def test_a_file_that_cannot_be_linked_is_compiled_again(empty: Path) -> None:
    compiled()
    (file,) = empty.iterdir()
    name, digest = file.name.rsplit("-", 1)
    content = read(name, digest)
    assert content is not None
    write(name, digest, content.replace(b"[]", b'["no_such_symbol"]', 1)[:200])
    value, told = compiled()
    assert value == 42
    assert told == ["three_times", "done"]


def test_where_nothing_can_be_written_it_warns_once_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLOWAUDIO_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(cache, "_warned", set())
    with pytest.warns(RuntimeWarning, match="compiled kernels cannot be kept in .*set FLOWAUDIO_CACHE_DIR"):
        assert compiled()[0] == 42
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled()[0] == 42


def test_a_first_run_says_that_it_compiles(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made()(1)
    assert capsys.readouterr().err == "flowaudio: compiling three_times (the first run only)\n"
    made()(1)
    assert capsys.readouterr().err == ""


CLAIMED = ("x", "a" * 64)

HOLD = f"""
import sys
from flowaudio.core.cache import claimed
with claimed(*{CLAIMED!r}):
    print("held", flush=True)
    sys.stdin.readline()
"""


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX's locks: elsewhere nobody waits")


@pytest.fixture
def holder(empty: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has claimed a kernel, until it is sent a line."""
    with python(HOLD, empty.parent) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


@needs_locks
def test_a_kernel_that_another_process_compiles_is_waited_for(empty: Path, holder: subprocess.Popen[str]) -> None:
    entered = threading.Event()

    def enter() -> None:
        with claimed(*CLAIMED):
            entered.set()

    waiting = threading.Thread(target=enter)
    waiting.start()
    with claimed("x", "b" * 64):        # another kernel is free
        assert not entered.wait(0.2)
    holder.communicate("go on\n", timeout=HANGS_S)
    assert entered.wait(HANGS_S)
    waiting.join()
    assert list(empty.iterdir()) == []


@needs_locks
def test_a_process_that_is_killed_has_no_claim(holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    holder.kill()
    holder.wait()
    monkeypatch.setattr(cache, "PATIENCE_S", math.inf)
    with claimed(*CLAIMED):
        pass


@needs_locks
def test_nobody_waits_for_ever(empty: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    holder.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(cache, "PATIENCE_S", 0.1)
    with claimed(*CLAIMED):
        assert [file.name for file in empty.iterdir()] == [f".claim-x-{'a' * 40}"]      # it is still the other one's
    assert len(list(empty.iterdir())) == 1


@needs_locks
def test_threads_compile_a_kernel_once(empty: Path) -> None:
    told: list[str] = []
    results: list[int] = []
    with on_compile(lambda name, seconds: told.append(name) if seconds is None else None):
        threads = [threading.Thread(target=lambda: results.append(made()(14))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (results, told) == ([42] * 3, ["three_times"])


RENDER = """
import sys
import numpy as np
from naive_graph import Scale, Slope
from flowaudio.graph.graph import chain
from flowaudio.graph.plan import render
print(render(chain(Scale(factor=2), Slope()), np.array([[1.0, 2, 4]])).tolist(), "numba" in sys.modules)
"""


@needs_locks
def test_processes_at_once_and_a_warm_start_without_numba(tmp_path: Path) -> None:
    """Two have one empty folder, and compile each kernel once between them; a third finds all of it."""
    first = [python(RENDER, tmp_path) for _ in range(2)]
    told = []
    for process in first:
        out, err = process.communicate(timeout=HANGS_S)
        assert process.returncode == 0, err
        assert out.startswith("[[2.0, 2.0, 4.0]] ")
        told += err.splitlines()
    assert len(told) == len(set(told)) == len(list((tmp_path / "kernels").iterdir())) > 2
    assert not [f.name for f in (tmp_path / "kernels").iterdir() if f.name.startswith(".")]
    out, err = python(RENDER, tmp_path).communicate(timeout=HANGS_S)
    assert (out, err) == ("[[2.0, 2.0, 4.0]] False\n", "")


SETTINGS = """
import os
before = {k: v for k, v in os.environ.items() if k.startswith("NUMBA")}
import numba
settings = {k: v for k, v in vars(numba.config).items() if k.isupper()}
""" + RENDER + """
assert before == {k: v for k, v in os.environ.items() if k.startswith("NUMBA")}
assert settings == {k: v for k, v in vars(numba.config).items() if k.isupper()}
@numba.njit
def users(n):
    return np.zeros(n).sum()
assert users(3) == 0
"""


def test_numba_without_its_compiler_is_named(tmp_path: Path) -> None:
    _, err = python(RENDER, tmp_path, NUMBA_DISABLE_JIT="1").communicate(timeout=HANGS_S)
    assert err.rstrip().endswith("cannot be compiled while NUMBA_DISABLE_JIT is set: unset it")


def test_the_users_numba_settings_stay(tmp_path: Path) -> None:
    numbas = tmp_path / "numba"
    numbas.mkdir()
    process = python(SETTINGS, tmp_path / "ours", NUMBA_CACHE_DIR=str(numbas), NUMBA_BOUNDSCHECK="1", NUMBA_OPT="0")
    out, err = process.communicate(timeout=HANGS_S)
    assert process.returncode == 0, err[-2000:]
    assert out.startswith("[[2.0, 2.0, 4.0]]")
    assert list(numbas.iterdir()) == []
