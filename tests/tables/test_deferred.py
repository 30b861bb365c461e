"""The store whose small writes wait: who reads sees them, and the store below gets whole writes, fewer of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.deferred import MOST_BYTES, MOST_RECORDS, MOST_SECONDS, SMALL, DeferredStore
from tables.records import PROGRESS, Record, cell_key
from tables.store import CHUNK, MemoryStore, StoreFull


class Below(MemoryStore):
    """Counts what comes down, and refuses it while it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[int, int | None]] = []
        self.full = False

    def write(self, records: Sequence[Record], offset: int | None = None) -> None:  # type: ignore[override]
        """Count and apply, or refuse."""
        if self.full:
            raise StoreFull(Path("store"), "there is no space left", "free some")
        self.came.append((len(records), offset))
        super().write(records, offset)


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time that is set."""
        return self.now


@pytest.fixture
def below() -> Below:
    """Return a store to count by."""
    return Below()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def store(below: Below, clock: Clock) -> DeferredStore:
    """Return the store under test."""
    return DeferredStore(below, clock)


def record(number: int, value: bytes | None = b"v") -> Record:
    """Return a cell record."""
    return Record(cell_key(1, 1, b"%06d" % number), value)


def test_writes_of_the_same_keys_go_down_as_one(store: DeferredStore, below: Below) -> None:
    """Ten writes of two keys are one of two records, with the offset of the last, when somebody reads."""
    for offset in range(10):
        store.write([record(1, b"%d" % offset), record(2)], offset)
    assert below.came == []
    assert store.get_many([record(1).key]) == [b"9"]
    assert below.came == [(2, 9)]
    assert store.offset() == 9
    assert len(below.came) == 1


def test_a_large_write_does_not_wait_nor_overtake(store: DeferredStore, below: Below) -> None:
    """It goes down at once, behind what waited."""
    store.write([record(1, b"old")], 1)
    store.write([record(number, b"new") for number in range(SMALL + 1)], 2)
    assert below.came == [(1, 1), (SMALL + 1, 2)]
    assert store.get_many([record(1).key]) == [b"new"]


def test_old_writes_go_down_with_the_next(store: DeferredStore, below: Below, clock: Clock) -> None:
    """The first that waits is never older than the bound when a write has come."""
    store.write([record(1)], 1)
    clock.now += MOST_SECONDS
    store.write([record(2)], 2)
    assert below.came == []
    clock.now += 0.001
    store.write([record(3)], 3)
    assert below.came == [(3, 3)]
    clock.now += MOST_SECONDS
    store.write([record(4)], 4)
    assert below.came == [(3, 3)]


def test_many_bytes_go_down(store: DeferredStore, below: Below) -> None:
    """Values that are replaced count no more; beyond the bound all that waits goes down."""
    for offset in range(9):
        store.write([record(1, b"x" * (MOST_BYTES // 4))], offset)
    store.write([record(number, b"y" * (MOST_BYTES // 4)) for number in (2, 3)], 9)
    assert below.came == []
    store.write([record(1, None)], 10)
    store.write([record(number, b"z" * (MOST_BYTES // 4)) for number in (4, 5)], 11)
    assert below.came == [(5, 11)]
    store.write([record(number, b"z" * (MOST_BYTES // 4)) for number in (4, 5)], 12)
    assert below.came == [(5, 11)]


def test_many_keys_go_down(store: DeferredStore, below: Below) -> None:
    """What waits is never so much that the store below takes long for it, however small it is."""
    for part in range(MOST_RECORDS // SMALL):
        store.write([record(part * SMALL + number, None) for number in range(SMALL)], part)
        store.write([record(number, None) for number in range(SMALL)], part)
    assert below.came == []
    store.write([record(MOST_RECORDS)], 9)
    assert below.came == [(MOST_RECORDS + 1, 9)]


def test_a_key_that_a_write_has_twice_counts_once(store: DeferredStore, below: Below) -> None:
    """The last of its values is what waits, and what was there before is taken off once."""
    store.write([record(1, b"x" * (MOST_BYTES // 2))], 1)
    store.write([record(1, b"a"), record(1, b"b")], 2)
    store.write([record(2, b"y" * MOST_BYTES)], 3)
    assert below.came == [(2, 3)]
    assert store.get_many([record(1).key]) == [b"b"]


def test_keys_count_as_bytes(store: DeferredStore, below: Below) -> None:
    """Long keys reach the bound without values."""
    keys = [b"%08d" % number + b"k" * (MOST_BYTES // 8) for number in range(8)]
    store.write([Record(key, None) for key in keys[:7]], 1)
    assert below.came == []
    store.write([Record(keys[7], None)], 2)
    assert below.came == [(8, 2)]


def test_what_is_refused_waits_until_it_is_taken(store: DeferredStore, below: Below) -> None:
    """A full disk loses nothing: the reader is told, and after it has room all is there."""
    store.write([record(1)], 1)
    below.full = True
    with pytest.raises(StoreFull):
        store.offset()
    with pytest.raises(StoreFull):
        store.get_many([record(1).key])
    below.full = False
    store.write([record(2)], 2)
    assert store.offset() == 2
    assert below.came == [(2, 2)]


def test_closing_writes_what_waits(store: DeferredStore, below: Below) -> None:
    """A clean stop loses nothing; a store that refuses is closed all the same."""
    store.write([record(1)], 1)
    store.close()
    assert below.offset() == 1
    store.write([record(2)], 2)
    below.full = True
    store.close()
    assert below.offset() == 1


def test_what_is_put_aside_takes_what_waits_with_it(store: DeferredStore) -> None:
    """A store that begins anew is empty: the writes that waited are of the old one."""
    store.write([record(1)], 1)
    store.put_aside()
    assert store.offset() is None
    store.write([record(1)], 1)
    store.destroy()
    assert store.offset() is None


def test_a_scan_sees_what_is_written_while_it_goes_on(store: DeferredStore) -> None:
    """Each chunk is read as the store is then, also where the write still waits."""
    store.write([record(number) for number in range(CHUNK + 10)], 1)
    scan = store.scan(b"")
    first = [next(scan) for _ in range(CHUNK)]
    store.write([record(CHUNK + 5, b"later"), record(CHUNK + 6, None)], 2)
    rest = dict(scan)
    assert len(first) == CHUNK
    assert rest[record(CHUNK + 5).key] == b"later"
    assert record(CHUNK + 6).key not in rest


writes = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 5), st.none() | st.binary(max_size=2)), max_size=4),
        st.none() | st.integers(0, 99),
        st.booleans(),
    ),
    max_size=12,
)


@given(writes)
def test_it_answers_as_a_store_that_waits_for_nothing(
    life: list[tuple[list[tuple[int, bytes | None]], int, bool]],
) -> None:
    """Law: whatever is written, and whenever somebody reads, all answers are those of a plain store."""
    plain, deferred = MemoryStore(), DeferredStore(MemoryStore(), Clock())
    for rows, offset, reads in life:
        records = [record(number, value) for number, value in rows] + [Record(PROGRESS, b"%d" % len(rows))]
        for each in (plain, deferred):
            each.write(records, offset)
        if reads:
            assert list(deferred.scan(b"")) == list(plain.scan(b""))
    assert (deferred.offset(), deferred.groups()) == (plain.offset(), plain.groups())
    assert list(deferred.scan(b"")) == list(plain.scan(b""))
    assert deferred.estimated_records() == plain.estimated_records()
