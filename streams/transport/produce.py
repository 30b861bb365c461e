"""Writing one changelog partition: fenced, one record batch at a time, appended exactly once.

The fence is Kafka's producer epoch (KIP-98, KIP-360). `InitProducerId` for the partition's transactional id raises the
epoch; one acknowledged claim under it makes the partition leader refuse every batch of an older epoch. The batches are
plain idempotent ones, not transactional. `tests/integration/test_fencing.py` proves this on Apache Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
    UnknownProducerId,
    for_code,
)
from aiokafka.protocol.produce import ProduceRequest

from streams.transport import topics
from streams.transport.batches import NO_PRODUCER, build, size_bound
from streams.transport.client import BACKOFF_SECONDS
from streams.transport.errors import Fenced, TooLarge, WriteFailed
from tables.records import CLAIM, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.transport.client import Client

log = logging.getLogger(__name__)
DELIVERY_SECONDS = 120.0
RENEW_SECONDS = 43_200.0
"""Half of the day after which a broker forgets a silent producer id (producer.id.expiration.ms)."""
_FENCED = (InvalidProducerEpoch, InvalidProducerIdMapping, OutOfOrderSequenceNumber, UnknownProducerId)
_FENCED_CODES = frozenset({*(error.errno for error in _FENCED), 90})  # 90: PRODUCER_FENCED, unknown to aiokafka
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_SEQUENCES = 1 << 31


class Claim(msgspec.Struct):
    """The value of a claim record: who took the partition over, and when.

    Args:
        producer_id: -1 where the broker cannot fence.
        epoch: of that producer id.
        worker: the owner's name.
        time: wall clock, ms.
    """

    producer_id: int
    epoch: int
    worker: str
    time: int


async def append_batch(client: Client, topic: str, partition: int, batch: bytes, seconds: float) -> int:
    """Send one record batch to the leader once, acks=all, and return its base offset.

    Args:
        client: a started client.
        topic: where to.
        partition: where to.
        batch: the encoded record batch.
        seconds: how long the broker may wait for its replicas.

    Raises:
        KafkaError: aiokafka's error for what the broker said, or for the connection that broke.
    """
    node = await client.leader(topic, partition)
    if node is None:
        raise for_code(5)(f"{topic}-{partition}")  # LEADER_NOT_AVAILABLE: nothing was sent
    request = ProduceRequest(None, -1, int(seconds * 1000), [(topic, [(partition, batch)])])
    reply = await client.raw.send(node, request)
    _, code, offset, *_ = reply.topics[0][1][0]
    if code:
        raise Refused(code)
    return int(offset)


class Refused(KafkaError):  # type: ignore[misc]  # noqa: N818 - aiokafka has no types; the name says what happened
    """The broker answered with an error.

    Args:
        code: the protocol's error code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(for_code(code).__name__)
        self.code = code
        self.error: type[BrokerResponseError] = for_code(code)


