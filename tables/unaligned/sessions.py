"""The open sessions of one table partition: one cell each, which grows, and merges with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.groups import compact
from tables.unaligned.cells import UnalignedCells
from tables.unaligned.joining import ALONE, Joined, Spans, joined

if TYPE_CHECKING:
    from tables.aggregates.base import Rows
    from tables.keys import Codes
    from tables.spec import Table
    from tables.windows.session import Session

Ints = NDArray[np.int64]


class SessionCells(UnalignedCells):
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

    def _joined(self, codes: Codes, time: Ints, first: Ints) -> tuple[Joined, Rows]:
        """Return what becomes of rows, and the state rows of the sessions that were open for their keys.

        It is asked for twice: to cut a batch, and to fold what was not cut.
        """
        if self._planned is not None and _same(self._planned[0], codes) and _same(self._planned[1], time):
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
            self._rows.link(np.unique(code[fresh]), target[fresh])
        return target, made.of_row

    def _numbers(self, rows: Rows) -> Ints:
        return self._rows.last[rows] + (self._gap + 1)

    def evict(self, judged_before: int) -> int:
        """Forget the sessions that were judged in an earlier write; return how many."""
        self._planned = None
        return super().evict(judged_before)


def _same(one: Ints, other: Ints) -> bool:
    """Return whether two arrays are the same memory."""
    return len(one) == len(other) and one.ctypes.data == other.ctypes.data
