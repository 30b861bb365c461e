"""Closed cells of panes: in the store only, by the group, until they are kept no longer."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

from tables.records import Record, group_prefix
from tables.store import cells_of
from tables.windows import FOREVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tables.store import Group, Store
    from tables.windows import Panes


class Portions:
    """The cells of one group after the other, as tombstones, so many at once; it goes on where it ended."""

    def __init__(self) -> None:
        """Begin with a whole group."""
        self._after: bytes | None = None

    def next(self, store: Store, pane: int, first: int, room: int) -> tuple[list[Record], bool]:
        """Return the next tombstones of a group, at most `room`, and whether that was all of it."""
        keys = [key for key, _ in islice(cells_of(store, pane, first, self._after), room)]
        whole = len(keys) < room
        self._after = None if whole else keys[-1] if keys else self._after
        prefix = group_prefix(pane, first)
        return [Record(prefix + key, None) for key in keys], whole


class ClosedGroups:
    """The groups of one table partition all of whose windows are closed.

    Args:
        panes: of the table.
        keep: how long closed rows can be asked for, in ms.
    """

    def __init__(self, panes: Panes, keep: int) -> None:
        """Know of none."""
        self._panes, self._keep = panes, keep
        self._groups: list[tuple[int, int, int]] = []
        self._portions = Portions()

    def __len__(self) -> int:
        """Return how many groups have not expired."""
        return len(self._groups)

    def note(self, pane: int, first: int) -> None:
        """Note a group that is in the store only, and not noted yet: it expires some day."""
        heapq.heappush(self._groups, (self._panes.last_of(pane), pane, first))

    def only(self, groups: Iterable[Group]) -> None:
        """Let these groups be all that there are."""
        self._groups = [(self._panes.last_of(pane), pane, first) for pane, first in groups]
        heapq.heapify(self._groups)

    def next_expiry(self) -> int | None:
        """Return the watermark at which the next cells expire; None if there are none."""
        return self._panes.end(self._groups[0][0]) + self._keep if self._groups else None

    def expired(self, watermark: int, budget: int, store: Store, before: int = FOREVER) -> list[Record]:
        """Return tombstones for cells whose last window's end + keep has passed, at most `budget`.

        What does not fit is returned by the next calls. The keys are read from the store: closed cells take no memory.

        Args:
            watermark: of the table.
            budget: most tombstones.
            store: of the partition.
            before: only of cells whose windows are all before this one.
        """
        tombstones: list[Record] = []
        while (expiry := self.next_expiry()) is not None and expiry <= watermark and self._groups[0][0] < before:
            _, pane, first = self._groups[0]
            some, whole = self._portions.next(store, pane, first, budget - len(tombstones))
            tombstones += some
            if not whole:
                break
            heapq.heappop(self._groups)
        return tombstones
