"""`make bench`: cost per event against partitions, workers, tables, aggregates, rules and keys."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.brokers import apache
from tests.benchmarks.end_to_end import Medians, loaded, measure
from tests.benchmarks.plots import Lines
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import Workload

KEYS = 10_000
COST = "CPU s per million events"


def main() -> None:
    """Run the curves that were asked for, and add each to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="*", choices=[[], *CURVES], help="all, if none is named")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    wrong = 0
    for name in options.curves or CURVES:
        x, values, run = CURVES[name]
        rows = run(options.events, options.runs, values)
        wrong += sum(row["wrong cells"] for row in rows)
        if not options.dry:
            contribute(_part(name, x, rows, options))
    sys.exit(wrong > 0)


def _part(name: str, x: str, rows: list[dict[str, Any]], options: argparse.Namespace) -> Part:
    about = (
        f"{options.events:,} events in a backlog on Apache Kafka; {TEXTS[name]} Median of {options.runs} runs; the "
        "result is read from the changelog and compared after each."
    )
    plot = Lines(x, (COST,), COST, logarithmic=True)
    return Part(f"{'scale' if name in SCALE else 'cost'}_{name}", f"Cost by number of {x}", about, rows, plot)


def _row(x: str, value: int, medians: Medians) -> dict[str, Any]:
    row = {
        x: value,
        COST: round(medians.cpu_per_million, 3),
        "events/s": round(medians.rate),
        "peak MiB": round(medians.peak_mib),
        "wrong cells": medians.wrong,
    }
    sys.stdout.write(", ".join(f"{name} {each:,}" for name, each in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _partitions(events: int, runs: int, counts: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        with apache() as bootstrap:
            workload = Workload.make(events, KEYS, partitions=count)
            loaded(bootstrap, workload)
            rows.append(_row("partitions", count, Medians.of(measure(bootstrap, workload, runs))))
    return rows


def _workers(events: int, runs: int, counts: Sequence[int]) -> list[dict[str, Any]]:
    with apache(group_initial_rebalance_delay_ms="4000") as bootstrap:  # all are there when the group first assigns
        workload = Workload.make(events, KEYS, partitions=16)
        loaded(bootstrap, workload)
        return [_row("workers", count, Medians.of(measure(bootstrap, workload, runs, count=count))) for count in counts]


def _declared(x: str) -> Callable[[int, int, Sequence[int]], list[dict[str, Any]]]:
    def run(events: int, runs: int, counts: Sequence[int]) -> list[dict[str, Any]]:
        with apache() as bootstrap:
            workload = Workload.make(events, KEYS)
            loaded(bootstrap, workload)
            return [_row(x, count, Medians.of(measure(bootstrap, workload, runs, **{x: count}))) for count in counts]

    return run


def _keys(events: int, runs: int, counts: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        with apache() as bootstrap:
            workload = Workload.make(events, count)
            loaded(bootstrap, workload)
            rows.append(_row("keys", count, Medians.of(measure(bootstrap, workload, runs))))
    return rows


SCALE = ("partitions", "workers")
CURVES: dict[str, tuple[str, Sequence[int], Callable[[int, int, Sequence[int]], list[dict[str, Any]]]]] = {
    "partitions": ("partitions", (1, 4, 16, 64), _partitions),
    "workers": ("workers", (1, 2, 4), _workers),
    "tables": ("tables", (1, 2, 4, 8), _declared("tables")),
    "aggregates": ("aggregates", (1, 2, 5, 8, 16), _declared("aggregates")),
    "rules": ("rules", (1, 4, 16, 64), _declared("rules")),
    "keys": ("keys", (10, 100, 1_000, 10_000, 100_000), _keys),
}
TEXTS = {
    "partitions": f"one worker on one core, {KEYS:,} keys.",
    "workers": f"16 partitions, {KEYS:,} keys; all workers share one core, their CPU time is added up, the peak is "
    "of the largest.",
    "tables": f"tables alike over one stream, which is decoded once; {KEYS:,} keys, 4 partitions.",
    "aggregates": f"one table, {KEYS:,} keys, 4 partitions.",
    "rules": f"rules of one table that never hold; {KEYS:,} keys, 4 partitions.",
    "keys": "one table, uniform keys, 4 partitions.",
}


if __name__ == "__main__":
    main()
