"""Rows of sliding windows read out of a store: acknowledged state only, cells merged as the engine merges them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tables.aggregates.base import Bounds
from tables.query import BUDGET, MOST_ROWS, SEEK, BaseReader, Page, Row, first_keys
from tables.records import NEVER
from tables.store import cells_of
from tables.unaligned.names import after_key, escaped, of_key, split_from
from tables.unaligned.overlap import Windows, merged, windows_of
from tables.unaligned.reader import collect
from tables.unaligned.sliding import placed
from tables.unaligned.span import columns_of
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tables.shapes import Shapes
    from tables.spec import Table
    from tables.store import Store
    from tables.windows.sliding import Sliding

    Cell = tuple[bytes, int, int, bytes]
    """Key bytes, time (ms), the least end of a window that it counts in (ms), and value."""


class SlidingReader(BaseReader):
    """Reads the rows of one table partition with sliding windows.

    Args:
        table: the declared table.
        store: its partition's store.
        window: its window.
        shapes: of the state as its engine writes it; None takes what the store says.
    """

    def __init__(self, table: Table, store: Store, window: Sliding, shapes: Shapes | None = None) -> None:
        """Look at a store; no cell is read yet."""
        super().__init__(table, store, columns_of(table), shapes)
        self._ends, self._length = window.panes(), window.longest

    def get(self, key: bytes, from_: int | None = None, to: int | None = None, limit: int = MOST_ROWS) -> list[Row]:
        """Return the rows of one key for the windows that start in `[from_, to)`, oldest first.

        Args:
            key: key bytes.
            from_: ms; None is as far back as is kept.
            to: ms; None is as new as there is.
            limit: most windows, the newest.
        """
        prefix = of_key(key)
        cells = [cell for drawer in self._drawers(from_, to) for cell in self._scan(drawer, prefix=prefix)]
        return self._rows(cells, self._from(from_), self._to(to), partial(_newest, limit))

    def between(  # noqa: PLR0913, PLR0917 - what to look for, and how far
        self,
        from_: int | None,
        to: int | None,
        after: bytes | None = None,
        limit: int = MOST_ROWS,
        prefix: bytes = b"",
        budget: int = BUDGET,
    ) -> list[Page]:
        """Return the rows of the windows that start in `[from_, to)`, by key and time, for at most `limit` keys.

        The arguments are those of `SessionReader.between`. Where the work is cut off, windows of which cells may lie in
        what was not looked at are left out.
        """
        return [self._page(from_, to, after, limit, prefix, budget, _all)]

    def latest(
        self, prefix: bytes = b"", after: bytes | None = None, limit: int = 100, budget: int = BUDGET
    ) -> Page:  # fmt: skip
        """Return for each key the row of its latest window, in key order; see `Reader.latest`."""
        return self._page(None, None, after, limit, prefix, budget, _last_of_keys)

    def closed(self, limit: int = 100, budget: int = BUDGET) -> list[Row]:
        """Return for the first keys the row of their latest closed window."""
        judged = self._judged()
        over = None if judged == NEVER else judged - self._length
        return [] if over is None else self._page(None, over, None, limit, b"", budget, _last_of_keys).rows

    def count_keys(self, budget: int = BUDGET) -> tuple[int, bool]:
        """Return how many keys have rows, and whether all windows were searched within the budget."""
        found, _, floor = self._collected(self._drawers(None, None), None, None, b"", budget)
        cells = [cell for key in found for cell in found[key]]
        _, placed_ = placed([cell[:3] for cell in cells])
        windows = windows_of(placed_, self._length - 1, max(self._from(None), floor), FOREVER)
        return len(np.unique(windows.code)), floor == NEVER

    def _page(  # noqa: PLR0913, PLR0917 - what to look for, and how far
        self,
        from_: int | None,
        to: int | None,
        after: bytes | None,
        limit: int,
        prefix: bytes,
        budget: int,
        choose: Callable[[Windows], Windows],
    ) -> Page:
        found, bound, floor = self._collected(self._drawers(from_, to), after, limit, prefix, budget)
        page, last = first_keys((key for key in found if bound is None or key < bound), limit)
        last = last or (None if bound is None else max(page, default=None))
        cells = [cell for key in page for cell in found[key]]
        return Page(self._rows(cells, max(self._from(from_), floor), self._to(to), choose), last, floor == NEVER)

    def _collected(
        self, drawers: Sequence[int], after: bytes | None, limit: int | None, prefix: bytes, budget: int
    ) -> tuple[dict[bytes, list[Cell]], bytes | None, int]:
        """Return cells by key, the key from which on they are not complete, and the least end of a window that is."""
        found: dict[bytes, list[Cell]] = defaultdict(list)
        ends: list[bytes] = []
        floor = NEVER
        for drawer in reversed(drawers):
            if budget <= 0:
                floor = self._ends.drawn_to(drawer)
                break
            budget -= SEEK + collect(self._scan(drawer, after, escaped(prefix)), limit, budget, found, ends)
        return found, min(ends, default=None), floor

    def _from(self, from_: int | None) -> int:
        """Return the least end of a window that starts at `from_` (ms) or later and has not expired."""
        progress = self.progress()
        watermark = NEVER if progress is None else progress.watermark
        kept = NEVER if watermark == NEVER else self._ends.ending_from(watermark - self.table.keep + 1)
        return kept if from_ is None else max(kept, from_ + self._length)

    def _to(self, to: int | None) -> int:
        """Return what the ends of windows that start before `to` (ms) are less than."""
        return FOREVER if to is None else to + self._length

    def _drawers(self, from_: int | None, to: int | None) -> list[int]:
        """Return the drawers on whose cells windows hang that start in `[from_, to)`, rising."""
        least = None if from_ is None else self._ends.drawer(from_ - 1)
        most = None if to is None else self._ends.drawer(to + self._length)
        drawers = sorted(drawer for drawer, _ in self._store.groups())
        return [d for d in drawers if (least is None or d >= least) and (most is None or d <= most)]

    def _scan(self, drawer: int, after: bytes | None = None, prefix: bytes = b"") -> Iterator[Cell]:
        """Yield cells of a drawer by key and time: those of keys after `after` whose names begin with `prefix`."""
        start = None if after is None else after_key(after)
        for name, value in cells_of(self._store, drawer, 0, start, prefix):
            yield *split_from(name), value

    def _rows(self, cells: Sequence[Cell], from_: int, to: int, choose: Callable[[Windows], Windows]) -> list[Row]:
        """Return the rows of the chosen ones of the windows with ends in `[from_, to)`, by key and time."""
        keys, found = placed([cell[:3] for cell in cells])
        size = self._length - 1
        windows = choose(windows_of(found, size, from_, to))
        if not len(windows.end):
            return []
        state = self._empty.like()
        found = found.take(np.flatnonzero(found.time >= windows.end.min() - self._length))
        at, _ = state.decode([cells[row][3] for row in found.rows.tolist()])
        made, rows = merged(self.table.aggregates, state, replace(found, rows=at), windows, size)
        starts = windows.end - self._length
        of = [keys[code] for code in windows.code.tolist()]
        bounds = Bounds(starts, windows.end)
        return self._listed(of, made, rows, bounds, self._ends.drawer(starts), windows.end)


def _all(windows: Windows) -> Windows:
    return windows


def _newest(limit: int, windows: Windows) -> Windows:
    """Return the latest windows of one key."""
    return windows.take(np.arange(len(windows.end))[-limit:])


def _last_of_keys(windows: Windows) -> Windows:
    """Return the latest window of each key, of windows by key and end."""
    last = np.ones(len(windows.code), bool)
    last[:-1] = windows.code[1:] != windows.code[:-1]
    return windows.take(last)
