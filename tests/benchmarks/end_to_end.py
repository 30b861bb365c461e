"""End to end: a loaded topic, one worker on one core, until everything is committed; checked from the changelog."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from streams.load import load as load_declaration
from streams.plan import plan
from tables.records import CELL, split_cell_key
from tables.state import State
from tests.benchmarks.workload import PARTITIONS, WINDOW, Workload, declaration, load

ROOT = Path(__file__).parents[2]
TIMEOUT = 600


@dataclass(frozen=True)
class Figures:
    """What one run measured.

    Args:
        events: in the topic.
        seconds: from the first fetch to the last commit.
        cpu_seconds: of the worker process in that time.
        peak_mib: its resident memory at most, in MiB.
        wrong: cells that differ from the expected ones.
    """

    events: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    wrong: int

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of the worker per million events."""
        return self.cpu_seconds / self.events * 1e6


def run_worker(bootstrap: str, events: int, app: str = "bench", core: int | None = 0) -> dict[str, float]:
    """Run one worker until it has committed `events` records, and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(declaration(app))
        return _run(
            "tests.benchmarks.worker",
            events,
            core,
            STREAMS_FILE=str(path),
            STREAMS_KAFKA_BOOTSTRAP_SERVERS=bootstrap,
            STREAMS_KAFKA_SESSION_TIMEOUT_MS="6000",
            STREAMS_KAFKA_REBALANCE_TIMEOUT_MS="4000",
            STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS="1000",
            STREAMS_KAFKA_AUTO_COMMIT_INTERVAL_MS="100",
            STREAMS_FAST=os.environ.get("STREAMS_FAST", "1"),
            APP_DATADIR=folder,
        )


def run_stock(bootstrap: str, events: int, core: int | None = 0) -> dict[str, float]:
    """Run stock Faust over the first `events` records of the same topic, and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        return _run("tests.benchmarks.stock", events, core, BENCH_BOOTSTRAP=bootstrap, APP_DATADIR=folder)


def _run(module: str, events: int, core: int | None, **settings: str) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-m", module, str(events)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    try:
        return _figures(process)
    finally:
        process.terminate()
        process.wait(30)


def _figures(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("FIGURES "):
            found: dict[str, float] = json.loads(line.removeprefix("FIGURES "))
            return found
    raise RuntimeError(f"the worker ended with {process.wait()} before it was done")


def cells(bootstrap: str, app: str = "bench") -> dict[tuple[bytes, int], tuple[int, float, float, float]]:
    """Read the changelog with an independent client and return what its cells say, the last of each key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(declaration(app))
        (table,) = plan(load_declaration(path)).tables.values()
    last = _changelog(bootstrap, table.changelog)
    state = State({name: aggregate.columns() for name, aggregate in table.table.aggregates.items()})
    rows, _ = state.decode(list(last.values()))
    names = ("events", "total", "least", "most")
    columns = [table.table.aggregates[name].result(state.of(name), rows).tolist() for name in names]
    keys = [(key, pane * WINDOW) for pane, _, key in map(split_cell_key, last)]
    return dict(zip(keys, zip(*columns, strict=True), strict=True))


def _changelog(bootstrap: str, topic: str) -> dict[bytes, bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    found: dict[bytes, bytes] = {}
    silent = 0
    while silent < 3:
        batches = consumer.poll(timeout_ms=1000, max_records=100_000)
        silent = 0 if batches else silent + 1
        for records in batches.values():
            found.update((each.key, each.value) for each in records if each.key[:1] == CELL and each.value)
    consumer.close()
    return found


def wrong_cells(bootstrap: str, workload: Workload, app: str = "bench") -> int:
    """Return how many cells differ from the expected ones, or are missing, or too many."""
    found, expected = cells(bootstrap, app), workload.expected()
    wrong = len(found.keys() ^ expected.keys())
    for key in found.keys() & expected.keys():
        (count, total, least, most), (n, s, low, high) = found[key], expected[key]
        close = abs(total - s) <= 1e-9 * max(1.0, abs(s))
        wrong += (count, least, most) != (n, low, high) or not close
    return wrong


def measure(bootstrap: str, workload: Workload, runs: int = 1, *, compression: str | None = None) -> list[Figures]:
    """Load the topic, then run a worker of a new app over it and check the result, `runs` times."""
    asyncio.run(load(bootstrap, workload, compression))
    events, found = len(workload.time), []
    for run in range(runs):
        figures = run_worker(bootstrap, events, f"bench{run}")
        found.append(Figures(events=events, wrong=wrong_cells(bootstrap, workload, f"bench{run}"), **figures))
    return found
