"""Reading a changelog partition in bulk, and taking it over: fence, then restore."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.transport import fetch
from streams.transport.appender import DELIVERY_SECONDS
from streams.transport.client import connection
from streams.transport.errors import ReadFailed, Unreachable
from streams.transport.produce import Claim
from tables.recovery import Chunk, OffsetsGone, restore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    from streams.transport.produce import FencedWriter
    from tables.recovery import RestoreProgress, RestoreResult
    from tables.store import Store

log = logging.getLogger(__name__)
FETCH_BYTES = 8 << 20
CHUNK_RECORDS = 20_000
"""Records after which a chunk ends with its batch: nothing may hold the event loop for longer than 50 ms."""
STALL_SECONDS = 60.0


class ChangelogReader:
    """Reads one changelog partition with a consumer of its own, outside of every group.

    Args:
        settings: aiokafka's connection arguments.
        topic: the changelog.
        partition: of it.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, partition: int) -> None:
        """Keep the arguments; `async with` connects."""
        self._settings = connection(settings)
        self._tp = TopicPartition(topic, partition)
        self._consumer: AIOKafkaConsumer | None = None
        self.earliest = 0
        """The first offset that the log has, as it was when reading began."""

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Unreachable: no broker answered.
        """
        consumer = AIOKafkaConsumer(
            **self._settings,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_uncommitted",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise Unreachable(f"no Kafka broker answers at {self._address}: {error}") from error
        consumer.assign([self._tp])
        self._consumer = consumer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def read(self, start: int | None, until: int) -> AsyncIterator[Chunk]:
        """Yield the records from `start` (None: the first there is) until the position is `until` or more.

        Raises:
            OffsetsGone: the log does not have the offset `start`.
            ReadFailed: a batch is damaged, or nothing came for a minute though the log should go on.
        """
        consumer = self._connected
        position = await self._seek(consumer, start)
        moved = time.monotonic()
        while position < until:
            await fetch.wait(consumer._fetcher, 1.0, [self._tp])
            chunk = self._chunk(consumer._fetcher, position, until)
            if chunk is None:
                self._stalled(position, until, time.monotonic() - moved)
            else:
                position, moved = chunk.hi, time.monotonic()
                yield chunk

    async def _seek(self, consumer: AIOKafkaConsumer, start: int | None) -> int:
        try:
            earliest = int((await consumer.beginning_offsets([self._tp]))[self._tp])
        except (KafkaError, OSError) as error:
            raise Unreachable(f"{self._name} at {self._address} does not answer: {error!r}") from error
        self.earliest = earliest
        if start is not None and start < earliest:
            raise OffsetsGone(f"{self._name} begins at offset {earliest}, {start} is asked for")
        consumer.seek(self._tp, earliest if start is None else start)
        return earliest if start is None else start

    def _chunk(self, fetcher: Any, start: int, until: int) -> Chunk | None:
        for tp, result in fetch.ready(fetcher, [self._tp]):
            try:
                if not isinstance(result, FetchResult):
                    fetch.drop(fetcher, tp)
                    result.check_raise()
                return _read(fetch.Cursor(fetcher, tp, result), start, until)
            except OffsetOutOfRangeError as error:
                raise OffsetsGone(f"{self._name}: {error}") from error
            except KafkaError as error:
                raise ReadFailed(f"{self._name} at {self._address} cannot be read: {error!r}") from error
        return None

    def _stalled(self, position: int, until: int, seconds: float) -> None:
        if seconds > STALL_SECONDS:
            raise ReadFailed(
                f"{self._name} at {self._address}: nothing came for {seconds:.0f} s at offset {position}, though it was"
                f" acknowledged up to {until}: is the partition's leader alive, or has the log lost its end?"
            )

    @property
    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ReadFailed(f"{self._name}: not connected; use `async with`")
        return self._consumer

    @property
    def _name(self) -> str:
        return f"changelog {self._tp.topic}-{self._tp.partition}"

    @property
    def _address(self) -> Any:
        return self._settings.get("bootstrap_servers", "localhost:9092")


def _read(cursor: fetch.Cursor, start: int, until: int) -> Chunk:
    """Return the key and value of every record from `start` up to `until` or the end of the fetch result."""
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    offsets: list[int] = []

    def add(batch: Any) -> None:
        records = list(batch)
        if batch.base_offset < start:
            records = [each for each in records if each.offset >= start]
        offsets.extend([each.offset for each in records[:1]])
        key, value = keys.append, values.append
        for record in records:
            key(record.key)
            value(record.value)

    while cursor.position < until and len(keys) < CHUNK_RECORDS and cursor.read(add):
        pass
    return Chunk(keys, values, cursor.position, offsets[0] if offsets else None)


async def take_over(  # noqa: PLR0913 - independent, half of them with a default
    writer: FencedWriter,
    reader: ChangelogReader,
    store: Store,
    *,
    max_age: float = 43_200.0,
    progress: Callable[[RestoreProgress], None] | None = None,
    wait_seconds: float = DELIVERY_SECONDS + 10.0,
    waiting: Callable[[str], None] | None = None,
) -> RestoreResult:
    """Take a changelog partition over: claim it, then restore the store up to the claim.

    Read the input's commit before: one read later may be a zombie's, ahead of the restored state.

    Args:
        writer: of the partition; it may write when this returns.
        reader: of the partition, connected.
        store: the local store.
        max_age: see `tables.recovery.restore`.
        progress: see `tables.recovery.restore`.
        wait_seconds: how long a former owner may still write under a producer id that ours does not fence
            (delivery timeout and session timeout).
        waiting: is told why, before such a wait; cancelling the call ends it.

    Raises:
        TransportError: the partition cannot be had or read.
    """
    name = f"{writer.topic}-{writer.partition}"

    async def once() -> RestoreResult:
        return await restore(store, reader.read, await writer.claim(), name=name, max_age=max_age, progress=progress)

    result = await once()
    if writer.fenced and _other_producer(result.previous, writer.producer_id):
        why = f"the claim before ours has another producer id: waiting {wait_seconds:.0f} s for its owner's last writes"
        log.warning("%s: %s", name, why)
        if waiting is not None:
            waiting(why)
        await asyncio.sleep(wait_seconds)
        return await once()
    return result


def _other_producer(previous: bytes | None, producer_id: int) -> bool:
    """Return whether an earlier owner's writes escape our fence: the broker knows it by another producer id."""
    if previous is None:
        return False
    earlier = msgspec.json.decode(previous, type=Claim)
    return earlier.producer_id not in (-1, producer_id)
