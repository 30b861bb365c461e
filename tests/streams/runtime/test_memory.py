"""What the stores of a worker may lack together."""

from __future__ import annotations

import gc

from streams.runtime.memory import WAITING_BYTES, WAITING_PART, Memory
from tables.records import Record
from tables.store import MemoryStore


class Below(MemoryStore):
    """Says when something came down."""

    came = 0

    def write(self, records: object, offset: int | None = None) -> None:
        """Note that it came."""
        del records, offset
        self.came += 1


def came(memory: Memory, stores: int, size: int) -> list[int]:
    """Return how many writes came down to each of some stores that were given one of so many bytes."""
    below = [Below() for _ in range(stores)]
    deferred = [memory.deferred(store) for store in below]
    for store in deferred:
        store.write([Record(b"k", b"x" * size)], 1)
    return [store.came for store in below]


def test_stores_have_equal_parts_of_what_may_wait() -> None:
    """Rule: the more stores there are, the less waits before each; one that is gone takes nothing."""
    memory = Memory(None)
    part = WAITING_BYTES // 8
    assert came(memory, 8, part - 10) == [0] * 8
    gc.collect()
    assert came(memory, 8, part + 10) == [1] * 8
    gc.collect()
    assert came(memory, 1, part + 10) == [0]


def test_within_a_budget_little_waits() -> None:
    """Rule: what waits is a small part of the budget, and no cell gets that part."""
    small, size = Memory(32 << 20), 32 << 20
    assert came(small, 1, size // WAITING_PART - 10) == [0]
    gc.collect()
    assert came(small, 1, size // WAITING_PART + 10) == [1]
