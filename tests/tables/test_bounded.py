"""Cells within a share of memory: how many stay, what is refused, and what is read of a store."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.bounded import BoundedCells
from tables.budget import Budget
from tables.keys import FULL
from tables.records import NEVER
from tables.store import MemoryStore
from tables.windows import FOREVER
from tables.windows.hopping import Hopping
from tests.tables.test_cells import Feeder, events, table

KEYS = 3_000


class Fed:
    """Cells in which those that are in memory may take so many bytes, and their store."""

    def __init__(self, size: int, window: Hopping | None = None, **options: int) -> None:
        """Begin without cells."""
        self._feeder, self.store, self.n = Feeder(table(window, **options)), MemoryStore(), 0
        self._feeder.cells = self.cells = BoundedCells(self._feeder.cells.table, Budget(size).share())
        assert list(self.cells.loading(self.store)) == []

    def feed(self, names: Iterable[str]) -> int:
        """Fold a row of each key, write them, and make room; return how many rows were refused."""
        self.n += 1
        batch, cells = self._feeder.prepare([(self.n, name, 1) for name in names]), self.cells
        batch.codes = cells.admit(batch.codes, batch.pane, batch.first)
        good = batch.codes >= 0
        batch.part(good).fold_into(cells, slice(None))
        self.store.write(cells.flush(self.n), self.n)
        cells.shrink()
        return int((batch.codes == FULL).sum())


@settings(max_examples=15, deadline=None)
@given(
    size=st.sampled_from([0, 20_000, 100_000, 400_000]), window=st.sampled_from([None, Hopping(30, every=10, grace=5)])
)
def test_what_is_in_memory_keeps_to_its_share(size: int, window: Hopping | None) -> None:
    """However many cells are open, those in memory take at most the share between two batches; all are counted."""
    fed, part = Fed(size, window), KEYS // 10
    for n in range(10):
        fed.feed(f"k{number}" for number in range(n * part, (n + 1) * part))
        assert fed.cells.size <= size
        assert len(fed.cells) == (n + 1) * part
    assert fed.cells.cold > KEYS // 2


def test_those_written_longest_ago_leave_first() -> None:
    """What was touched lately is still in memory, and is not read again."""
    fed = Fed(300_000)
    fed.feed(f"k{number}" for number in range(200))
    for n in range(10):
        fed.feed(["k0", "k1", *(f"n{n}-{number}" for number in range(100))])
    assert fed.cells.loaded == 0
    fed.feed(["k199"])
    assert fed.cells.loaded == 1


def test_a_restore_takes_no_more_than_the_share() -> None:
    """While a store is read after a restart, the cells in memory keep to the share at each step."""
    fed = Fed(0)
    for n in range(30):
        fed.feed(f"k{number}" for number in range(n * 1000, (n + 1) * 1000))
    cells = BoundedCells(fed.cells.table, Budget(500_000).share())
    assert max(cells.size for _ in cells.loading(fed.store)) <= 500_000
    assert len(cells) == 30_000
    assert 0 < 30_000 - cells.cold < 2_000


def test_a_pane_has_room_for_so_many_keys() -> None:
    """A cold key is known, and is no new one; rows of a further key are refused, whatever is in memory."""
    fed = Fed(0, max_keys=3)
    assert [fed.feed(names) for names in ("ab", "ba", "cd", "dad", "abc")] == [0, 0, 1, 2, 0]
    assert (len(fed.cells), fed.cells.cold) == (3, 3)


@settings(max_examples=60, deadline=None)
@given(events, st.integers(1, 5))
def test_kept_in_memory_are_those_that_others_look_at(rows: list[tuple[int, str, int]], since: int) -> None:
    """Cells that were written after a write that is named do not leave the memory."""
    fed, keys = Fed(0), [key for _, key, _ in rows]
    fed.cells.since = since
    for key in keys:
        fed.feed([key])
    groups = fed.cells.map.groups.values()
    written = fed.cells.map.written[np.concatenate([group.rows for group in groups])]
    last = {key: n for n, key in enumerate(keys, 1)}
    assert sorted(written.tolist()) == sorted(n for n in last.values() if n > since)
    assert fed.cells.occupied(NEVER, FOREVER) == [0]
