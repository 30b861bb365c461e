"""`make bench`: a worker with a million open cells is killed on Apache Kafka, with and without a standby."""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from tests.benchmarks.failover import Size, failover, shown
from tests.benchmarks.report import Part, contribute, worded
from tests.brokers import KafkaCluster

SESSION_SECONDS = 10.0
"""The default of `session.timeout.ms`, with which the workers run."""


def main() -> None:
    """Kill workers, and print and keep the figures and their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=50_000, help="per partition; the victim has two of four")
    parser.add_argument("--windows", type=int, default=10, help="open ones: its cells are 2 x keys x windows")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--standby", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    size = Size(options.keys, options.windows)
    rows: list[dict[str, Any]] = []
    for standby in options.standby:
        runs = [_run(f"failover{standby}", standby, size) for _ in range(options.runs)]
        seconds = statistics.median(each["seconds"] for each in runs)
        rows.append({**runs[0], "seconds": seconds, "beyond_session": round(seconds - SESSION_SECONDS, 3)})
    contribute(Part("failover", "A worker is killed", _about(size, options.runs), [worded(row) for row in rows]))
    for row in rows:
        sys.stdout.write(shown(row))


def _about(size: Size, runs: int) -> str:
    return (
        f"One of two workers on Apache Kafka is killed while it has {size.cells:,} open cells; seconds until the other "
        "has committed an event of each of its partitions, and how many of them lie beyond the session timeout "
        f"({SESSION_SECONDS:.0f} s), after which the group learns of it. Median of {runs} runs."
    )


def _run(app: str, standby: int, size: Size) -> dict[str, Any]:
    broker = KafkaCluster().start()
    try:
        figures = failover(broker.bootstrap, app, standby, size)
    finally:
        broker.stop()
    sys.stdout.write(shown(figures))
    sys.stdout.flush()
    return figures


if __name__ == "__main__":
    main()
