"""`make bench`: how fast a worker with empty stores has its cells in memory again, on Apache Kafka; medians."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys

from streams import fast
from tests.benchmarks.report import Part, contribute, worded
from tests.benchmarks.restore import Size, fill
from tests.brokers import KafkaCluster

LOOPS = {"that runs": "1", "that starts": "0"}
"""Whether the compiled loops are loaded, in a worker that takes partitions over and in one that has just begun."""


def run(bootstrap: str, app: str, size: Size, loops: str) -> dict[str, float]:
    """Restore once in a fresh process, and return its figures."""
    numbers = map(str, (size.partitions, size.keys, size.windows))
    command = [sys.executable, "-m", "tests.benchmarks.restore", bootstrap, app, *numbers]
    environ = os.environ | {fast.ENVIRONMENT: loops}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environ)
    line = next(line for line in done.stdout.splitlines() if line.startswith("FIGURES "))
    figures: dict[str, float] = json.loads(line.removeprefix("FIGURES "))
    return figures


def main() -> None:
    """Write a changelog, restore it several times, and print and keep the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--keys", type=int, default=50_000, help="per partition")
    parser.add_argument("--windows", type=int, default=10, help="open ones: cells are partitions x keys x windows")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    size = Size(options.partitions, options.keys, options.windows)
    broker = KafkaCluster().start()
    try:
        asyncio.run(fill(broker.bootstrap, "restore", size))
        rounds = [
            {name: run(broker.bootstrap, "restore", size, loops) for name, loops in LOOPS.items()}
            for _ in range(options.runs)
        ]
    finally:
        broker.stop()
    rows = [worded({"worker": name, **_medians([each[name] for each in rounds])}) for name in LOOPS]
    contribute(Part("restore", "Restore from the changelog", _about(size, options.runs), rows))
    sys.exit(not all(figures["right"] for each in rounds for figures in each.values()))


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    for figures in runs:
        sys.stdout.write(json.dumps(figures) + "\n")
    return {name: statistics.median(each[name] for each in runs) for name in runs[0]}


def _about(size: Size, runs: int) -> str:
    return (
        f"A worker with empty stores, {size.cells:,} open cells in {size.partitions} partitions on Apache Kafka; "
        "seconds until all are usable in memory, then until the local stores are filled. A worker that "
        f"runs has its compiled loops loaded, one that starts has not. Median of {runs} runs, in turn."
    )


if __name__ == "__main__":
    main()
