"""The messaging example on Apache Kafka, with kafka-python as the producer and the consumers outside the app."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from tests.brokers import KafkaCluster
from tests.workers import Worker

ROOT = Path(__file__).resolve().parents[2]
ORDERS = [json.loads(line) for line in (ROOT / "tests/examples/messaging.jsonl").read_text().splitlines()]
COUNTED = [order for order in ORDERS if order["amount"] > 0]
TOPIC, ALERTS, GROUP = "shop.orders", "shop.credit-alerts", "billing"
PARTITIONS = 4
LIMIT = 5000

pytestmark = pytest.mark.kafka


def until(done: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def produced(kafka: KafkaCluster) -> KafkaCluster:
    """Return a broker to which an outside producer has sent the orders, keyed by customer."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    for order in ORDERS:
        producer.send(TOPIC, key=order["customer"].encode(), value=json.dumps(order).encode())
    producer.flush()
    producer.close()
    return kafka


@pytest.fixture(scope="module")
def worker(produced: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Return a worker of the example that has read all orders."""
    folder = tmp_path_factory.mktemp("messaging")
    running = Worker(ROOT / "deploy/examples/messaging.yaml", produced.bootstrap, folder).start()
    try:
        running.wait_ready()
        until(lambda: total(running) == len(COUNTED), "all orders counted")
        yield running
    finally:
        running.kill()


def totals(worker: Worker) -> dict[str, dict[str, Any]]:
    """Return the totals by customer, over HTTP."""
    return {row["key"]["customer"]: row["values"] for row in worker.get("/api/v1/tables/totals")["data"]["rows"]}


def total(worker: Worker) -> int:
    """Return how many orders the worker has counted."""
    return sum(values["orders"] for values in totals(worker).values())


def consumer(broker: KafkaCluster, *topics: str, group: str | None = GROUP) -> KafkaConsumer:
    """Return an outside consumer that reads from the beginning and commits by hand."""
    return KafkaConsumer(
        *topics,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=10_000,
        metadata_max_age_ms=1_000,  # who joins before it knows the topic is given nothing until it looks again
    )


def read(consumers: list[KafkaConsumer], count: int, seconds: float = 60.0) -> list[list[Any]]:
    """Poll consumers in turn until they have `count` records together; return each one's records."""
    found: list[list[Any]] = [[] for _ in consumers]
    end = time.monotonic() + seconds
    while sum(map(len, found)) < count:
        assert time.monotonic() < end, f"{sum(map(len, found))} of {count} records within {seconds:.0f} s"
        for records, each in zip(found, consumers, strict=True):
            records.extend(record for batch in each.poll(timeout_ms=200).values() for record in batch)
    return found


def test_keys_keep_their_partition_and_their_order(produced: KafkaCluster) -> None:
    """All orders of a customer lie in one partition, in the order in which they were sent."""
    reader = consumer(produced, TOPIC, group=None)
    (records,) = read([reader], len(ORDERS))
    reader.close()
    partitions, orders = defaultdict(set), defaultdict(list)
    for record in records:
        partitions[record.key].add(record.partition)
        orders[record.key.decode()].append(json.loads(record.value)["order"])
    assert {len(found) for found in partitions.values()} == {1}
    assert orders == {
        customer: [order["order"] for order in ORDERS if order["customer"] == customer] for customer in orders
    }


def test_a_group_shares_and_its_commits_last(produced: KafkaCluster) -> None:
    """Two members of a group read each order once between them; who comes after their commit reads nothing again."""
    members = [consumer(produced, TOPIC), consumer(produced, TOPIC)]
    until(lambda: joined(members), "both members have partitions")
    found = read(members, len(ORDERS))
    offsets = [(record.partition, record.offset) for records in found for record in records]
    assert len(offsets) == len(set(offsets)) == len(ORDERS)
    assert all(found)
    for member in members:  # all commit before one leaves: its leaving is a rebalance, which may refuse a commit
        member.commit()
    for member in members:
        member.close()
    late = consumer(produced, TOPIC)
    assigned = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    ends = late.end_offsets(assigned)
    assert {tp: late.committed(tp) for tp in assigned} == ends
    until(lambda: bool(late.assignment() or late.poll(timeout_ms=200)), "the late member has partitions")
    assert late.poll(timeout_ms=2000) == {}
    late.close()


def join(member: KafkaConsumer) -> None:
    """Let a member work on joining its group for a while, reading nothing."""
    member.pause(*member.assignment())
    member.poll(timeout_ms=1_000)
    member.seek_to_beginning(*member.assignment()) if member.assignment() else None


def joined(members: list[KafkaConsumer]) -> bool:
    """Let the members work on joining at once, reading nothing; tell whether each has partitions."""
    with ThreadPoolExecutor(len(members)) as pool:  # a group is formed only while all of its members answer
        list(pool.map(join, members))
    ready = all(len(member.assignment()) == PARTITIONS // len(members) for member in members)
    if ready:
        for member in members:
            member.resume(*member.assignment())
    return ready


def test_the_app_reads_beside_the_group(worker: Worker) -> None:
    """The totals over HTTP are those of a plain recount, whatever other groups read."""
    expected: dict[str, list[float]] = defaultdict(list)
    for order in COUNTED:
        expected[order["customer"]].append(order["amount"])
    rows = totals(worker)
    assert rows.keys() == expected.keys()
    for customer, amounts in expected.items():
        assert rows[customer]["orders"] == len(amounts)
        assert rows[customer]["amount"] == pytest.approx(math.fsum(amounts), rel=1e-12)
        assert rows[customer]["largest"] == max(amounts)


def test_an_outside_consumer_gets_the_alert(produced: KafkaCluster, worker: Worker) -> None:
    """Whoever passes the credit limit is on the alerts topic, once, for consumers that know nothing of the app."""
    over = {customer for customer, values in totals(worker).items() if values["amount"] > LIMIT}
    reader = consumer(produced, ALERTS, group=None)
    (records,) = read([reader], len(over))
    reader.close()
    events = [json.loads(record.value) for record in records]
    assert over
    assert sorted(event["labels"]["customer"] for event in events) == sorted(over)
    assert [record.key.decode() for record in records] == [event["fingerprint"] for event in events]


def test_the_app_commits_what_it_has_done(produced: KafkaCluster, worker: Worker) -> None:
    """After SIGTERM the app's own group has committed every partition to its end."""
    assert worker.stop() == 0
    admin = KafkaAdminClient(bootstrap_servers=produced.bootstrap)
    committed = admin.list_group_offsets(["messaging"])["messaging"]
    admin.close()
    reader = consumer(produced, group=None)
    ends = reader.end_offsets([TopicPartition(TOPIC, number) for number in range(PARTITIONS)])
    reader.close()
    assert {tp: committed[tp].offset for tp in ends if ends[tp]} == {tp: end for tp, end in ends.items() if end}
