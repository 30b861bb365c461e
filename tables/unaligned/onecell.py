"""Windows of which each is one cell: a window is known by the state row of its cell."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.records import NEVER
from tables.unaligned.cells import UnalignedCells
from tables.unaligned.names import named, split
from tables.unaligned.span import SPAN

if TYPE_CHECKING:
    from tables.aggregates.base import Bounds, Rows
    from tables.columns import Column

Ints = NDArray[np.int64]


class OneCellEach(UnalignedCells):
    """The windows of one table partition, of which each is one cell."""

    @abstractmethod
    def _bounds(self, rows: Rows) -> Bounds:
        """Return start and end (ms) of the windows of these cells."""

    @abstractmethod
    def _since(self, rows: Rows) -> Ints:
        """Return what says when the windows of these cells began, for columns that are younger."""

    def _cost(self, rows: Rows) -> tuple[int, int]:
        """Return the same; a cell that gets another name takes the former one away."""
        kept = rows[self._rows.kept_first[rows] != NEVER]
        records, size = super()._cost(rows)
        return records + len(kept), size + int(self._names(self._rows.code[kept]).sum())

    def _kept_names(self, at: Rows) -> list[bytes]:
        """Return the names under which cells were written last."""
        return self._named(at, self._rows.kept_first[at], self._rows.kept_last[at])

    def _named(self, at: Rows, first: Ints, last: Ints) -> list[bytes]:
        return named(self.panes.drawer(last), self.keys_of(at), first)

    def _drawers(self, rows: Rows) -> Ints:
        return self.panes.drawer(self._rows.last[rows])

    def keys_of(self, rows: Rows) -> list[bytes]:
        """Return the key bytes of cells."""
        return self.keys.keys(self._rows.code[rows])

    def results(self, rows: Rows) -> dict[str, Column]:
        """Return every aggregate over these cells by name, in their order."""
        state, bounds = self._rows.state, self._bounds(rows)
        columns = self.table.aggregates.items()
        found = {name: each.result_within(state.of(name), rows, bounds) for name, each in columns}
        return self._shapes.cleared(found, self._since(rows))

    def _read(self, items: list[tuple[bytes, bytes]], last: str) -> tuple[Rows, Ints]:
        """Take cells in; return their state rows and the `first` of each. `last` is kept in this field of the span."""
        names = [split(name) for name, _ in items]
        first = np.array([first for _, first in names], np.int64)
        at = self._rows.restore([key for key, _ in names], [value for _, value in items], first)
        rows = self._rows
        rows.last[at] = rows.kept_last[at] = rows.state.of(SPAN)[last][at]
        return at, first
