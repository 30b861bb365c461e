"""What a worker's open cells may take in memory, and the block cache that its local stores then share."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from tables.budget import Budget, Share
from tables.deferred import DeferredStore
from tables.rocks import CACHE_BYTES, WRITE_BUFFER_BYTES, block_cache
from tables.unaligned import unaligned_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tables.spec import Table
    from tables.store import Store

log = logging.getLogger(__name__)
CACHE_PART = 8
"""The block cache takes this part of the budget, within `CACHE_BOUNDS`; without a budget, it is that of one store."""
CACHE_BOUNDS = (1 << 20, 64 << 20)
WAITING_BYTES = 64 << 20
"""What the stores of a worker lack at most, in bytes of keys and values; within a budget, no more than a part of it."""
WAITING_PART = 32
WRITE_BYTES = 2 * WRITE_BUFFER_BYTES
"""A store writes one of its buffers to a file while it fills the other."""


class Memory:
    """The budget of one worker.

    Args:
        size: bytes for open cells, their keys, and block cache, write buffers and waiting writes of the stores;
            None sets no bound.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        cached = CACHE_BYTES if size is None else max(CACHE_BOUNDS[0], min(CACHE_BOUNDS[1], size // CACHE_PART))
        self.cache = block_cache(cached)
        self._waiting = WAITING_BYTES if size is None else min(WAITING_BYTES, size // WAITING_PART)
        self._budget = None if size is None else Budget(size - cached - self._waiting, WRITE_BYTES)
        self._stores: WeakSet[DeferredStore] = WeakSet()

    @property
    def bounded(self) -> bool:
        """Whether open cells that do not fit are in the local stores only."""
        return self.size is not None

    def deferred(self, store: Store) -> DeferredStore:
        """Return a store of a table partition whose writes wait, with an equal part of what may wait in the worker."""
        found = DeferredStore(store, time.monotonic, lambda: self._waiting // max(1, len(self._stores)))
        self._stores.add(found)
        return found

    def share(self) -> Share | None:
        """Return the share of another table partition, None without a bound."""
        return None if self._budget is None else self._budget.share()

    def tell(self, tables: Iterable[Table]) -> None:
        """Say in the log which tables the budget does not bound."""
        names = [table.name for table in tables if unaligned_cells(table) is not None]
        if self.bounded and names:
            log.warning(
                "the memory budget does not bound %s: open windows that follow the rows are in memory whole",
                ", ".join(names),
            )
