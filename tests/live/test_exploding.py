"""A node that explodes again and again is kept silent: nothing at full scale reaches the loudspeaker for long."""

from typing import Any, NamedTuple

import numpy as np

import flowaudio as fa
from flowaudio import Format
from flowaudio.live.engine import Engine
from flowaudio.testing import SimulatedCard

RATE = 48_000
TENTH = RATE // 10


class Nothing(NamedTuple):
    """No parameters."""

    unused: float = 0.0


class Level(NamedTuple):
    """What it holds."""

    v: Any


@fa.node
class Runaway:
    """A filter whose pole lies outside the unit circle: from silence to +60 dB in 0.4 s."""

    def prepare(self, format: Format) -> tuple[Nothing, Level]:
        return Nothing(), Level(np.zeros(1, np.float64))

    @fa.kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for n in range(x.shape[1]):
            s.v[0] = s.v[0] * 1.0005 + 1e-4
            for c in range(x.shape[0]):
                y[c, n] = x[c, n] + s.v[0]


@fa.node
class Brittle:
    """Explodes where its input is loud."""

    def prepare(self, format: Format) -> tuple[Nothing, Level]:
        return Nothing(), Level(np.zeros(1, np.float64))

    @fa.kernel
    def process(x: Any, y: Any, p: Any, s: Any) -> None:
        for c in range(x.shape[0]):
            for n in range(x.shape[1]):
                y[c, n] = x[c, n] if abs(x[c, n]) < 0.5 else 1e5


def peaks(y: Any) -> Any:
    """Of each tenth of a second."""
    return np.abs(y[:, :y.shape[1] // TENTH * TENTH]).reshape(2, -1, TENTH).max(axis=(0, 2))


def test_what_explodes_again_is_silent_for_longer_and_longer() -> None:
    card = SimulatedCard(block=100)
    with Engine(fa.Graph.chain(Runaway()), card, card, allow_feedback=True) as engine:
        card.run(20 * RATE)
        silenced = engine.stats.node_silenced
    y = card.recorded[:, :20 * RATE]
    full = np.abs(y[0]) >= 1.0
    assert np.count_nonzero(full[:2 * RATE]) < 0.5 * 2 * RATE      # of the first two seconds
    assert np.count_nonzero(full[3 * RATE:]) < 0.15 * 17 * RATE    # and of all that follow
    quiet = peaks(y) == 0.0
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]]))))[::2]
    assert [round(each / 10) for each in runs[:3]] == [1, 2, 4]
    assert next(iter(silenced.values())) > 7 * RATE / 100         # each silent block is counted


def test_one_explosion_is_one_block() -> None:
    """And what comes in as no number, however often, is not the node's fault."""
    x = np.full((2, RATE), 0.1, np.float32)
    x[:, 1000:40_000:1000] = np.nan
    card = SimulatedCard(block=100)
    card.play_into_input(x)
    with Engine(fa.Graph.chain(fa.Gain()), card, card, allow_feedback=True) as engine:
        card.run(RATE)
        assert list(engine.stats.node_silenced.values()) == [39]
    assert np.count_nonzero(card.recorded[0, :RATE] == 0.0) == 39 * 100


def test_it_is_given_another_chance() -> None:
    """Twice within a second: silent for a second. Whoever has been good for longer than that begins with a clean
    slate."""
    x = np.full((2, 8 * RATE), 0.1, np.float32)
    x[:, [RATE, 5 * RATE // 2, 4 * RATE, 9 * RATE // 2]] = 0.9
    card = SimulatedCard(block=100)
    card.play_into_input(x)
    with Engine(fa.Graph.chain(Brittle()), card, card, allow_feedback=True):
        card.run(8 * RATE)
    quiet = card.recorded[0, :8 * RATE] == 0.0
    assert np.count_nonzero(quiet[:4 * RATE]) == 200
    assert np.count_nonzero(quiet[4 * RATE:]) == 100 + RATE
    assert quiet[9 * RATE // 2:11 * RATE // 2].all()
