"""Stock Faust at the same work, without the quantile: count, sum, min and max per key and 10 s window.

Run by `end_to_end.py` as `python -m tests.benchmarks.stock`. Faust keeps its windows in RocksDB, with a changelog; its
commits are as frequent as those of the worker that it is compared with.
"""

from __future__ import annotations

import math
import os
import sys
from datetime import timedelta
from typing import Any

import faust
from faust.cli.faust import cli

app = faust.App(
    os.environ.get("BENCH_APP", "bench-stock"),
    broker=f"kafka://{os.environ.get('BENCH_BOOTSTRAP', 'localhost:9092')}",
    store="rocksdb://",
    broker_commit_interval=0.1,
    broker_session_timeout=6.0,
    broker_rebalance_timeout=4.0,
    broker_heartbeat_interval=1.0,
    topic_partitions=4,
    topic_replication_factor=1,
)
topic = app.topic(os.environ.get("BENCH_TOPIC", "bench.events"), value_serializer="json")
load = app.Table("load", default=lambda: [0, 0.0, math.inf, -math.inf], partitions=4).tumbling(
    timedelta(seconds=10), expires=timedelta(minutes=10)
)
began = False


@app.agent(topic)
async def fold(stream: Any) -> None:
    """Fold each event into its window by event time."""
    global began  # noqa: PLW0603 - it is said once
    async for event in stream.events():
        if not began:
            began = True
            _say("BEGAN")
        row = event.value
        window = load.relative_to(row["ts"])
        count, total, least, most = window[row["service"]].value()
        value = row["value"]
        window[row["service"]] = [count + 1, total + value, min(least, value), max(most, value)]


def _say(line: str) -> None:
    """Write past the loggers, which own stdout by now."""
    assert sys.__stdout__ is not None
    sys.__stdout__.write(line + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    sys.argv = ["faust", "-A", "tests.benchmarks.stock", "worker", "--without-web", "-l", "warn"]
    sys.modules["tests.benchmarks.stock"] = sys.modules["__main__"]
    cli()
