"""Sending events (alerts, rows, dead letters) to their topics: acknowledged by all replicas, or an error."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import msgspec
from aiokafka.partitioner import murmur2

from streams.letters import OFFSET, TRUNCATED
from streams.transport.appender import DELIVERY_SECONDS, Appender
from streams.transport.batches import event_bound
from streams.transport.errors import Fenced, TooLarge, WriteFailed
from streams.transport.groupcommit import GroupCommit
from streams.transport.wire import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.effects import Event
    from streams.transport.client import Client

log = logging.getLogger(__name__)
KEY_BYTES = 1024
"""A key of at most this size stays with a letter whose value is left out."""
Target = tuple[str, int]


class EventProducer:
    """Produces events, idempotently where the broker can; one for all of a worker.

    Args:
        client: a started client.
        delivery_seconds: how long a batch is tried.
        compression: of the batches: none, gzip, snappy, lz4, zstd.
    """

    def __init__(self, client: Client, delivery_seconds: float = DELIVERY_SECONDS, compression: str = "none") -> None:
        """Keep the arguments; a producer id is asked for with the first event."""
        self._client = client
        self._seconds = delivery_seconds
        self._compression = compression
        self._appenders: dict[Target, tuple[Appender, GroupCommit]] = {}
        self.truncated = 0
        """Dead letters and late rows that were sent without their value, for their topic does not take it."""

    async def send(self, events: Sequence[Event]) -> None:
        """Send events and return when all of them are acknowledged. Those of a partition keep their order.

        Args:
            events: an event without partition goes where Java's producer would put its key (murmur2).

        Raises:
            TooLarge: an event is larger than its topic takes; nothing was sent. A dead letter or a late row is sent
                without its value instead: the original lies where its headers say.
            TopicMissing: its topic does not exist; nothing was sent.
            WriteFailed: not all were acknowledged; send all of them again.
        """
        groups: dict[Target, list[Event]] = {}
        place = {topic: Placement(await self._client.partition_count(topic)) for topic in {e.topic for e in events}}
        for event in events:
            groups.setdefault((event.topic, place[event.topic].of(event)), []).append(event)
        work = [await self._fitted(target, group) for target, group in groups.items()]
        if len(work) == 1:  # one alert, as a rule: a task of its own would cost it three passes of the event loop
            line, part = work[0]
            await line.send(*part)
            return
        results = await asyncio.gather(*(line.send(*part) for line, part in work), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _fitted(self, target: Target, events: list[Event]) -> tuple[GroupCommit, tuple[list[Event], int, int]]:
        """Return who sends the events of a partition, and these as they fit, their size and the limit."""
        appender, line = await self._appender(target)
        fitting, size = [], HEAD_BYTES
        for event in events:
            kept, more = event, event_bound(event)
            if HEAD_BYTES + more > appender.limit:
                kept = self._shortened(event, appender.limit)
                more = _size(kept, appender.limit)
            fitting.append(kept)
            size += more
        return line, (fitting, size, appender.limit)

    def _shortened(self, event: Event, limit: int) -> Event:
        """Return a letter without its value; other events as they are."""
        if not is_letter(event):
            return event
        self.truncated += 1
        log.warning(
            "a dead letter or late row of %d bytes does not fit topic %s (%d bytes) and is sent without its value; "
            "raise max.message.bytes there",
            len(event.value or b""), event.topic, limit,
        )  # fmt: skip
        return without_value(event, limit)

    async def _write(self, appender: Appender, events: Sequence[Event], size: int) -> None:
        for batch in [events] if size <= appender.limit else pack(events, appender.limit):
            await self._append(appender, batch)

    async def _append(self, appender: Appender, batch: Sequence[Event]) -> None:
        if appender.broken:
            await appender.begin(await self._client.init_producer(None))
        try:
            await appender.append(batch)
        except TooLarge:
            await self._halve(appender, batch)
        except Fenced as error:  # nobody else has our producer id: the broker has forgotten it
            appender.broken = "the broker has forgotten the producer id"
            raise WriteFailed(f"{appender.name}: {error}") from error

    async def _halve(self, appender: Appender, batch: Sequence[Event]) -> None:
        """The broker takes less than it told us: try with less, down to a letter without its value."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._append(appender, batch[:middle])
            await self._append(appender, batch[middle:])
        elif is_letter(batch[0]) and batch[0].value is not None:
            await self._append(appender, [self._shortened(batch[0], 0)])
        else:
            size = event_bound(batch[0])
            raise TooLarge(f"{appender.name}: the broker refuses an event of {size} bytes: raise max.message.bytes")

    async def _appender(self, target: Target) -> tuple[Appender, GroupCommit]:
        if target not in self._appenders:
            appender = Appender(self._client, *target, self._seconds, self._compression)
            await appender.begin(await self._client.init_producer(None))
            self._appenders.setdefault(target, (appender, GroupCommit(partial(self._write, appender))))
        return self._appenders[target]


def is_letter(event: Event) -> bool:
    """Return whether an event carries a record that lies in another topic, at an offset that it names."""
    return any(name == OFFSET for name, _ in event.headers)


def without_value(event: Event, limit: int) -> Event:
    """Return a letter without value, nor key if that alone is too large; a header says how many bytes are left out."""
    size = len(event.value or b"")
    headers = (*event.headers, (TRUNCATED, b"%d" % size))
    key = event.key if event.key is None or len(event.key) <= max(limit // 2, KEY_BYTES) else None
    return msgspec.structs.replace(event, key=key, value=None, headers=headers)


class Placement:
    """Chooses partitions of one topic as Java's producer does: murmur2 of the key; without key, one for all of a send.

    Args:
        partitions: how many the topic has.
    """

    def __init__(self, partitions: int) -> None:
        """Choose the partition of events without key."""
        self._count = partitions
        self._keyless = random.randrange(partitions)  # noqa: S311 - spreading load, not a secret

    def of(self, event: Event) -> int:
        """Return the partition of an event."""
        if event.partition is not None:
            return event.partition
        return self._keyless if event.key is None else (_hash(event.key) & 0x7FFFFFFF) % self._count


_hash = lru_cache(1 << 16)(murmur2)
"""aiokafka's murmur2 costs 3 us, and the keys of rows come again with every window."""


def _size(event: Event, limit: int) -> int:
    """Return what an event adds to a batch at most, bytes.

    Raises:
        TooLarge: a batch of it alone is larger than the limit.
    """
    size = event_bound(event)
    if HEAD_BYTES + size > limit:
        raise TooLarge(
            f"an event of {size} bytes for topic {event.topic!r} (key {event.key!r}) is larger than the topic takes"
            f" ({limit} bytes): raise its max.message.bytes, or make the event smaller"
        )
    return size


def pack(events: Iterable[Event], limit: int) -> Iterator[list[Event]]:
    """Cut events, in order, into batches of at most `limit` bytes.

    Raises:
        TooLarge: a single one does not fit.
    """
    batch: list[Event] = []
    size = HEAD_BYTES
    for event in events:
        more = _size(event, limit)
        if batch and size + more > limit:
            yield batch
            batch, size = [], HEAD_BYTES
        batch.append(event)
        size += more
    if batch:
        yield batch
