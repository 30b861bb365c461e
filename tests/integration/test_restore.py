"""Taking a changelog partition over and restoring it, on real brokers."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.load import loads
from streams.plan import plan
from streams.transport import topics
from streams.transport.appender import Appender
from streams.transport.changelog import ChangelogReader, take_over
from streams.transport.client import Client
from streams.transport.errors import Fenced, Unreachable
from streams.transport.produce import Claim, FencedWriter
from tables.cells import Cells
from tables.loading import Loader
from tables.records import CLAIM, PROGRESS, Progress, Record, cell_key
from tables.recovery import OffsetsGone, load, restore
from tables.store import MemoryStore
from tests.integration.remade import remake

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.embedded import EmbeddedBroker
    from tables.recovery import RestoreResult
    from tests.brokers import KafkaCluster

    Broker = KafkaCluster | EmbeddedBroker


TABLE = """
app: bound
streams:
  s: {topic: s, key: k}
tables:
  t: {from: s, key: k, aggregates: {n: count(), total: sum("v"), low: min("v"), high: max("v")}}
"""


@pytest.fixture(
    params=[pytest.param("kafka", marks=pytest.mark.kafka), pytest.param("embedded", marks=pytest.mark.embedded)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers, one after the other."""
    found: Broker = request.getfixturevalue(request.param)
    return found


def run(broker: Broker, body: Callable[[Client, str], Coroutine[Any, Any, None]], **configs: str) -> None:
    """Run `body(client, topic)` on a fresh compacted topic with one partition."""

    async def main() -> None:
        client = await Client({"bootstrap_servers": broker.bootstrap}).start()
        topic = f"changelog-{uuid.uuid4().hex[:8]}"
        settings = {"cleanup.policy": "compact"} | {key.replace("_", "."): value for key, value in configs.items()}
        try:
            await topics.ensure(client, topic, 1, settings)
            await body(client, topic)
        finally:
            await client.stop()

    asyncio.run(main())


async def take(client: Client, topic: str, store: MemoryStore, **options: Any) -> tuple[FencedWriter, RestoreResult]:
    """Take the partition over as a new owner."""
    writer = FencedWriter(client, topic, 0, transactional_id=topic)
    async with ChangelogReader(client.settings, topic, 0) as reader:
        return writer, await take_over(writer, lambda claim: restore(store, reader.read, claim), **options)


async def delete_before(client: Client, topic: str, offset: int) -> None:
    """Delete what a topic's only partition has before an offset, as its retention would."""
    admin = AIOKafkaAdminClient(**client.settings)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    await admin.close()


async def expired(client: Client, topic: str) -> tuple[Appender, bytes]:
    """Return what writes under a producer id that the broker forgot as that of the partition, and its claim."""
    other = Appender(client, topic, 0)
    producer = await client.init_producer(f"{topic}-expired")
    assert producer is not None
    await other.begin(producer)
    return other, msgspec.json.encode(Claim(*producer, "zombie", 0))


def content(store: MemoryStore) -> dict[bytes, bytes]:
    """Return all that a store holds, but for the claim."""
    return {key: value for key, value in store.scan(b"") if key != CLAIM}


def test_a_new_owner_has_what_the_former_wrote(broker: Broker) -> None:
    """All acknowledged writes are restored, batch after batch; the own claim is where the store stands."""

    async def body(client: Client, topic: str) -> None:
        first, result = await take(client, topic, MemoryStore())
        assert (result.records, result.previous) == (1, None)
        expected = {}
        for write in range(20):
            records = [Record(b"key-%d" % (n % 700), b"%d-%d" % (write, n)) for n in range(1000)]
            await first.append(records)
            expected.update(dict(records))
        await first.append([Record(b"key-0", None)])
        del expected[b"key-0"]
        store = MemoryStore()
        second, result = await take(client, topic, store)
        assert content(store) == expected
        assert (result.records, store.offset()) == (20_003, 20_003)
        assert await second.append([Record(b"more", b"1")]) == 20_003

    run(broker, body)


def test_an_owner_with_a_store_reads_only_what_is_new(broker: Broker) -> None:
    """A store that was kept goes on from its offset."""

    async def body(client: Client, topic: str) -> None:
        store = MemoryStore()
        writer, _ = await take(client, topic, store)
        write = [Record(b"a", b"1"), Record(PROGRESS, Progress(1).encode())]
        base = await writer.append(write)
        store.write(write, base + 2)
        await writer.append([Record(b"b", b"2")])
        _, result = await take(client, topic, store)
        assert (result.start, result.records, result.rebuilt) == (3, 2, "")
        assert content(store) == {b"a": b"1", b"b": b"2", PROGRESS: Progress(1).encode()}

    run(broker, body)


