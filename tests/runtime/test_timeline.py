"""What is planned: lines in pieces, steps, and the order in which moments are due."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowaudio.core.errors import ParameterError
from flowaudio.runtime.timeline import Moment, Timeline, curve, from_now, steps, without

RATE = 1000                             # a piece is 20 frames


@given(points=st.lists(st.tuples(st.integers(0, 300), st.floats(-100, 100)), min_size=1, max_size=6),
       rate=st.sampled_from([1000, 8000, 44_100, 48_000]))
@settings(max_examples=100, deadline=None)
def test_a_line_goes_through_its_points_and_never_beyond_them(points: list[tuple[int, float]], rate: int) -> None:
    line = [(sum(gap for gap, _ in points[:k + 1]) / 1000, value) for k, (_, value) in enumerate(points)]
    pieces = list(curve(line, rate))
    assert [at for at, _, _ in pieces] == sorted(at for at, _, _ in pieces)
    low, high = min(v for _, v in line), max(v for _, v in line)
    assert all(low <= value <= high for _, value, _ in pieces)
    assert pieces[0][:2] == (round(line[0][0] * rate), line[0][1])
    reached = {(at + frames, value) for at, value, frames in pieces[1:]}
    for at, value in line[1:]:          # exactly, at its time
        assert (round(at * rate), value) in reached
    for at, value, frames in pieces[1:]:
        assert 0 <= frames <= max(round(0.02 * rate), 1)
        k = max(k for k, (time, _) in enumerate(line) if round(time * rate) <= at)
        if frames:                      # in between, on the line
            (begin, start), (stop, end) = line[k], line[k + 1]
            part = (at + frames - round(begin * rate)) / (round(stop * rate) - round(begin * rate))
            assert value == pytest.approx(start + part * (end - start), abs=1e-9)


def test_pieces_of_a_line() -> None:
    assert list(curve([(0.01, 0.0), (0.06, 5.0), (0.06, 1.0), (0.07, 1.0)], RATE)) == [
        (10, 0.0, 20), (10, 2.0, 20), (30, 4.0, 20), (50, 5.0, 10), (60, 1.0, 0), (60, 1.0, 10)]
    assert list(curve([(2, 7)], RATE)) == [(2000, 7.0, 20)]
    assert list(steps([(0.5, "low"), (1.0, True)], RATE)) == [(500, "low", 0), (1000, True, 0)]


@pytest.mark.parametrize(("points", "message"), [
    ([], "at least one"), (5, "a list of"), ([(0, 1, 2)], "a list of"), ([(0, "a")], "a list of"),
    ([("a", 0)], "a list of"), ([(1, 0), (0.5, 0)], "must not go back .got 0.5 s after 1 s"),
    ([(-1, 0)], "at least 0 s .got -1 s"), ([(float("nan"), 0)], "numbers of seconds .got nan"),
    ([(0, 0), (float("nan"), 0)], "numbers of seconds .got nan"), ([(float("inf"), 0)], "at least 0 s")])
def test_points_that_are_no_line(points: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        curve(points, RATE)


def test_of_what_is_over_the_end_holds() -> None:
    pieces = [(0, "a", 10), (10, "b", 10), (20, "c", 10)]
    assert list(from_now(pieces, 0)) == pieces
    assert list(from_now(pieces, 15)) == [(15, "b", 10), (20, "c", 10)]
    assert list(from_now(pieces, 31)) == [(31, "c", 10)]
    assert list(from_now([(0, "a", 100), (0, "b", 10)], 50)) == [(50, "a", 100), (50, "b", 10)]


def moment(frame: int, name: str = "node", **values: Any) -> Moment:
    return Moment(frame, name, values or {"a": frame}, 32)


@given(moments=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=5), max_size=8),
       looks=st.lists(st.integers(0, 35), max_size=5),
       dropped=st.none() | st.integers(0, 35))
@settings(max_examples=100, deadline=None)
def test_moments_are_due_in_the_order_of_their_frames(moments: list[list[int]], looks: list[int],
                                                      dropped: int | None) -> None:
    """Where frames are equal, in the order in which they were added; forgetting something else changes nothing."""
    timeline, waiting = Timeline(), []
    for k, frames in enumerate(moments):
        timeline.add(iter([moment(frame, a=(k, n)) for n, frame in enumerate(sorted(frames))]))
        waiting += [(frame, k, n) for n, frame in enumerate(sorted(frames))]
    for look in sorted([*looks, 40]):
        if dropped is not None and look > dropped:
            timeline.drop("other", {"a"})
            timeline.drop("node", {"b"})
        due = [(m.frame, *m.values["a"]) for m in timeline.due(look)]
        assert sorted(due) == sorted(w for w in waiting if w[0] < look)
        assert [d[0] for d in due] == sorted(d[0] for d in due)
        for frame in {d[0] for d in due}:
            firsts = [d[1] for d in due if d[0] == frame and d[2] == 0]
            assert firsts == sorted(firsts)     # those that were not behind another moment of their own
        waiting = [w for w in waiting if w[0] >= look]
    assert not timeline


def test_some_parameters_are_forgotten_and_the_rest_is_not() -> None:
    timeline = Timeline()
    timeline.add(iter([moment(5, a=1, b=2)]))
    timeline.add(iter([moment(1, a=k) for k in range(3)]))
    timeline.add(iter([moment(3, "other", a=9)]))
    timeline.drop("node", {"a"})
    assert list(timeline.due(100)) == [moment(3, "other", a=9), moment(5, b=2)]
    assert without(moment(1, a=1, b=2), {"b"}) == [moment(1, a=1)]
    assert without(moment(1, a=1), {"a", "b"}) == []


def test_moments_of_an_automation_are_made_when_they_are_due() -> None:
    made: list[int] = []

    def endless() -> Any:
        for frame in range(10**9):
            made.append(frame)
            yield moment(frame)

    timeline = Timeline()
    timeline.add(endless())
    assert len(list(timeline.due(10))) == 10
    assert len(made) == 11
    assert len(timeline) == 1
