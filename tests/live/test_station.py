"""Radio stations as sources: what comes over HTTP, stops, and comes back."""

from collections.abc import Iterator

import numpy as np
import pytest
from stations import RATE, Station
from waiting import wait_until

import flowaudio as fa
from flowaudio.core.errors import SourceError
from flowaudio.live import ends
from flowaudio.live.ends import Memory
from flowaudio.live.engine import Engine


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    monkeypatch.setattr(ends, "RETRY_S", 0.25)
    monkeypatch.setattr(ends, "MOST_RETRY_S", 0.5)
    made = Station()
    made.begin()
    yield made
    made.end()


def kinds(engine: Engine) -> list[str]:
    return [event.kind for event in engine.events if event.kind.startswith(("source", "failed", "ended"))]


def test_a_station_that_comes_back_is_taken_up_again(station: Station) -> None:
    heard = Memory()
    with Engine(fa.Gain(), station.source(), heard) as engine:
        for level in (0.5, 0.125):
            wait_until(lambda: engine.stats.time_s > 0.3, "sound")
            station.end()
            wait_until(lambda: kinds(engine)[-1:] == ["source_lost"], "that it is gone is told")
            station.level = level
            before = engine.stats.time_s
            station.begin()
            wait_until(lambda: kinds(engine)[-1:] == ["source_back"], "that it is back is told")
            wait_until(lambda before=before: engine.stats.time_s > before + 0.3, "more sound")
        assert kinds(engine) == ["source_lost", "source_back"] * 2
        assert engine.stats.gaps == 2
        assert engine.stats.gap_s > 0.2
        told = next(event.text for event in engine.events if event.kind == "source_lost")
        assert told == f"{station.url} has stopped sending; it is taken up again when it is back"
    changes = np.flatnonzero(np.diff(heard.array[0]))
    assert heard.array[:, [0, *(changes + 1)]].tolist() == [[0.25, 0.5, 0.125]] * 2     # all of it, in its order
    assert heard.array.shape[1] > 0.9 * RATE


def test_who_does_not_want_it_back_need_not_wait(station: Station) -> None:
    with Engine(fa.Gain(), station.source(), Memory()) as engine:
        wait_until(lambda: engine.stats.time_s > 0.1, "sound")
        station.end()
        wait_until(lambda: kinds(engine) == ["source_lost"], "that it is gone is told")
    assert engine.closed


def test_a_station_that_was_never_there_is_an_error(station: Station) -> None:
    station.end()
    with pytest.raises(SourceError, match="refused"):
        Engine(fa.Gain(), station.source(), Memory())


def test_what_is_no_station_ends_with_its_connection(station: Station) -> None:
    with Engine(fa.Gain(), station.source(live=False), Memory()) as engine:
        wait_until(lambda: engine.stats.time_s > 0.1, "sound")
        station.end()
        assert engine.wait(60)
        assert kinds(engine) == ["ended"]