@pytest.mark.parametrize("claimed_last", [False, True])
def test_a_topic_made_anew_is_noticed_at_any_length(broker: Broker, claimed_last: bool) -> None:  # noqa: FBT001 - a parameter
    """A store of the deleted topic is thrown away, though the new topic is as long as the old one was."""

    async def body(client: Client, topic: str) -> None:
        store = MemoryStore()
        for life in (b"old", b"new"):
            writer, result = await take(client, topic, store if life == b"old" else MemoryStore())
            write = [Record(life, b"1"), Record(PROGRESS, Progress(owner=life.decode()).encode())]
            base = await writer.append(write)
            if life == b"old":
                store.write(write, base + 2)
                if claimed_last:
                    await take(client, topic, store)
                await remake(client, topic)
        if claimed_last:
            await take(client, topic, MemoryStore())
        _, result = await take(client, topic, store)
        assert "made anew" in result.rebuilt
        assert content(store) == {b"new": b"1", PROGRESS: Progress(owner="new").encode()}

    run(broker, body)


@pytest.mark.kafka
def test_what_a_zombie_tries_after_the_claim_is_not_in_the_state(kafka: KafkaCluster) -> None:
    """Between claim and restore the former owner cannot write any more."""

    async def body(client: Client, topic: str) -> None:
        old, _ = await take(client, topic, MemoryStore())
        await old.append([Record(b"a", b"1")])
        store = MemoryStore()
        await take(client, topic, store)
        with pytest.raises(Fenced):
            await old.append([Record(b"a", b"zombie")])
        later = MemoryStore()
        await take(client, topic, later)
        assert content(store) == content(later) == {b"a": b"1"}

    run(kafka, body)


@pytest.mark.kafka
def test_transaction_markers_at_the_end_do_not_hang(kafka: KafkaCluster) -> None:
    """Control records have offsets but are never delivered: the position counts."""

    async def body(client: Client, topic: str) -> None:
        producer = AIOKafkaProducer(**client.settings, transactional_id=f"{topic}-other")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"1", key=b"a", partition=0)
        await producer.stop()
        async with ChangelogReader(client.settings, topic, 0) as reader:
            chunks = [chunk async for chunk in reader.read(None, 2)]
        assert [key for chunk in chunks for key, _ in chunk.items()] == [b"a"]
        assert chunks[-1].hi == 2

    run(kafka, body)


@pytest.mark.kafka
def test_a_compacted_changelog_is_restored(kafka: KafkaCluster) -> None:
    """After the log cleaner has run, offsets have holes; state and end are the same."""

    async def body(client: Client, topic: str) -> None:
        writer, _ = await take(client, topic, MemoryStore())
        for write in range(300):
            await writer.append([Record(b"key-%d" % n, b"%d" % write + b"x" * 100) for n in range(10)])
            if write % 60 == 0:
                await asyncio.sleep(0.3)
        until = time.monotonic() + 60
        while True:
            store = MemoryStore()
            _, result = await take(client, topic, store)
            assert content(store) == {b"key-%d" % n: b"299" + b"x" * 100 for n in range(10)}
            if result.records < 2500 or time.monotonic() > until:
                break
            await asyncio.sleep(1)
        assert result.records < 2500, "the log cleaner did not run"
        assert (store.offset() or 0) > 3000

    run(
        kafka,
        body,
        segment_ms="200",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="200",
        min_compaction_lag_ms="0",
    )


@pytest.mark.kafka
def test_a_store_behind_the_beginning_of_the_log_is_rebuilt(kafka: KafkaCluster) -> None:
    """If retention has deleted what the store has not seen, the store is worth nothing."""

    async def body(client: Client, topic: str) -> None:
        store = MemoryStore()
        writer, _ = await take(client, topic, store)
        store.write([Record(b"dead", b"1"), Record(PROGRESS, Progress().encode())], 1)
        await writer.append([Record(b"dead", None), Record(b"gone", b"1")])
        await writer.append([Record(b"a", b"1")])
        await delete_before(client, topic, 3)
        _, result = await take(client, topic, store)
        assert "begins at offset 3" in result.rebuilt
        assert content(store) == {b"a": b"1"}

    run(kafka, body, cleanup_policy="compact,delete")


