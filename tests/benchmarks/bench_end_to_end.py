"""`make bench`: events per second of one worker on one core, at 100, 10,000 and 100,000 keys, embedded broker."""

from __future__ import annotations

import argparse
import json
import statistics
import sys

from streams.embedded import EmbeddedBroker
from tests.benchmarks.end_to_end import Figures, measure
from tests.benchmarks.workload import Workload


def once(keys: int, events: int, compression: str | None) -> Figures:
    """Measure one run on a fresh broker."""
    broker = EmbeddedBroker().start()
    try:
        return measure(broker.bootstrap, Workload.make(events, keys), compression=compression)
    finally:
        broker.stop()


def main() -> None:
    """Print a row per number of keys, and one JSON line last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--compression", choices=["lz4", "zstd", "snappy", "gzip"])
    options = parser.parse_args()
    summary = {}
    for keys in options.keys:
        runs = [once(keys, options.events, options.compression) for _ in range(options.runs)]
        rate = statistics.median(run.rate for run in runs)
        cpu = statistics.median(run.cpu_seconds / run.events * 1e6 for run in runs)
        wrong = sum(run.wrong for run in runs)
        summary[str(keys)] = {
            "events_per_second": round(rate),
            "cpu_seconds_per_million": round(cpu, 3),
            "wrong": wrong,
        }
        peak = max(run.peak_mib for run in runs)
        sys.stdout.write(
            f"{keys:>7} keys: {rate:>12,.0f} events/s, {cpu:.2f} CPU s per million, peak {peak:.0f} MiB, "
            f"{wrong} wrong cells\n"
        )
        sys.stdout.flush()
    sys.stdout.write(json.dumps(summary) + "\n")
    sys.exit(any(each["wrong"] for each in summary.values()))


if __name__ == "__main__":
    main()
