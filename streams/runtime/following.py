"""What this worker follows: table partitions of others, all over one connection a broker, and never at full speed."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from streams.runtime.ending import ended
from streams.runtime.follower import Follower
from streams.transport.errors import TransportError
from streams.transport.tailing import Tails

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from streams.runtime.runtime import Runtime
    from streams.runtime.table import TablePartition
    from streams.transport.tailing import Part

log = logging.getLogger(__name__)
INTERVAL = 0.1
"""Seconds between two questions: what was written meanwhile comes in one answer, and of each key the last counts."""
RETRY = 1.0
"""Seconds after a question that nobody answered."""
LONGEST_REST = 1.0
WARMUP_SECONDS = 600.0
"""After this time a worker takes what it warms up for, ready or not: nobody stays idle for ever."""


class Following:
    """The followers of one worker.

    Args:
        runtime: of the worker.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.followers: dict[TablePartition, Follower] = {}
        self.turn = asyncio.Lock()
        """Held while a follower works and rests: one does at a time."""
        self._tails = Tails(runtime.kafka)
        self._changed = asyncio.Event()
        self._stopping: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._warming: Mapping[str, Collection[int]] = {}
        self._since = 0.0
        self._asked = True
        self._said = ""

    def assign(self, tables: Iterable[TablePartition], warming: Mapping[str, Collection[int]]) -> None:
        """Follow these table partitions and no others.

        Args:
            tables: to be followed.
            warming: changelog -> partitions of them that this worker gets when it is ready and joins again.
        """
        wanted = set(tables)
        for table in set(self.followers) - wanted:
            task = asyncio.create_task(self._leave(self.followers.pop(table)))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        for table in wanted - set(self.followers):
            self.followers[table] = Follower(table, self)
            self.followers[table].start()
        if self.followers and self._task is None:
            self._task = asyncio.create_task(self._run(), name="follow changelogs")
        self._warming, self._since, self._asked = warming, time.monotonic(), False
        if warming:
            log.info("warming up before taking over: %s", _words(warming))

    async def _leave(self, follower: Follower) -> None:
        await follower.stop()
        await self._runtime.leave(follower.table)

    async def stop(self) -> None:
        """Stop all followers and disconnect."""
        task, self._task = self._task, None
        if task is not None:
            await ended(task)
        self.assign((), {})
        await asyncio.gather(*self._stopping)
        await self._tails.stop()

    def changed(self) -> None:
        """Say that a follower wants more."""
        self._changed.set()

    async def rest(self, seconds: float) -> None:
        """Leave the worker to its own partitions for as long as following took, if it has any.

        Args:
            seconds: that the work took.
        """
        if self._runtime.partitions:
            await asyncio.sleep(min(seconds, LONGEST_REST))

    async def _run(self) -> None:
        while True:
            self._look_at_warming()
            self._changed.clear()
            waiting = {follower.part: follower for follower in self.followers.values() if follower.wants}
            try:
                if waiting:
                    await self._ask(waiting)
                    await asyncio.sleep(INTERVAL)
                else:
                    await asyncio.wait_for(self._changed.wait(), RETRY)
            except TimeoutError:
                continue
            except TransportError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("changelogs cannot be followed for a reason that is not foreseen; it is tried again")
                await asyncio.sleep(RETRY)

    async def _ask(self, waiting: Mapping[Part, Follower]) -> None:
        answers = await self._tails.ask({part: follower.position for part, follower in waiting.items()})
        for part, answer in answers.items():
            waiting[part].accept(answer)
        self._said = ""

    def _say(self, reason: str) -> None:
        if reason != self._said:
            log.warning("changelogs cannot be followed, tried again every %.0f s: %s", RETRY, reason)
        self._said = reason

    # warming up

    def caught_up(self) -> dict[str, list[int]]:
        """Return changelog -> partitions of which this worker could take over; asked in another thread."""
        late = time.monotonic() - self._since > WARMUP_SECONDS
        found: dict[str, list[int]] = {}
        for table, follower in list(self.followers.items()):
            topic = table.plan.changelog
            if follower.ready or (late and table.partition in self._warming.get(topic, ())):
                found.setdefault(topic, []).append(table.partition)
        return found

    def _look_at_warming(self) -> None:
        """Ask for a new assignment when this worker is ready for all that it is to get, and works on what it has."""
        if self._asked or not self._warming or not self._runtime.ready()[0]:
            return
        ready = self.caught_up()
        if all(number in ready.get(topic, ()) for topic, numbers in self._warming.items() for number in numbers):
            log.info("ready to take over: %s", _words(self._warming))
            self._asked = True
            self._runtime.consumer.ask_again()


def _words(topics: Mapping[str, Collection[int]]) -> str:
    return ", ".join(f"{topic}-{number}" for topic, numbers in sorted(topics.items()) for number in numbers)
