"""What the protocol needs of the broker, proved on Apache Kafka: an old producer epoch cannot write."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from streams.transport import topics
from streams.transport.appender import Refused
from streams.transport.batches import build
from streams.transport.client import Client
from streams.transport.errors import Fenced, WriteFailed
from streams.transport.produce import FencedWriter
from tables.records import Record
from tests.appending import append

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.brokers import KafkaCluster

pytestmark = pytest.mark.kafka


def run(kafka: KafkaCluster, body: Callable[[Client, str], Awaitable[Any]]) -> Any:
    """Run `body(client, topic)` on a fresh compacted topic with one partition."""

    async def main() -> Any:
        client = await Client({"bootstrap_servers": kafka.bootstrap}).start()
        topic = f"fence-{uuid.uuid4().hex[:8]}"
        try:
            await topics.ensure(client, topic, 1, {"cleanup.policy": "compact"})
            return await body(client, topic)
        finally:
            await client.stop()

    return asyncio.run(main())


async def send(client: Client, topic: str, producer: tuple[int, int], sequence: int, count: int = 1) -> int:
    """Send one plain idempotent batch of `count` records and return its base offset."""
    records = [Record(b"k%d" % number, b"v") for number in range(count)]
    now = int(time.time() * 1000)  # the broker forgets a producer id by the time of its last batch
    return await append(client, topic, 0, await build(records, now, (*producer, sequence)))


async def refusal(client: Client, topic: str, producer: tuple[int, int], sequence: int, count: int = 1) -> str:
    """Return the name of the error with which the broker refuses a batch."""
    with pytest.raises(Refused) as caught:
        await send(client, topic, producer, sequence, count)
    return caught.value.error.__name__


def test_plain_batches_under_a_transactional_producer_id_are_accepted(kafka: KafkaCluster) -> None:
    """Idempotent batches need no transaction, though the producer id was made for a transactional id."""

    async def body(client: Client, topic: str) -> None:
        producer = await client.init_producer(topic)
        assert producer is not None
        assert producer[1] == 0
        assert [await send(client, topic, producer, 0, 3), await send(client, topic, producer, 3)] == [0, 3]

    run(kafka, body)


def test_the_same_batch_sent_again_is_appended_once(kafka: KafkaCluster) -> None:
    """A retry with the same sequence gets the offset of the first, so that an unknown outcome can be resolved."""

    async def body(client: Client, topic: str) -> None:
        producer = await client.init_producer(topic)
        assert producer is not None
        await send(client, topic, producer, 0, 2)
        assert [await send(client, topic, producer, 2, 3) for _ in range(3)] == [2, 2, 2]
        assert await send(client, topic, producer, 5) == 5

    run(kafka, body)


def test_a_gap_in_the_sequence_is_refused(kafka: KafkaCluster) -> None:
    """A batch behind a lost one cannot slip in."""

    async def body(client: Client, topic: str) -> None:
        producer = await client.init_producer(topic)
        assert producer is not None
        await send(client, topic, producer, 0)
        assert await refusal(client, topic, producer, 2) == "OutOfOrderSequenceNumber"

    run(kafka, body)


def test_an_older_epoch_is_refused_after_the_claim(kafka: KafkaCluster) -> None:
    """After one acknowledged batch of the new epoch neither new batches nor retries of the old one get in."""

    async def body(client: Client, topic: str) -> None:
        old = await client.init_producer(topic)
        assert old is not None
        await send(client, topic, old, 0, 2)
        new = await client.init_producer(topic)
        assert new == (old[0], old[1] + 1)
        assert await send(client, topic, new, 0) == 2
        assert await refusal(client, topic, old, 2) == "InvalidProducerEpoch"
        assert await refusal(client, topic, old, 0, 2) == "InvalidProducerEpoch"
        assert await refusal(client, topic, old, 0) == "InvalidProducerEpoch"
        assert await send(client, topic, new, 1) == 3

    run(kafka, body)


def test_before_the_claim_the_old_epoch_still_writes(kafka: KafkaCluster) -> None:
    """InitProducerId alone is no fence: the partition leader learns the epoch from the claim record."""

    async def body(client: Client, topic: str) -> None:
        old = await client.init_producer(topic)
        await client.init_producer(topic)
        assert old is not None
        assert await send(client, topic, old, 0) == 0

    run(kafka, body)


def test_a_new_epoch_starts_at_sequence_zero(kafka: KafkaCluster) -> None:
    """The first batch of an epoch must have sequence 0, whatever the epoch before had reached."""

    async def body(client: Client, topic: str) -> None:
        old = await client.init_producer(topic)
        assert old is not None
        await send(client, topic, old, 0, 5)
        new = await client.init_producer(topic)
        assert new is not None
        assert await refusal(client, topic, new, 5) == "OutOfOrderSequenceNumber"
        assert await send(client, topic, new, 0) == 5

    run(kafka, body)


def test_the_fence_survives_a_broker_that_is_killed(kafka: KafkaCluster) -> None:
    """The leader rebuilds epochs from its log: after SIGKILL and restart the zombie is refused, the owner is not."""

    async def body(client: Client, topic: str) -> None:
        old = FencedWriter(client, topic, 0, transactional_id=topic)
        await old.claim()
        new = FencedWriter(client, topic, 0, transactional_id=topic)
        await new.claim()
        kafka.brokers[0].kill()
        await asyncio.to_thread(kafka.brokers[0].start)
        with pytest.raises(Fenced):
            await old.append([Record(b"zombie", b"")])
        assert await new.append([Record(b"owner", b"")]) == 2
        assert (await client.init_producer(topic)) == (new.producer_id, new.epoch + 1)

    run(kafka, body)


def test_a_fenced_writer_writes_nothing_more(kafka: KafkaCluster) -> None:
    """The older owner gets `Fenced`, then refuses by itself; the newer one goes on where the log ends."""

    async def body(client: Client, topic: str) -> None:
        old, new = (FencedWriter(client, topic, 0, transactional_id=topic, worker=name) for name in ("a", "b"))
        assert await old.claim() == 0
        assert await old.append([Record(b"x", b"1"), Record(b"y", b"2")]) == 1
        assert await new.claim() == 3
        with pytest.raises(Fenced, match="another owner"):
            await old.append([Record(b"x", b"3")])
        with pytest.raises(WriteFailed, match="another owner"):
            await old.append([Record(b"x", b"4")])
        assert await new.append([Record(b"x", b"5")]) == 4

    run(kafka, body)


EXPIRY_SECONDS = 3
EXPIRY = {
    "producer_id_expiration_ms": "3000",
    "producer_id_expiration_check_interval_ms": "200",
    "transactional_id_expiration_ms": "3000",
    "transaction_remove_expired_transaction_cleanup_interval_ms": "200",
}
"""A broker that forgets a silent producer id after seconds, not a day, and a transactional id likewise."""
PATIENCE = 20
"""Tries, until a broker that has much else to do looks for what has expired."""


async def sent_at_last(client: Client, topic: str, producer: tuple[int, int]) -> int:
    """Send a batch until the broker takes it, and return its offset."""
    for _ in range(PATIENCE):
        await asyncio.sleep(EXPIRY_SECONDS)
        with suppress(Refused):
            return await send(client, topic, producer, 0)
    raise AssertionError(f"producer {producer} was refused to the end")


def test_a_silent_producer_id_is_forgotten_and_with_it_the_fence(own_kafka: Callable[..., KafkaCluster]) -> None:
    """Why claims are renewed, and why a claim of another producer id is waited for: both holes are real."""

    async def body(client: Client, topic: str) -> None:
        old = await client.init_producer(topic)
        new = await client.init_producer(topic)
        assert old is not None
        assert new is not None
        await send(client, topic, new, 0)
        assert await refusal(client, topic, old, 0) == "InvalidProducerEpoch"
        assert await sent_at_last(client, topic, old) == 1
        third = old
        for _ in range(PATIENCE):
            await asyncio.sleep(EXPIRY_SECONDS + 1)  # each claim keeps the transactional id for so long again
            third = await client.init_producer(topic) or third
            if third[0] != old[0]:
                break
        assert third[0] != old[0]
        assert third[1] == 0

    run(own_kafka(**EXPIRY), body)


def test_a_renewed_claim_keeps_the_fence(own_kafka: Callable[..., KafkaCluster]) -> None:
    """With renewals in less than the broker's expiry the old epoch stays out, without any other write."""

    async def body(client: Client, topic: str) -> None:
        old, new = (FencedWriter(client, topic, 0, transactional_id=topic) for _ in range(2))
        await old.claim()
        await new.claim()
        producer_id = new.producer_id
        for _ in range(EXPIRY_SECONDS * 4):
            await asyncio.sleep(0.4)
            await new.renew(0.2)
        assert new.producer_id == producer_id
        with pytest.raises(Fenced):
            await old.append([Record(b"zombie", b"")])

    run(own_kafka(**EXPIRY), body)
