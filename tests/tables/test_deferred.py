"""The store whose small writes wait: who reads sees them, and the store below gets whole writes, fewer of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import deferred as module
from tables import store as below_module
from tables.deferred import MOST_BYTES, MOST_CELLS, MOST_RECORDS, MOST_SECONDS, SLICE_BYTES, SMALL, DeferredStore
from tables.pieces import Pieces
from tables.records import CELL, PROGRESS, Record, cell_key, group_prefix
from tables.store import AHEAD, CHUNK, MemoryStore, Store, StoreFull
from tables.written import CellRecords, Written


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


def columns(cells: dict[int, bytes], others: Sequence[Record] = ()) -> Written:
    """Return a write of cells in columns, by the numbers of their keys, and of other records."""
    found = [record(number, value) for number, value in cells.items()]
    keys, values = Pieces.of([key for key, _ in found]), Pieces.of(list(cells.values()))
    return Written([CellRecords(group_prefix(1, 1), np.array(list(cells), np.int64), keys, values)], others)


def test_writes_of_the_same_keys_go_down_as_one(store: DeferredStore, below: Below) -> None:
    """Ten writes of two keys are one of two records, with the offset of the last, when somebody reads."""
    for offset in range(10):
        store.write([record(1, b"%d" % offset), record(2)], offset)
    assert below.came == []
    assert store.get_many([record(1).key]) == [b"9"]
    assert below.came == []
    assert store.offset() == 9
    assert below.came == [(2, 9)]


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
        list(store.scan(b""))
    below.full = False
    store.write([record(2)], 2)
    assert store.offset() == 2
    assert below.came == [(1, 1), (1, 2)]


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


def test_cells_in_columns_go_down_once_in_pieces_and_the_offset_with_the_last(
    store: DeferredStore, below: Below
) -> None:
    """Of what waited the last value of each cell goes down, with later writes, so that none takes long."""
    half = MOST_CELLS // 2
    piece = SLICE_BYTES // (len(record(0).key) + 3)
    progress = [Record(PROGRESS, b"1")]
    store.write(columns(dict.fromkeys(range(half), b"old"), progress), 1)
    store.write(columns(dict.fromkeys(range(half), b"new"), progress), 2)
    assert below.came == []
    store.write(columns({MOST_CELLS: b"one"}, progress), 3)
    pieces = -(-(half + 1) // piece)
    assert below.came == [(piece + 1, None)]
    assert MemoryStore.get_many(below, [AHEAD]) == [b"3"]
    for more in range(4, 3 + pieces):
        store.write(columns({0: b"later"}, progress), more)
    last = half + 1 - piece * (pieces - 1)
    assert below.came == [(piece + 1, None)] * (pieces - 1) + [(last + 1, 3)]
    assert dict(MemoryStore.scan(below, b""))[record(0).key] == b"new"
    assert store.get_many([record(0).key, record(1).key]) == [b"later", b"new"]


def test_a_new_generation_goes_down_behind_all_of_the_one_before(
    store: DeferredStore, below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where so much is written that the one before is on its way still."""
    small(monkeypatch)
    for part in range(4):
        store.write(columns(dict.fromkeys(range(part, part + 9), b"%d" % part)), part)
    offsets = [offset for _, offset in below.came if offset is not None]
    assert offsets == [0, 1, 2]
    assert store.get_many([record(9).key]) == [b"3"]
    assert store.offset() == 3


