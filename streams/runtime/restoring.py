"""Bringing one table partition up to its claim: straight into memory, or by way of its local store.

A store that has all but the end is brought up to date, and the cells are read out of it. Without such a store the
cells are loaded from the changelog, so that work can begin, and the store is filled behind (`LocalStore`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tables.cells import Cells
from tables.loading import Loader
from tables.recovery import OffsetsGone, goes_on, last_progress, load, restore, unusable
from tables.shapes import kept_shapes
from tables.unaligned import unaligned_cells

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.planned import TablePlan
    from streams.transport.changelog import ChangelogReader
    from tables.recovery import RestoreProgress, RestoreResult
    from tables.store import Store

log = logging.getLogger(__name__)
AT_ONCE = 4
"""Partitions of a worker that are restored side by side: each holds two fetch answers of 4 MiB."""
MOST_RESERVED = 2_000_000
"""Cells for which there is room from the start; what is not used takes address space, not memory."""
SAY_SECONDS = 5.0
"""Between two lines about a restore in the log."""


class Turns:
    """Who restores: a few partitions at once, and nobody fills a store meanwhile.

    Args:
        at_once: partitions that are restored side by side.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Let the first begin."""
        self._places = asyncio.Semaphore(at_once)
        self._filling = asyncio.Semaphore(1)
        self._none = asyncio.Event()
        self._none.set()
        self._restoring = 0

    @asynccontextmanager
    async def restoring(self) -> AsyncIterator[None]:
        """Wait for a place, and have it."""
        self._restoring += 1
        self._none.clear()
        try:
            async with self._places:
                yield
        finally:
            self._restoring -= 1
            if not self._restoring:
                self._none.set()

    @asynccontextmanager
    async def filling(self) -> AsyncIterator[None]:
        """Wait until nobody restores and no other store is filled; those that restore later do not wait for this."""
        async with self._filling:
            await self._none.wait()
            yield


class Restoring:
    """One way up to the claim, chosen once.

    Args:
        plan: of the table.
        store: the local store.
        reader: of the changelog partition, connected.
        name: of it, for the log.
        max_age: seconds; see `tables.recovery.restore`.
        progress: called after every chunk.
        warm: what a follower of the partition has in memory; None if there was none.
        bounded: whether the cells may have no room in memory: then they are read out of the store.

    Attributes:
        loader: of the cells; None where they are to be read out of the store.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent
        self,
        plan: TablePlan,
        store: Store,
        reader: ChangelogReader,
        name: str,
        max_age: float,
        progress: Callable[[RestoreProgress], None],
        warm: Loader | None = None,
        *,
        bounded: bool = False,
    ) -> None:
        self._warm, self._bounded = warm, bounded
        self._plan, self._store, self._reader = plan, store, reader
        self._name, self._max_age, self._progress = name, max_age, Said(name, progress)
        self._chosen = False
        self.loader: Loader | None = None

    async def up_to(self, claim: int) -> RestoreResult:
        """Bring the state to what the changelog says at the claim, from wherever it stands.

        Raises:
            OffsetsGone: the log loses offsets faster than they are read.
            TransportError: it cannot be read.
            StoreError: the store cannot be written.
        """
        if not self._chosen:
            self.loader, self._chosen = await self._chose(claim), True
        if self.loader is not None:
            result = await self._loaded(self.loader, claim)
            if result is not None:
                return result
            self.loader = None
        return await restore(
            self._store, self._reader.read, claim, name=self._name, max_age=self._max_age,
            earliest=lambda: self._reader.earliest, progress=self._progress,
        )  # fmt: skip

    async def _chose(self, claim: int) -> Loader | None:
        """Return a loader, if the store lacks more than half of the log and cells are as declared.

        A last write that withdrew rows owes events that only the store can tell; sessions are always read from it.
        """
        if self._bounded:
            return None
        offset = None if unusable(self._store, claim, self._max_age) else self._store.offset()
        if self._warm is not None and offset is not None and await goes_on(self._warm, self._reader.read, claim):
            return self._warm
        progress = await last_progress(self._reader.read, claim)
        near = offset is not None and 2 * (claim - offset) <= claim - self._reader.earliest
        if near or progress is None or progress.fingerprint != self._plan.fingerprint:
            return None
        if progress.withdrawn != progress.withdrawn_before or unaligned_cells(self._plan.table) is not None:
            return None
        cells = Cells(self._plan.table)
        cells.map.reserve(min(MOST_RESERVED, claim - self._reader.earliest))
        return Loader(cells, progress.shape, progress.before[0])

    async def _loaded(self, loader: Loader, claim: int) -> RestoreResult | None:
        """Load the cells; None if they turn out not to be as declared, or the log is lost under them."""
        try:
            result = await load(
                loader, self._reader.read, claim, earliest=lambda: self._reader.earliest, progress=self._progress
            )
        except OffsetsGone as error:
            log.warning("%s: %s", self._name, error)
            return None
        progress = loader.kept.progress()
        if progress is None or progress.withdrawn != progress.withdrawn_before:
            return None
        shape = kept_shapes(loader.kept).get(progress.shape)
        return result if shape is not None and shape.same(self._plan.shape) else None


class Said:
    """Hands progress on, and says it in the log every few seconds.

    Args:
        name: of what is restored.
        tell: is called each time.
    """

    def __init__(self, name: str, tell: Callable[[RestoreProgress], None]) -> None:
        self._name, self._tell, self._last = name, tell, time.monotonic()

    def __call__(self, progress: RestoreProgress) -> None:
        """Take what there is to say."""
        self._tell(progress)
        now = time.monotonic()
        if now - self._last < SAY_SECONDS:
            return
        self._last = now
        left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
        log.info(
            "%s: %d records (%d MiB) restored, %.0f records/s%s",
            self._name, progress.records, progress.size >> 20, progress.rate, left,
        )  # fmt: skip
