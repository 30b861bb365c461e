"""`make bench`: us per event of each stage of the hot path, at 100, 10,000 and 100,000 keys."""

from __future__ import annotations

import argparse
import statistics
import sys

from tests.benchmarks.declarations import Declared
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.stages import measure
from tests.benchmarks.workload import Workload


def main() -> None:
    """Print a row per stage and a column per number of keys, the median of the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--events", type=int, default=1_600_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--window", default=Declared.window, help="of the table, as in a declaration")
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for keys in options.keys:
        workload = Workload.make(options.events, keys)
        runs = [measure(workload, Declared(window=options.window)) for _ in range(options.runs)]
        found[str(keys)] = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    rows = [
        {"stage": stage} | {f"us at {int(keys):,} keys": round(each[stage], 4) for keys, each in found.items()}
        for stage in next(iter(found.values()))
    ]
    rows.append({"stage": "all"} | {name: sum(row[name] for row in rows) for name in rows[0] if name != "stage"})
    for row in rows:
        sys.stdout.write(f"{row['stage']:20}" + "".join(f"{row[name]:10.3f}" for name in row if name != "stage") + "\n")
    about = (
        f"Microseconds per event of the stages by themselves, without Faust and broker, over one partition of "
        f"{options.events:,} events, window {options.window}. Median of {options.runs} runs."
    )
    if options.window == Declared.window:
        contribute(Part("stages", "Stages of the hot path", about, rows))


if __name__ == "__main__":
    main()
