"""Writing one changelog partition: fenced, one record batch at a time, appended exactly once.

The fence is Kafka's producer epoch (KIP-98, KIP-360). `InitProducerId` for the partition's transactional id raises the
epoch; one acknowledged claim under it makes the partition leader refuse every batch of an older epoch. The batches are
plain idempotent ones, not transactional. `tests/integration/test_fencing.py` proves this on Apache Kafka.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import msgspec

from streams.transport.appender import DELIVERY_SECONDS, Appender
from tables.records import CLAIM, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.transport.client import Client

log = logging.getLogger(__name__)
RENEW_SECONDS = 43_200.0
"""Half of the day after which a broker forgets a silent producer id (producer.id.expiration.ms)."""


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

    @property
    def owner(self) -> str:
        """How progress names it: no two claims of a partition are equal."""
        return f"{self.time}.{self.epoch}"


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
        self.transactional_id = transactional_id
        self.claimed: Claim | None = None
        self._client = client
        self._worker = worker
        self._seconds = delivery_seconds
        self._log = Appender(client, topic, partition, delivery_seconds, compression)
        self._lock = asyncio.Lock()

    @property
    def topic(self) -> str:
        """The changelog."""
        return self._log.topic

    @property
    def partition(self) -> int:
        """The partition of the changelog."""
        return self._log.partition

    @property
    def limit(self) -> int:
        """The largest record batch in bytes that the topic takes; exact after `claim`."""
        return self._log.limit

    @property
    def fenced(self) -> bool:
        """Whether the broker refuses older owners' writes."""
        return self._log.producer is not None

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
            producer = await self._client.init_producer(self.transactional_id, self._seconds)
            await self._log.begin(producer)
            if producer is None:
                log.warning("%s: writes are NOT fenced, this broker cannot (is it the embedded one?)", self._log.name)
            self.claimed = Claim(*(producer or (-1, -1)), self._worker, int(time.time() * 1000))
            return await self._log.append([Record(CLAIM, msgspec.json.encode(self.claimed))])

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
            records: at least one. `streams.transport.batches.size_bound` tells what they need at most.

        Returns:
            The offset of the first.

        Raises:
            TooLarge: the batch would be larger than the topic takes; nothing was written, the writer lives on.
            Fenced: another owner took over; nothing was written.
            WriteFailed: the outcome is unknown, or the broker refuses for good: restore the partition.
        """
        async with self._lock:
            return await self._log.append(records)
