"""The open cells of one table partition whose windows are unaligned: what changed, what is closed, what is forgotten.

It is to such windows what `tables.cells.Cells` is to panes; the kinds of windows differ in how rows come to cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Bounds, Fixed, Objects, Ragged
from tables.cells import MAX_CELLS, RECORD_BYTES
from tables.growth import growth
from tables.records import NEVER, Record
from tables.shapes import Shapes
from tables.store import cells_of
from tables.unaligned.closed import Closed
from tables.unaligned.folding import fold_all
from tables.unaligned.names import NAME_BYTES, named, split
from tables.unaligned.rows import OpenRows
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tables.aggregates.base import Rows
    from tables.columns import Column
    from tables.growth import Input
    from tables.keys import Codes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.ends import Ends

Ints = NDArray[np.int64]
SPAN = "(span)"
"""What stands for an aggregate in cells of unaligned windows: the time of the last row, and the spans of rows that the
write that wrote it took back (first and last row, ms), for those who were shown them."""
SPAN_COLUMNS: Mapping[str, Fixed | Ragged | Objects] = {
    "last": Fixed("<i8"),
    "gone": Ragged((("first", "<i8"), ("last", "<i8"))),
}
_GONE = np.dtype([("first", "<i8"), ("last", "<i8")])
_record = partial(tuple.__new__, Record)
_Gone = dict[int, list[tuple[int, int]]]


def columns_of(table: Table) -> dict[str, Mapping[str, Fixed | Ragged | Objects]]:
    """Return the state columns of a table with unaligned windows."""
    return {SPAN: SPAN_COLUMNS, **{name: aggregate.columns() for name, aggregate in table.aggregates.items()}}


class UnalignedCells(ABC):
    """The open cells of one table partition.

    Args:
        table: the declared table.
        ends: of its windows.
    """

    def __init__(self, table: Table, ends: Ends) -> None:
        """Make a partition without cells."""
        self.table, self.panes = table, ends
        self._rows = OpenRows(columns_of(table), table.max_keys)
        self.keys = self._rows.keys
        self._shapes = Shapes()
        self._shows = table.emit.when == "update"
        self._graves: list[bytes] = []
        self._gone: _Gone = {}
        self._closed = Closed(ends, table.keep)
        self._least = NEVER
        self.pending = 0
        """How many records the dirty cells make, at most."""
        self.pending_bytes = 0
        """How many bytes they take, at most."""

    def adopt(self, shapes: Shapes) -> None:
        """Go on with state that was shaped otherwise before; to be called before anything is loaded."""
        self._shapes = shapes
        self._rows.adopt(shapes)

    def __len__(self) -> int:
        """Return the number of open cells."""
        return len(self._rows)

    # Fold

    @abstractmethod
    def _places(self, codes: Codes, pane: Ints, first: Ints) -> tuple[int, int]:
        """Return at most how many records and bytes these rows add to a write, but for what aggregates grow by."""

    @abstractmethod
    def _enter(self, codes: Codes, pane: Ints, first: Ints) -> tuple[Rows, Rows]:
        """Return the distinct state rows of these rows, new ones where they are missing, and each one's position."""

    def plan_cut(  # noqa: PLR0913, PLR0917 - a batch is several columns
        self, codes: Codes, pane: Ints, first: Ints, inputs: Mapping[str, Input], max_cells: int, max_bytes: int
    ) -> int:
        """Return how many of the n rows, from the first on, can be folded so that what is dirty fits one write.

        It is 0 only if something is dirty already. The arguments are those of `Cells.plan_cut`.
        """
        n = len(codes)
        grows = np.cumsum(growth(self.table.aggregates, inputs, n))
        while n:
            records, size = self._places(codes[:n], pane[:n], first[:n])
            fits = self.pending + records <= max_cells
            if fits and self.pending_bytes + size + int(grows[n - 1]) <= max_bytes:
                return n
            if n == 1:
                return 0 if self.pending else 1
            n //= 2
        return 0

    def fold(  # noqa: PLR0913, PLR0917 - a batch is several columns
        self, codes: Codes, pane: Ints, first: Ints, inputs: Mapping[str, Input], time: Ints, offset: Ints
    ) -> Rows:
        """Fold n rows into their cells, which become dirty; return the distinct state rows that were touched.

        The arguments are those of `Cells.fold`.
        """
        if not len(codes):
            return np.empty(0, np.intp)
        rows, index = self._enter(codes, pane, first)
        fold_all(self.table.aggregates, self._rows.state, rows, index, inputs, time, offset)
        self.pending_bytes += int(growth(self.table.aggregates, inputs, len(codes)).sum())
        return rows

    def _soil(self, rows: Rows) -> None:
        """Note that cells change (unique): each is a record, and one that takes its former name away if it had one."""
        new = rows[~self._rows.dirty[rows]]
        self._rows.dirty[new] = True
        records, size = self._cost(new)
        self.pending += records
        self.pending_bytes += size

    def _cost(self, rows: Rows) -> tuple[int, int]:
        """Return how many records of how many bytes cells that are not dirty make, at most."""
        kept = self._rows.kept_first[rows] != NEVER
        value = np.maximum(self._rows.size[rows], self._rows.state.layout.size) + _GONE.itemsize
        return len(rows) + int(kept.sum()), int((value + (1 + kept) * self._names(self._rows.code[rows])).sum())

    def _cost_of_new(self, codes: Codes) -> tuple[int, int]:
        """Return the same for new cells of these keys."""
        return len(codes), int((self._rows.state.layout.size + self._names(codes)).sum())

    def _names(self, codes: Codes) -> Ints:
        """Return at most what a record of each key takes without its value."""
        return 2 * self.keys.lengths(codes) + NAME_BYTES + RECORD_BYTES

    def _merge(self, gone: Rows, into: Rows) -> None:
        """Merge cells into others and forget them; several may go into one."""
        state, rows = self._rows.state, self._rows
        copy = state.like()
        others, _ = copy.decode(state.encode(gone, 0))
        left = np.arange(len(gone))
        while len(left):
            _, once = np.unique(into[left], return_index=True)
            at = left[once]
            for name, aggregate in self.table.aggregates.items():
                aggregate.merge(state.of(name), into[at], copy.of(name), others[at])
            left = np.delete(left, once)
        self._bury(gone, into)
        rows.drop(gone)

    def _bury(self, gone: Rows, into: Rows) -> None:
        """Note which names, and which rows that others were shown, go with cells that become part of others."""
        rows = self._rows
        for row, heir in zip(gone.tolist(), into.tolist(), strict=True):
            taken = self._gone.pop(row, [])
            if rows.kept_first[row] != NEVER:
                self._graves.append(self._name(row))
                taken.append((int(rows.kept_first[row]), int(rows.kept_last[row])))
                self.pending_bytes += _GONE.itemsize
            if taken and self._shows:
                self._gone.setdefault(heir, []).extend(taken)

    def _name(self, row: int) -> bytes:
        """Return the name under which a cell was written last."""
        key = self.keys.keys(self._rows.code[[row]])[0]
        return named(self.panes.drawer(int(self._rows.kept_last[row])), key, int(self._rows.kept_first[row]))

    # Hand over what changed

    def dirty(self) -> Rows:
        """Return the state rows that were touched since the last `flush`, by drawer and key code."""
        rows = np.flatnonzero(self._rows.dirty)
        return rows[np.lexsort((self._rows.code[rows], self.panes.drawer(self._rows.last[rows])))]

    def flush(self, n: int) -> list[Record]:
        """Return the changelog records of all dirty cells as of write `n`, and count them as written."""
        rows, at = self._rows, self.touched()
        if not len(at):
            return []
        drawers = self.panes.drawer(rows.last[at])
        moved = (rows.kept_first[at] != rows.first[at]) | (self.panes.drawer(rows.kept_last[at]) != drawers)
        moved &= rows.kept_first[at] != NEVER
        records = [Record(name, None) for name in (*self._graves, *map(self._name, at[moved].tolist()))]
        rows.state.of(SPAN)["last"][at] = rows.last[at]
        values = rows.state.encode(at, n)
        keys = self.keys.keys(rows.code[at])
        names = map(named, drawers.tolist(), keys, rows.first[at].tolist())
        records += map(_record, zip(names, values, strict=True))
        rows.kept_first[at], rows.kept_last[at], rows.written[at] = rows.first[at], rows.last[at], n
        rows.size[at] = np.fromiter(map(len, values), np.int64, len(values))
        rows.dirty[at] = False
        self._graves, self._gone, self.pending, self.pending_bytes = [], {}, 0, 0
        return records

    def touched(self) -> Rows:
        """Return the state rows of dirty cells, which now say what they take back; see `retracted`."""
        at, rows = self.dirty(), self._rows
        if not self._shows or not len(at):
            return at
        changed = (rows.kept_first[at] != NEVER) & (
            (rows.kept_first[at] != rows.first[at]) | (rows.kept_last[at] != rows.last[at])
        )
        own = zip(rows.kept_first[at].tolist(), rows.kept_last[at].tolist(), changed.tolist(), strict=True)
        lists = [
            [*self._gone.get(row, ()), *([(first, last)] if was else [])]
            for row, (first, last, was) in zip(at.tolist(), own, strict=True)
        ]
        entries = np.array([span for each in lists for span in each], _GONE)
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        rows.state.of(SPAN)["gone"].replace(at, entries, lengths)
        return at

    def changed(self, since: int) -> Rows:
        """Return the state rows of the cells that are dirty, or that a write after write `since` wrote last."""
        self.touched()
        return np.flatnonzero(self._rows.alive & (self._rows.dirty | (self._rows.written > since)))

    # Windows

    def closing(self, from_: int, to: int) -> Rows:
        """Return the state rows of the windows whose numbers are in `[from_, to)`, by number and key bytes."""
        if to <= self._least:
            return np.empty(0, np.intp)
        rows = self._rows.all()
        return self.in_order(rows[self._numbers(rows) < to], from_)

    def in_order(self, rows: Rows, from_: int) -> Rows:
        """Return those of the state rows whose windows have numbers from `from_` on, by number and key bytes."""
        rows = rows[self._rows.alive[rows]]
        rows = rows[self._numbers(rows) >= from_]
        order = sorted(zip(self._numbers(rows).tolist(), self.keys_of(rows), rows.tolist(), strict=True))
        return np.array([row for _, _, row in order], np.intp)

    def next_number(self, from_: int) -> int | None:
        """Return the least number of an open window from `from_` on; None if there is none."""
        numbers = self._numbers(self._rows.all())
        numbers = numbers[numbers >= from_]
        return int(numbers.min()) if len(numbers) else None

    def last_number(self, from_: int) -> int | None:
        """Return the greatest one."""
        numbers = self._numbers(self._rows.all())
        greatest = int(numbers.max(initial=NEVER))
        return greatest if len(numbers) and greatest >= from_ else None

    def spans(self, rows: Rows) -> list[tuple[int, int, int]]:
        """Return number, start and end (ms) of the windows of these cells."""
        numbers = self._numbers(rows).tolist()
        return list(zip(numbers, self._rows.first[rows].tolist(), numbers, strict=True))

    def retracted(self, rows: Rows) -> list[list[tuple[int, int]]]:
        """Return for each cell the windows (start and end, ms) that the write that wrote it takes back."""
        gone, lengths = self._rows.state.of(SPAN)["gone"].gather(rows)
        spans = list(zip(gone["first"].tolist(), self.panes.last_of(gone["last"]).tolist(), strict=True))
        edges = [0, *np.cumsum(lengths).tolist()]
        return [spans[start:end] for start, end in pairwise(edges)]

    def keys_of(self, rows: Rows) -> list[bytes]:
        """Return the key bytes of cells."""
        return self.keys.keys(self._rows.code[rows])

    def results(self, rows: Rows) -> dict[str, Column]:
        """Return every aggregate over these cells by name, in their order."""
        state, bounds = self._rows.state, Bounds(self._rows.first[rows], self._numbers(rows))
        columns = self.table.aggregates.items()
        found = {name: each.result_within(state.of(name), rows, bounds) for name, each in columns}
        return self._shapes.cleared(found, self.panes.drawer(self._rows.first[rows]))

    # Forget and restore

    @abstractmethod
    def _numbers(self, rows: Rows) -> Ints:
        """Return the number of the window of each cell."""

    def evict(self, judged_before: int) -> int:
        """Forget the cells all of whose windows were judged in an earlier write; return how many.

        Args:
            judged_before: the first window that was not judged at the write before.
        """
        self._closed.judged_before = judged_before
        if judged_before <= self._least:
            return 0
        rows = self._rows.all()
        numbers = self._numbers(rows)
        gone = rows[numbers < judged_before]
        self._least = int(numbers[numbers >= judged_before].min(initial=judged_before if not len(rows) else 1 << 62))
        if len(gone):
            self._closed.note(np.unique(self.panes.drawer(self._rows.last[gone])).tolist())
            self._rows.drop(gone)
        return len(gone)

    def next_expiry(self) -> int | None:
        """Return the watermark at which the next closed cells expire; None if there are none."""
        return self._closed.next_expiry()

    def expired(self, watermark: int, budget: int, store: Store, before: int = FOREVER) -> list[Record]:
        """Return tombstones for closed cells that are kept no longer; see `Closed.expired`."""
        return self._closed.expired(watermark, budget, store, before)

    def stored(self, store: Store, after: int, to: int) -> list[tuple[int, bytes, int, int]]:
        """Return (number, key bytes, start, end) of the windows in a store, by number and key.

        Args:
            store: of the partition.
            after: only of drawers with windows from this number on.
            to: only of those with windows up to this one.
        """
        drawers = sorted(drawer for drawer, _ in store.groups())
        wanted = [d for d in drawers if self.panes.drawn_to(d) > after and self.panes.drawn_to(d - 1) <= to]
        found = []
        for drawer in wanted:
            items = list(cells_of(store, drawer, 0))
            state = self._rows.state.like()
            at, _ = state.decode([value for _, value in items])
            ends = self.panes.last_of(state.of(SPAN)["last"][at]).tolist()
            names = [split(name) for name, _ in items]
            found += [(end, key, first, end) for (key, first), end in zip(names, ends, strict=True)]
        return sorted(found)

    def reclaim(self, pinned: Codes) -> int:
        """Give the codes of keys without open cells to other keys; return how many. `pinned` codes stay."""
        used = np.zeros(self.keys.size, bool)
        used[pinned] = True
        used[self._rows.code[self._rows.all()]] = True
        codes = self.keys.codes()
        unused = codes[~used[codes]]
        self.keys.forget(unused)
        return len(unused)

    def load(self, store: Store, judged_before: int = NEVER) -> int:
        """Take the open cells out of a store and note where closed ones are; return how many are open."""
        return sum(self.loading(store, judged_before))

    def loading(self, store: Store, judged_before: int = NEVER) -> Iterator[int]:
        """Do what `load` does in pieces, and yield the number of cells after each.

        Raises:
            ValueError: a cell is not one of this table.
        """
        self._closed.judged_before = judged_before
        drawers = sorted(drawer for drawer, _ in store.groups())
        self._closed.note(drawers)
        for drawer in drawers:
            if self.panes.drawn_to(drawer) <= judged_before:
                continue
            cells = cells_of(store, drawer, 0)
            while items := list(islice(cells, MAX_CELLS)):
                yield self._restored(items, judged_before)

    def _restored(self, items: list[tuple[bytes, bytes]], judged_before: int) -> int:
        """Take cells in, and forget those again that are closed; return how many stay."""
        names = [split(name) for name, _ in items]
        first = np.array([first for _, first in names], np.int64)
        at = self._rows.restore([key for key, _ in names], [value for _, value in items], first)
        rows, more = self._rows, self._rows.state.layout.size if self._shapes.former else 0
        rows.last[at] = rows.kept_last[at] = rows.state.of(SPAN)["last"][at]
        rows.size[at] = np.fromiter((len(value) for _, value in items), np.int64, len(items)) + more
        rows.link(np.unique(rows.code[at]), at)
        closed = at[self._numbers(at) < judged_before]
        if len(closed):
            rows.drop(closed)
        return len(at) - len(closed)
