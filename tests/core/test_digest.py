"""The key of the cache: it changes with whatever changes the machine code, and with nothing else."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import python

from flowaudio.core.digest import digest_function

BASE = {
    "helpers_of_digest": "from flowaudio.core.kernel import kernel\nfrom enum import IntEnum\nimport numpy as np\n"
                         "class Mode(IntEnum):\n    A = 1\nTABLE = np.array([1.0, 2.0])\nGAIN = 2.0\n"
                         "@kernel\ndef inner(x):\n    return x + 1\n"
                         "@kernel\ndef helper(x, y=3):\n    return inner(x) * 2 + y\ndef other(x):\n    return 5\n",
    "kernels_of_digest": "import math\nimport helpers_of_digest as h\n"
                         "from helpers_of_digest import GAIN, Mode, TABLE, helper\n"
                         "def work(x):\n    return helper(x) * GAIN + TABLE[0] + Mode.A + h.other(x) + math.sin(x)\n",
}

CHANGES = {
    "body": ("kernels_of_digest", "* GAIN", "/ GAIN"),
    "constant": ("helpers_of_digest", "GAIN = 2.0", "GAIN = 2.5"),
    "type of a constant": ("helpers_of_digest", "GAIN = 2.0", "GAIN = 2"),
    "array": ("helpers_of_digest", "2.0])", "2.5])"),
    "type of an array": ("helpers_of_digest", "2.0])", "2.0], np.float32)"),
    "helper": ("helpers_of_digest", "* 2 + y", "* 3 + y"),
    "helper of a helper": ("helpers_of_digest", "x + 1", "x + 2"),
    "default": ("helpers_of_digest", "y=3", "y=4"),
    "enum": ("helpers_of_digest", "A = 1", "A = 2"),
    "helper by its module": ("helpers_of_digest", "return 5", "return 6"),
}

SAME = {
    "comment": ("helpers_of_digest", "GAIN = 2.0\n", "GAIN = 2.0  # louder\n\n\n# and more\n"),
    "doc": ("kernels_of_digest", "import math\n", "'''Kernels.'''\n\nimport math\n"),
    "unused": ("helpers_of_digest", "def other", "def unused(x):\n    return 7\ndef other"),
}


@pytest.fixture
def modules() -> Iterator[None]:
    yield
    for name in BASE:
        sys.modules.pop(name, None)


def digest(folder: Path, change: tuple[str, str, str] | None = None) -> str:
    folder.mkdir()
    for name, source in BASE.items():
        if change is not None and change[0] == name:
            assert source.count(change[1]) == 1
            source = source.replace(change[1], change[2])
        (folder / f"{name}.py").write_text(source)
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return digest_function(sys.modules["kernels_of_digest"].work)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("name", CHANGES)
def test_it_changes(tmp_path: Path, name: str) -> None:
    assert digest(tmp_path / "a") != digest(tmp_path / "b", CHANGES[name])


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("name", SAME)
def test_it_stays(tmp_path: Path, name: str) -> None:
    assert digest(tmp_path / "a") == digest(tmp_path / "b", SAME[name])


def test_closures_and_plain_values_count() -> None:
    def make(k: int) -> object:
        return lambda x: x + k

    assert digest_function(make(1)) != digest_function(make(2))
    assert digest_function(make(1)) == digest_function(make(1))
    assert digest_function(make(1), True) != digest_function(make(1), False)


def test_functions_that_call_each_other_come_to_an_end() -> None:
    assert len(digest_function(even)) == 64


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    code = ("from flowaudio.core.digest import digest_function\n"
            "def f(x):\n    return x in {'a', 'b', 'c', 'd'}\nprint(digest_function(f))")
    outs = {python(code, tmp_path, PYTHONHASHSEED=str(seed)).communicate(timeout=300) for seed in (1, 2, 3)}
    assert len(outs) == 1
    assert len(outs.pop()[0]) == 65
