"""Follows the topic of a lookup as long as a worker runs, whatever becomes of broker and topic."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from streams import reasons
from streams.lookup_topic import TopicLookup
from streams.runtime.ending import ended
from streams.transport import topics
from streams.transport.errors import ReadFailed, TransportError, Unreachable
from streams.transport.whole import WholeTopic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.effects import Records
    from streams.planned import LookupPlan
    from streams.transport.client import Client

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between two attempts to read a topic."""
LOOK = 1.0
"""Seconds between two looks at whether the topic is still there as it was."""
TELL = 10.0
"""Seconds for which further bad records are counted only."""
SILENT = 10.0
"""Seconds without an answer after which the broker is said to be away."""


class NotWhole(TransportError):  # noqa: N818 - the name says what is the matter
    """A lookup's topic was not read to its end yet."""


class Follower:
    """Reads a lookup's topic whole, then what comes; where that fails, anew, and until then the old rows stay.

    Args:
        client: a started client.
        plan: of the lookup.

    Attributes:
        lookup: its rows.
        behind: records that are not read yet; None before it is known.
    """

    def __init__(self, client: Client, plan: LookupPlan) -> None:
        """Start without rows."""
        self.lookup = TopicLookup(plan)
        self.behind: int | None = None
        self._client, self._plan = client, plan
        self._name = f"lookup {plan.lookup.name}: topic {plan.topic}"
        self._whole = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._why = ""
        self._filling = self.lookup
        self._told = -TELL
        self._full = self._away = False

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            await ended(self._task)

    async def whole(self, seconds: float) -> None:
        """Return when the topic was read to where it ended at the start.

        Raises:
            NotWhole: it was not, within these seconds.
        """
        try:
            await asyncio.wait_for(self._whole.wait(), seconds)
        except TimeoutError as error:
            if self._task is not None and self._task.done():
                self._task.result()
            raise NotWhole(f"{self._name} is not read to its end yet{self._why}") from error

    def errors(self) -> Iterator[tuple[str, int]]:
        """Yield (reason, count) of the records that changed nothing."""
        found = self.lookup.errors if self._filling is self.lookup else self.lookup.errors + self._filling.errors
        yield from sorted(found.items())

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except TransportError as error:
                if f": {error}" != self._why:
                    log.warning("%s: %s; it is read anew, and until then its rows stay as they are", self._name, error)
                self._why = f": {error}"
                await asyncio.sleep(RETRY)

    async def _follow(self) -> None:
        """Read the topic from its beginning and go on until it is no longer the same."""
        count = await topics.partitions(self._client, self._plan.topic)
        reader = WholeTopic(self._client.settings, self._plan.topic, count)
        await reader.start()
        try:
            await self._fill(reader)
            while True:
                looked = time.monotonic()
                while time.monotonic() - looked < LOOK:
                    await self._read(reader)
                await self._same(count)
        finally:
            await reader.stop()

    async def _fill(self, reader: WholeTopic) -> None:
        """Read all that is there, beside the rows that are in use."""
        self._filling = TopicLookup(self._plan)
        began = time.monotonic()
        while not reader.whole():
            await self._read(reader)
        self.lookup.take_over(self._filling)
        self._filling = self.lookup
        self._why = ""
        self._whole.set()
        log.info("%s: %d rows were read in %.1f s", self._name, len(self.lookup), time.monotonic() - began)

    async def _read(self, reader: WholeTopic) -> None:
        for partition, records in await reader.read(LOOK):
            self._apply(partition, records)
            await asyncio.sleep(0)
        self.behind = reader.behind()
        away = reader.silence() > SILENT
        if away != self._away:
            log.warning("%s %s", self._name, "is not answered; its rows stay as they are" if away else "is back")
            self._away = away

    def _apply(self, partition: int, records: Records) -> None:
        """Let records count, and tell the first of those that cannot."""
        refused = self._filling.apply(records.all_keys(), list(records.values))
        bad = [each for each in refused if each.reason != reasons.TOO_MANY_KEYS]
        if len(bad) < len(refused) and not self._full:
            self._full = True
            log.error("%s: %s", self._name, next(e for e in refused if e.reason == reasons.TOO_MANY_KEYS).message)
        if bad and time.monotonic() - self._told > TELL:
            self._told = time.monotonic()
            at, reason, message = bad[0]
            where = f"{partition}, offset {records.offsets[at]}: {message} ({reason})"
            log.warning("%s, partition %s; the row that was there stays", self._name, where)

    async def _same(self, count: int) -> None:
        """See that the topic is as it was.

        Raises:
            TransportError: it is gone, or has other partitions.
        """
        try:
            now = await topics.partitions(self._client, self._plan.topic)
        except Unreachable:
            return  # the reader tells
        if now != count:
            raise ReadFailed(f"it had {count} partitions and has {now}")
