"""More cells than memory: every key once, then as many events again; and what the changelog says in the end."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from streams.load import load
from streams.plan import plan
from tables.records import CELL, GROUP_BYTES
from tables.state import State
from tests.benchmarks.declarations import Declared, declaration
from tests.benchmarks.workload import PARTITIONS, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.planned import TablePlan

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Every(Workload):
    """A workload in which each service occurs; partitions take turns, for hashing millions of names takes minutes."""

    @classmethod
    def made(cls, keys: int, more: int, skew: float) -> Every:
        """Return an event of each of `keys` services in any order, then `more` drawn as `Workload.make` does."""
        drawn = cls.make(keys + more, keys, skew=skew)
        first = np.random.default_rng(2).permutation(keys)
        # Else the services that come most often were those with the first numbers, which lie side by side.
        return replace(drawn, service=np.concatenate((first, first[drawn.service[keys:]])))

    @cached_property
    def partition_of(self) -> Ints:
        """The partition of each service."""
        return np.arange(self.keys) % self.partitions

    def wrong(self, found: NDArray[np.float64]) -> int:
        """Return how many services have other results than those found, shape (keys, 4): count, sum, min, max."""
        order = np.argsort(self.service, kind="stable")
        starts = np.flatnonzero(np.diff(self.service[order], prepend=-1))
        value = self.value[order]
        parts = (np.add.reduceat(np.ones(len(value)), starts), *(
            each.reduceat(value, starts) for each in (np.add, np.minimum, np.maximum)
        ))  # fmt: skip
        good = np.isclose(found, np.stack(parts, axis=1), rtol=1e-9, atol=0).all(axis=1)
        return int((~good).sum())


def declared(app: str, keys: int) -> str:
    """Return the declaration of running totals: the workload's five aggregates of each service."""
    text = declaration(app, declared=Declared(rules=0))
    most = f"max_keys: {2 * keys // PARTITIONS}"
    return text.replace("window: {tumbling: 10s, grace: 5s}", most)


def results(bootstrap: str, text: str, keys: int) -> NDArray[np.float64]:
    """Return what the changelog says of each service, read by an independent client; shape (keys, 4)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(text)
        table = plan(load(path)).tables["load"]
    found = np.full((keys, 4), np.nan)
    for partition in range(PARTITIONS):
        for service, row in _rows(table, _latest(bootstrap, table.changelog, partition)):
            found[service] = row
    return found


def _latest(bootstrap: str, topic: str, partition: int) -> dict[bytes, bytes]:
    """Return the last value of each cell of one partition."""
    tp = TopicPartition(topic, partition)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, check_crcs=False)
    consumer.assign([tp])
    consumer.seek_to_beginning()
    end, last = consumer.end_offsets([tp])[tp], {}
    while consumer.position(tp) < end:
        for records in consumer.poll(timeout_ms=1000, max_records=100_000).values():
            last.update({each.key: each.value for each in records if each.key[:1] == CELL})
    consumer.close()
    return last


def _rows(table: TablePlan, cells: dict[bytes, bytes]) -> Iterator[tuple[Ints, NDArray[np.float64]]]:
    """Yield the numbers of services and their rows, a part at a time."""
    aggregates, keys = table.table.aggregates, list(cells)
    for start in range(0, len(keys), 100_000):
        part = keys[start : start + 100_000]
        state = State({name: aggregate.columns() for name, aggregate in aggregates.items()})
        rows, _ = state.decode([cells[key] for key in part])
        columns = [
            aggregates[name].result(state.of(name), rows).values for name in ("events", "total", "least", "most")
        ]
        services = np.array([int(key[GROUP_BYTES:].rpartition(b"-")[2]) for key in part])
        yield services, np.stack(columns, axis=1).astype(np.float64)
