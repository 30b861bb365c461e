"""What time asks for: writing a changelog again by the wall clock, and looking whether the input is cut as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.runtime import table
from streams.runtime.runtime import Runtime
from streams.runtime.table import TablePartition
from streams.transport.errors import PartitionMismatch
from tests.streams.test_engine import Bench, event, planned

RETENTION = 1000.0
DAY_ONE = 1_700_000_000.0


class Clock:
    """A wall clock that is set by hand."""

    now = DAY_ONE

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the runtime's clock by hand."""
    made = Clock()
    monkeypatch.setattr(table, "time", made)
    return made


def opened(bench: Bench, retention: float | None) -> TablePartition:
    """Return the partition of a restored table, as the runtime drives it."""
    runtime = cast("Any", SimpleNamespace(directory=Path("unused")))
    partition = TablePartition(runtime, bench.table.plan, 0)
    partition.engine, partition._retention = bench.table, retention  # noqa: SLF001 - as after a restore
    partition._intact, partition._next = True, 100  # noqa: SLF001 - as after a restore
    return partition


def test_what_lives_is_written_again_in_half_of_the_retention(clock: Clock) -> None:
    """Nothing gets older than half of the retention, over many retentions; between passes nothing is written."""
    bench = Bench(planned("window: none,"))
    partition = opened(bench, RETENTION)
    bench.feed(event(1, "a"), event(1, "b"))
    bench.drive(partition.rewriting())
    written = {}
    for _ in range(100):
        clock.now += RETENTION / 20
        for write in bench.drive(partition.rewriting()):
            written.update({record.key: clock.now for record in write.records})
        if clock.now - DAY_ONE > RETENTION:
            assert clock.now - min(written.values()) <= RETENTION / 2 + RETENTION / 20
    assert len(written) == 4  # two cells, the shape, progress
    assert bench.table.progress.floor == 100
    assert bench.table.stats.writes < 20


def test_a_changelog_that_is_kept_is_not_written_again(clock: Clock) -> None:
    """Without deletion by age there is nothing to do, however old; unless the log has lost its beginning."""
    bench = Bench(planned("window: none,"))
    partition = opened(bench, None)
    clock.now += 10 * RETENTION
    assert bench.drive(partition.rewriting()) == []
    partition._earliest = 50  # noqa: SLF001 - as after a restore
    assert len(bench.drive(partition.rewriting())) == 1
    assert bench.drive(partition.rewriting()) == []


class Cluster:
    """A cluster that says how many partitions a topic has."""

    count = 2

    async def partition_count(self, topic: str) -> int:
        """Return the number."""
        del topic
        return self.count


def test_partitions_that_are_added_at_work_stop_the_stream() -> None:
    """The number of partitions at the start holds: another one is refused, with both numbers."""
    (stream,) = planned().streams.values()
    cluster = Cluster()
    runtime = cast("Any", SimpleNamespace(counts={stream.name: 2}, _client=cluster))
    asyncio.run(Runtime.check_partitions(runtime, stream))
    cluster.count = 3
    with pytest.raises(PartitionMismatch, match="had 2 partitions and has 3"):
        asyncio.run(Runtime.check_partitions(runtime, stream))
