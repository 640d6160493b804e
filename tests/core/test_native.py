"""Native functions: what they do, and what is refused, with the line that asks for it."""

import re
import threading
from typing import Any

import numba
import numpy as np
import pytest

from flowaudio.core.errors import KernelError
from flowaudio.core.kernel import kernel
from flowaudio.core.native import FORBIDDEN, Object, forbidden_symbols, native


@numba.njit
def users_helper(a: int) -> int:
    return 3 * a


@kernel
def our_helper(a: int) -> int:
    return users_helper(a) + 1


def test_helpers_of_both_kinds() -> None:
    @native
    def both(a: int, b: int) -> int:
        return our_helper(a) * 100 + users_helper(b)

    assert both(1, 2) == 406
    assert both(-1, 0) == -200
    assert both.address == both.linked.address
    assert native(numba.njit(both.function).py_func)(1, 2) == 406


def _zeros(a: int) -> int:
    return int(np.zeros(a)[0])  # here


def _list(a: int) -> int:
    values = [a]  # here
    values.append(3)
    return len(values)


def _dict(a: int) -> int:
    return len({a: 1})  # here


def _print(a: int) -> int:
    print(a)  # here
    return a


def _text(a: int) -> int:
    return len(str(a))  # here


def _unknown(a: int) -> int:
    return no_such_name(a)  # type: ignore[name-defined]  # noqa: F821 - what is tested is that it is refused


def _object(a: int) -> int:
    return threading.get_ident()  # here


def _result(a: int) -> Any:
    return "text"  # here


def _sorted(a: int) -> int:
    return sorted((a, 3))[0]  # here


def _copied(a: int) -> int:
    return np.arange(3).copy().size + a  # here


@pytest.mark.parametrize("function", [
    _zeros, _list, _dict, _print, _text, _unknown, _object, _result, _sorted, _copied])
def test_refused(function: Any) -> None:
    with pytest.raises(KernelError) as caught:
        native(function)(1)
    message = str(caught.value)
    assert message.startswith(f"{function.__name__}")
    assert "\n" not in message
    if function not in (_print, _sorted):   # found in the machine code, or by numba itself: no line is known
        first, last = function.__code__.co_firstlineno, max(n for *_, n in function.__code__.co_lines() if n)
        assert "test_native.py\", line " in message
        line = int(re.search(r'test_native\.py", line (\d+): ', message)[1])  # type: ignore[index]
        assert first < line <= last


def test_an_exception_becomes_an_error() -> None:
    @native
    def picky(a: int) -> int:
        if a < 0:
            raise ValueError
        return a

    assert picky(3) == 3
    with pytest.raises(KernelError, match="picky failed in machine code; run it as plain Python"):
        picky(-1)
    assert picky(4) == 4


def test_threads_compile_it_once_and_run_at_once() -> None:
    @native
    def square(a: int) -> int:
        return a * a

    results: list[int] = []
    threads = [threading.Thread(target=lambda k=k: results.append(square(k))) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [k * k for k in range(8)]


def test_object_code_packs() -> None:
    made = Object("name", ("sinf", "expf"), b"\n\x00code\n")
    assert Object.unpack(made.pack()) == made


def test_symbols_that_are_forbidden() -> None:
    assert forbidden_symbols(["sinf", "memcpy", "nanosleep", "numba_frexp"]) == []
    bad = ["NRT_incref", "PyGILState_Ensure", "PyErr_Clear", "PyObject_Call", "_Py_Dealloc", "malloc",
           "numba_gil_ensure"]
    assert forbidden_symbols(bad) == bad
    assert all(isinstance(prefix, str) for prefix in FORBIDDEN)
