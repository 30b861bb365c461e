"""What waits at a partition, measured by its bytes."""

from __future__ import annotations

import numpy as np

from streams.effects import Records
from streams.runtime.inbox import LARGE, Inbox

MOST, RECORDS = 1_000_000, 20_000


def records(count: int, size: int) -> Records:
    """Return so many records of so many bytes."""
    return Records(0, count, np.arange(count), np.zeros(count, np.int64), [b"x" * size] * count)


def test_small_batches_are_kept_by_their_bytes() -> None:
    """Live input is never refused for the number of its batches; what waits stays below the bytes of two large ones."""
    inbox, held = Inbox(), 0
    while inbox.room(MOST, RECORDS):
        inbox.put(records(1, 100))
        held += 100
    assert len(inbox) > 1_000
    assert MOST < held <= LARGE * MOST


def test_two_batches_of_the_largest_size_may_wait() -> None:
    """A backlog of large batches keeps two of them waiting: the worker is never without, and holds no more."""
    inbox = Inbox()
    for _ in range(LARGE):
        assert inbox.room(MOST, RECORDS)
        inbox.put(records(10, MOST // 10 + 1))
    assert not inbox.room(MOST, RECORDS)


def test_no_more_waits_than_is_worked_on_together() -> None:
    """Small records wait until they make a batch of the largest number, however few bytes they have."""
    inbox = Inbox()
    inbox.put(records(RECORDS - 1, 1))
    assert inbox.room(MOST, RECORDS)
    inbox.put(records(1, 1))
    assert not inbox.room(MOST, RECORDS)
    inbox.take()
    assert inbox.room(MOST, RECORDS)


def test_taking_empties_it_in_order() -> None:
    """All that waits is taken at once, in the order in which it came, and there is room again."""
    inbox = Inbox()
    batches = [records(1_000, 1), records(3, 5)]
    for each in batches:
        inbox.put(each)
    assert [id(each) for each in inbox.take()] == [id(each) for each in batches]
    assert len(inbox) == 0
    assert inbox.room(MOST, RECORDS)


def test_what_is_in_work_is_held_until_it_is_done() -> None:
    """Bytes are counted from the time they come until they are worked on, or dropped."""
    inbox, seen = Inbox(), []
    inbox.put(records(10, 100))
    seen.append(inbox.held)
    inbox.take()
    inbox.put(records(1, 50))
    seen.append(inbox.held)
    inbox.done()
    seen.append(inbox.held)
    inbox.take()
    inbox.put(records(1, 7))
    seen.append(inbox.held)
    inbox.clear()
    assert [*seen, inbox.held, len(inbox)] == [1_000, 1_050, 50, 57, 0, 0]
