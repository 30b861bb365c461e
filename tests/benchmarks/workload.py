"""The workload of every end-to-end benchmark: JSON metrics of about 100 bytes, 4 partitions, 5 % out of order.

The expected result follows from the same arrays that the records are written from, by NumPy, not by the engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
from aiokafka.partitioner import murmur2
from numpy.typing import NDArray

from streams.transport import topics
from streams.transport.client import Client
from tests.appending import append
from tests.benchmarks.batches import record_batch
from tests.benchmarks.forms import FORMS, Rows
from tests.benchmarks.pieces import Ints, Piece, listed

TOPIC = "bench.events"
PARTITIONS = 4
LAST = b"last"
"""The service of the event that closes all windows."""
WINDOW = 10_000
START = 1_732_275_600_000
PER_SECOND = 50_000
"""Events per second of event time."""
BATCH_RECORDS = 4_000
"""Of about 125 bytes each."""
MOST_BATCH_BYTES = 8 << 20
"""What the topic takes: a batch of long events is larger than the default of 1 MiB."""


@dataclass(frozen=True)
class Workload:
    """Events as arrays: shape (n,) each.

    Args:
        keys: distinct services.
        service: number of the event's service.
        value: the measured value, three decimals.
        time: event time in ms.
        partitions: of the topic.
        form: how an event is written, one of `FORMS`.
    """

    keys: int
    service: NDArray[np.int64]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    partitions: int = PARTITIONS
    form: str = "flat"

    @classmethod
    def make(cls, n: int, keys: int, *, skew: float = 0.0, seed: int = 1, partitions: int = PARTITIONS) -> Workload:
        """Return `n` events over `keys` services: uniform, or Zipf-like with exponent `skew` > 1."""
        rng = np.random.default_rng(seed)
        service = (rng.zipf(skew, n) - 1) % keys if skew else rng.integers(0, keys, n)
        value = np.round(rng.lognormal(3, 0.5, n), 3)
        times = START + np.arange(n) * 1000 // PER_SECOND
        late = rng.random(n) < 0.05
        times[late] -= rng.integers(0, 2000, int(late.sum()))
        return cls(keys, service.astype(np.int64), value, times, partitions)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.time)

    def written(self, form: str) -> Workload:
        """Return the same events in another form; the values are rounded, for some forms hold whole numbers only."""
        return replace(self, value=np.round(self.value), form=form)

    def first(self, n: int) -> Workload:
        """Return the workload of its first `n` events."""
        return replace(self, service=self.service[:n], value=self.value[:n], time=self.time[:n])

    def after(self, n: int) -> Workload:
        """Return the workload of all but its first `n` events."""
        return replace(self, service=self.service[n:], value=self.value[n:], time=self.time[n:])

    def names(self) -> list[bytes]:
        """Return the services' names, which are the record keys too."""
        return [b"checkout-%06d" % number for number in range(self.keys)]

    @cached_property
    def partition_of(self) -> NDArray[np.int64]:
        """The partition of each service, as Java's producer would choose it."""
        return np.array([(murmur2(name) & 0x7FFFFFFF) % self.partitions for name in self.names()])

    @cached_property
    def expected(self) -> dict[tuple[bytes, int], tuple[int, float, float, float]]:
        """(service, window start) -> (count, sum, min, max); no event of this workload is late."""
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

    def rows(self, which: Ints) -> Rows:
        """Return some events, by their numbers, as what is to be written."""
        service = self.service[which]
        return Rows(self._names.take(service), service, self.value[which], self.time[which])

    @cached_property
    def _names(self) -> Piece:
        return listed(self.names())

    def batches(self, partition: int, stamp: int, compression: str | None = None) -> Iterator[bytes]:
        """Yield the record batches of one partition, in order.

        Args:
            partition: number of the partition.
            stamp: Kafka timestamp of the records, ms.
            compression: of the batches: lz4, zstd, snappy, gzip; None for none.
        """
        mine = np.flatnonzero(self.partition_of[self.service] == partition)
        for low in range(0, len(mine), BATCH_RECORDS):
            rows = self.rows(mine[low : low + BATCH_RECORDS])
            yield record_batch(rows.name, FORMS[self.form].write(rows), stamp, compression)


async def load(
    bootstrap: str, workload: Workload, topic: str = TOPIC, *, compression: str | None = None, last: bool = False
) -> None:
    """Write the workload to a topic, in record batches of `BATCH_RECORDS`.

    The records carry the wall clock, as producers write it: by event time, which is years ago, retention would delete
    them while they are read.

    Args:
        bootstrap: address of the broker.
        workload: the events.
        topic: where to.
        compression: of the batches: lz4, zstd, snappy, gzip; None for none.
        last: end each partition with one event of the service `LAST`, an hour later, which closes all windows.
    """
    now = int(time.time() * 1000)
    client = await Client({"bootstrap_servers": bootstrap}).start()
    await topics.ensure(client, topic, workload.partitions, {"max.message.bytes": str(MOST_BATCH_BYTES)})
    final = Rows(listed([LAST]), np.zeros(1, np.int64), np.ones(1), workload.time.max(keepdims=True) + 3_600_000)
    ending = [record_batch(final.name, FORMS[workload.form].write(final), now)] if last else []
    for partition in range(workload.partitions):
        for batch in chain(workload.batches(partition, now, compression), ending):
            await append(client, topic, partition, batch)
    await client.stop()
