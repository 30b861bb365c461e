"""`make bench`: how views, event loops and heartbeats fare while a worker reads a backlog as fast as it can."""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import numpy as np

from streams.embedded import free_port
from tests.benchmarks.brokers import apache
from tests.benchmarks.commits import Commits
from tests.benchmarks.declarations import declaration
from tests.benchmarks.end_to_end import loaded, workers
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import TOPIC, Workload

PAUSE = 0.02
"""Seconds between two questions."""


def main() -> None:
    """Ask a view all the time while the backlog is read, and add the part to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=6_000_000)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    rows = [_one(options.events, keys) for keys in options.keys]
    if not options.dry:
        contribute(Part("saturation", "While a backlog is read", ABOUT.format(events=options.events), rows))
    sys.exit(any(row["rebalances"] > 1 for row in rows))


def _one(events: int, keys: int) -> dict[str, Any]:
    with apache() as bootstrap:
        loaded(bootstrap, Workload.make(events, keys))
        port = str(free_port())
        more = {"STREAMS_WEB_PORT": port, "BENCH_STALLS": "1", "STREAMS_KAFKA_AUTO_COMMIT_INTERVAL_MS": "1000"}
        with (
            workers(bootstrap, declaration("bench"), **more) as (process,),
            Commits(bootstrap, "bench", TOPIC) as commits,
        ):
            process.heard("BEGAN")
            began = time.perf_counter()
            asked = []
            while commits.total() < events:
                asked.append(_ask(port))
                process.check()
                time.sleep(PAUSE)
            seconds = time.perf_counter() - began
            stalls = [json.loads(line) for line in process.said("STALLS")]
            rebalances = _metric(port, "streams_rebalances_total")
    row = {
        "keys": f"{keys:,}",
        "events/s": round(events / seconds),
        "view p50 ms": round(float(np.quantile(asked, 0.5)), 1),
        "view p99 ms": round(float(np.quantile(asked, 0.99)), 1),
        "view max ms": round(max(asked), 1),
        "questions": len(asked),
        "longest stall ms": _worst(stalls, "main", "late"),
        "of it busy ms": _worst(stalls, "main", "busy"),
        "longest stall of heartbeats ms": _worst(stalls, "consumer", "late"),
        "rebalances": rebalances,
    }
    sys.stdout.write(", ".join(f"{name} {each}" for name, each in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _ask(port: str) -> float:
    """Ask for one key, and return the milliseconds until the answer was read; "not found" is one too."""
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/tables/load/checkout-000017", timeout=30) as reply:
            reply.read()
    except urllib.error.HTTPError as error:
        error.read()
    return (time.perf_counter() - began) * 1000


def _metric(port: str, name: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)))


def _worst(stalls: list[dict[str, dict[str, float]]], loop: str, what: str) -> float | None:
    return round(max(second[loop][what] for second in stalls), 1) if stalls else None


ABOUT = (
    "One worker reads a backlog of {events:,} events on Apache Kafka; all the while a client asks for the rows of one "
    "key. A stall is how much too late a task woke that sleeps 5 ms at a time on the main event loop (tables, views) "
    "and on the consumer's (heartbeats); busy is the CPU time of the thread meanwhile. One rebalance is the first "
    "assignment."
)


if __name__ == "__main__":
    main()
