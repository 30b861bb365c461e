"""A worker is killed that holds many open cells: how long until the other one works on its partitions again."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.transport import topics
from streams.transport.client import Client
from tables.records import PROGRESS
from tests.outside import committed, until
from tests.workers import Worker

PARTITIONS = 4
WINDOW_MS = 10_000
START = 1_732_275_600_000
PROBE_SECONDS = 0.05
LOADED_SECONDS = 300.0
DECLARATION = """
app: {app}
streams:
  events: {{topic: {app}.events, codec: json, time: ts, key: service}}
tables:
  load:
    from: events
    key: service
    window: {{tumbling: 10s, grace: 1d}}
    standby: {standby}
    aggregates: {{events: count(), total: sum("value"), least: min("value"), most: max("value")}}
"""


@dataclass(frozen=True)
class Size:
    """How much a worker has when it is killed.

    Args:
        keys: per partition.
        windows: all of them open.
    """

    keys: int = 50_000
    windows: int = 10

    @property
    def cells(self) -> int:
        """Cells of the worker that is killed: it has half of the partitions."""
        return PARTITIONS // 2 * self.keys * self.windows


class Failover:
    """One app with two workers.

    Args:
        bootstrap: address of the broker.
        app: the app's id.
        standby: followers of each partition.
        size: of the state.
        folder: for declaration, state and output.
        settings: of the workers, beside the defaults.
    """

    def __init__(
        self, bootstrap: str, app: str, standby: int, size: Size, folder: Path, **settings: str
    ) -> None:  # fmt: skip
        """Write the declaration."""
        self._bootstrap, self._app, self._size = bootstrap, app, size
        path = folder / f"{app}.yaml"
        path.write_text(DECLARATION.format(app=app, standby=standby))
        self.workers = [Worker(path, bootstrap, folder / name, **settings) for name in "ab"]
        self._standby = standby

    async def load(self) -> None:
        """Write an event for each cell."""
        client = await Client({"bootstrap_servers": self._bootstrap}).start()
        await topics.ensure(client, self._topic, PARTITIONS)
        await client.stop()
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, max_batch_size=512 * 1024, max_request_size=2 << 20
        )
        await producer.start()
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for key, value, stamp in self._events(partition):
                if batch.append(key=key, value=value, timestamp=stamp) is None:
                    await producer.send_batch(batch, self._topic, partition=partition)
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=stamp)
            await producer.send_batch(batch, self._topic, partition=partition)
        await producer.stop()

    def _events(self, partition: int) -> Iterator[tuple[bytes, bytes, int]]:
        for window in range(self._size.windows):
            stamp = START + window * WINDOW_MS
            for number in range(self._size.keys):
                key = b"service-%d-%06d" % (partition, number)
                yield key, _event(key, stamp, number), stamp

    def run(self) -> dict[str, Any]:
        """Let the workers read everything, kill the first, and return how long its partitions stood still."""
        try:
            for worker in self.workers:
                worker.start()
            self._wait_loaded()
            return self._failed_over()
        finally:
            for worker in self.workers:
                worker.kill()

    def _wait_loaded(self) -> None:
        events = self._size.keys * self._size.windows
        until(lambda: min(self._committed()) >= events, lambda: f"all read\n{self._said()}", LOADED_SECONDS)
        until(lambda: all(self._owns(worker) == PARTITIONS // 2 for worker in self.workers), "both to have a half")
        if self._standby:
            until(lambda: all(self._ready(worker) for worker in self.workers), "all to be followed", LOADED_SECONDS)

    def _failed_over(self) -> dict[str, Any]:
        victim, left = self.workers
        numbers = sorted(victim.get("/api/v1/status?scope=local")["data"]["workers"][0]["lag"])
        parts = [TopicPartition(f"{self._app}-load-changelog", int(name.rpartition("-")[2])) for name in numbers]
        with probing(self._bootstrap, self._topic), watching(self._bootstrap, parts) as seen:
            time.sleep(1.0)
            killed = time.time()
            victim.kill()
            until(lambda: all(seen(part, killed) for part in parts), lambda: f"work to go on\n{self._said()}", 120)
        at = [seen(part, killed) or 0.0 for part in parts]
        read = [_sample(left, "streams_restored_records", partition=str(part.partition)) for part in parts]
        return {
            "standby": self._standby,
            "cells": self._size.cells,
            "seconds": round(max(at) - killed, 3),
            "records_read": int(sum(read)),
            "promotions": int(_sample(left, "streams_promotions_total")),
        }

    @property
    def _topic(self) -> str:
        return f"{self._app}.events"

    def _committed(self) -> list[int]:
        return committed(self._bootstrap, self._app, self._topic, PARTITIONS)

    def _owns(self, worker: Worker) -> int:
        return int(_sample(worker, "streams_partitions", state="running"))

    def _ready(self, worker: Worker) -> bool:
        return _sample(worker, "streams_standby_partitions", state="ready") == PARTITIONS // 2

    def _said(self) -> str:
        return "\n".join(worker.output[-3000:] for worker in self.workers)


def _event(key: bytes, stamp: int, number: int) -> bytes:
    return b'{"service":"%s","value":%d,"ts":%d}' % (key, number % 1000, stamp)


@contextmanager
def probing(bootstrap: str, topic: str) -> Iterator[None]:
    """Produce an event to every partition, again and again."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    stop = threading.Event()

    def probe() -> None:
        while not stop.wait(PROBE_SECONDS):
            for partition in range(PARTITIONS):
                key = b"probe-%d" % partition
                producer.send(topic, key=key, value=_event(key, START, 1), partition=partition)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        producer.close()


@contextmanager
def watching(bootstrap: str, parts: list[TopicPartition]) -> Iterator[Callable[[TopicPartition, float], float | None]]:
    """Read changelogs from their present end on; yields what returns the time of the first write after a time."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    consumer.assign(parts)
    consumer.seek_to_end()
    for part in parts:
        consumer.position(part)
    writes: dict[TopicPartition, list[float]] = {part: [] for part in parts}
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for part, records in consumer.poll(timeout_ms=100).items():
                writes[part] += [each.timestamp / 1000 for each in records if each.key == PROGRESS]

    def first(part: TopicPartition, after: float) -> float | None:
        return min((at for at in writes[part] if at > after), default=None)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield first
    finally:
        stop.set()
        thread.join()
        consumer.close()


def _sample(worker: Worker, name: str, **labels: str) -> float:
    """Return the sum of a worker's samples of a metric that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in worker.text("/metrics").splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.split()[-1]) for line in lines if all(each in line for each in wanted))


def failover(bootstrap: str, app: str, standby: int, size: Size, **settings: str) -> dict[str, Any]:
    """Run once and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        run = Failover(bootstrap, app, standby, size, Path(folder), **settings)
        asyncio.run(run.load())
        return run.run()


def shown(figures: dict[str, Any]) -> str:
    """Return figures as one line."""
    return json.dumps(figures) + "\n"
