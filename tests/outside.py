"""An independent client (kafka-python) for integration tests: topics, input, and what the app left behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.net.inet import KafkaNetSocket

from tables.records import Record
from tables.store import MemoryStore

READ_SECONDS = 60


class _Socket(socket.socket):
    """Closed without a word when it is collected.

    kafka-python 3.0 leaves sockets to the collector: of an attempt that failed or was given up, and of a connection
    that had bytes to send when its client was closed. It comes by in some later test, which would fail for it.
    """

    __slots__ = ()

    def __del__(self) -> None:
        self.close()


def _make(_: KafkaNetSocket, *args: Any) -> socket.socket:
    return _Socket(*args)


KafkaNetSocket.socket = _make


def until(done: Callable[[], Any], what: Callable[[], str] | str, seconds: float = 90.0) -> None:
    """Wait until something is so.

    Args:
        done: asked again and again.
        what: says in the failure what did not come.
        seconds: how long.

    Raises:
        AssertionError: it is not so in time.
    """
    end = time.monotonic() + seconds
    while not done():
        said = what if isinstance(what, str) else ""
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {said or what()}"
        time.sleep(0.2)


def create_topic(bootstrap: str, name: str, partitions: int, *, copies: int = 1, **config: str) -> None:
    """Create a topic with these copies and settings (`_` for `.`)."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    settings = {key.replace("_", "."): value for key, value in config.items()}
    admin.create_topics([NewTopic(name, partitions, copies, topic_configs=settings)])
    admin.close()


@dataclass(frozen=True)
class Sent:
    """A record to produce."""

    partition: int
    key: bytes | None
    value: bytes | None


def produce(bootstrap: str, topic: str, records: Iterable[Sent], *, per_second: int = 0) -> None:
    """Produce records in order, spread over time if `per_second` is given."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_in_flight_requests_per_connection=1)
    for number, record in enumerate(records):
        producer.send(topic, key=record.key, value=record.value, partition=record.partition)
        if per_second and number % 50 == 0:
            producer.flush()
            time.sleep(50 / per_second)
    producer.flush()
    producer.close()


def read(bootstrap: str, topic: str) -> list[Any]:
    """Return every record of a topic, by partition in the order of its log."""
    return sorted(each_record(bootstrap, topic), key=lambda record: (record.partition, record.offset))


def each_record(bootstrap: str, topic: str, seconds: float = READ_SECONDS) -> Iterator[Any]:
    """Yield every record of a topic, each partition in the order of its log.

    Raises:
        AssertionError: the topic does not exist, or was not read to its end in time.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        assert partitions, f"topic {topic} does not exist"
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        until_end = time.monotonic() + seconds
        while not all(_at_end(consumer, partition) for partition in partitions):
            assert time.monotonic() < until_end, f"topic {topic} was not read to its end in {seconds} s"
            for records in consumer.poll(timeout_ms=200, max_records=100_000).values():
                yield from records
    finally:
        consumer.close()


def _at_end(consumer: KafkaConsumer, partition: TopicPartition) -> bool:
    """Return whether all was read by the last fetch answer; what the embedded broker lists as end is too low."""
    end = consumer.highwater(partition)
    return end is not None and consumer.position(partition) >= end


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> list[int]:
    """Return what a consumer group has committed in each partition, 0 for nothing."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    try:
        return [consumer.committed(TopicPartition(topic, number)) or 0 for number in range(partitions)]
    finally:
        consumer.close()


def compacted(bootstrap: str, changelog: str, seconds: float = READ_SECONDS) -> dict[int, MemoryStore]:
    """Return what a changelog says after compaction, by partition: the last value of each key."""
    logs: dict[int, dict[bytes, bytes | None]] = {}
    for record in each_record(bootstrap, changelog, seconds):
        logs.setdefault(record.partition, {})[record.key] = record.value
    stores = {partition: MemoryStore() for partition in logs}
    for partition, log in logs.items():
        stores[partition].write([Record(key, value) for key, value in log.items()], 0)
    return stores
