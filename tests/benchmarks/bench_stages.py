"""`make bench`: us per event of each stage of the hot path, at 100, 10,000 and 100,000 keys."""

from __future__ import annotations

import argparse
import statistics
import sys

from tests.benchmarks.report import record
from tests.benchmarks.stages import measure
from tests.benchmarks.workload import Workload


def main() -> None:
    """Print a row per stage and a column per number of keys, the median of the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--events", type=int, default=1_600_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for keys in options.keys:
        workload = Workload.make(options.events, keys)
        runs = [measure(workload) for _ in range(options.runs)]
        found[str(keys)] = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    stages = list(next(iter(found.values())))
    sys.stdout.write(f"{'us per event, keys:':20}" + "".join(f"{keys:>10}" for keys in found) + "\n")
    for stage in stages:
        sys.stdout.write(f"{stage:20}" + "".join(f"{each[stage]:10.3f}" for each in found.values()) + "\n")
    sys.stdout.write(f"{'all':20}" + "".join(f"{sum(each.values()):10.3f}" for each in found.values()) + "\n")
    record("stages_us_per_event", found)


if __name__ == "__main__":
    main()
