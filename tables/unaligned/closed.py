"""Closed cells of unaligned windows: in the store only, by the drawer, until they are kept no longer."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from tables.closed import Portions
from tables.records import NEVER
from tables.windows import FOREVER

if TYPE_CHECKING:
    from tables.records import Record
    from tables.store import Store
    from tables.windows.ends import Ends
    from tables.windows.filled import Filled


class Closed:
    """The drawers that hold closed cells of one table partition.

    Args:
        steps: of its windows.
        keep: how long closed rows can be asked for, in ms.

    Attributes:
        judged_before: the first window that was not judged at the write before.
    """

    def __init__(self, steps: Ends | Filled, keep: int) -> None:
        """Know of none."""
        self._steps, self._keep = steps, keep
        self._drawers: list[int] = []
        self._portions = Portions()
        self.judged_before = NEVER

    def note(self, drawers: list[int]) -> None:
        """Note drawers that hold closed cells, but for that of windows that never end."""
        for drawer in set(drawers) - set(self._drawers):
            if self._steps.drawn_to(drawer) < FOREVER:
                heapq.heappush(self._drawers, drawer)

    def next_expiry(self) -> int | None:
        """Return the watermark at which the next drawer of closed cells expires; None if there is none."""
        return self._expires(self._drawers[0]) if self._drawers else None

    def expired(self, watermark: int, budget: int, store: Store, before: int = FOREVER) -> list[Record]:
        """Return tombstones for closed cells whose drawer's end + keep has passed, at most `budget`.

        What does not fit is returned by the next calls. The names are read from the store.

        Args:
            watermark: of the table.
            budget: most tombstones.
            store: of the partition.
            before: only of cells whose windows are all before this one.
        """
        tombstones: list[Record] = []
        while self._drawers and self._over(self._drawers[0], watermark, before):
            some, whole = self._portions.next(store, self._drawers[0], 0, budget - len(tombstones))
            tombstones += some
            if not whole:
                break
            heapq.heappop(self._drawers)
        return tombstones

    def _over(self, drawer: int, watermark: int, before: int) -> bool:
        """Return whether all windows of a drawer were judged in an earlier write, and are kept no longer."""
        last = self._steps.drawn_to(drawer)
        return self._expires(drawer) <= watermark and last <= min(self.judged_before, before)

    def _expires(self, drawer: int) -> int:
        """Return the watermark at which a drawer is kept no longer."""
        return self._steps.end(self._steps.drawn_to(drawer)) + self._keep
