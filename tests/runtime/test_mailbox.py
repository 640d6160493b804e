"""Letters: each once, whole and in order; a full box refuses."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from flowaudio.runtime.mailbox import LETTER, Mailbox


@given(capacity=st.integers(1, 9), steps=st.lists(st.booleans(), max_size=60))
@settings(max_examples=50, deadline=None)
def test_it_is_a_queue_of_so_many_letters(capacity: int, steps: list[bool]) -> None:
    box, inside, number = Mailbox(capacity), [], 0
    for puts in steps:
        if puts:
            assert box.put(number, -number) == (len(inside) < capacity)
            if len(inside) < capacity:
                inside.append([number, -number] + [0] * (LETTER - 2))
            number += 1
        else:
            assert list(box.letters()) == inside
            inside.clear()


def test_what_a_letter_leaves_out_is_zero() -> None:
    box = Mailbox(2)
    box.put(*range(1, LETTER + 1))
    box.put(7)
    assert list(box.letters()) == [list(range(1, LETTER + 1)), [7] + [0] * (LETTER - 1)]
    assert list(box.letters()) == []


def test_two_threads_lose_none() -> None:
    box, total = Mailbox(50), 4000
    got: list[int] = []

    def write() -> None:
        for number in range(total):
            while not box.put(number, *[number] * (LETTER - 1)):
                pass

    thread = threading.Thread(target=write)
    thread.start()
    while len(got) < total:
        for letter in box.letters():
            assert len(set(letter)) == 1
            got.append(letter[0])
    thread.join()
    assert got == list(range(total))
