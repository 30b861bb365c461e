"""Withdrawing the rows that a table has emitted when it does not keep them any more: a tombstone for each.

A window is withdrawn key by key, in order, once its end + keep has passed and it was judged in an earlier write;
`withdrawn` says how far that has come. Its cells stay until the write after that, so that a restored state can send the
tombstones of its last write again.
"""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING

from streams.closing import mark, marked_key
from tables.records import NEVER
from tables.store import cells_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.effects import Event, Write
    from streams.table_engine import TableEngine
    from tables.store import Store

EXPIRED = "expired"
"""What the header `reason` of such a tombstone says."""


class Withdrawals:
    """The expiry of one table partition's emitted rows.

    Args:
        engine: whose plan, progress and draft it works on.
    """

    def __init__(self, engine: TableEngine) -> None:
        """Find out whether there is anything to do."""
        self._engine, self._panes = engine, engine.cells.panes
        self.wanted = engine.plan.table.emit.when != "none" and self._panes.windowed

    def settle(self, store: Store) -> Iterator[Write]:
        """Withdraw the rows of every window that has expired."""
        progress, keep = self._engine.progress, self._engine.plan.table.keep
        if not self.wanted or progress.watermark == NEVER:
            return
        end = min(self._panes.ending_from(progress.watermark - keep + 1), progress.before[0])
        if end <= progress.withdrawn[0]:
            return
        for window, key, event in self._rows(store, progress.withdrawn, (end, "")):
            if self._engine.full([event]):
                yield from self._engine.send()
            self._engine.enter(event)
            progress.withdrawn = (window, mark(key))
        progress.withdrawn = (end, "")

    def owed(self, store: Store) -> list[Event]:
        """Return the tombstones of the last write of a restored state."""
        progress = self._engine.progress
        if not self.wanted or progress.withdrawn == progress.withdrawn_before:
            return []
        return [event for _, _, event in self._rows(store, progress.withdrawn_before, progress.withdrawn)]

    def _rows(self, store: Store, after: tuple[int, str], to: tuple[int, str]) -> Iterator[tuple[int, bytes, Event]]:
        """Yield (window, key, tombstone) for each row after one place and up to another."""
        groups = [(pane, first) for pane, first in store.groups() if first <= to[0]]
        spans = [range(max(first, after[0]), min(self._panes.last_of(pane), to[0]) + 1) for pane, first in groups]
        for window in sorted({window for span in spans for window in span}):
            panes = self._panes.panes_of(window)
            of_window = [(pane, first) for pane, first in groups if pane in panes and first <= window]
            begun = marked_key(after[1]) if window == after[0] and after[1] else None
            found = merge(*(cells_of(store, pane, first, begun) for pane, first in of_window))
            for key, _ in groupby(key for key, _ in found):
                if (window, mark(key)) > to:
                    return
                yield window, key, self._engine.emitter.withdrawn(window, key, EXPIRED)
