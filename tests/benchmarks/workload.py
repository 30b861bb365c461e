"""The workload of every end-to-end benchmark: JSON metrics of about 100 bytes, 4 partitions, 5 % out of order.

The expected result follows from the same arrays that the records are written from, by NumPy, not by the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from numpy.typing import NDArray

from streams.transport import topics
from streams.transport.client import Client

TOPIC = "bench.events"
PARTITIONS = 4
WINDOW = 10_000
START = 1_732_275_600_000
PER_SECOND = 50_000
"""Events per second of event time."""
DECLARATION = """
app: APP
streams:
  events: {topic: bench.events, codec: json, time: ts, key: service}
tables:
  load:
    from: events
    key: service
    window: {tumbling: 10s, grace: 5s}
    aggregates:
      events: count()
      total: sum("value")
      least: min("value")
      most: max("value")
      p95: quantile(0.95, "value")
alerts:
  - {alert: SlowService, table: load, expr: p95 > 1000, labels: {severity: page}}
"""


def declaration(app: str) -> str:
    """Return the declaration under test as YAML, for an app of this name."""
    return DECLARATION.replace("APP", app)


@dataclass(frozen=True)
class Workload:
    """Events as arrays: shape (n,) each.

    Args:
        keys: distinct services.
        service: number of the event's service.
        value: the measured value, three decimals.
        time: event time in ms.
    """

    keys: int
    service: NDArray[np.int64]
    value: NDArray[np.float64]
    time: NDArray[np.int64]

    @classmethod
    def make(cls, n: int, keys: int, *, skew: float = 0.0, seed: int = 1) -> Workload:
        """Return `n` events over `keys` services: uniform, or Zipf-like with exponent `skew` > 1."""
        rng = np.random.default_rng(seed)
        service = (rng.zipf(skew, n) - 1) % keys if skew else rng.integers(0, keys, n)
        value = np.round(rng.lognormal(3, 0.5, n), 3)
        time = START + np.arange(n) * 1000 // PER_SECOND
        late = rng.random(n) < 0.05
        time[late] -= rng.integers(0, 2000, int(late.sum()))
        return cls(keys, service.astype(np.int64), value, time)

    def names(self) -> list[bytes]:
        """Return the services' names, which are the record keys too."""
        return [b"checkout-%06d" % number for number in range(self.keys)]

    def partition_of(self) -> NDArray[np.int64]:
        """Return the partition of each service, as Java's producer would choose it."""
        return np.array([(murmur2(name) & 0x7FFFFFFF) % PARTITIONS for name in self.names()])

    def expected(self) -> dict[tuple[bytes, int], tuple[int, float, float, float]]:
        """Return (service, window start) -> (count, sum, min, max); no event of this workload is late."""
        window = self.time // WINDOW
        cell = self.service * (1 << 32) + window
        order = np.argsort(cell, kind="stable")
        cells, starts = np.unique(cell[order], return_index=True)
        value = self.value[order]
        columns = (
            np.diff(np.append(starts, len(cell))),
            np.add.reduceat(value, starts),
            np.minimum.reduceat(value, starts),
            np.maximum.reduceat(value, starts),
        )
        names = self.names()
        keys = [(names[each >> 32], (each & 0xFFFFFFFF) * WINDOW) for each in cells.tolist()]
        return dict(zip(keys, zip(*(column.tolist() for column in columns), strict=True), strict=True))

    def records(self, partition: int) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield (key, value, timestamp in ms) of one partition, in order."""
        names = self.names()
        mine = np.flatnonzero(self.partition_of()[self.service] == partition)
        rows = zip(self.service[mine].tolist(), self.value[mine].tolist(), self.time[mine].tolist(), strict=True)
        for service, value, time in rows:
            name = names[service]
            yield name, event(name, service, value, time), time


def event(name: bytes, service: int, value: float, time: int) -> bytes:
    """Return one event as JSON."""
    return b'{"service":"%s","host":"web-%d","metric":"latency_ms","value":%s,"ts":%d.%03d}' % (
        name, service % 100, repr(value).encode(), time // 1000, time % 1000,
    )  # fmt: skip


async def load(bootstrap: str, workload: Workload, compression: str | None = None) -> None:
    """Write the workload to its topic, in record batches of up to 512 KiB.

    The records carry event time, years ago, as their timestamp: retention by age would delete them as they are written.
    """
    client = await Client({"bootstrap_servers": bootstrap}).start()
    await topics.ensure(client, TOPIC, PARTITIONS, {"retention.ms": "-1"})
    await client.stop()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=512 * 1024, max_request_size=2 << 20, compression_type=compression
    )
    await producer.start()
    for partition in range(PARTITIONS):
        batch = producer.create_batch()
        for key, value, time in workload.records(partition):
            if batch.append(key=key, value=value, timestamp=time) is None:
                await producer.send_batch(batch, TOPIC, partition=partition)
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=time)
        await producer.send_batch(batch, TOPIC, partition=partition)
    await producer.flush()
    await producer.stop()
