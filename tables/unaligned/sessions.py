"""The open sessions of one table partition: one cell each, which grows, and merges with others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Bounds
from tables.groups import compact
from tables.records import NEVER, Record
from tables.store import cells_of
from tables.unaligned.cells import same
from tables.unaligned.joining import ALONE, Joined, Spans, joined
from tables.unaligned.names import split
from tables.unaligned.onecell import OneCellEach
from tables.unaligned.span import SPAN

if TYPE_CHECKING:
    from tables.aggregates.base import Rows
    from tables.keys import Codes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.session import Session
    from tables.written import Written

Ints = NDArray[np.int64]
_GONE = np.dtype([("first", "<i8"), ("last", "<i8")])
_Gone = dict[int, list[tuple[int, int]]]


class SessionCells(OneCellEach):
    """The open sessions of one table partition.

    Args:
        table: the declared table.
        window: its window.
    """

    def __init__(self, table: Table, window: Session) -> None:
        """Make a partition without sessions."""
        super().__init__(table, window.panes())
        self._gap = window.gap
        self._planned: tuple[Codes, Ints, Joined, Rows] | None = None
        self._shows = table.emit.when == "update"
        self._graves: list[bytes] = []
        self._gone: _Gone = {}

    def _joined(self, codes: Codes, time: Ints, first: Ints) -> tuple[Joined, Rows]:
        """Return what becomes of rows, and the state rows of the sessions that were open for their keys.

        It is asked for twice: to cut a batch, and to fold what was not cut.
        """
        if self._planned is not None and same(self._planned[0], codes) and same(self._planned[1], time):
            return self._planned[2:]
        rows = self._rows.of(compact(codes)[0])
        opened = Spans(self._rows.code[rows], self._rows.first[rows], self._rows.last[rows])
        made = joined(codes, time, first, opened, self._gap)
        self._planned = (codes, time, made, rows)
        return made, rows

    def _places(self, codes: Codes, pane: Ints, first: Ints) -> tuple[int, int]:
        made, rows = self._joined(codes, pane, first)
        met = rows[made.of_open != ALONE]
        begun = np.ones(len(made), bool)
        begun[made.of_open[made.of_open != ALONE]] = False
        code = np.empty(len(made), np.int64)
        code[made.of_row] = codes
        old, new = self._cost(met[~self._rows.dirty[met]]), self._cost_of_new(code[begun])
        return old[0] + new[0], old[1] + new[1]

    def _enter(self, codes: Codes, pane: Ints, first: Ints) -> tuple[Rows, Rows]:
        made, rows = self._joined(codes, pane, first)
        self._planned = None
        meets = np.flatnonzero(made.of_open != ALONE)
        met, of = rows[meets], made.of_open[meets]
        target = np.full(len(made), ALONE, np.intp)
        target[of[::-1]] = met[::-1]  # the earliest one of several goes on
        fresh = np.flatnonzero(target == ALONE)
        code = np.empty(len(made), np.int64)
        code[made.of_row] = codes
        target[fresh] = self._rows.add(code[fresh])
        self._soil(np.concatenate((met, target[fresh])))
        self._rows.first[target], self._rows.last[target] = made.first, made.last
        self._least = min(self._least, int(made.last.min()))
        gone = met[target[of] != met]
        if len(gone):
            self._merge(gone, target[of[target[of] != met]])
        if len(fresh):
            self._rows.link(target[fresh])
        return target, made.of_row

    def _cost(self, rows: Rows) -> tuple[int, int]:
        """Return the same, with what a session that is shown may take back."""
        records, size = super()._cost(rows)
        return records, size + len(rows) * _GONE.itemsize

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
        self._graves += self._kept_names(gone[self._rows.kept_first[gone] != NEVER])
        if not self._shows:
            return
        for row, heir, shown in zip(gone.tolist(), into.tolist(), self._seen(gone), strict=True):
            taken = [*self._gone.pop(row, ()), *shown]
            self.pending_bytes += len(shown) * _GONE.itemsize
            if taken:
                self._gone.setdefault(heir, []).extend(taken)

    def _seen(self, at: Rows) -> list[list[tuple[int, int]]]:
        """Return for each cell the spans that others were shown last of what it holds, as it was written last."""
        rows = self._rows
        own = zip(rows.kept_first[at].tolist(), rows.kept_last[at].tolist(), strict=True)
        fresh, known = rows.written[at] <= self.shown, rows.kept_first[at] != NEVER
        each = zip(own, self._taken(at), fresh.tolist(), known.tolist(), strict=True)
        return [([span] if was else []) if shown else taken for span, taken, shown, was in each]

    def _taken(self, at: Rows) -> list[list[tuple[int, int]]]:
        """Return the spans that each cell says it takes back."""
        gone, lengths = self._rows.state.of(SPAN)["gone"].gather(at)
        spans = list(zip(gone["first"].tolist(), gone["last"].tolist(), strict=True))
        edges = [0, *np.cumsum(lengths).tolist()]
        return [spans[start:end] for start, end in pairwise(edges)]

    # Hand over what changed

    def flush(self, n: int) -> Written:
        """Return the changelog records of all dirty cells as of write `n`, and count them as written."""
        records = super().flush(n)
        self._graves, self._gone = [], {}
        return records

    def _vacated(self, at: Rows) -> list[Record]:
        """Return tombstones for the names that cells had and have no more."""
        rows = self._rows
        self.touched()
        moved = (rows.kept_first[at] != rows.first[at]) | (self.panes.drawer(rows.kept_last[at]) != self._drawers(at))
        moved &= rows.kept_first[at] != NEVER
        rows.state.of(SPAN)["last"][at] = rows.last[at]
        return [Record(name, None) for name in (*self._graves, *self._kept_names(at[moved]))]

    def touched(self) -> Rows:
        """Return the state rows of dirty cells, which now say what they take back; see `retracted`."""
        at, rows = self.dirty(), self._rows
        if not self._shows or not len(at):
            return at
        each = zip(at.tolist(), self._seen(at), strict=True)
        lists = [list(dict.fromkeys((*self._gone.get(row, ()), *shown))) for row, shown in each]
        entries = np.array([span for each in lists for span in each], _GONE)
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        rows.state.of(SPAN)["gone"].replace(at, entries, lengths)
        return at

    def changed(self, since: int) -> Rows:
        """Return the state rows of the cells that are dirty, or that a write after write `since` wrote last."""
        self.touched()
        return np.flatnonzero(self._rows.alive & (self._rows.dirty | (self._rows.written > since)))

    # Windows: the state rows of their cells

    def _numbers(self, rows: Rows) -> Ints:
        return self._rows.last[rows] + (self._gap + 1)

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
        return rows[self._order(self._numbers(rows), self.keys_of(rows))]

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

    def spans(self, rows: Rows) -> list[tuple[int, ...]]:
        """Return number, start and end (ms) of the windows of these cells."""
        numbers = self._numbers(rows).tolist()
        return list(zip(numbers, self._rows.first[rows].tolist(), numbers, strict=True))

    def retracted(self, rows: Rows) -> list[list[tuple[int, int]]]:
        """Return for each cell the windows (start and end, ms) that the write that wrote it takes back."""
        now = zip(self._rows.first[rows].tolist(), self._rows.last[rows].tolist(), strict=True)
        return [
            [(first, last + self._gap + 1) for first, last in taken if (first, last) != span]
            for taken, span in zip(self._taken(rows), now, strict=True)
        ]

    def _bounds(self, rows: Rows) -> Bounds:
        return Bounds(self._rows.first[rows], self._numbers(rows))

    def _since(self, rows: Rows) -> Ints:
        return self.panes.drawer(self._rows.first[rows])

    # Forget and restore

    def evict(self, judged_before: int) -> int:
        """Forget the sessions that were judged in an earlier write; return how many."""
        self._planned = None
        return super().evict(judged_before)

    def stored(self, store: Store, after: int, to: int) -> list[tuple[int, bytes, *tuple[int, ...]]]:
        """Return (number, key bytes, start, end) of the windows in a store, by number and key.

        Args:
            store: of the partition.
            after: only of drawers with windows from this number on.
            to: only of those with windows up to this one.
        """
        found: list[tuple[int, bytes, *tuple[int, ...]]] = []
        for drawer in self._wanted(store, after, to):
            items = list(cells_of(store, drawer, 0))
            state = self._rows.state.like()
            at, _ = state.decode([value for _, value in items])
            ends = self.panes.last_of(state.of(SPAN)["last"][at]).tolist()
            names = [split(name) for name, _ in items]
            found += [(end, key, first, end) for (key, first), end in zip(names, ends, strict=True)]
        return sorted(found)

    def _restored(self, items: list[tuple[bytes, bytes]], judged_before: int) -> int:
        rows = self._rows
        at, _ = self._read(items, "last")
        rows.link(at)
        closed = at[self._numbers(at) < judged_before]
        if len(closed):
            rows.drop(closed)
        return len(at) - len(closed)