@pytest.mark.kafka
def test_an_offset_that_the_log_never_had_is_told(kafka: KafkaCluster) -> None:
    """Reading from beyond the end does not wait for ever."""

    async def body(client: Client, topic: str) -> None:
        async with ChangelogReader(client.settings, topic, 0) as reader:
            with pytest.raises(OffsetsGone):
                async for _ in reader.read(7, 9):
                    pass

    run(kafka, body)


@pytest.mark.kafka
@pytest.mark.parametrize("in_memory", [False, True], ids=["store", "cells"])
def test_memory_does_not_grow_with_the_changelog(kafka: KafkaCluster, in_memory: bool) -> None:  # noqa: FBT001 - a parameter
    """What is on its way is two answers and a chunk: six times the log, of the same cells, takes no more."""
    table = plan(loads(TABLE)).tables["t"].table
    zero = Cells(table).map.state
    zero.number = 1
    (value,) = zero.encode(zero.allocate(1), 1)

    async def body(client: Client, topic: str) -> None:
        writer, _ = await take(client, topic, MemoryStore())
        write = [Record(cell_key(0, 0, b"%05d" % n), value) for n in range(5_000)]
        peaks = []
        for writes in (30, 150):
            for _ in range(writes):
                last = await writer.append([*write, Record(PROGRESS, Progress(1).encode())])
            claim = last + len(write)
            tracemalloc.start()
            async with ChangelogReader(client.settings, topic, 0) as reader:
                if in_memory:
                    result = await load(Loader(Cells(table), 1), reader.read, claim)
                else:
                    result = await restore(MemoryStore(), reader.read, claim)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert result.size > writes * len(write) * len(value)
        assert peaks[1] < peaks[0] + (4 << 20)
        assert peaks[1] < 64 << 20

    run(kafka, body, max_message_bytes="2097152")


@pytest.mark.kafka
def test_an_owner_known_by_another_producer_id_is_waited_for(kafka: KafkaCluster) -> None:
    """Our epoch does not fence such an owner: its last writes are waited for, and are in the state."""

    async def body(client: Client, topic: str) -> None:
        other, claim = await expired(client, topic)
        await other.append([Record(CLAIM, claim), Record(b"a", b"1")])

        async def late() -> None:
            await asyncio.sleep(0.5)
            await other.append([Record(b"a", b"2")])

        writing = asyncio.create_task(late())
        store = MemoryStore()
        began = time.monotonic()
        writer, _ = await take(client, topic, store, wait_seconds=1.5)
        await writing
        assert time.monotonic() - began > 1.5
        assert content(store) == {b"a": b"2"}
        await writer.append([Record(PROGRESS, Progress(1, producer=writer.producer_id).encode())])
        began = time.monotonic()
        await take(client, topic, store, wait_seconds=30)
        assert time.monotonic() - began < 15

    run(kafka, body)


@pytest.mark.kafka
@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_a_wait_that_was_cut_short_is_waited_again(kafka: KafkaCluster, written: bool, kept: bool) -> None:  # noqa: FBT001 - parameters
    """A rebalance ends the wait for an owner that is not fenced; the next one's own claim does not hide that."""

    async def body(client: Client, topic: str) -> None:
        other, claim = await expired(client, topic)
        progress = Progress(1, producer=msgspec.json.decode(claim, type=Claim).producer_id).encode()
        await other.append([Record(CLAIM, claim), *([Record(PROGRESS, progress)] if written else [])])
        store, told = MemoryStore(), asyncio.Event()
        for _ in range(2):
            told.clear()
            taking = asyncio.create_task(
                take(client, topic, store if kept else MemoryStore(), waiting=lambda _: told.set())
            )
            await asyncio.wait_for(told.wait(), 20)
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
        writing = asyncio.create_task(_late(other, Record(PROGRESS, progress), Record(b"a", b"late")))
        await take(client, topic, store, wait_seconds=1.5)
        await writing
        assert content(store)[b"a"] == b"late"

    run(kafka, body)


async def _late(log: Appender, *records: Record) -> None:
    await asyncio.sleep(0.5)
    await log.append(records)


def test_an_unreachable_broker_is_named() -> None:
    """The reader's error tells the address."""

    async def main() -> None:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            async with ChangelogReader({"bootstrap_servers": "127.0.0.1:1"}, "x", 0):
                pass

    asyncio.run(main())
