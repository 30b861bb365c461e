"""The app under torture: keyed and re-keyed tables, hopping windows, alerts, poison, and an input that never pauses."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from tests.crash.inputs import Input
from tests.integration.app_run import SETTINGS, Run
from tests.integration.scenario import PARTITIONS
from tests.outside import Sent, committed, create_topic, until
from tests.streams.oracle import Shape
from tests.workers import Worker

WORKERS = ("a", "b", "c")
EVERY_SECONDS = 0.1
STEADY = 15
"""Records each `EVERY_SECONDS`."""
BURST = 600
"""Records at once, now and then, and before a worker is hurt: it is to be in the middle of a batch."""
PATIENCE_MS = 600_000
"""How long the producer of the input waits for a broker."""
HOSTS_BUSY = Shape(size=30_000, every=10_000, grace=5_000, hold=20_000, least=55)
USERS_BUSY = replace(HOSTS_BUSY, least=45)
DECLARATION = f"""
app: {{app}}
streams:
  requests: {{{{topic: {{app}}.requests, codec: json, time: ts, key: host, idle: never}}}}
tables:
  traffic:
    from: requests
    standby: {{standby}}
    key: host
    window: {{{{hopping: 30s, every: 10s, grace: 5s}}}}
    keep: 365d
    late: {{app}}.late
    aggregates: {{{{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes"), final: last("bytes")}}}}
  steps:
    from: requests
    standby: {{standby}}
    key: [host, span]
    aggregates: {{{{n: count(), total: sum("step"), low: min("step"), high: max("step")}}}}
  users:
    from: requests
    standby: {{standby}}
    key: user
    window: {{{{hopping: 30s, every: 10s, grace: 5s}}}}
    keep: 365d
    late: {{app}}.late-users
    aggregates: {{{{n: count(), total: sum("bytes"), low: min("bytes"), high: max("bytes"), final: last("bytes")}}}}
  spans:
    from: requests
    standby: {{standby}}
    key: span
    aggregates: {{{{n: count(), total: sum("step"), low: min("step"), high: max("step")}}}}
  finals:
    from: traffic
    standby: {{standby}}
    key: host
    aggregates: {{{{n: count(), total: sum("n")}}}}
alerts:
  - {{{{alert: Busy, table: traffic, expr: n >= {HOSTS_BUSY.least}, for: 20s, labels: {{{{severity: page}}}}}}}}
  - {{{{alert: BusyUser, table: users, expr: n >= {USERS_BUSY.least}, for: 20s}}}}
"""
REKEYED = ("users", "spans", "finals")


class Careless(Worker):
    """A worker that counts twice what it reads twice."""

    app = "tests.crash.careless"


class Skewed(Worker):
    """A worker whose wall clock is wrong."""

    app = "tests.crash.skewed"


@dataclass(frozen=True)
class Setup:
    """How an app is run.

    Args:
        seed: of the input.
        name: of the app, and prefix of its topics.
        ways: worker -> the broker addresses that it is given; the others get those of the cluster.
        static: whether the workers `WORKERS` are static members of the group.
        careless: whether its workers fold again what was folded before.
        standby: whether each table partition is followed by a second worker.
        copies: of the input topic.
        memory: of each worker for its open cells, as `STREAMS_STATE_MEMORY`; empty sets no bound.
    """

    seed: int
    name: str
    ways: Mapping[str, str]
    static: bool = False
    careless: bool = False
    standby: bool = False
    copies: int = 1
    memory: str = ""


class Tortured(Run):
    """The app with three workers and an input that goes on until it is told to end.

    Args:
        bootstrap: addresses of the brokers.
        folder: for declaration, state and output.
        setup: how it is run.
    """

    def __init__(self, bootstrap: str, folder: Path, setup: Setup) -> None:
        """Write the declaration and create the input topic."""
        super().__init__(bootstrap, setup.name, folder, topic=False)
        insync = {"min_insync_replicas": "2"} if setup.copies > 1 else {}
        create_topic(bootstrap, self.topic, PARTITIONS, copies=setup.copies, **insync)
        self.declaration.write_text(DECLARATION.format(app=self.app, standby=int(setup.standby)))
        self.setup = setup
        self.input = Input(setup.seed)
        self._records = self.input.records()
        self._burst = 0
        self._abandoned = False
        self._unsent: list[Exception] = []
        self._enough = threading.Event()
        self._feeding = threading.Thread(target=self._feed, daemon=True)

    @property
    def topics(self) -> list[str]:
        """What the app reads: its input and the repartition topics."""
        return [self.topic, *(f"{self.app}-{table}-repartition" for table in REKEYED)]

    def worker(self, name: str) -> Worker:
        """Start a worker; one of the same name goes on with the state that is there."""
        return self._start(Careless if self.setup.careless else Worker, name)

    def skewed_worker(self, name: str, seconds: float) -> Worker:
        """Start a worker whose wall clock is ahead by so many seconds, or behind."""
        return self._start(Skewed, name, CLOCK_SKEW_SECONDS=str(seconds))

    def _start(self, kind: type[Worker], name: str, **more: str) -> Worker:
        memory = {"STREAMS_STATE_MEMORY": self.setup.memory}
        settings = {**SETTINGS, "STREAMS_KAFKA_CLIENT_ID": name, **memory, **more}
        if self.setup.static and name in WORKERS:
            settings["STREAMS_KAFKA_GROUP_INSTANCE_ID"] = name
        way = self.setup.ways.get(name, self.bootstrap)
        self.workers[name] = kind(self.declaration, way, self.folder / name, **settings).start()
        return self.workers[name]

    def begin(self) -> None:
        """Start the workers and the input."""
        for name in WORKERS:
            self.worker(name)
        for name in WORKERS:
            self.workers[name].wait_ready()
        self._feeding.start()

    def burst(self) -> None:
        """Have many records produced at once."""
        self._burst = BURST

    def end(self) -> None:
        """End the input: what has begun of it is completed.

        Raises:
            AssertionError: some of it could not be produced; there is nothing to compare then.
        """
        self._enough.set()
        if self._feeding.ident is not None:
            self._feeding.join()
        assert not self._unsent, f"the input was not produced: {self._unsent[:3]}"

    def abandon(self) -> None:
        """End the input where it is; what was to come of it does not matter any more."""
        self._abandoned = True
        self._enough.set()

    def _feed(self) -> None:
        """Produce at a steady rate with bursts in it, each record once, whatever becomes of the brokers."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            acks="all",
            max_in_flight_requests_per_connection=1,
            max_block_ms=PATIENCE_MS,
            delivery_timeout_ms=PATIENCE_MS,
        )
        random = Random(self.setup.seed)  # noqa: S311 - test data, no secret
        try:
            while not self._enough.wait(EVERY_SECONDS):
                count, self._burst = STEADY + self._burst, BURST if random.random() < 0.01 else 0
                self._send(producer, islice(self._records, count))
            if not self._abandoned:
                self._send(producer, self.input.rest())
                producer.flush()
        except KafkaError as error:
            self._unsent.append(error)
        finally:
            producer.close(timeout=0 if self._abandoned else None)

    def _send(self, producer: Any, records: Iterable[Sent]) -> None:
        for each in records:
            sent = producer.send(self.topic, key=each.key, value=each.value, partition=each.partition)
            sent.add_errback(self._unsent.append)

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
        """Wait until all that now lies in the input and in the repartition topics is committed.

        Raises:
            AssertionError: it is not in time; the text is what each worker printed last.
        """
        for topic in self.topics:
            self._wait_committed(topic, self.end_offsets(topic), seconds)

    def _wait_committed(self, topic: str, ends: list[int], seconds: float) -> None:
        until(
            lambda: not self.behind(topic, ends),
            lambda: f"{topic} committed: {self.behind(topic, ends)} left\n{self.said()}",
            seconds,
        )
