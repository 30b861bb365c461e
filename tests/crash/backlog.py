"""`python -m tests.crash.backlog --events 10000000`: workers killed in the middle of a backlog, and what they leave.

The events lie in the topic beforehand, but for the last tenth: that is written after the last kill, so that the kills
come before the end on the fastest machine too. The result is the one that NumPy finds in the arrays that the events
were made of, and the tables are read from the changelog by an independent client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from streams.load import load as load_declaration
from streams.plan import plan
from tests.benchmarks.declarations import declaration
from tests.benchmarks.workload import PARTITIONS, TOPIC, Workload, load
from tests.brokers import KafkaCluster
from tests.integration.app_run import SETTINGS, windowed
from tests.outside import committed, compacted, until
from tests.workers import Worker

APP = "backlog"
WORKERS = ("a", "b")
KEYS = 1_000
SECONDS = 900.0
HELD_BACK = 0.1
"""The part of the events that is written after the last kill."""
TOLERANCE = 1e-12
"""Of a sum of floats, relative to the sum of what was added."""


@dataclass(frozen=True)
class Left:
    """What the workers left.

    Args:
        events: in the topic.
        counted: events in the table.
        rows: of the table.
        unequal: rows that are not those of the recount.
        killed_at: events committed at each kill of all workers.
        seconds: from the start of the workers until all was committed.
    """

    events: int
    counted: int
    rows: int
    unequal: int
    killed_at: list[int]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the table is the recount."""
        return not self.unequal and self.counted == self.events


def run(bootstrap: str, folder: Path, events: int, kills: int, seed: int) -> Left:
    """Load the events, read them with two workers that are killed on the way, and compare.

    Args:
        bootstrap: address of a broker that has not yet the topic of the workload.
        folder: for declaration, state and output.
        events: how many.
        kills: how often all workers are killed.
        seed: of the events, and of the times of the kills.
    """
    workload = Workload.make(events, KEYS, seed=seed)
    early = int(events * (1 - HELD_BACK))
    asyncio.run(load(bootstrap, workload.first(early)))
    path = folder / "backlog.yaml"
    path.write_text(declaration(APP))
    random = Random(seed)  # noqa: S311 - times of kills, no secret
    marks = [int(early * (number + random.uniform(0.2, 0.8)) / (kills + 1)) for number in range(kills)]
    workers = {name: Worker(path, bootstrap, folder / name, **SETTINGS) for name in WORKERS}
    began = time.monotonic()
    try:
        killed_at = [_killed(bootstrap, workers, mark) for mark in marks]
        asyncio.run(load(bootstrap, workload.after(early)))
        _work(bootstrap, workers, events)
        seconds = time.monotonic() - began
        for worker in workers.values():
            assert worker.stop() == 0, worker.output[-2000:]
    finally:
        for worker in workers.values():
            worker.kill()
    counted, rows, unequal = _compare(bootstrap, path, workload)
    return Left(events, counted, rows, unequal, killed_at, round(seconds, 1))


def _killed(bootstrap: str, workers: dict[str, Worker], mark: int) -> int:
    """Run the workers until so much is committed, kill all of them, and return how much it is then."""
    _work(bootstrap, workers, mark)
    for worker in workers.values():
        worker.kill()
    return _done(bootstrap)


def _work(bootstrap: str, workers: dict[str, Worker], mark: int) -> None:
    """Start the workers, and wait until so many events are committed."""

    def said() -> str:
        return f"{_done(bootstrap)} of {mark} committed\n" + "\n".join(each.output[-2500:] for each in workers.values())

    for worker in workers.values():
        worker.start()
    until(lambda: _done(bootstrap) >= mark, said, SECONDS)


def _done(bootstrap: str) -> int:
    """Return how many events are committed."""
    return sum(committed(bootstrap, APP, TOPIC, PARTITIONS))


def _compare(bootstrap: str, path: Path, workload: Workload) -> tuple[int, int, int]:
    """Return the events counted in the table, its rows, and how many of them are not those of the recount."""
    table = plan(load_declaration(path)).tables["load"]
    found = windowed(table, compacted(bootstrap, table.changelog, SECONDS))
    rows = {(key.encode(), start): row for (_, start, key), row in found.items()}
    wanted = workload.expected
    unequal = sum(not _equal(rows.get(at), want) for at, want in wanted.items()) + len(rows.keys() - wanted.keys())
    return sum(row["events"] for row in rows.values()), len(rows), unequal


def _equal(row: dict[str, Any] | None, want: tuple[int, float, float, float]) -> bool:
    """Return whether count, least and most are equal, and the sum but for rounding; all values are positive."""
    if row is None:
        return False
    count, total, least, most = want
    exact = (row["events"], row["least"], row["most"]) == (count, least, most)
    return exact and bool(np.isclose(row["total"], total, rtol=TOLERANCE, atol=0))


def main() -> int:
    """Run on an Apache Kafka of its own; return 0 if all is equal."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.backlog", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="how many")
    parser.add_argument("--kills", type=int, default=2, help="how often all workers are killed on the way")
    parser.add_argument("--seed", type=int, default=1, help="of the events, and of the times of the kills")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ops-streams-backlog-"))
    cluster = KafkaCluster()
    try:
        cluster.start()
        left = run(cluster.bootstrap, folder, chosen.events, chosen.kills, chosen.seed)
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps({**asdict(left), "seed": chosen.seed, "equal": left.good}) + "\n")
    return 0 if left.good else 1


if __name__ == "__main__":
    sys.exit(main())
