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
from streams.cutting import size_of
from streams.rules.events import window_of
from streams.rules.rows import Span
from tables.records import NEVER
from tables.store import cells_of
from tables.unaligned.cells import UnalignedCells
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.effects import Event, Write
    from streams.table_engine import TableEngine
    from tables.cells import Cells
    from tables.records import Record
    from tables.store import Store

    Kept = tuple[int, bytes, dict[str, int] | None]

TOMBSTONES = 500
"""Tombstones that are asked for at once; a write takes more until it is full."""
EXPIRED = "expired"
"""What the header `reason` of such a tombstone says."""


class Withdrawals:
    """The expiry of one table partition's emitted rows.

    Args:
        engine: whose plan, progress and draft it works on.
    """

    def __init__(self, engine: TableEngine) -> None:
        """Find out whether there is anything to do."""
        self._engine = engine
        cells = engine.cells
        self._kept = Unaligned(cells) if isinstance(cells, UnalignedCells) else Shared(cells)
        self.wanted = engine.plan.table.emit.when != "none" and cells.panes.windowed

    def settle(self, store: Store) -> Iterator[Write]:
        """Withdraw the rows of every window that has expired."""
        progress, keep = self._engine.progress, self._engine.plan.table.keep
        if not self.wanted or progress.watermark == NEVER:
            return
        end = self._kept.whole(min(self._kept.steps.ending_from(progress.watermark - keep + 1), progress.before[0]))
        if end <= progress.withdrawn[0]:
            return
        for window, key, event in self._rows(store, progress.withdrawn, (end, "")):
            if self._engine.full([event]):
                yield from self._engine.send()
            self._engine.enter(event)
            progress.withdrawn = (window, mark(key))
        progress.withdrawn = (end, "")

    def tombstones(self, store: Store | None, records: int, size: int) -> list[Record]:
        """Return what expires, as far as there is room in a write; what does not fit waits.

        Args:
            store: of the partition; None while it lacks something, and no cell can expire.
            records: that the write holds already.
            size: bytes of them.
        """
        engine, progress = self._engine, self._engine.progress
        room = min(TOMBSTONES, engine.cutter.tombstones(records, size))
        found = list(engine.ids.expired(progress.watermark, room))
        size += sum(size_of(record.key) for record in found)
        before = progress.withdrawn_before[0] if self.wanted else FOREVER
        while store is not None:
            room = min(TOMBSTONES, engine.cutter.tombstones(records + len(found), size))
            more = engine.cells.expired(progress.watermark, room, store, before) if room else []
            found += more
            size += sum(size_of(record.key) for record in more)
            if not room or len(more) < room:
                break
        engine.stats.tombstones += len(found)
        return found

    def owed(self, store: Store) -> list[Event]:
        """Return the tombstones of the last write of a restored state."""
        progress = self._engine.progress
        if not self.wanted or progress.withdrawn == progress.withdrawn_before:
            return []
        return [event for _, _, event in self._rows(store, progress.withdrawn_before, progress.withdrawn)]

    def _rows(self, store: Store, after: tuple[int, str], to: tuple[int, str]) -> Iterator[tuple[int, bytes, Event]]:
        """Yield (window, key, tombstone) for each row after one place and up to another."""
        for number, key, window in self._kept.rows(store, after, to):
            yield number, key, self._engine.emitter.withdrawn(window, key, EXPIRED)


class Shared:
    """The kept rows of windows that all keys share.

    Args:
        cells: of the table partition.
    """

    def __init__(self, cells: Cells) -> None:
        """Keep the windows by number."""
        self.steps = cells.panes

    def whole(self, number: int) -> int:
        """Return the number up to which rows may be withdrawn: any."""
        return number

    def rows(self, store: Store, after: tuple[int, str], to: tuple[int, str]) -> Iterator[Kept]:
        """Yield (window, key, start and end) of each row after one place and up to another."""
        groups = [(pane, first) for pane, first in store.groups() if first <= to[0]]
        spans = [range(max(first, after[0]), min(self.steps.last_of(pane), to[0]) + 1) for pane, first in groups]
        for window in sorted({window for span in spans for window in span}):
            panes = self.steps.panes_of(window)
            of_window = [(pane, first) for pane, first in groups if pane in panes and first <= window]
            begun = marked_key(after[1]) if window == after[0] and after[1] else None
            found = merge(*(cells_of(store, pane, first, begun) for pane, first in of_window))
            for key, _ in groupby(key for key, _ in found):
                if (window, mark(key)) > to:
                    return
                yield window, key, window_of(self.steps, window)


class Unaligned:
    """The kept rows of unaligned windows, which are withdrawn by the drawer.

    Args:
        cells: of the table partition.
    """

    def __init__(self, cells: UnalignedCells) -> None:
        """Keep the windows by number."""
        self.steps, self._cells = cells.panes, cells

    def whole(self, number: int) -> int:
        """Return the number up to which rows may be withdrawn: a drawer is looked through once."""
        return self.steps.drawn_by(number)

    def rows(self, store: Store, after: tuple[int, str], to: tuple[int, str]) -> Iterator[Kept]:
        """Yield the same."""
        for number, key, *span in self._cells.stored(store, after[0], to[0]):
            if after < (number, mark(key)) <= to:
                yield number, key, Span(number, *span).window
