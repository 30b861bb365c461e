"""Rows read out of a store: acknowledged state only, panes merged to windows as the engine merges them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tables.aggregates.base import Bounds
from tables.records import NEVER, PROGRESS, Progress, cell_key
from tables.shapes import Shapes, kept_shapes
from tables.state import State
from tables.store import cells_of
from tables.windows import FOREVER, panes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tables.aggregates.base import Rows as StateRows
    from tables.spec import Table
    from tables.state import Columns
    from tables.store import Group, Store

    Ints = NDArray[np.int64]

MOST_ROWS = 10_000
"""Rows of one answer."""
MOST_WINDOWS = 500
"""Most windows of one page of keys."""
BUDGET = 100_000
"""Cells that one search for keys may look at; finding a group costs as much as `SEEK` of them."""
SEEK = 30


@dataclass(frozen=True, slots=True)
class Row:
    """The aggregates of one key over one window.

    Args:
        key: key bytes.
        start: first ms of the window; None for a table without window.
        end: the ms after the window; None for a table without window.
        values: by column name; None is null.
        closed: whether the window is closed and judged, so that the row stays as it is.
    """

    key: bytes
    start: int | None
    end: int | None
    values: dict[str, Any]
    closed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a table.

    Args:
        rows: in the order of their key bytes.
        after: ask for what comes after this key next; None at the end.
        complete: whether all kept windows were searched; False if the work was cut off at the older ones.
    """

    rows: list[Row]
    after: bytes | None
    complete: bool = True


class TooManyWindows(ValueError):  # noqa: N818 - the name says what is the matter
    """A time was asked for that holds more windows than one page can."""


class BaseReader:
    """What reading has in common, whatever the windows.

    Args:
        table: the declared table.
        store: its partition's store.
        columns: state columns by aggregate and column name.
        shapes: of the state as its engine writes it; None takes what the store says.
    """

    def __init__(self, table: Table, store: Store, columns: Columns, shapes: Shapes | None) -> None:
        """Look at a store; no cell is read yet."""
        self.table = table
        self._store = store
        self._shapes = shapes or self._stored_shapes()
        self._empty = State(columns, self._shapes.number, self._shapes.former)

    def _stored_shapes(self) -> Shapes:
        progress = self.progress()
        return Shapes.of(kept_shapes(self._store), 0 if progress is None else progress.shape)

    def progress(self) -> Progress | None:
        """Return the progress of the last write, None if there was none."""
        (value,) = self._store.get_many([PROGRESS])
        return None if value is None else Progress.decode(value)

    def _judged(self) -> int:
        progress = self.progress()
        return NEVER if progress is None else progress.judged[0]

    def _listed(  # noqa: PLR0913, PLR0917 - a row is several columns
        self, keys: Sequence[bytes], state: State, rows: StateRows, bounds: Bounds, panes_: Ints, numbers: Ints
    ) -> list[Row]:
        """Return the rows of windows that are the keys' own, each as its state row says.

        Args:
            keys: key bytes of m windows.
            state: of all of them.
            rows: shape (m,), their state rows.
            bounds: of the windows.
            panes_: shape (m,), the first pane (drawer) of each.
            numbers: shape (m,), of the windows.
        """
        results = {
            name: each.result_within(state.of(name), rows, bounds) for name, each in self.table.aggregates.items()
        }
        columns = {name: column.tolist() for name, column in self._shapes.cleared(results, panes_).items()}
        judged = self._judged()
        spans = zip(keys, bounds.start.tolist(), bounds.end.tolist(), (numbers < judged).tolist(), strict=True)
        return [
            Row(key, start, end, {name: values[i] for name, values in columns.items()}, closed)
            for i, (key, start, end, closed) in enumerate(spans)
        ]


