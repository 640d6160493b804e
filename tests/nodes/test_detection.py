"""The detectors on ten minutes of labelled material, and the judge itself on a detector that knows everything.

The whole set, with all kinds of faults: ``python tests/bench/bench_detectors.py``.
"""

import labelled
import numpy as np
import pytest
from labelled import MAIN, Event, Judge
from labelled_faults import EVERY, FAULTS, Label, damaged
from labelled_material import faults_in, make, small_set
from need import need

RATE = 48_000
MODULES = ("silence", "dropout", "clipping", "clicks", "dc_offset", "phase")


@pytest.fixture(scope="module")
def judge() -> Judge:
    """What was found in ten minutes of clean sound, and in three of the main kinds of faults in each piece of it."""
    need("espeak-ng")
    judge = Judge(labelled.detectors(MODULES))
    for number, recipe in enumerate(small_set()):
        piece = make(recipe)
        assert not faults_in(piece.x, piece.rate) - piece.grey, piece.name
        if judge.nodes:
            judge.hear(piece.name, piece.x, piece.rate, [], piece.grey)
        for k, kind in enumerate(MAIN):
            if (number + k) % 2 == 0 and judge.asks(kind):
                y, labels = damaged(kind, piece.x, piece.rate, number)
                judge.hear(f"{piece.name}+{kind}", y, piece.rate, labels, piece.grey)
    return judge


@pytest.mark.parametrize("kind", MAIN)
def test_faults_are_found_and_none_made_up(judge: Judge, kind: str) -> None:
    """Recall of 0.98 at least; at most one false alarm an hour."""
    if not judge.asks(kind):
        pytest.skip(f"there is no detector of {kind}")
    told = "\n".join(n for n in judge.notes if n.split()[1] in labelled.RULES[kind].accepts or n.split()[1] == kind)
    row = judge.rows[kind]
    assert row.labels >= 8, "there is too little to find"
    assert row.recall >= 0.98, f"{row.found} of {row.labels} were found\n{told}"
    assert judge.alarms_an_hour(kind) <= 1, f"{row.clean + row.beside} false alarms\n{told}"


def noise(seconds: float = 40.0) -> np.ndarray:
    """Two channels with something in common, at about -20 dBFS, with a quiet start."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, int(seconds * RATE))) * 0.05 + rng.standard_normal(int(seconds * RATE)) * 0.1
    x[:, :RATE // 10] *= 1e-4
    return np.clip(x, -0.99, 0.99).astype(np.float32)


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"cut_start", "click", "splice", "noise_burst"}))
def test_labels_stand_where_samples_changed(kind: str) -> None:
    """In their channels, from the first changed sample to the last, and nowhere else."""
    x = noise()
    y, labels = damaged(kind, x, RATE, 3)
    assert labels
    assert y.shape == x.shape
    if kind in ("clipping", "intersample_clipping", "level_jump"):          # what is changed around them is no fault
        return
    changed = y != x
    for label in labels:
        rows = slice(None) if label.channel == EVERY else slice(label.channel, label.channel + 1)
        hit = changed[rows, label.start:label.end].any(axis=0)
        assert hit[0] and hit[-1]
        changed[rows, label.start:label.end] = False
    assert not changed.any()


def test_sets_are_the_same_each_time() -> None:
    """The same seed gives the same sound and the same faults."""
    recipe = small_set()[1]._replace(seconds=8.0)
    first, second = make(recipe), make(recipe)
    np.testing.assert_array_equal(first.x, second.x)
    (y, labels), (z, others) = (damaged("dropout", p.x, p.rate, 1) for p in (first, second))
    np.testing.assert_array_equal(y, z)
    assert labels == others


LABELS = [Label("dropout", 5 * RATE, 5 * RATE + 480, EVERY, "short"), Label("dropout", 9 * RATE, 10 * RATE, 1, "long"),
          Label("dropout", 20 * RATE, 21 * RATE, 0, "long", must=False)]
BOTH = [Event("dropout", 5 * RATE, 5 * RATE + 480, EVERY, 1.0), Event("dropout", 9 * RATE, 10 * RATE, 1, 1.0)]


@pytest.mark.parametrize(("events", "found", "alarms"), [
    (BOTH, 2, 0),
    ([], 0, 0),
    ([BOTH[0]._replace(channel=0), BOTH[1]], 1, 0),                         # one of two channels
    ([BOTH[0]._replace(channel=0), BOTH[0]._replace(channel=1), BOTH[1]], 2, 0),
    ([BOTH[0], BOTH[1]._replace(channel=0)], 1, 0),                         # the wrong channel
    ([BOTH[0], BOTH[1]._replace(start=9 * RATE + 300)], 1, 0),              # 6 ms late
    ([*BOTH, BOTH[0]._replace(start=15 * RATE, end=15 * RATE + 9)], 2, 1),
    ([*BOTH, BOTH[0]._replace(kind="click", start=5 * RATE - 9)], 2, 0),    # comes with the fault
    ([*BOTH, Event("dropout", 20 * RATE, 21 * RATE, 0, 1.0)], 2, 0),        # not asked for, and right
])
def test_the_judge(monkeypatch: pytest.MonkeyPatch, events: list[Event], found: int, alarms: int) -> None:
    """Counts what a detector with these answers is worth."""
    monkeypatch.setattr(labelled, "listen", lambda nodes, x, rate: events)
    judge = Judge([])
    judge.hear("piece", np.zeros((2, 30 * RATE), np.float32), RATE, LABELS)
    row = judge.rows["dropout"]
    assert (row.labels, row.found, row.clean + row.beside) == (2, found, alarms)
    assert f"{found / 2:.3f}" in judge.table() or not judge.asks("dropout")


def test_what_is_found_in_clean_sound_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save what a piece may truly have."""
    monkeypatch.setattr(labelled, "listen", lambda nodes, x, rate: BOTH)
    judge = Judge([])
    judge.hear("piece", np.zeros((2, 1800 * 8), np.float32), 8, [])
    judge.hear("piece", np.zeros((2, 1800 * 8), np.float32), 8, [], frozenset({"dropout"}))
    assert judge.alarms_an_hour("dropout") == pytest.approx(2.0)
