"""The local store of a table partition: written after each write, or filled from the changelog behind its back.

A partition whose cells were loaded straight from the changelog works on while its store still lacks them. The store is
then a follower of the changelog: it reads from its own offset on, and what is written meanwhile waits in a queue, or,
if that is much, is read from the changelog too. It is never ahead of the changelog, nor is
its offset of its content.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from streams.runtime.ending import ended
from streams.runtime.restoring import Said
from streams.transport.errors import TransportError
from tables.recovery import OffsetsGone, in_thread, restore
from tables.store import StoreError
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.runtime.restoring import Turns
    from streams.transport.changelog import ChangelogReader
    from tables.records import Record
    from tables.recovery import RestoreProgress
    from tables.store import Store

log = logging.getLogger(__name__)
QUEUE_BYTES = 16 << 20
"""Writes that wait for the store; beyond that they are read from the changelog."""
AGAIN_SECONDS = 2.0


class _Waiting(NamedTuple):
    """A write that the store does not have yet."""

    start: int
    records: Sequence[Record]
    end: int


class LocalStore:
    """What writes the store of one table partition.

    Args:
        store: the store.
        name: of the partition, for the log.

    Attributes:
        filling: how far the filling has come; None while it does not go on.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.filling: RestoreProgress | None = None
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._end = 0
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._error: StoreError | None = None

    @property
    def behind(self) -> bool:
        """Whether the store lacks something of what was acknowledged."""
        return self._task is not None

    @property
    def stopped(self) -> bool:
        """Whether the store cannot be filled: the next write says why."""
        return self._error is not None

    def write(self, records: Sequence[Record], offset: int) -> None:
        """Take an acknowledged write, now or when the store has all before it.

        Args:
            records: of the write.
            offset: the changelog offset after them.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._error is not None:
            raise self._error
        if not self.behind:
            self.store.write(records, offset)
            return
        self._queue.append(_Waiting(self._end, records, offset))
        self._end = offset
        self._size += Written.of(records).size
        if self._size > QUEUE_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._queue.clear()
        self._size = 0

    def fill(
        self, connect: Callable[[], ChangelogReader], end: int, turns: Turns, max_age: float, done: Callable[[], None]
    ) -> None:  # fmt: skip
        """Begin to fill the store from its changelog.

        Args:
            connect: makes a reader of the changelog partition.
            end: the changelog offset up to which the partition has its state.
            turns: who may, when.
            max_age: seconds; see `tables.recovery.restore`.
            done: is called when the store has everything.
        """
        self._end = end
        self._task = asyncio.create_task(self._fill(connect, turns, max_age, done), name=f"fill {self._name}")

    async def _fill(
        self, connect: Callable[[], ChangelogReader], turns: Turns, max_age: float, done: Callable[[], None]
    ) -> None:  # fmt: skip
        try:
            for pause in repeat(AGAIN_SECONDS):
                read = await self._filled(connect, turns, max_age)
                if read and await self._drained():
                    break
                if not read:
                    await asyncio.sleep(pause)
        except StoreError as error:
            self._error = error
            log.exception("%s: the local store cannot be filled", self._name)
            return
        self.filling = self._task = None
        log.info("%s: the local store has everything", self._name)
        done()

    async def _filled(self, connect: Callable[[], ChangelogReader], turns: Turns, max_age: float) -> bool:
        """Fill the store from its changelog, up to all but the last writes; return False where it could not be read."""
        try:
            async with turns.filling(), connect() as reader:
                while (offset := self.store.offset()) != self._end:
                    if self._queue and self._queue[0].start == offset:
                        await self._next()
                        continue
                    target = self._queue[0].start if self._queue else self._end
                    tell = Said(f"{self._name}, local store", self._note)
                    await restore(
                        self.store, reader.read, target - 1, name=self._name, max_age=max_age,
                        earliest=lambda: reader.earliest, progress=tell,
                    )  # fmt: skip
        except (TransportError, OffsetsGone) as error:
            log.warning("%s: the local store is not filled yet: %s", self._name, error)
            return False
        return True

    async def _drained(self) -> bool:
        """Write what came while the reader disconnected; return whether the store has everything.

        Nothing may be awaited between a true answer and the end of the filling: from then on writes do not wait.
        """
        while self._queue and self._queue[0].start == self.store.offset():
            await self._next()
        return self.store.offset() == self._end

    async def _next(self) -> None:
        """Write what waits first."""
        first = self._queue[0]
        await in_thread(self.store.write, first.records, first.end)
        if self._queue and self._queue[0] is first:
            self._queue.popleft()
            self._size -= Written.of(first.records).size

    def _note(self, progress: RestoreProgress) -> None:
        self.filling = progress

    def cancel(self) -> None:
        """Let the filling end; what the store has by then is whole up to its offset."""
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()
        self._forget()

    async def ended(self) -> None:
        """End the filling, if there is one, and wait until it has ended."""
        if self._task is not None:
            await ended(self._task)
        self.filling = self._task = self._error = None

    async def close(self) -> None:
        """End the filling, then close the store."""
        self.cancel()
        await self.ended()
        self.store.close()
