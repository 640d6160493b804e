"""The gain of an engine's output: silent where it begins and where its device is gone, whoever asks for what."""

from typing import Any

import numpy as np
import pytest

import flowaudio as fa
from flowaudio.core.errors import ParameterError
from flowaudio.live.level import Level
from flowaudio.runtime.control import Rack

RATE = 48_000


def played(rack: Rack, frames: int) -> Any:
    """What a constant of 1 becomes."""
    return rack.process(np.ones((1, frames), np.float32))[0]


def started(edge_ms: float, lead_frames: int = 256) -> tuple[Rack, Level]:
    rack = Rack(fa.Gain(), RATE, 1, 128)
    level = Level(rack, edge_ms)
    level.begin()
    rack.lead_frames = lead_frames
    return rack, level


def test_it_begins_and_begins_again_with_a_fade() -> None:
    rack, level = started(10.0)
    y = played(rack, 960)
    assert 0 < y[0] < 0.003
    assert y[480] == y[-1] == 1.0
    level.follow(False)
    level.follow(True)
    y = played(rack, 960)
    assert not y[:256].any()            # from the very first frame on, though what is asked for takes the lead's time
    assert 0 < y[256] < 0.003
    assert y[-1] == 1.0
    assert np.abs(np.diff(y)).max() < 0.003


def test_what_is_asked_for_while_nobody_plays_holds_when_somebody_does() -> None:
    rack = Rack(fa.Gain(), RATE, 1, 128)
    level = Level(rack, 0.0)
    level.mute(True)
    assert rack.requests == 0
    level.begin()
    assert not played(rack, 480).any()
    level.follow(False)
    before = rack.requests
    for muted in (False, True, False):
        level.mute(muted)
    assert rack.requests == before
    level.follow(True)
    assert rack.requests == before + 1
    assert played(rack, 4800)[-1] == 1.0


def test_what_cannot_be_asked_for_now_is_asked_for_again() -> None:
    rack, level = started(10.0, lead_frames=0)
    played(rack, 960)
    level.follow(False)
    with pytest.raises(ParameterError, match="does not take any more"):
        while True:
            rack.bypass(0.0)
    level.follow(True)                  # refused, too: the device has not read yet
    assert not played(rack, 960).any()
    level.follow(True)
    assert played(rack, 960)[-1] == 1.0


def test_at_the_end_it_stays_silent() -> None:
    rack, level = started(10.0, lead_frames=0)
    played(rack, 960)
    level.end(0, alive=iter([True, False]).__next__)     # nobody moves the frames here
    with pytest.raises(ParameterError, match="closed"):
        level.mute(False)
    assert not played(rack, 960)[480:].any()
