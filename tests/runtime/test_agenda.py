"""The agenda: letters by their frames, and by the order of asking where frames are equal."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support import at

from flowaudio.core.memory import copy
from flowaudio.core.native import native
from flowaudio.runtime.agenda import (
    CAPACITY,
    HEAD,
    agenda_add,
    agenda_first,
    agenda_full,
    agenda_next,
    agenda_take,
)
from flowaudio.runtime.mailbox import LETTER


@native
def add_letter(agenda: int, letter: int) -> int:
    if agenda_full(agenda):
        return 0
    agenda_add(agenda, letter)
    return 1


@native
def take_letter(agenda: int, letter: int) -> int:
    """Its frame; the letter is copied."""
    frame = agenda_next(agenda)
    if frame < 1 << 62:
        copy(letter, agenda_first(agenda), 8 * LETTER)
        agenda_take(agenda)
    return frame


@given(capacity=st.integers(1, 12), steps=st.lists(st.none() | st.integers(-5, 5), max_size=80))
@settings(max_examples=80, deadline=None)
def test_the_soonest_first_and_then_in_the_order_of_asking(capacity: int, steps: list[int | None]) -> None:
    agenda = np.zeros(HEAD + LETTER * (capacity + 1), np.int64)
    agenda[CAPACITY] = capacity
    letter, inside = np.zeros(LETTER, np.int64), []
    for number, frame in enumerate(steps):
        if frame is not None:
            letter[:] = np.arange(LETTER) + 100 * number
            letter[:2] = frame, number
            assert add_letter(at(agenda), at(letter)) == (len(inside) < capacity)
            if len(inside) < capacity:
                inside.append(letter.tolist())
        else:
            inside.sort()
            got = take_letter(at(agenda), at(letter))
            if inside:
                assert (got, letter.tolist()) == (inside[0][0], inside.pop(0))
            else:
                assert got == 1 << 62
    inside.sort()
    for each in inside:
        take_letter(at(agenda), at(letter))
        assert letter.tolist() == each
    assert take_letter(at(agenda), at(letter)) == 1 << 62
