"""Stock Faust at the same work, without the quantile: count, sum, min and max per key and 10 s window.

Run by `end_to_end.py` as `python -m tests.benchmarks.stock EVENTS`; it prints one JSON line. Faust keeps its windows in
RocksDB, with a changelog; its commits are as frequent as those of the worker that it is compared with.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import resource
import sys
import time
from datetime import timedelta
from typing import Any

import faust
from faust.cli.faust import cli

EVENTS = int(sys.argv.pop()) if __name__ == "__main__" else 0

app = faust.App(
    "bench-stock",
    broker=f"kafka://{os.environ.get('BENCH_BOOTSTRAP', 'localhost:9092')}",
    store="rocksdb://",
    broker_commit_interval=0.1,
    broker_session_timeout=6.0,
    broker_rebalance_timeout=4.0,
    broker_heartbeat_interval=1.0,
    topic_partitions=4,
    topic_replication_factor=1,
)
topic = app.topic("bench.events", value_serializer="json")
load = app.Table("load", default=lambda: [0, 0.0, math.inf, -math.inf], partitions=4).tumbling(
    timedelta(seconds=10), expires=timedelta(minutes=10)
)
began = 0.0
done = 0


@app.agent(topic)
async def fold(stream: Any) -> None:
    """Fold each event into its window by event time."""
    global began, done  # noqa: PLW0603 - one process, one figure
    async for event in stream.events():
        began = began or time.perf_counter()
        row = event.value
        window = load.relative_to(row["ts"])
        count, total, least, most = window[row["service"]].value()
        value = row["value"]
        window[row["service"]] = [count + 1, total + value, min(least, value), max(most, value)]
        done += 1


@app.task
async def watch() -> None:
    """Print the figures when so many events are folded and committed."""
    while not began:  # noqa: ASYNC110 - it is watched from outside
        await asyncio.sleep(0.001)
    cpu = time.process_time()
    while _committed() < EVENTS:  # noqa: ASYNC110 - it is watched from outside
        await asyncio.sleep(0.005)
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"seconds": spent, "cpu_seconds": time.process_time() - cpu, "peak_mib": peak}
    assert sys.__stdout__ is not None
    sys.__stdout__.write("FIGURES " + json.dumps(figures) + "\n")
    sys.__stdout__.flush()


def _committed() -> int:
    offsets: Any = app.consumer._committed_offset  # noqa: SLF001 - a benchmark looks inside
    return sum(offset or 0 for tp, offset in offsets.items() if tp.topic == topic.get_topic_name())


if __name__ == "__main__":
    sys.argv = ["faust", "-A", "tests.benchmarks.stock", "worker", "--without-web", "-l", "warn"]
    sys.modules["tests.benchmarks.stock"] = sys.modules["__main__"]
    cli()
