"""Bulk fetch from a real consumer: everything once, whatever the cuts, seeks and leaders."""

# ruff: noqa: SLF001 - the fetcher of a consumer is private, and it is what is tested here
from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.effects import Event
from streams.transport import fetch, topics
from streams.transport.client import Client
from streams.transport.events import EventProducer
from tests.appending import append

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.effects import Records
    from streams.embedded import EmbeddedBroker
    from tests.brokers import KafkaCluster

    Broker = KafkaCluster | EmbeddedBroker

NOW = 1_790_000_000_000


@pytest.fixture(
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


def run(
    broker: Broker,
    body: Callable[[Client, AIOKafkaConsumer, list[TopicPartition]], Coroutine[Any, Any, None]],
    **options: Any,
) -> None:
    """Run `body(client, consumer, partitions)` on a fresh topic with three partitions, the consumer at their begin."""

    async def main() -> None:
        client = await Client({"bootstrap_servers": broker.bootstrap}).start()
        topic = f"in-{uuid.uuid4().hex[:8]}"
        await topics.ensure(client, topic, 3)
        tps = [TopicPartition(topic, number) for number in range(3)]
        consumer = AIOKafkaConsumer(**client.settings, enable_auto_commit=False, fetch_max_wait_ms=50, **options)
        await consumer.start()
        fetch.keep(consumer._fetcher)
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, 0)
        try:
            await body(client, consumer, tps)
        finally:
            await consumer.stop()
            await client.stop()

    asyncio.run(main())


async def next_of(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Records:
    """Return what the next take finds; a wait may be woken for nothing."""
    async with asyncio.timeout(30):
        while not (found := fetch.take(consumer._fetcher, [tp])):
            await fetch.wait(consumer._fetcher, 1.0, [tp])
    return found[tp]


async def drain(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], **caps: int
) -> dict[TopicPartition, list[Any]]:
    """Take until every partition is at its end; ranges must join without hole or overlap."""
    values: dict[TopicPartition, list[Any]] = {tp: [] for tp in ends}
    position = dict.fromkeys(ends, 0)
    async with asyncio.timeout(30):
        while any(position[tp] < end for tp, end in ends.items()):
            await fetch.wait(consumer._fetcher, 1.0, list(ends))
            for tp, records in fetch.take(consumer._fetcher, list(ends), **caps).items():
                assert records.lo == position[tp]
                assert records.offsets.tolist() == list(range(records.lo, records.hi))
                position[tp] = records.hi
                values[tp] += records.values
    return values


@pytest.mark.parametrize("caps", [{}, {"max_records": 100}, {"max_bytes": 2000}], ids=["free", "records", "bytes"])
def test_everything_arrives_once_in_order(broker: Broker, caps: dict[str, int]) -> None:
    """Many small and large batches, three partitions: the ranges join and the values are those sent."""

    async def body(client: Client, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        producer = EventProducer(client)
        sent: dict[TopicPartition, list[bytes]] = {tp: [] for tp in tps}
        for size in (1, 1, 500, 7, 2000, 1):
            for tp in tps:
                values = [b"%d-%d-%d" % (tp.partition, size, n) for n in range(size)]
                sent[tp] += values
                await producer.send([Event(tp.topic, None, value, (), tp.partition) for value in values])
        ends = {tp: len(values) for tp, values in sent.items()}
        assert await drain(consumer, ends, **caps) == sent
        for tp in tps:
            found = fetch.position(consumer._fetcher, tp)
            assert (found.position, found.highwater, found.at_end) == (ends[tp], ends[tp], True)

    run(broker, body)


def test_a_seek_is_obeyed_though_more_was_fetched(broker: Broker) -> None:
    """What was prefetched before a seek is thrown away, and a seek into a batch trims it."""

    async def body(client: Client, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        tp = tps[0]
        await EventProducer(client).send([Event(tp.topic, None, b"%d" % n, (), 0) for n in range(100)])
        await fetch.wait(consumer._fetcher, 5.0, [tp])
        consumer.seek(tp, 42)
        assert fetch.take(consumer._fetcher, [tp]) == {}
        found = await next_of(consumer, tp)
        assert (found.lo, found.hi, found.values[0], len(found)) == (42, 100, b"42", 58)

    run(broker, body)


@pytest.mark.kafka
@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_decompression_bomb_in_the_log_is_left_out(kafka: KafkaCluster, codec: int) -> None:
    """Twenty megabytes of zeros in one batch that the broker took: it is lost and told, and what follows is read."""

    async def body(client: Client, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        tp = tps[0]
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
        for delta in range(20):
            builder.append(delta, NOW, None, bytes(1 << 20), [])
        bomb = bytes(builder.build())
        await append(client, tp.topic, tp.partition, bomb)
        await EventProducer(client).send([Event(tp.topic, b"k", b"after", (), 0)])
        values, lost, position = [], [], 0
        async with asyncio.timeout(60):
            while position < 21:
                await fetch.wait(consumer._fetcher, 1.0, [tp])
                for records in fetch.take(consumer._fetcher, [tp], max_batch_bytes=4 << 20).values():
                    values += records.values
                    lost += [(each.lo, each.hi, each.count) for each in records.lost]
                    position = records.hi
        assert (values, lost) == ([b"after"], [(0, 20, 20)])

    run(kafka, body)


@pytest.mark.kafka
def test_transactions_of_others_are_read_as_they_ended(kafka: KafkaCluster) -> None:
    """Under read_committed an aborted transaction leaves a range without records; markers take offsets."""

    async def body(client: Client, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        tp = tps[0]
        producer = AIOKafkaProducer(**client.settings, transactional_id=tp.topic)
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(tp.topic, b"kept", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(tp.topic, b"dropped", partition=0)
        await producer.abort_transaction()
        await producer.stop()
        values, position = [], 0
        while position < 4:
            records = await next_of(consumer, tp)
            values, position = [*values, *records.values], records.hi
        assert (values, position) == ([b"kept"], 4)

    run(kafka, body, isolation_level="read_committed")


@pytest.mark.kafka
def test_a_broker_that_is_killed_interrupts_nothing_for_good(kafka: KafkaCluster) -> None:
    """After SIGKILL and restart the consumer goes on at its position."""

    async def body(client: Client, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        producer, tp = EventProducer(client), tps[0]
        await producer.send([Event(tp.topic, None, b"%d" % n, (), 0) for n in range(10)])
        assert (await next_of(consumer, tp)).hi == 10
        kafka.brokers[0].kill()
        await asyncio.to_thread(kafka.brokers[0].start)
        await producer.send([Event(tp.topic, None, b"%d" % n, (), 0) for n in range(10, 20)])
        values: list[Any] = []
        async with asyncio.timeout(30):
            while len(values) < 10:
                await fetch.wait(consumer._fetcher, 1.0, [tp])
                values += [
                    value for records in fetch.take(consumer._fetcher, [tp]).values() for value in records.values
                ]
        assert values == [b"%d" % n for n in range(10, 20)]

    run(kafka, body)