def test_a_scan_sees_the_newest_of_what_waits_and_of_what_goes_down(
    store: DeferredStore, below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a generation is on its way, the next one and what is below already: each key once, with its last value."""
    small(monkeypatch)
    store.write(columns(dict.fromkeys(range(3), b"below")), 1)
    assert store.offset() == 1
    store.write(columns(dict.fromkeys(range(1, 5), b"going")), 2)
    store.write(columns({2: b"coming", 5: b"coming"}), 3)
    assert below.came[-1][1] is None
    values = [b"below", b"going", b"coming", b"going", b"going", b"coming"]
    found = list(store.scan(group_prefix(1, 1)))
    assert found == [(record(number).key, value) for number, value in enumerate(values)]
    assert next(store.scan(record(2).key[:18], record(2).key))[1] == b"coming"


def test_cells_by_themselves_do_not_overtake_those_in_columns(store: DeferredStore, below: Below) -> None:
    """A tombstone, or what is written again, stands where it was written, whatever form the others have."""
    store.write(columns({1: b"a", 2: b"a"}), 1)
    store.write([record(1, None)], 2)
    store.write(columns({1: b"b"}, [record(2, None)]), 3)
    store.write([record(3, b"plain")], 4)
    store.write(columns({3: b"column"}), 5)
    assert dict(store.scan(b"")) == {record(1).key: b"b", record(3).key: b"column"}
    assert [offset for _, offset in below.came] == [1, 2, 3, 4, 5]


def test_a_piece_that_is_refused_goes_down_before_those_behind_it(
    store: DeferredStore, below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a generation is lost or overtaken where the store has no room for a while."""
    small(monkeypatch)
    store.write(columns(dict.fromkeys(range(9), b"x")), 1)
    below.full = True
    with pytest.raises(StoreFull):
        store.write(columns({0: b"y"}), 2)
    below.full = False
    assert len(dict(store.scan(record(0).key[:1]))) == 9
    assert (store.offset(), store.get_many([record(0).key])) == (2, [b"y"])


READS: dict[str, Callable[[Store], object]] = {
    "nothing": lambda _: None,
    "all": lambda store: [item for item in store.scan(b"") if item[0] != AHEAD],
    "group": lambda store: list(store.scan(group_prefix(1, 1))),
    "some of a group": lambda store: list(store.scan(record(3).key[:-1], record(3).key)),
    "keys": lambda store: store.get_many([record(number).key for number in range(7)] + [PROGRESS]),
    "groups": lambda store: store.groups(),
    "offset": lambda store: store.offset(),
}
Wish = tuple[str, list[tuple[int, bytes | None]], int | None, str]
"""How a write comes, what it says of cells (None: a tombstone), its offset, and what somebody reads then."""
cells = st.lists(st.tuples(st.integers(0, 5), st.none() | st.binary(max_size=2)), max_size=4)
writes = st.lists(
    st.tuples(
        st.sampled_from(["plain", "columns", "columns"]),
        cells,
        st.none() | st.integers(0, 99),
        st.sampled_from([*READS]),
    ),
    max_size=12,
)


def made(form: str, rows: list[tuple[int, bytes | None]], progress: bytes) -> Sequence[Record]:
    """Return a write: cells in columns, and tombstones by themselves, or all by themselves."""
    last = Record(PROGRESS, progress)
    if form == "plain":
        return [*(record(number, value) for number, value in rows), last]
    gone = [record(number, None) for number, value in rows if value is None]
    return columns({number: value for number, value in rows if value is not None}, [*gone, last])


def test_what_waits_is_among_the_estimate(store: DeferredStore, below: Below) -> None:
    """Nothing goes down for it."""
    store.write(columns({1: b"a", 2: b"b"}, [Record(PROGRESS, b"1")]), 1)
    assert (store.estimated_records(), below.came) == (3, [])
    assert store.offset() == 1
    assert store.estimated_records() == 3


@given(writes)
def test_it_answers_as_a_store_that_waits_for_nothing(life: list[Wish]) -> None:
    """Law: whatever waits or is on its way, and whoever reads, all answers are those of a plain store."""
    plain, deferred = MemoryStore(), DeferredStore(MemoryStore(), Clock())
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        for form, rows, offset, reads in life:
            records = made(form, rows, b"%d" % len(rows))
            plain.write(list(records), offset)
            deferred.write(records, offset)
            assert READS[reads](deferred) == READS[reads](plain)
        for reads in READS.values():
            assert reads(deferred) == reads(plain)


def small(patch: pytest.MonkeyPatch) -> None:
    """Let little wait, and less go down or be read at once."""
    for where, name, value in (
        (module, "SLICE_BYTES", 50), (module, "MOST_CELLS", 3), (module, "CHUNK", 2), (below_module, "CHUNK", 2)
    ):  # fmt: skip
        patch.setattr(where, name, value)


@given(writes)
def test_a_killed_process_loses_nothing_that_the_changelog_does_not_give_back(life: list[Wish]) -> None:
    """Law: after any write, what is below and the log from its offset on make what was written, piece by piece too."""
    log: list[Record] = []
    below, plain = MemoryStore(), MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        store = DeferredStore(below, Clock())
        for form, rows, _, reads in life:
            records = made(form, rows, b"%d" % len(log))
            log += records
            plain.write(list(records))
            store.write(records, len(log))
            READS[reads](store)
            again = MemoryStore()
            again.write([Record(*item) for item in below.scan(b"") if item[0] != AHEAD])
            again.write(log[below.offset() or 0 :])
            assert list(again.scan(b"")) == list(plain.scan(b""))
            (ahead,) = below.get_many([AHEAD])
            reach = max(below.offset() or 0, int(ahead or 0))
            assert dict(below.scan(CELL)).items() <= set(log[:reach])
