"""Where the fold cuts its input, so that what it changes fits in one changelog write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.aggregates.base import Objects
from tables.cells import RECORD_BYTES
from tables.growth import growth
from tables.ids import ID_BYTES
from tables.reductions import some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from streams.draft import Draft
    from streams.effects import Limits
    from streams.intake import Intake
    from streams.parts import AnyCells
    from tables.growth import Input
    from tables.keys import Codes

RECLAIM = 65_536
"""Keys that are kept in memory without asking whether they are still used."""


class Cutter:
    """Keeps the writes of one table partition within their limits.

    Args:
        cells: of the table partition.
        limits: of a write.
    """

    def __init__(self, cells: AnyCells, limits: Limits) -> None:
        """Keep both."""
        self._cells, self._limits = cells, limits
        self._reclaim_at = min(RECLAIM, cells.keys.limit)
        kinds = [kind for each in cells.table.aggregates.values() for kind in each.columns().values()]
        self._texts = any(isinstance(kind, Objects) for kind in kinds)

    def fitting(self, rows: Intake, draft: Draft) -> int:
        """Return how many of the rows, from the first on, the write that is being filled can still hold.

        It is 0 only if the write holds something already.
        """
        cells, size = self._limits.records - 1 - draft.records, self._limits.size - draft.size
        if not len(rows) or 2 * draft.records > self._limits.records or 2 * draft.size > self._limits.size:
            return 0
        most = len(rows)
        if rows.ids is not None:
            most = min(most, max(0, self._limits.size // 2 - draft.id_bytes) // ID_BYTES)
            size -= draft.id_bytes + ID_BYTES * most
        return min(most, self._cells.plan_cut(rows.codes, rows.pane, rows.first, rows.inputs, cells, size))

    def too_large(self, codes: Codes, inputs: Mapping[str, Input]) -> NDArray[np.bool_] | None:
        """Return which rows alone could make a cell that no write can hold; None if none can.

        Only texts (and long keys) can; without any the answer costs nothing.
        """
        sizes = self._cells.keys.lengths(codes)
        if self._texts:
            sizes = sizes + growth(self._cells.table.aggregates, inputs, len(codes))
        large: NDArray[np.bool_] = sizes > self._limits.size // 2
        return large if some(large) else None

    def full(self, draft: Draft, records: int) -> bool:
        """Return whether so many more records of alerts, or emitted rows, have no room in the write."""
        held = self._cells.pending + draft.records
        size = self._cells.pending_bytes + draft.size
        rows = max(len(draft.rows), draft.closed)
        too_many = held + records + 1 > self._limits.records or rows >= self._limits.records
        return bool(held or rows) and (too_many or size > self._limits.size)

    def free(self, draft: Draft) -> tuple[int, int]:
        """Return what surely has room, so that nobody need ask `full` before: so many items, up to a size of the draft.

        An item brings three records at most: the state of an alert, that it ended, and that it fires anew.
        """
        records = self._limits.records - 1 - self._cells.pending - draft.records
        rows = self._limits.records - 1 - max(len(draft.rows), draft.closed)
        return min(records // 3, rows), self._limits.size - self._cells.pending_bytes

    def room(self, draft: Draft) -> int:
        """Return for how many closed rows there is room in the write, for tables that read this one."""
        return max(0, self._limits.records - draft.closed)

    def tombstones(self, records: int, size: int) -> int:
        """Return for how many tombstones there is room beside so many records of so many bytes."""
        if size > self._limits.size:
            return 0
        return max(0, self._limits.records - 1 - records)

    def reclaim(self) -> None:
        """Forget keys that no open cell has, once there are many; only between two batches, whose rows carry codes."""
        keys = self._cells.keys
        if len(keys) < self._reclaim_at:
            return
        self._cells.reclaim(np.empty(0, np.int64))
        self._reclaim_at = min(max(RECLAIM, 2 * len(keys)), keys.limit)


def size_of(key: bytes) -> int:
    """Return what a tombstone takes in a record batch."""
    return len(key) + RECORD_BYTES