class FencedWriter:
    """The only writer of one changelog partition.

    Args:
        client: a started client, shared by all writers of the worker.
        topic: the changelog.
        partition: of the changelog.
        transactional_id: `<app>-<table>-<partition>`: one per table and partition.
        worker: our name, for the claim.
        delivery_seconds: how long a write is tried before its outcome is called unknown.
        compression: of the batches: none, gzip, snappy, lz4, zstd.
    """

    def __init__(  # noqa: PLR0913 - they are independent, and all but three have a default
        self,
        client: Client,
        topic: str,
        partition: int,
        *,
        transactional_id: str,
        worker: str = "",
        delivery_seconds: float = DELIVERY_SECONDS,
        compression: str = "none",
    ) -> None:
        """Keep the arguments; nothing is sent before `claim`."""
        self.topic = topic
        self.partition = partition
        self.transactional_id = transactional_id
        self.limit = topics.MAX_MESSAGE_BYTES
        self.fenced = False
        self.claimed: Claim | None = None
        self._client = client
        self._worker = worker
        self._seconds = delivery_seconds
        self._compression = compression
        self._sequence = 0
        self._broken = "it has not claimed the partition yet"
        self._lock = asyncio.Lock()

    @property
    def producer_id(self) -> int:
        """The producer id of the last claim; -1 before, and where the broker cannot fence."""
        return self.claimed.producer_id if self.claimed else -1

    @property
    def epoch(self) -> int:
        """The producer epoch of the last claim; -1 before, and where the broker cannot fence."""
        return self.claimed.epoch if self.claimed else -1

    async def claim(self) -> int:
        """Take the partition over: from the acknowledgement on, the broker refuses every older owner's writes.

        Returns:
            The offset of the claim record: the state is what lies before it.

        Raises:
            Fenced: a still newer owner was faster.
            WriteFailed: the claim was not acknowledged in time.
            TransportError: the coordinator or the topic cannot be had.
        """
        async with self._lock:
            self.limit = await topics.max_message_bytes(self._client, self.topic)
            producer = await self._client.init_producer(self.transactional_id, self._seconds)
            self.fenced = producer is not None
            self.claimed = Claim(*(producer or NO_PRODUCER[:2]), self._worker, int(time.time() * 1000))
            self._sequence = 0
            if not self.fenced:
                log.warning("%s: writes are NOT fenced, this broker cannot (is it the embedded one?)", self._name)
            return await self._append([Record(CLAIM, msgspec.json.encode(self.claimed))])

    async def renew(self, seconds: float = RENEW_SECONDS) -> int | None:
        """Claim again if the last claim is older than `seconds`; call it now and then, writes or no writes.

        Returns:
            The offset of the new claim record, or None where none was due.
        """
        age = time.time() - self.claimed.time / 1000 if self.claimed else seconds
        return await self.claim() if age >= seconds else None

    async def append(self, records: Sequence[Record]) -> int:
        """Append records as exactly one record batch: all of them are in the log, or none.

        Args:
            records: at least one.

        Returns:
            The offset of the first.

        Raises:
            TooLarge: the batch would be larger than the topic takes; nothing was written, the writer lives on.
            Fenced: another owner took over; nothing was written.
            WriteFailed: the outcome is unknown, or the broker refuses for good: restore the partition.
        """
        async with self._lock:
            if self._broken:
                raise WriteFailed(f"{self._name} takes no writes: {self._broken}")
            return await self._append(records)

    async def _append(self, records: Sequence[Record]) -> int:
        now = int(time.time() * 1000)
        producer = (self.producer_id, self.epoch, self._sequence if self.fenced else -1)
        batch = await build(records, now, producer, self._compression)
        if len(batch) > self.limit:
            raise TooLarge(
                f"{self._name}: a write of {len(records)} records makes {len(batch)} bytes, the topic takes"
                f" {self.limit}: cut it, or raise max.message.bytes"
            )
        self._broken = "an earlier write has an unknown outcome"  # it stands, should we be cancelled on the way
        offset = await self._deliver(batch)
        self._sequence = (self._sequence + len(records)) % _SEQUENCES
        self._broken = ""
        return offset

    async def _deliver(self, batch: bytes) -> int:
        """Send the same bytes until they are acknowledged: the broker knows a repeat by its sequence."""
        until = time.monotonic() + self._seconds
        while True:
            left = until - time.monotonic()
            try:
                return await append_batch(self._client, self.topic, self.partition, batch, max(1.0, min(left, 30.0)))
            except Refused as refusal:
                failure: KafkaError | OSError = refusal
                self._judge(refusal, len(batch))
            except (KafkaError, OSError) as error:
                failure = error
                self._unfenced(error)
            if time.monotonic() > until:
                raise WriteFailed(
                    f"{self._name}: no acknowledgement from {self._client.address} in {self._seconds:.0f} s: {failure!r}"
                ) from failure
            await asyncio.sleep(BACKOFF_SECONDS)
            await self._refresh()

    def _judge(self, refusal: Refused, size: int) -> None:
        """Raise unless the broker's refusal passes by itself."""
        if refusal.code in _FENCED_CODES:
            self._broken = "another owner took over"
            raise Fenced(f"{self._name}: another owner took over ({refusal}); epoch {self.epoch} of {self.producer_id}")
        if issubclass(refusal.error, _TOO_LARGE):
            self._broken = ""
            raise TooLarge(f"{self._name}: the broker refuses a record batch of {size} bytes: raise max.message.bytes")
        if not refusal.error.retriable:
            raise WriteFailed(f"{self._name}: the broker at {self._client.address} refuses a write: {refusal}")

    def _unfenced(self, error: KafkaError | OSError) -> None:
        """Without a sequence a repeat would be written twice: raise unless surely nothing was sent."""
        if not self.fenced and getattr(error, "errno", None) != for_code(5).errno:
            raise WriteFailed(
                f"{self._name}: connection to {self._client.address} lost in a write: {error!r}"
            ) from error

    async def _refresh(self) -> None:
        raw: Any = self._client.raw
        await asyncio.wait([raw.force_metadata_update()], timeout=BACKOFF_SECONDS * 20)

    @property
    def _name(self) -> str:
        return f"changelog {self.topic}-{self.partition}"


__all__ = ["Claim", "FencedWriter", "append_batch", "size_bound"]
