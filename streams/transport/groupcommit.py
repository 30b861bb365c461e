"""Group commit: what came for a partition while a batch of it was under way goes together in the next one.

A partition takes one batch at a time, each after a round trip to the broker. Where several ends of windows send their
alerts to the same few partitions at once, each would wait for those before it. (DeWitt et al., "Implementation
techniques for main memory database systems", SIGMOD 1984: the log records of several transactions share a write.)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.transport.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streams.effects import Event


@dataclass(slots=True, eq=False)
class _Part:
    """What one caller sends.

    Args:
        events: in order.
        size: what they take in a batch at most, bytes.
        written: set when all of them are acknowledged.
    """

    events: Sequence[Event]
    size: int
    written: asyncio.Future[None]


class GroupCommit:
    """Events for one partition, in the order in which they came, a group at a time.

    Args:
        write: takes events and their bytes at most, writes them in order and returns when they are acknowledged.
    """

    def __init__(self, write: Callable[[Sequence[Event], int], Awaitable[None]]) -> None:
        """Have nothing to write."""
        self._write = write
        self._waiting: list[_Part] = []
        self._group: list[_Part] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, events: Sequence[Event], size: int, limit: int) -> None:
        """Write events, with those of others if these come first, and return when they are acknowledged.

        Events whose caller is cancelled are left out, unless they are under way together with those of others.

        Args:
            events: at least one.
            size: what they take in a batch at most, bytes.
            limit: a group of several callers is at most this large, bytes.

        Raises:
            Exception: whatever the write raised.
        """
        part = _Part(events, size, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        self._begin(limit)
        try:
            await part.written
        finally:
            if self._task is not None and self._group and all(each.written.cancelled() for each in self._group):
                self._task.cancel()

    def _begin(self, limit: int) -> None:
        """Begin a group, if none is under way; it takes what waits when its task first runs."""
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._run(limit))
            self._task.add_done_callback(lambda _: self._ended(limit))

    def _ended(self, limit: int) -> None:
        self._task = None
        self._begin(limit)

    async def _run(self, limit: int) -> None:
        self._group = self._next(limit)
        try:
            if self._group:
                await self._commit(self._group)
        finally:
            for part in self._group:
                part.written.cancel()
            self._group = []

    async def _commit(self, group: list[_Part]) -> None:
        """Write a group; what the broker refuses for its size is written part by part, for only one may be guilty."""
        try:
            await self._write([event for part in group for event in part.events], sum(part.size for part in group))
        except TooLarge as error:
            if len(group) == 1:
                _tell(group, error)
            else:
                for part in group:
                    if not part.written.done():
                        await self._commit([part])
        except Exception as error:  # noqa: BLE001 - it is the callers', and each of them raises it
            _tell(group, error)
        else:
            _tell(group, None)

    def _next(self, limit: int) -> list[_Part]:
        """Take what waits, as far as it fits; the first in any case."""
        waiting = [part for part in self._waiting if not part.written.done()]
        count, size = 0, 0
        for part in waiting:
            size += part.size
            if count and size > limit:
                break
            count += 1
        self._waiting = waiting[count:]
        return waiting[:count]


def _tell(group: list[_Part], error: Exception | None) -> None:
    """Tell those who still wait what became of their events."""
    for part in group:
        if part.written.done():
            continue
        if error is None:
            part.written.set_result(None)
        else:
            part.written.set_exception(error)
