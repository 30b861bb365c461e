"""`make bench`: a table with more cells than its memory budget holds: its peak memory, its speed, and its views."""

from __future__ import annotations

import argparse
import sys
import time
import urllib.request
from typing import Any

import numpy as np

from streams.embedded import free_port
from tests.benchmarks.brokers import apache
from tests.benchmarks.commits import Commits
from tests.benchmarks.end_to_end import loaded, workers
from tests.benchmarks.measured import Spent, timed
from tests.benchmarks.memory import Every, declared, results
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import TOPIC

QUESTIONS = 300
SECONDS = 3600.0


def main() -> None:
    """Run once for each spread, and add the part to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--more", type=int, default=2_000_000, help="events after the first of each key")
    parser.add_argument("--memory", default="512MiB", help="the budget; empty for none")
    parser.add_argument("--skew", type=float, nargs="+", default=[0.0, 1.2], help="0 is uniform, else Zipf's exponent")
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    rows = [_one(options, skew) for skew in options.skew]
    if not options.dry:
        about = ABOUT.format(keys=options.keys, more=options.more, memory=options.memory)
        contribute(Part("memory", "More cells than memory", about, rows))
    sys.exit(any(row["wrong keys"] for row in rows))


def _one(options: argparse.Namespace, skew: float) -> dict[str, Any]:
    workload, text = Every.made(options.keys, options.more, skew), declared("memory", options.keys)
    port = str(free_port())
    with apache() as bootstrap:
        loaded(bootstrap, workload)
        environ = {"STREAMS_STATE_MEMORY": options.memory, "STREAMS_WEB_PORT": port}
        with workers(bootstrap, text, **environ) as (process,), Commits(bootstrap, "memory", TOPIC) as commits:
            process.heard("BEGAN")
            first = timed([process], lambda: commits.total() >= options.keys, SECONDS)
            whole = timed([process], lambda: commits.total() >= len(workload), SECONDS)
            asked = _asked(port, options.keys)
            cold = _metric(port, "streams_cells_cold")
            peak = process.peak_mib()
        wrong = workload.wrong(results(bootstrap, text, options.keys))
    row = {
        "spread": f"Zipf {skew}" if skew else "uniform",
        "events/s, first of each key": round(options.keys / first.seconds),
        "events/s, then": round(_rate(first, whole, options.more)),
        "cells in the store only": round(cold),
        "peak MiB": round(peak),
        "row p50 ms": round(float(np.median(asked)), 1),
        "row p99 ms": round(float(np.quantile(asked, 0.99)), 1),
        "wrong keys": wrong,
    }
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()
    return row


def _rate(first: Spent, whole: Spent, events: int) -> float:
    return events / max(0.001, whole.seconds - first.seconds)


def _asked(port: str, keys: int) -> list[float]:
    """Return how long the view took to say the row of some keys, in ms."""
    spent = []
    for service in np.random.default_rng(3).integers(0, keys, QUESTIONS).tolist():
        began = time.perf_counter()
        address = f"http://127.0.0.1:{port}/api/v1/tables/load/checkout-{service:06d}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            answer.read()
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def _metric(port: str, name: str) -> float:
    """Return the sum of a metric's samples."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


ABOUT = (
    "One worker on one core, running totals of {keys:,} keys with `STREAMS_STATE_MEMORY={memory}`: one event of each, "
    "then {more:,} more. Rows are asked for afterwards. Checked from the changelog by an independent client."
)

if __name__ == "__main__":
    main()
