"""The open cells of one table partition of which only some are in memory; the others are in its local store only.

Such a cell is *cold*. What a batch touches, or a row is made of, is read back first; and between two batches those that
were written longest ago become cold, when all together take more than their share of the budget. Every open cell is
either in memory, where it is at least as new as in the store, or it is cold, and the store has it as it is. So the
store must have every write that was acknowledged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.cells import Cells
from tables.groups import pairs
from tables.keys import FULL
from tables.records import NEVER
from tables.store import MemoryStore, cells_of
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tables.budget import Share
    from tables.cells import Portion, Times
    from tables.columns import Column
    from tables.groups import Codes, Group
    from tables.spec import Table
    from tables.state import State
    from tables.store import Store

    Items = list[tuple[bytes, bytes]]

CELL_BYTES = 96
"""What a cell in memory takes besides its state: numbers of its row, its places in group and index."""
KEY_BYTES = 350
"""What a key takes besides twice its length: as bytes, as text, its code, and its places in three dictionaries."""
OBJECT_FACTOR = 4
"""How many times its JSON a Python object takes, about."""
INDEX_PART = 16
"""The dense indexes take at most this part of the share."""
PORTION = 5_000
"""Cells of one group that are read out of the store at once, when all rows of a window are wanted."""
SCATTERED = 4 / 3
"""What the process takes for these bytes: keys that come and go leave holes between those that stay."""
KEPT_PART = 0.75
"""To what part of the share memory is emptied when it is full."""


class BoundedCells(Cells):
    """The open cells of one table partition, within a share of memory.

    Args:
        table: the declared table.
        share: how much its cells may take.

    Attributes:
        loaded: how many cells were read back from the store so far.
        since: cells that a write after this one wrote stay in memory: others look at them.
    """

    bounded = True

    def __init__(self, table: Table, share: Share) -> None:
        """Make a partition without cells."""
        super().__init__(table)
        self.keys.limit = FOREVER
        self._share = share
        self._store: Store = MemoryStore()
        self.loaded = 0
        self.since = FOREVER

    def __len__(self) -> int:
        """Return the number of open cells, in memory or not."""
        return super().__len__() + self.cold

    @property
    def cold(self) -> int:
        """How many open cells are in the store only."""
        return sum(group.cold for group in self._map.groups.values())

    @property
    def size(self) -> int:
        """About how many bytes the cells in memory and their keys take."""
        state, cells = self._map.state, super().__len__()
        objects = OBJECT_FACTOR * int(self._map.size[self._hot()].sum()) if state.has_objects else 0
        keys = len(self.keys) * KEY_BYTES + 2 * self.keys.bytes
        return int(SCATTERED * (cells * (state.layout.size + CELL_BYTES) + state.ragged_bytes + objects + keys))

    def _hot(self) -> NDArray[np.intp]:
        groups = [group.rows for group in self._map.groups.values()]
        return np.concatenate(groups) if groups else np.empty(0, np.intp)

    # read back

    def admit(self, codes: Codes, pane: Times, first: Times) -> Codes:
        """Read back the cells that n rows go to; return the key codes, `FULL` where a pane has no room for its key.

        A key may have cold cells only, so it is the cells of a pane that are limited to `max_keys`, and not the keys
        that are in memory. The arguments are those of `fold`; codes may be negative.
        """
        good = np.flatnonzero(codes >= 0)
        if not len(good):
            return codes
        names, which = pairs(pane[good], first[good])
        full = np.zeros(len(codes), bool)
        for number, name in enumerate(names):
            rows = good if which is None else good[which == number]
            group = self._map.open(*name)
            self._warm([group], codes[rows])
            if group.count + group.cold + len(rows) > self.table.max_keys:
                full[rows] = self._full(group, codes[rows])
        return np.where(full, FULL, codes)

    def _full(self, group: Group, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows have a key for which a group has no room, where the first to come are taken."""
        self._map.index.widen(self.keys.size)
        new = self._map.index.lookup(group, codes) < 0
        distinct, first = np.unique(codes[new], return_index=True)
        room = max(0, self.table.max_keys - group.count - group.cold)
        return new & np.isin(codes, distinct[np.argsort(first)[room:]])

    def _warm(self, groups: Iterable[Group], codes: Codes) -> None:
        """Read back the cold cells of these keys."""
        for group in groups:
            if not group.cold:
                continue
            self._map.index.widen(self.keys.size)
            distinct = np.unique(codes)
            missing = distinct[self._map.index.lookup(group, distinct) < 0]
            if len(missing):
                self._read(group, sorted(self.keys.keys(missing, group.prefix)))

    def _read(self, group: Group, record_keys: list[bytes]) -> None:
        """Read those of the cells back that the store has."""
        skip = len(group.prefix)
        values = zip(record_keys, self._store.get_many(record_keys), strict=True)
        found = [(key[skip:], value) for key, value in values if value is not None]
        if found:
            self._map.restore(group, [key for key, _ in found], [value for _, value in found])
            group.cold -= len(found)
            self.loaded += len(found)

    # rows

    def lazily(self, k: int, codes: Codes) -> Mapping[str, Column]:
        """Return every aggregate over window `k` by name; see `Cells.lazily`."""
        self._warm(self._of_window(k), codes)
        return super().lazily(k, codes)

    def having(self, k: int, names: Iterable[bytes]) -> Codes:
        """Return the codes of those of the keys that have a cell of window `k`, in the order of their key bytes."""
        names = list(names)
        if any(group.cold for group in self._of_window(k)):
            self._warm(self._of_window(k), self.keys.learn(names))
        return super().having(k, names)

    def names(self, k: int, after: bytes | None = None) -> Iterable[list[bytes]]:
        """Return the key bytes of window `k` in order; see `Cells.names`."""
        if not any(group.cold for group in self._of_window(k)):
            return super().names(k, after)
        return (part.names for part in self._parts(k, after, None))

    def portions(self, k: int, after: bytes | None = None, until: bytes | None = None) -> Iterable[Portion]:
        """Return all rows of window `k`; see `Cells.portions`. What is read for them does not stay in memory."""
        if not any(group.cold for group in self._of_window(k)):
            return super().portions(k, after, until)
        return ((part.names, dict(self._columns(k, *self._merge(part)))) for part in self._parts(k, after, until))

    def _parts(self, k: int, after: bytes | None, until: bytes | None) -> Iterator[_Part]:
        """Yield the keys of a window with their cells, as many at once as are read out of the store together."""
        groups = self._of_window(k)
        hot = self.window(k)
        more = True
        while more:
            found = [(group, self._next(group, after)) for group in groups]
            ends = [items[-1][0] for _, items in found if len(items) == PORTION]
            more = bool(ends) and (until is None or min(ends) < until)
            end = min(ends) if more else until
            here = hot[self._behind(hot, after) : len(hot) if end is None else self._behind(hot, end)]
            kept = {group: [item for item in items if end is None or item[0] <= end] for group, items in found}
            yield _Part(self.keys.keys(here), here, kept)
            after = end

    def _next(self, group: Group, after: bytes | None) -> Items:
        """Return the next cells of a group that the store has, if any of the group is cold."""
        cells = cells_of(self._store, group.pane, group.first, after) if group.cold else iter(())
        return list(islice(cells, PORTION))

    def _behind(self, codes: Codes, name: bytes | None) -> int:
        """Return how many of the keys, which are in order, are not after one."""
        return 0 if name is None else bisect_right(codes, name, key=lambda code: self.keys.keys(np.array([code]))[0])

    def _merge(self, part: _Part) -> tuple[State, NDArray[np.intp]]:
        """Merge the cells of each key, as `Cells` does, group by group."""
        state = self._map.state.like()
        into = state.allocate(len(part.names))
        place = dict(zip(part.names, range(len(part.names)), strict=True))
        mine = np.array([place[name] for name in part.hot_names], np.intp)
        for group, items in part.items.items():
            at, rows = self._map.find(group, part.codes)
            warm = {part.hot_names[each] for each in at.tolist()}
            cold = [item for item in items if item[0] not in warm]
            other = self._map.state.like()
            read, _ = other.decode([value for _, value in cold]) if cold else (np.empty(0, np.intp), None)
            theirs = np.array([place[key] for key, _ in cold], np.intp)
            for name, aggregate in self.table.aggregates.items():
                if len(rows):
                    aggregate.merge(state.of(name), into[mine[at]], self._map.state.of(name), rows)
                if len(read):
                    aggregate.merge(state.of(name), into[theirs], other.of(name), read)
        return state, into

    # make room

    def shrink(self) -> int:
        """Let cells become cold, those written longest ago first, until all fit the share; return how many did.

        To be called between two batches, when no rows carry key codes and the store has every write. Cells that are
        dirty, or that a write after `since` wrote, stay.
        """
        size, allowed, cells = self.size, self._share.allowed, super().__len__()
        gone = 0
        if size > allowed:
            gone = self._cool(cells - int(cells * KEPT_PART * allowed / size))
            self.reclaim(np.empty(0, np.int64))
            size = self.size
        self._share.used = size
        return gone

    def _cool(self, wanted: int) -> int:
        """Let about so many cells become cold; return how many did."""
        hot, written = self._hot(), self._map.written
        able = hot[~self._is_dirty(hot) & (written[hot] <= self.since)]
        wanted = min(wanted, len(able))
        if not wanted:
            return 0
        gone = np.zeros(len(written), bool)
        gone[able[np.argpartition(written[able], wanted - 1)[:wanted]]] = True
        for group in self._map.groups.values():
            kept = ~gone[group.rows]
            if not kept.all():
                self._map.cool(group, kept)
        return wanted

    # restore

    def loading(self, store: Store, judged_before: int = NEVER) -> Iterator[int]:
        """Do what `Cells.loading` does; the store stays open, and only as many cells stay in memory as fit."""
        self._store = store
        self._map.index.limit = self._share.allowed // INDEX_PART
        for cells in super().loading(store, judged_before):
            self.shrink()
            yield cells


class _Part:
    """Some keys of a window with the cells that they have.

    Args:
        hot_names: those of the keys that have a cell in memory, in order.
        codes: their codes.
        items: by group, what the store has for these keys and others: key bytes and value.
    """

    __slots__ = ("codes", "hot_names", "items", "names")

    def __init__(self, hot_names: list[bytes], codes: Codes, items: dict[Group, Items]) -> None:
        """Put all of the keys in order."""
        self.hot_names, self.codes, self.items = hot_names, codes, items
        self.names = sorted({*hot_names, *(key for each in items.values() for key, _ in each)})
