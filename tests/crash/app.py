"""The app under torture: keyed and re-keyed tables, hopping windows, alerts, poison, and an input that never pauses."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from tests.integration.app_run import SETTINGS, Run
from tests.integration.scenario import BASE, PARTITIONS, POISON, records
from tests.outside import Sent, committed, until
from tests.workers import Worker

USERS = 9
RATE = 200
WORKERS = ("a", "b", "c")
DECLARATION = """
app: {app}
streams:
  requests: {{topic: {app}.requests, codec: json, time: ts, key: host, idle: never}}
tables:
  traffic:
    from: requests
    key: host
    window: {{hopping: 30s, every: 10s, grace: 5s}}
    keep: 365d
    late: {app}.late
    aggregates: {{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes"), final: last("bytes")}}
  totals:
    from: requests
    key: host
    aggregates: {{n: count(), total: sum("bytes")}}
  users:
    from: requests
    key: user
    window: {{hopping: 30s, every: 10s, grace: 5s}}
    keep: 365d
    late: {app}.late-users
    aggregates: {{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes"), final: last("bytes")}}
alerts:
  - {{alert: Busy, table: traffic, expr: n >= 9, for: 20s, labels: {{severity: page}}}}
  - {{alert: BusyUser, table: users, expr: n >= 9, for: 20s}}
"""


def inputs(seed: int) -> Iterator[Sent]:
    """Yield the input without end: one good record of each partition, then the scenario's, each with a user."""
    for number in range(PARTITIONS):
        value = {"host": f"h{number}", "ts": BASE + 1_000, "bytes": 1}
        yield _with_user(Sent(number, b"h%d" % number, json.dumps(value).encode()))
    yield from map(_with_user, records(1 << 40, seed))


def _with_user(record: Sent) -> Sent:
    """Return a record with the user that follows from its value; poison stays as it is."""
    if record.value is None or record.value in POISON:
        return record
    user = f"u{zlib.crc32(record.value) % USERS}"
    return replace(record, value=json.dumps({**json.loads(record.value), "user": user}).encode())


class Careless(Worker):
    """A worker that counts twice what it reads twice."""

    app = "tests.crash.careless"


class Tortured(Run):
    """The app on one broker, with three workers and an input that goes on until it is told to end.

    Args:
        bootstrap: address of the broker.
        folder: for declaration, state and output.
        seed: of the input.
        careless: whether its workers fold again what was folded before.
    """

    def __init__(self, bootstrap: str, folder: Path, seed: int, *, careless: bool = False) -> None:
        """Write the declaration and create the input topic."""
        super().__init__(bootstrap, f"crash{seed}", folder)
        self.declaration.write_text(DECLARATION.format(app=self.app))
        self._worker = Careless if careless else Worker
        self._inputs = inputs(seed)
        self._enough = threading.Event()
        self._feeding = threading.Thread(target=self._feed, daemon=True)

    def worker(self, name: str) -> Worker:
        """Start a worker; one of the same name goes on with the state that is there."""
        self.workers[name] = self._worker(self.declaration, self.bootstrap, self.folder / name, **SETTINGS).start()
        return self.workers[name]

    def begin(self) -> None:
        """Start the workers and the input."""
        for name in WORKERS:
            self.worker(name)
        for name in WORKERS:
            self.workers[name].wait_ready()
        self._feeding.start()

    def end(self) -> None:
        """End the input."""
        self._enough.set()
        if self._feeding.ident is not None:
            self._feeding.join()

    def _feed(self) -> None:
        """Produce at a steady rate; what a dead broker took twice or not at all is no matter, the log counts."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", max_in_flight_requests_per_connection=1, max_block_ms=120_000
        )
        while not self._enough.wait(10 / RATE):
            for _ in range(10):
                each = next(self._inputs)
                producer.send(self.topic, key=each.key, value=each.value, partition=each.partition)
        producer.flush()
        producer.close()

    def end_offsets(self, topic: str) -> list[int]:
        """Return the end of each partition of a topic, as the broker lists it."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None)
        try:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            ends = consumer.end_offsets(partitions)
            return [int(ends[each]) for each in partitions]
        finally:
            consumer.close()

    def behind(self, topic: str, ends: list[int]) -> int:
        """Return how many records up to `ends` are not committed yet; all of them while the broker cannot say."""
        try:
            done = committed(self.bootstrap, self.app, topic, PARTITIONS)
        except KafkaError:
            return sum(ends)
        return sum(max(0, end - at) for end, at in zip(ends, done, strict=True))

    def wait_fed(self, seconds: float) -> None:
        """Wait until every partition of the input has a record more than now.

        Raises:
            AssertionError: one has not in time.
        """
        before = self.end_offsets(self.topic)
        until(
            lambda: all(now > then for now, then in zip(self.end_offsets(self.topic), before, strict=True)),
            "new records in every partition of the input",
            seconds,
        )

    def wait_caught_up(self, seconds: float) -> None:
        """Wait until all that now lies in the input and in the repartition topic is committed.

        Raises:
            AssertionError: it is not in time; the text is what each worker printed last.
        """
        for topic in (self.topic, f"{self.app}-users-repartition"):
            self._wait(topic, self.end_offsets(topic), seconds)

    def _wait(self, topic: str, ends: list[int], seconds: float) -> None:
        """Wait until a topic is committed up to `ends`."""
        until(
            lambda: not self.behind(topic, ends),
            lambda: f"{topic} committed: {self.behind(topic, ends)} left\n{self.said()}",
            seconds,
        )