class Reader(BaseReader):
    """Reads the rows of one table partition whose windows all keys share.

    Args:
        table: the declared table.
        store: its partition's store.
        shapes: of the state as its engine writes it; None takes what the store says.
    """

    def __init__(self, table: Table, store: Store, shapes: Shapes | None = None) -> None:
        """Look at a store; no cell is read yet."""
        columns = {name: aggregate.columns() for name, aggregate in table.aggregates.items()}
        super().__init__(table, store, columns, shapes)
        self._panes = panes(table.window)

    def windows(self, from_: int | None = None, to: int | None = None) -> list[int]:
        """Return the numbers of the windows that are kept and start in `[from_, to)` (ms; None is open), rising."""
        asked = self._panes.windows_at(NEVER if from_ is None else from_, FOREVER if to is None else to)
        least = max(asked.start, self._kept_from())
        found: set[int] = set()
        for pane, first in self._store.groups():
            found.update(range(max(first, least), min(self._panes.last_of(pane) + 1, asked.stop)))
        return sorted(found)

    def _kept_from(self) -> int:
        """Return the first window that has not expired: of older ones some panes may be gone, and others not yet."""
        progress = self.progress()
        if progress is None or progress.watermark == NEVER or not self._panes.windowed:
            return NEVER
        return self._panes.ending_from(progress.watermark - self.table.keep + 1)

    def get(self, key: bytes, from_: int | None = None, to: int | None = None, limit: int = MOST_ROWS) -> list[Row]:
        """Return the rows of one key for the windows that start in `[from_, to)`, oldest first.

        Args:
            key: key bytes.
            from_: ms; None is as far back as is kept.
            to: ms; None is as new as there is.
            limit: most windows to look at, the newest.
        """
        return self._rows([(key, k) for k in self.windows(from_, to)[-limit:]])

    def window(self, k: int, after: bytes | None = None, limit: int = MOST_ROWS, prefix: bytes = b"") -> Page:
        """Return the rows of window `k`, in key order from the key after `after` on, at most `limit`."""
        if k < self._kept_from():
            return Page([], None)
        groups = [(p, f) for p, f in self._store.groups() if p in self._panes.panes_of(k) and f <= k]
        keys: set[bytes] = set()
        for group in groups:
            keys.update(self._keys(group, prefix, after, limit + 1))
        page, last = first_keys(keys, limit)
        return Page(self._rows([(key, k) for key in page]), last)

    def between(
        self,
        from_: int | None,
        to: int | None,
        after: bytes | None = None,
        limit: int = MOST_ROWS,
        prefix: bytes = b"",
    ) -> list[Page]:
        """Return a page of each of the windows that start in `[from_, to)` (ms; None is open).

        Args:
            from_: ms; None is as far back as is kept.
            to: ms; None is as new as there is.
            after: only keys after this one.
            limit: most keys.
            prefix: only keys that begin with it.

        Raises:
            TooManyWindows: there are more of them than a page can hold.
        """
        windows = self.windows(from_, to)
        if len(windows) > MOST_WINDOWS:
            raise TooManyWindows(f"from and to hold {len(windows)} windows, a page at most {MOST_WINDOWS}")
        limit = min(limit, MOST_ROWS // max(1, len(windows)))
        return [self.window(k, after, limit, prefix) for k in windows]

    def closed(self, limit: int = 100) -> list[Row]:
        """Return the first rows of the latest closed window that has any."""
        judged = self._judged()
        latest = max((number for number in self.windows() if number < judged), default=None)
        return [] if latest is None else self.window(latest, limit=limit).rows

    def latest(
        self, prefix: bytes = b"", after: bytes | None = None, limit: int = 100, budget: int = BUDGET
    ) -> Page:  # fmt: skip
        """Return for each key the row of its latest window with data, in key order.

        Args:
            prefix: only keys that begin with it.
            after: only keys after this one.
            limit: most keys.
            budget: most cells to look at. The search goes from the newest window back; where it is cut off, keys that
                have only older rows are missing, and the page says that it is not complete.
        """
        newest, complete = self._newest(prefix, after, limit, budget)
        page, last = first_keys(newest, limit)
        return Page(self._rows([(key, newest[key]) for key in page]), last, complete)

    def count_keys(self, budget: int = BUDGET) -> tuple[int, bool]:
        """Return how many keys have rows, and whether all windows were searched within the budget."""
        newest, complete = self._newest(b"", None, None, budget)
        return len(newest), complete

    def _newest(
        self, prefix: bytes, after: bytes | None, limit: int | None, budget: int
    ) -> tuple[dict[bytes, int], bool]:  # fmt: skip
        """Return key -> its latest window with data, for at least the first `limit` keys, and if that is sure."""
        newest: dict[bytes, int] = {}
        kept = self._kept_from()
        for pane, first in sorted(self._store.groups(), reverse=True):
            if budget <= 0:
                return newest, False
            most = budget if limit is None else min(budget, limit + 1)
            keys = self._keys((pane, first), prefix, after, most)
            budget -= len(keys) + SEEK
            window = self._panes.last_of(pane)
            if window < kept:
                break
            for key in keys:
                newest.setdefault(key, window)
            if len(keys) == most and (limit is None or most <= limit):
                return newest, False
        return newest, True

    def _keys(self, group: Group, prefix: bytes, after: bytes | None, limit: int) -> list[bytes]:
        """Return the first keys of a group, with a prefix, after a key."""
        keys = (key for key, _ in cells_of(self._store, *group, after, prefix))
        return list(islice(keys, limit))

    def _rows(self, wanted: Sequence[tuple[bytes, int]]) -> list[Row]:
        """Return the rows of (key, window), in this order, without those that have no cell."""
        by_pane: dict[int, list[int]] = defaultdict(list)
        for pane, first in sorted(self._store.groups()):
            by_pane[pane].append(first)
        needs = [
            [(pane, first) for pane in self._panes_in(k, by_pane) for first in by_pane[pane] if first <= k]
            for _, k in wanted
        ]
        cells = {cell_key(*group, key): -1 for (key, _), groups in zip(wanted, needs, strict=True) for group in groups}
        values = self._store.get_many(list(cells))
        state = self._empty.like()
        found = [(at, value) for at, value in zip(cells, values, strict=True) if value is not None]
        rows, _ = state.decode([value for _, value in found])
        cells.update(zip((at for at, _ in found), rows.tolist(), strict=True))
        parts = [
            [cells[cell_key(*group, key)] for group in groups] for (key, _), groups in zip(wanted, needs, strict=True)
        ]
        return self._merge(wanted, [[row for row in part if row >= 0] for part in parts], state)

    def _panes_in(self, k: int, by_pane: dict[int, list[int]]) -> Iterable[int]:
        wanted = self._panes.panes_of(k)
        if len(wanted) > len(by_pane):
            return [pane for pane in by_pane if pane in wanted]
        return [pane for pane in wanted if pane in by_pane]

    def _merge(self, wanted: Sequence[tuple[bytes, int]], parts: list[list[int]], state: State) -> list[Row]:
        """Merge each row's cells: all rows' first cell at once, then all rows' second, and so on."""
        present = [(name, part) for name, part in zip(wanted, parts, strict=True) if part]
        into = self._empty.like()
        rows = into.allocate(len(present))
        for level in range(max((len(part) for _, part in present), default=0)):
            at = np.array([i for i, (_, part) in enumerate(present) if len(part) > level], np.intp)
            cells = np.array([part[level] for _, part in present if len(part) > level], np.intp)
            for name, aggregate in self.table.aggregates.items():
                aggregate.merge(into.of(name), rows[at], state.of(name), cells)
        numbers = np.array([k for (_, k), _ in present], np.int64)
        bounds = Bounds(self._panes.start(numbers), self._panes.end(numbers))
        columns = {
            name: each.result_within(into.of(name), rows, bounds).tolist()
            for name, each in self.table.aggregates.items()
        }
        judged = self._judged()
        made = [
            Row(key, *self._bounds(k), {name: values[i] for name, values in columns.items()}, k < judged)
            for i, ((key, k), _) in enumerate(present)
        ]
        for row, ((_, k), _) in zip(made, present, strict=True):
            row.values.update(dict.fromkeys(self._shapes.partial(self._panes.panes_of(k).start)))
        return made

    def _bounds(self, k: int) -> tuple[int | None, int | None]:
        return (self._panes.start(k), self._panes.end(k)) if self.table.window else (None, None)


def first_keys(keys: Iterable[bytes], limit: int) -> tuple[list[bytes], bytes | None]:
    """Return the first `limit` keys in order, and the last of them if there are more."""
    first = nsmallest(limit + 1, keys)
    return first[:limit], first[limit - 1] if len(first) > limit > 0 else None
