"""When cells leave the memory, where they have only so much of it, and which must stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.effects import Write
from tables.bounded import BoundedCells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.table_engine import TableEngine
    from streams.updating import Updates

MUCH = 20_000
"""Rows after which others of the event loop get a turn: they take some 10 ms."""


class Room:
    """The memory of one table partition's open cells.

    Args:
        engine: whose cells they are.
        updates: which rows go out with later writes.
    """

    def __init__(self, engine: TableEngine, updates: Updates) -> None:
        self._engine, self._updates = engine, updates
        self._cells = engine.cells if isinstance(engine.cells, BoundedCells) else None

    def __bool__(self) -> bool:
        """Return whether there is only so much of it."""
        return self._cells is not None

    def keep(self) -> None:
        """Say which cells must stay in memory: those whose updates go out, or go out again, together."""
        if self._cells is not None:
            self._cells.since = self._updates.since()

    def make(self) -> None:
        """Let cells leave the memory that have no room in it; only between two batches."""
        if self._cells is not None:
            self.keep()
            self._cells.shrink()

    def pause(self, rows: int = 0) -> Iterator[Write]:
        """Yield a write of nothing after what takes long, so that others may go on.

        Args:
            rows: of the batch that was folded; where memory is bounded, any may have been read back from the store.
        """
        if self._cells is not None or rows > MUCH:
            yield Write(self._engine.progress.n)
