"""A graph's file is watched: what is told, when, and how often."""

import os
from pathlib import Path

import pytest
from cli_tools import document

from flowaudio.core.errors import DocumentError
from flowaudio.graph.watching import BROKEN_S, POLL_S, Saved, Watched

LINE = 'connections = ["in -> a -> out"]'


class Clock:
    """A time that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Watcher:
    """Somebody who looks five times a second."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.watched = Watched(path, clock=self.clock)

    def looks(self, seconds: float) -> list[Saved]:
        """All that is told within this time."""
        found = []
        for _ in range(round(seconds / POLL_S)):
            self.clock.now_s += POLL_S
            saved = self.watched.look()
            if saved is not None:
                found.append(saved)
        return found

    def graph(self) -> float:
        """The gain in the one graph that was told."""
        (saved,) = self.looks(2.0)
        assert saved.graph is not None, saved.error
        return float(saved.graph.nodes["a"]["node"].gain_db)


def text(gain_db: float) -> str:
    return f'flowaudio = 1\n{LINE}\n[nodes.a]\ntype = "Gain"\ngain_db = {gain_db}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return document(tmp_path, LINE, a="Gain\ngain_db = -1")


@pytest.fixture
def watcher(path: Path) -> Watcher:
    made = Watcher(path)
    assert made.watched.load().nodes["a"]["node"].gain_db == -1
    return made


def test_nothing_is_told_of_a_file_that_stays(watcher: Watcher) -> None:
    assert watcher.looks(5) == []


def test_what_is_saved_is_told_once(watcher: Watcher, path: Path) -> None:
    for gain in (-2.0, -3.5):
        path.write_text(text(gain))
        assert watcher.graph() == gain
        assert watcher.looks(3) == []


def test_it_is_told_within_half_a_second(watcher: Watcher, path: Path) -> None:
    path.write_text(text(-2))
    assert len(watcher.looks(0.4)) == 1


@pytest.mark.parametrize("backup", [False, True])
def test_editors_that_rename(watcher: Watcher, path: Path, backup: bool) -> None:
    """A new file takes the name; some editors move the old one away first, and for a moment there is none."""
    new = path.with_suffix(".tmp")
    new.write_text(text(-4))
    if backup:
        path.rename(path.with_suffix(".toml~"))
        assert watcher.looks(0.4) == []
    new.replace(path)
    assert watcher.graph() == -4


def test_same_length_and_same_time(watcher: Watcher, path: Path) -> None:
    """Another file of the same length, with the old one's time: another inode."""
    before = path.stat()
    new = path.with_suffix(".tmp")
    new.write_text(path.read_text().replace("-1", "-7"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)
    assert path.stat().st_size == before.st_size
    assert watcher.graph() == -7


def test_a_file_that_is_written_piece_by_piece(watcher: Watcher, path: Path) -> None:
    """Half of it is no document, or another one than was meant: neither is told while more comes."""
    whole = text(-4.25)
    for end in range(0, len(whole), 5):
        path.write_text(whole[:end])
        assert watcher.looks(POLL_S) == []
    path.write_text(whole)
    assert watcher.graph() == -4.25


def test_half_a_file_gets_a_little_longer(watcher: Watcher, path: Path) -> None:
    path.write_text(text(-5)[:30])
    assert watcher.looks(BROKEN_S - POLL_S) == []
    path.write_text(text(-5))
    assert watcher.graph() == -5


@pytest.mark.parametrize(("content", "part"), [
    ("flowaudio = 1\nconnections = [", "TOML"),
    (text(500), "Gain.gain_db must be between"),
    (text(0).replace("Gain", "Gian"), "there is no node type 'Gian'"),
    (text(0).replace("-> out", ""), 'nothing reaches "out"'),
    ("", "it says no version"),
    ("\0\xff", "graph.toml"),
])
def test_a_fault_is_told_once_and_mended(watcher: Watcher, path: Path, content: str, part: str) -> None:
    path.write_text(content, "latin-1")
    (saved,) = watcher.looks(3)
    assert saved.graph is None
    assert isinstance(saved.error, DocumentError)
    assert part in str(saved.error)
    assert "\n" not in str(saved.error)
    path.write_text(text(-6))
    assert watcher.graph() == -6


def test_a_file_that_goes_and_comes_back(watcher: Watcher, path: Path) -> None:
    path.unlink()
    (saved,) = watcher.looks(3)
    assert "graph.toml cannot be read: No such file" in str(saved.error)
    path.write_text(text(-8))
    assert watcher.graph() == -8


def test_written_while_it_is_read(watcher: Watcher, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read may be the old one; the new one is told when it stands still."""
    from flowaudio.graph import document as documents

    load = documents.load

    def late(*arguments: object) -> object:
        graph = load(*arguments)        # type: ignore[arg-type]
        if graph.nodes["a"]["node"].gain_db == -2:
            path.write_text(text(-33))
        return graph

    monkeypatch.setattr(documents, "load", late)
    path.write_text(text(-2))
    assert watcher.graph() == -33


def test_a_link_is_followed(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    watcher = Watcher(link)
    path.write_text(text(-9))
    assert watcher.graph() == -9
