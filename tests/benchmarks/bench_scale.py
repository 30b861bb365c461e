"""`make bench`: cost per event against partitions, workers, tables, aggregates, rules and keys."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

from tests.benchmarks.brokers import apache
from tests.benchmarks.end_to_end import Figures, Medians, loaded, measure
from tests.benchmarks.plots import Lines
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import TOPIC, Workload

KEYS = 10_000
COST = "CPU s per million events"
WARM = "after a quarter"
"""What the CPU costs once a worker has its memory."""
Rows = list[dict[str, Any]]
Curve = Callable[[int, int, Sequence[int]], Rows]
"""Takes events, runs and values, and returns rows of the report."""


def main() -> None:
    """Run the curves that were asked for, and add each to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("curves", nargs="*", choices=[[], *CURVES], help="all, if none is named")
    parser.add_argument("--events", type=int, help="of every curve that is run, instead of its own number")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    wrong = 0
    for name in options.curves or CURVES:
        x, values, run = CURVES[name]
        events = options.events or EVENTS.get(name, 2_000_000)
        rows = run(events, options.runs, values)
        wrong += sum(row["wrong cells"] for row in rows)
        if not options.dry:
            contribute(_part(name, x, rows, events, options.runs))
    sys.exit(wrong > 0)


def _cut(events: int, partitions: int) -> Workload:
    return Workload.make(events, KEYS, partitions=partitions)


def _part(name: str, x: str, rows: Rows, events: int, runs: int) -> Part:
    about = (
        f"{events:,} events in a backlog on Apache Kafka; {TEXTS[name]} Median of {runs} runs, "
        "in turn, and against the first of a round; the result is read from the changelog and compared after each."
    )
    plot = Lines(x, (COST,), COST, logarithmic=True)
    return Part(f"{'scale' if name in SCALE else 'cost'}_{name}", f"Cost by number of {x}", about, rows, plot)


def _in_turn(runs: int, x: str, values: Sequence[int], cases: Sequence[Callable[[], list[Figures]]]) -> Rows:
    """Return a row for each case. All run once before any runs again: a machine has better and worse minutes.

    So what a case costs against the first is the median of what it cost in the same round.
    """
    rounds: list[list[Figures]] = [[figures for case in cases for figures in case()] for _ in range(runs)]
    rows = []
    for value, figures in zip(values, zip(*rounds, strict=True), strict=True):
        against = f"against {values[0]:,}"
        more = {against: _ratio("cpu_per_million", figures, rounds)}
        warm = [each.warm for each in figures if each.warm]
        if x in SCALE and all(each.warm for row in rounds for each in row):
            more[WARM] = round(median(warm), 3)
            more[f"{against}, {WARM}"] = _ratio("warm", figures, rounds)
        rows.append(_row(x, value, Medians.of(figures), more))
    return rows


def _ratio(name: str, figures: Sequence[Figures], rounds: Sequence[list[Figures]]) -> float:
    """Return the median of what a case took against the first of its round."""
    ratios = [getattr(one, name) / getattr(each[0], name) for one, each in zip(figures, rounds, strict=True)]
    return round(median(ratios), 2)


def _row(x: str, value: int, medians: Medians, more: dict[str, float]) -> dict[str, Any]:
    row = {
        x: value,
        COST: round(medians.cpu_per_million, 3),
        **more,
        "events/s": round(medians.rate),
        "peak MiB": round(medians.peak_mib),
        "wrong cells": medians.wrong,
    }
    sys.stdout.write(", ".join(f"{name} {each:,}" for name, each in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _of_topics(x: str, make: Callable[[int, int], Workload]) -> Curve:
    """Return a curve over workloads, each in a topic of its own; `make` gets the number of events and the value."""

    def run(events: int, runs: int, values: Sequence[int]) -> Rows:
        with apache() as bootstrap:
            cases = []
            for value in values:
                workload, topic = make(events, value), f"{TOPIC}.{value}"
                loaded(bootstrap, workload, topic)
                cases.append(partial(measure, bootstrap, workload, topic=topic))
            return _in_turn(runs, x, values, cases)

    return run


def _workers(events: int, runs: int, values: Sequence[int]) -> Rows:
    with apache(group_initial_rebalance_delay_ms="4000") as bootstrap:  # all are there when the group first assigns
        workload = Workload.make(events, KEYS, partitions=16)
        loaded(bootstrap, workload)
        cases = [partial(measure, bootstrap, workload, count=value) for value in values]
        return _in_turn(runs, "workers", values, cases)


def _declared(x: str) -> Curve:
    """Return a curve over declarations of one topic."""

    def run(events: int, runs: int, values: Sequence[int]) -> Rows:
        with apache() as bootstrap:
            workload = Workload.make(events, KEYS)
            loaded(bootstrap, workload)
            cases = [partial(measure, bootstrap, workload, **{x: value}) for value in values]
            return _in_turn(runs, x, values, cases)

    return run


SCALE = ("partitions", "workers")
EVENTS = {"partitions": 8_000_000, "workers": 24_000_000}
"""More where a worker's first second, in which it takes its memory, would else be a large share of the difference."""
CURVES: dict[str, tuple[str, Sequence[int], Curve]] = {
    "partitions": ("partitions", (1, 4, 16, 64), _of_topics("partitions", _cut)),
    "workers": ("workers", (1, 2, 4), _workers),
    "tables": ("tables", (1, 2, 4, 8), _declared("tables")),
    "aggregates": ("aggregates", (1, 2, 5, 8, 16), _declared("aggregates")),
    "rules": ("rules", (1, 4, 16, 64), _declared("rules")),
    "keys": ("keys", (10, 100, 1_000, 10_000, 100_000), _of_topics("keys", Workload.make)),
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
