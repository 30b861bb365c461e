"""Appending record batches to one partition, one at a time, each exactly once where the broker has producer ids."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    KafkaError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
    UnknownProducerId,
    for_code,
)

from streams.transport import topics
from streams.transport.batches import build
from streams.transport.client import BACKOFF_SECONDS
from streams.transport.errors import Fenced, TooLarge, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.effects import Event
    from streams.transport.client import Client
    from tables.records import Record

DELIVERY_SECONDS = 120.0
_ATTEMPT_SECONDS = 30.0
_FENCED = (InvalidProducerEpoch, InvalidProducerIdMapping, OutOfOrderSequenceNumber, UnknownProducerId)
_FENCED_CODES = frozenset({*(error.errno for error in _FENCED), 90})  # 90: PRODUCER_FENCED, unknown to aiokafka
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_FIXES: dict[type[BrokerResponseError], str] = {
    InvalidTimestampError: "is the clock of this machine right? It takes no records from more than an hour ahead "
    "(message.timestamp.after.max.ms)",
}
"""What is behind a refusal for good, and the likely fix."""
_SEQUENCES = 1 << 31


class Refused(KafkaError):  # type: ignore[misc]  # noqa: N818 - aiokafka has no types; the name says what happened
    """The broker answered with an error.

    Args:
        code: the protocol's error code.
    """

    def __init__(self, code: int) -> None:
        """Find the error's name."""
        super().__init__(for_code(code).__name__)
        self.code = code
        self.error: type[BrokerResponseError] = for_code(code)


async def append_batch(client: Client, topic: str, partition: int, batch: bytes, seconds: float) -> int:
    """Send one record batch to the leader once, acks=all, and return its base offset.

    Args:
        client: a started client.
        topic: where to.
        partition: where to.
        batch: the encoded record batch.
        seconds: how long the broker may wait for its replicas.

    Raises:
        Refused: the broker answered with an error.
        KafkaError: aiokafka's error for a connection that broke; `LeaderNotAvailableError` where nothing was sent.
    """
    node = await client.leader(topic, partition)
    if node is None:
        raise LeaderNotAvailableError(f"{topic}-{partition}")
    code, offset = await client.produce(node, topic, partition, batch, seconds)
    if code:
        raise Refused(code)
    return offset


class Appender:
    """Appends to one partition under one producer id, never with two batches in flight.

    Args:
        client: a started client.
        topic: where to.
        partition: where to.
        seconds: how long a batch is tried before its outcome is called unknown.
        compression: none, gzip, snappy, lz4, zstd.
    """

    def __init__(
        self, client: Client, topic: str, partition: int, seconds: float = DELIVERY_SECONDS, compression: str = "none"
    ) -> None:
        """Keep the arguments; it takes nothing before `begin`."""
        self.topic = topic
        self.partition = partition
        self.limit = topics.MAX_MESSAGE_BYTES
        self.producer: tuple[int, int] | None = None
        self.broken = "it has no producer id yet"
        self._client = client
        self._seconds = seconds
        self._compression = compression
        self._sequence = 0

    async def begin(self, producer: tuple[int, int] | None) -> None:
        """Start (anew) under a producer id and epoch; None writes without, where the broker has none."""
        self.limit = await topics.max_message_bytes(self._client, self.topic)
        self.producer = producer
        self.broken = ""
        self._sequence = 0

    async def append(self, rows: Sequence[Event | Record]) -> int:
        """Append rows as exactly one record batch, and return the offset of the first.

        Raises:
            TooLarge: the batch is larger than the topic takes; nothing was written.
            Fenced: another owner of the producer id took over; nothing was written.
            WriteFailed: the outcome is unknown, or the broker refuses for good; nothing more is taken before `begin`.
        """
        if self.broken:
            raise WriteFailed(f"{self.name} takes no writes: {self.broken}")
        sequence = (*self.producer, self._sequence) if self.producer else (-1, -1, -1)
        batch = await build(rows, int(time.time() * 1000), sequence, self._compression)
        if len(batch) > self.limit:
            raise TooLarge(
                f"{self.name}: {len(rows)} records make a batch of {len(batch)} bytes, the topic takes {self.limit}:"
                " send less at once, or raise its max.message.bytes"
            )
        self.broken = "an earlier write has an unknown outcome"  # it stands, should we be cancelled on the way
        offset = await self._deliver(batch)
        self._sequence = (self._sequence + len(rows)) % _SEQUENCES
        self.broken = ""
        return offset

    async def _deliver(self, batch: bytes) -> int:
        """Send the same bytes until they are acknowledged: the broker knows a repeat by its sequence."""
        until = time.monotonic() + self._seconds
        while True:
            wait = min(max(1.0, until - time.monotonic()), _ATTEMPT_SECONDS)
            try:
                return await append_batch(self._client, self.topic, self.partition, batch, wait)
            except Refused as refusal:
                failure: Exception = refusal
                self._judge(refusal, len(batch))
            except (KafkaError, OSError) as error:
                failure = error
                self._judge_connection(error)
            if time.monotonic() > until:
                raise WriteFailed(
                    f"{self.name}: no acknowledgement from {self._client.address} in {self._seconds:.0f} s: {failure!r}"
                ) from failure
            await asyncio.sleep(BACKOFF_SECONDS)
            await self._client.refresh()

    def _judge(self, refusal: Refused, size: int) -> None:
        """Raise unless the broker's refusal passes by itself."""
        if refusal.code in _FENCED_CODES:
            self.broken = "another owner took over"
            raise Fenced(f"{self.name}: another owner took over from producer id and epoch {self.producer} ({refusal})")
        if issubclass(refusal.error, _TOO_LARGE):
            self.broken = ""
            raise TooLarge(f"{self.name}: the broker refuses a batch of {size} bytes: raise max.message.bytes")
        if not refusal.error.retriable:
            why = _FIXES.get(refusal.error, str(refusal))
            raise WriteFailed(f"{self.name}: the broker at {self._client.address} refuses a write: {why}")

    def _judge_connection(self, error: Exception) -> None:
        """Without a sequence a repeat would be written twice: raise unless surely nothing was sent."""
        if self.producer is None and not isinstance(error, LeaderNotAvailableError):
            raise WriteFailed(f"{self.name}: {self._client.address} was lost in a write: {error!r}") from error

    @property
    def name(self) -> str:
        """The topic and partition, for messages."""
        return f"{self.topic}-{self.partition}"
