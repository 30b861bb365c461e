"""The open cells of one table partition whose windows are unaligned: what changed, what is closed, what is forgotten.

It is to such windows what `tables.cells.Cells` is to panes; the kinds of windows differ in how rows come to cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.cells import MAX_CELLS, RECORD_BYTES
from tables.folding import fold_all
from tables.growth import growth
from tables.records import NEVER, as_record
from tables.shapes import Shapes
from tables.store import cells_of
from tables.unaligned.closed import Closed
from tables.unaligned.names import NAME_BYTES
from tables.unaligned.rows import OpenRows
from tables.unaligned.span import columns_of
from tables.windows import FOREVER
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tables.aggregates.base import Rows
    from tables.columns import Column
    from tables.growth import Input
    from tables.keys import Codes
    from tables.records import Record
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.ends import Ends
    from tables.windows.filled import Filled

Ints = NDArray[np.int64]
_FULL = 0.9
"""How full a write is to be as far as can be foretold from one that would be too large."""


class UnalignedCells(ABC):
    """The open cells of one table partition.

    Args:
        table: the declared table.
        steps: of its windows.
    """

    bounded = False
    """Whether some of the open cells may be in the local store only: they are all in memory."""

    def __init__(self, table: Table, steps: Ends | Filled) -> None:
        """Make a partition without cells."""
        self.table, self.panes = table, steps
        self._rows = OpenRows(columns_of(table), table.max_keys)
        self.keys = self._rows.keys
        self._shapes = Shapes()
        self._closed = Closed(steps, table.keep)
        self._least = NEVER
        self._fitted = 0
        """How many rows fitted in a write last, where a batch was cut; 0 if none was."""
        self.shown = NEVER
        """The last write with which rows were shown to others, where updates are."""
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
        n = most = len(codes)
        grows = np.cumsum(growth(self.table.aggregates, inputs, n))
        if self._fitted:
            n = min(n, self._fitted + self._fitted // 4 + 1)
        room, space = max_cells - self.pending, max_bytes - self.pending_bytes
        while n:
            records, size = self._places(codes[:n], pane[:n], first[:n])
            size += int(grows[n - 1])
            if records <= room and size <= space:
                self._fitted = n if n < most else 0
                return n
            if n == 1:
                return 0 if self.pending else 1
            n = max(1, int(n * _FULL * max(0.0, min(room / max(records, 1), space / max(size, 1)))))
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
        value = np.maximum(self._rows.size[rows], self._rows.state.layout.size)
        return len(rows), int((value + self._names(self._rows.code[rows])).sum())

    def _cost_of_new(self, codes: Codes) -> tuple[int, int]:
        """Return the same for new cells of these keys."""
        return len(codes), int((self._rows.state.layout.size + self._names(codes)).sum())

    def _names(self, codes: Codes) -> Ints:
        """Return at most what a record of each key takes without its value."""
        return 2 * self.keys.lengths(codes) + NAME_BYTES + RECORD_BYTES

    # Hand over what changed

    def dirty(self) -> Rows:
        """Return the state rows that were touched since the last `flush`, by drawer and key code."""
        rows = np.flatnonzero(self._rows.dirty)
        return rows[np.lexsort((self._rows.code[rows], self._drawers(rows)))]

    def flush(self, n: int) -> Written:
        """Return the changelog records of all dirty cells as of write `n`, and count them as written."""
        rows, at = self._rows, self.dirty()
        if not len(at):
            return Written()
        records = self._vacated(at)
        values = rows.state.block(at, n)
        records += map(as_record, zip(self._named(at, rows.first[at], rows.last[at]), values.cut(), strict=True))
        rows.kept_first[at], rows.kept_last[at], rows.written[at] = rows.first[at], rows.last[at], n
        rows.size[at] = rows.state.most(at, values.sizes)
        rows.dirty[at] = False
        self.pending = self.pending_bytes = 0
        return Written(others=records)

    def _vacated(self, at: Rows) -> list[Record]:
        """Return the tombstones that go with these dirty cells, and complete what they hold; none."""
        del at
        return []

    @abstractmethod
    def _named(self, at: Rows, first: Ints, last: Ints) -> list[bytes]:
        """Return the changelog key of each cell as it is with this `first` and `last`."""

    @abstractmethod
    def _drawers(self, rows: Rows) -> Ints:
        """Return the drawer of each cell."""

    # Windows. What stands for windows, in arrays of one entry each, is each kind's own: state rows, or keys and ends.

    def until(self, watermark: int) -> int:
        """Return the first window that a watermark (ms) leaves open."""
        return NEVER if watermark == NEVER else self.panes.open_from(watermark)

    @abstractmethod
    def touched(self) -> Rows:
        """Return the windows that dirty cells changed, in no order."""

    @abstractmethod
    def changed(self, since: int) -> Rows:
        """Return the windows changed by cells that are dirty, or that a write after write `since` wrote last."""

    @abstractmethod
    def closing(self, from_: int, to: int) -> Rows:
        """Return the windows whose numbers are in `[from_, to)`, by number and key bytes."""

    def opened(self, from_: int) -> Rows:
        """Return the windows that are open, of those that have numbers from `from_` on."""
        return self.closing(from_, FOREVER)

    @abstractmethod
    def in_order(self, windows: Rows, from_: int) -> Rows:
        """Return those of the windows that have numbers from `from_` on, by number and key bytes."""

    @staticmethod
    def _order(numbers: Ints, keys: Sequence[bytes]) -> Rows:
        """Return the order of windows: by number, and then by key bytes."""
        by_key = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)
        return by_key[np.argsort(numbers[by_key], kind="stable")]

    @abstractmethod
    def next_number(self, from_: int) -> int | None:
        """Return the least number of an open window from `from_` on; None if there is none."""

    @abstractmethod
    def last_number(self, from_: int) -> int | None:
        """Return the greatest one."""

    @abstractmethod
    def spans(self, windows: Rows) -> list[tuple[int, ...]]:
        """Return number, start and end (ms) of windows, and what else tells two of a key apart."""

    def retracted(self, windows: Rows) -> list[list[tuple[int, int]]]:
        """Return for each window those (start and end, ms) that the write that wrote it takes back; none."""
        return [[] for _ in range(len(windows))]

    @abstractmethod
    def keys_of(self, windows: Rows) -> list[bytes]:
        """Return the key bytes of windows."""

    @abstractmethod
    def results(self, windows: Rows) -> dict[str, Column]:
        """Return every aggregate over these windows by name, in their order."""

    @abstractmethod
    def stored(self, store: Store, after: int, to: int) -> list[tuple[int, bytes, *tuple[int, ...]]]:
        """Return (number, key bytes, start, end ...) of the windows in a store, by number and key; see `spans`.

        Args:
            store: of the partition.
            after: only of drawers with windows from this number on.
            to: only of those with windows up to this one.
        """

    def _wanted(self, store: Store, after: int, to: int) -> list[int]:
        """Return the drawers of a store that have windows with numbers after one and up to another."""
        drawers = sorted(drawer for drawer, _ in store.groups())
        return [each for each in drawers if self.panes.drawn_to(each) > after and self.panes.drawn_to(each - 1) <= to]

    # Forget and restore

    @abstractmethod
    def _numbers(self, rows: Rows) -> Ints:
        """Return the number of the last window that hangs on each cell."""

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
            self._closed.note(np.unique(self._drawers(gone)).tolist())
            self._rows.drop(gone)
        return len(gone)

    def next_expiry(self) -> int | None:
        """Return the watermark at which the next closed cells expire; None if there are none."""
        return self._closed.next_expiry()

    def expired(self, watermark: int, budget: int, store: Store, before: int = FOREVER) -> list[Record]:
        """Return tombstones for closed cells that are kept no longer; see `Closed.expired`."""
        return self._closed.expired(watermark, budget, store, before)

    def reclaim(self, pinned: Codes) -> int:
        """Give the codes of keys without open cells to other keys; return how many. `pinned` codes stay."""
        used = np.zeros(self.keys.size, bool)
        used[pinned] = True
        used[self._rows.code[self._rows.all()]] = True
        return self.keys.keep_only(used)

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

    @abstractmethod
    def _restored(self, items: list[tuple[bytes, bytes]], judged_before: int) -> int:
        """Take cells in, and forget those again that are closed; return how many stay."""


def same(one: Ints, other: Ints) -> bool:
    """Return whether two arrays are the same memory."""
    return len(one) == len(other) and one.ctypes.data == other.ctypes.data
