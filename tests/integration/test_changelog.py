"""Changelog writes and events on real brokers: one batch per write, exactly once, and what goes wrong by name."""

# ruff: noqa: SLF001 - private parts of aiokafka and of the writer are what is tested here
from __future__ import annotations

import asyncio
import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.effects import Event
from streams.transport import fetch, topics
from streams.transport.appender import Appender
from streams.transport.client import Client
from streams.transport.errors import PartitionMismatch, TooLarge, TopicMissing, Unreachable, WriteFailed
from streams.transport.events import EventProducer
from streams.transport.produce import Claim, FencedWriter
from tables.records import CLAIM, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.effects import Records
    from streams.embedded import EmbeddedBroker
    from tests.brokers import KafkaCluster

    Broker = KafkaCluster | EmbeddedBroker


@pytest.fixture(
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


def run(broker: Broker, body: Callable[[Client, str], Coroutine[Any, Any, None]], **configs: str) -> None:
    """Run `body(client, topic)` on a fresh topic with three partitions."""

    async def main() -> None:
        client = await Client({"bootstrap_servers": broker.bootstrap}).start()
        topic = f"log-{uuid.uuid4().hex[:8]}"
        try:
            await topics.ensure(client, topic, 3, {key.replace("_", "."): value for key, value in configs.items()})
            await body(client, topic)
        finally:
            await client.stop()

    asyncio.run(main())


async def read(client: Client, topic: str, partition: int, until: int) -> Records:
    """Return the records of `[0, until)` of a partition."""
    consumer = AIOKafkaConsumer(**client.settings, enable_auto_commit=False, fetch_max_wait_ms=100)
    await consumer.start()
    try:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        found: list[Records] = []
        while not found or found[-1].hi < until:
            await fetch.wait(consumer._fetcher, 5.0, [tp])
            found += fetch.take(consumer._fetcher, [tp]).values()
        first = found[0]
        first.keys = [key for each in found for key in each.all_keys()]
        first.values = [value for each in found for value in each.values]
        return first
    finally:
        await consumer.stop()


def test_a_write_is_in_the_log_as_it_was_given(broker: Broker) -> None:
    """Keys, values and tombstones come back in order, behind the claim, stamped with the wall clock."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 1, transactional_id=topic, worker="me")
        before = int(time.time() * 1000)
        assert await writer.claim() == 0
        assert await writer.append([Record(b"a", b"1"), Record(b"b", None), Record(b"c", b"")]) == 1
        assert await writer.append([Record(b"a", b"2")]) == 4
        found = await read(client, topic, 1, 5)
        assert found.keys == [CLAIM, b"a", b"b", b"c", b"a"]
        assert found.values[1:] == [b"1", None, b"", b"2"]
        claim = msgspec.json.decode(found.values[0] or b"", type=Claim)
        assert (claim.producer_id, claim.epoch, claim.worker) == (writer.producer_id, writer.epoch, "me")
        assert before <= found.timestamps.min()
        assert found.timestamps.max() <= time.time() * 1000
        assert writer.fenced == (not client.embedded)

    run(broker, body)


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.kafka
def test_a_write_is_one_record_batch(kafka: KafkaCluster, compression: str) -> None:
    """Fifty thousand records are one batch: a reader that takes batch by batch gets all of them or none."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic, compression=compression)
        await writer.claim()
        records = [Record(b"key-%06d" % n, b"value-%06d" % n) for n in range(50_000)]
        assert await writer.append(records) == 1
        consumer = AIOKafkaConsumer(**client.settings, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20)
        await consumer.start()
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        consumer.seek(tp, 1)
        await fetch.wait(consumer._fetcher, 5.0, [tp])
        found = fetch.take(consumer._fetcher, max_records=1)[tp]
        await consumer.stop()
        assert (found.hi, list(found.values)) == (50_001, [record.value for record in records])

    run(kafka, body, max_message_bytes="8388608")


def test_too_large_a_write_is_refused_and_the_writer_lives_on(broker: Broker) -> None:
    """The topic's own limit is asked for and obeyed; nothing of the write is in the log."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()
        assert writer.limit == 10_000
        with pytest.raises(TooLarge, match="10000"):
            await writer.append([Record(b"a", b"x" * 10_000)])
        assert await writer.append([Record(b"a", b"x" * 9_000)]) == 1

    run(broker, body, max_message_bytes="10000")


@pytest.mark.kafka
def test_a_limit_lowered_behind_our_back_is_told_as_too_large(kafka: KafkaCluster) -> None:
    """What the broker refuses for its size is `TooLarge` too, and the next write has the right sequence."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()
        writer._log.limit = 1 << 20
        with pytest.raises(TooLarge, match="refuses"):
            await writer.append([Record(b"a", b"x" * 20_000)])
        assert await writer.append([Record(b"a", b"1")]) == 1

    run(kafka, body, max_message_bytes="10000")


@pytest.mark.kafka
def test_a_clock_far_ahead_is_named(kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker refuses records from more than an hour ahead: the error asks for the clock of the machine."""

    async def body(client: Client, topic: str) -> None:
        ahead = SimpleNamespace(time=lambda: time.time() + 7_200, monotonic=time.monotonic)
        monkeypatch.setattr("streams.transport.appender.time", ahead)
        with pytest.raises(WriteFailed, match="clock of this machine"):
            await FencedWriter(client, topic, 0, transactional_id=topic).claim()

    run(kafka, body)


@pytest.mark.kafka
def test_a_write_survives_a_broker_that_is_killed_exactly_once(kafka: KafkaCluster) -> None:
    """Writes go on over SIGKILL and restart: all of them are in the log once, in order."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()

        async def restart() -> None:
            await asyncio.sleep(0.2)
            kafka.brokers[0].kill()
            await asyncio.to_thread(kafka.brokers[0].start)

        restarting = asyncio.create_task(restart())
        count = 0
        while not restarting.done() or count < 100:
            await writer.append([Record(b"k", b"%d" % count)])
            count += 1
        await restarting
        found = await read(client, topic, 0, count + 1)
        assert found.values[1:] == [b"%d" % n for n in range(count)]

    run(kafka, body)


@pytest.mark.kafka
def test_without_acknowledgement_the_outcome_is_unknown_until_the_next_claim(kafka: KafkaCluster) -> None:
    """After the delivery timeout the writer takes nothing more; a claim opens it again, under a higher epoch."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic, delivery_seconds=2.0)
        await writer.claim()
        epoch = writer.epoch
        kafka.brokers[0].kill()
        try:
            with pytest.raises(WriteFailed, match="no acknowledgement from 127"):
                await writer.append([Record(b"a", b"1")])
            with pytest.raises(WriteFailed, match="unknown outcome"):
                await writer.append([Record(b"a", b"2")])
        finally:
            await asyncio.to_thread(kafka.brokers[0].start)
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()
        assert writer.epoch > epoch
        await writer.append([Record(b"a", b"3")])

    run(kafka, body)


@pytest.mark.kafka
def test_a_claim_is_renewed_when_it_is_old(kafka: KafkaCluster) -> None:
    """A renewal raises the epoch and goes on with the same producer id; a fresh claim needs none."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()
        await writer.append([Record(b"a", b"1")])
        assert await writer.renew() is None
        first = (writer.producer_id, writer.epoch)
        assert await writer.renew(0.0) == 2
        assert (writer.producer_id, writer.epoch) == (first[0], first[1] + 1)
        assert await writer.append([Record(b"a", b"2")]) == 3

    run(kafka, body)


def test_a_writer_that_claimed_nothing_writes_nothing(broker: Broker) -> None:
    """There is no write before the fence."""

    async def body(client: Client, topic: str) -> None:
        with pytest.raises(WriteFailed, match="no producer id"):
            await FencedWriter(client, topic, 0, transactional_id=topic).append([Record(b"a", b"1")])

    run(broker, body)


def test_events_go_where_java_would_put_them_and_keep_their_order(broker: Broker) -> None:
    """Partition by murmur2 of the key unless one is named; headers and tombstones come through."""

    async def body(client: Client, topic: str) -> None:
        producer = EventProducer(client)
        # Kafka's own test vectors (UtilsTest.testMurmur2): "21" -> -973932308, "foobar" -> -790332482
        events = [Event(topic, b"21", b"%d" % n) for n in range(100)]
        events += [Event(topic, b"foobar", b"x", (("h", b"1"), ("h", b"2"))), Event(topic, b"foobar", None, (), 2)]
        await producer.send(events)
        where = {key: (value & 0x7FFFFFFF) % 3 for key, value in ((b"21", -973932308), (b"foobar", -790332482))}
        found = await read(client, topic, where[b"21"], 100)
        assert [value for key, value in zip(found.keys or [], found.values, strict=True) if key == b"21"] == [
            b"%d" % n for n in range(100)
        ]
        other = await read(client, topic, where[b"foobar"], 1)
        assert b"foobar" in (other.keys or [])
        assert (await read(client, topic, 2, 1)).values[-1] is None

    run(broker, body)


def test_many_events_are_cut_to_the_topics_limit(broker: Broker) -> None:
    """Events that do not fit one batch go in several, none is lost; one that fits none is refused by name."""

    async def body(client: Client, topic: str) -> None:
        producer = EventProducer(client)
        await producer.send([Event(topic, b"k", b"%05d" % n + b"x" * 900, (), 0) for n in range(50)])
        assert [int((value or b"")[:5]) for value in (await read(client, topic, 0, 50)).values] == list(range(50))
        with pytest.raises(TooLarge, match=topic):
            await producer.send([Event(topic, b"k", b"small", (), 1), Event(topic, b"k", b"x" * 10_000, (), 0)])
        await producer.send([Event(topic, b"k", b"later", (), 1)])
        assert (await read(client, topic, 1, 1)).values == [b"later"]

    run(broker, body, max_message_bytes="10000")


@pytest.mark.kafka
def test_events_survive_a_broker_that_is_killed(kafka: KafkaCluster) -> None:
    """The producer goes on after the restart and sends each event once."""

    async def body(client: Client, topic: str) -> None:
        producer = EventProducer(client)
        await producer.send([Event(topic, None, b"0", (), 0)])
        kafka.brokers[0].kill()
        sending = asyncio.create_task(producer.send([Event(topic, None, b"1", (), 0)]))
        await asyncio.to_thread(kafka.brokers[0].start)
        await sending
        await producer.send([Event(topic, None, b"2", (), 0)])
        assert (await read(client, topic, 0, 3)).values == [b"0", b"1", b"2"]

    run(kafka, body)


def test_topics_are_created_once_with_their_configuration(broker: Broker) -> None:
    """`ensure` creates what is missing, takes what is right, and refuses a wrong count of partitions by name."""

    async def body(client: Client, topic: str) -> None:
        assert await topics.partitions(client, topic) == 3
        assert await topics.ensure(client, topic, 3) is False
        assert await topics.max_message_bytes(client, topic) == 12345
        with pytest.raises(PartitionMismatch, match=f"'{topic}' must have 5 partitions.* has 3"):
            await topics.ensure(client, topic, 5)

    run(broker, body, max_message_bytes="12345")


def test_a_missing_topic_is_named_and_never_created(broker: Broker) -> None:
    """Neither asking for a topic nor sending to it makes it."""

    async def body(client: Client, topic: str) -> None:
        missing = f"{topic}-missing"
        for _ in range(2):
            with pytest.raises(TopicMissing, match=missing):
                await topics.partitions(client, missing)
            with pytest.raises(TopicMissing, match=missing):
                await EventProducer(client).send([Event(missing, b"k", b"v")])
            with pytest.raises(TopicMissing, match=missing):
                await Appender(client, missing, 0).begin(None)

    run(broker, body)


def test_an_unreachable_broker_is_named() -> None:
    """The error tells the address; retrying is the caller's."""

    async def main() -> None:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            await Client({"bootstrap_servers": "127.0.0.1:1"}).start()

    asyncio.run(main())


@pytest.mark.kafka
def test_a_broker_that_goes_away_is_named(kafka: KafkaCluster) -> None:
    """A started client whose broker is gone says so by address, and works again when it is back."""

    async def body(client: Client, topic: str) -> None:
        kafka.brokers[0].kill()
        try:
            with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
                await topics.partitions(client, topic)
        finally:
            await asyncio.to_thread(kafka.brokers[0].start)
        assert await topics.partitions(client, topic) == 3

    run(kafka, body)


@pytest.mark.kafka
def test_three_brokers_lose_a_leader_and_no_write(own_kafka: Callable[..., KafkaCluster]) -> None:
    """With three copies, writes and events go on over the death of the partition's leader, each exactly once."""
    cluster = own_kafka(3)

    async def body(client: Client, topic: str) -> None:
        assert await topics.replication(client) == 3
        assert (await topics.configs(client, topic))["min.insync.replicas"] == "2"
        writer, producer = FencedWriter(client, topic, 0, transactional_id=topic), EventProducer(client)
        await writer.claim()
        await producer.send([Event(topic, None, b"0", (), 1)])
        for count in range(60):
            if count == 20:
                leader = await client.leader(topic, 0)
                assert leader is not None
                cluster.brokers[leader - 1].kill()
            await writer.append([Record(b"k", b"%d" % count)])
            await producer.send([Event(topic, None, b"%d" % (count + 1), (), 1)])
        assert (await read(client, topic, 0, 61)).values[1:] == [b"%d" % n for n in range(60)]
        assert (await read(client, topic, 1, 61)).values == [b"%d" % n for n in range(61)]

    run(cluster, body)


def test_a_write_that_is_cancelled_has_an_unknown_outcome(broker: Broker) -> None:
    """Nothing is written behind it: its batch may land or not, so the partition is claimed and restored first."""

    async def body(client: Client, topic: str) -> None:
        writer = FencedWriter(client, topic, 0, transactional_id=topic)
        await writer.claim()
        writing = asyncio.create_task(writer.append([Record(b"a", b"1")]))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        with pytest.raises(WriteFailed, match="unknown outcome"):
            await writer.append([Record(b"a", b"2")])
        await writer.claim()
        await writer.append([Record(b"a", b"3")])

    run(broker, body)
