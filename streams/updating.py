"""Which updated rows go out with a write (`emit: update`), and which a restored state still owes.

Each update goes out with the write that brings it. Where updates are gathered (`emit: {update: 10s}`), those of all
cells that were written since go out with the first write at which the table's watermark has passed a multiple of that
time, or a window was closed, or many have come together. Cells carry the number of the write that wrote them, and
progress the numbers of the last two writes with which rows went out: so a restored state knows what is still to be
sent, and what the last write owed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.records import NEVER
from tables.unaligned.cells import UnalignedCells
from tables.windows import FOREVER

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.table_engine import TableEngine

MOST_WAITING = 20_000
"""Cells whose updates are gathered before they go out at any time."""


class Updates:
    """The updated rows of one table partition.

    Args:
        engine: whose cells and progress it looks at.
    """

    def __init__(self, engine: TableEngine) -> None:
        """Begin where nothing waits."""
        self._engine = engine
        self._wanted = engine.plan.table.emit.when == "update"
        self._every = engine.plan.table.emit.every
        self._step: int | None = None
        self._waiting = 0

    def resume(self) -> None:
        """Go on with a restored state, of which nobody knows whether rows wait."""
        self._step = self._now()
        self._waiting = int(bool(self._every))
        self.acknowledged()

    def acknowledged(self) -> None:
        """Let cells know which of their rows others were shown, so that windows that change are taken back."""
        cells, progress = self._engine.cells, self._engine.progress
        if isinstance(cells, UnalignedCells):
            cells.shown = progress.shown[1] if self._every else progress.n

    def next(self) -> int | None:
        """Return the watermark at which rows that wait go out, None if none do."""
        if not self._waiting or self._step is None:
            return None
        return (self._step + 1) * self._every

    def since(self) -> int:
        """Return the write after which those came whose cells go out, or after a restart once more, together."""
        progress = self._engine.progress
        if not self._wanted:
            return FOREVER
        return progress.shown[0] if self._every else progress.n - 1

    def rows(self) -> list[Event]:
        """Return what goes out with the write that is being made, before its cells are handed over."""
        cells, progress = self._engine.cells, self._engine.progress
        if not self._wanted:
            return []
        if not self._every:
            return self._engine.closer.updates(progress.n)
        before, self._step = self._step, self._now()
        if not self._due(before):
            self._waiting += cells.pending
            return []
        progress.shown = (progress.shown[1], progress.n)
        self._waiting = 0
        return self._engine.closer.updates(progress.n, progress.shown[0])

    def owed(self) -> list[Event]:
        """Return what the last write of a restored state owes."""
        progress = self._engine.progress
        if not self._wanted or (self._every and progress.shown[1] != progress.n):
            return []
        since = progress.shown[0] if self._every else progress.n - 1
        return self._engine.closer.updates(progress.n, since)

    def _due(self, before: int | None) -> bool:
        progress, waiting = self._engine.progress, self._waiting + self._engine.cells.pending
        passed = before is not None and before != self._step
        closed = self._engine.closer.closes(progress.before[0], progress.judged[0])
        return passed or closed or waiting > MOST_WAITING

    def _now(self) -> int | None:
        """Return how many multiples of the time the watermark has passed; None before anything was seen."""
        watermark = self._engine.progress.watermark
        return watermark // self._every if self._every and watermark > NEVER else None
