"""How the tests are shared out among workers: every file that is named is there, and what belongs together stays."""

import re
from typing import Any

import pytest
from support import ROOT


@pytest.fixture
def ours(pytestconfig: pytest.Config) -> Any:
    """tests/conftest.py."""
    return next(plugin for plugin in pytestconfig.pluginmanager.get_plugins() if hasattr(plugin, "TOGETHER"))


def test_every_file_that_is_named_is_there(ours: Any) -> None:
    named = {file for files in ours.TOGETHER.values() for file in files} | set(ours.LONGEST) - set(ours.TOGETHER)
    assert [file for file in sorted(named) if not (ROOT / "tests" / file).is_file()] == []
    assert ours.LONGEST[0] in ours.TOGETHER


def test_a_file_is_one_scope_and_so_are_all_with_a_sound_server(ours: Any) -> None:
    assert ours.scope("tests/core/test_units.py::test_a[x::y]") == ours.scope("tests/core/test_units.py::test_b")
    assert ours.scope("tests/core/test_units.py::test_a") != ours.scope("tests/core/test_digest.py::test_a")
    need = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("**/test_*.py")
            if re.search("^from rigs import ", path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {ours.scope(f"{file}::test_a") for file in need} == {"a sound server"}
    assert len(need) == len(ours.TOGETHER["a sound server"])
