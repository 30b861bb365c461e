"""`make bench-quick`: one worker on one core at 100 and 10,000 keys, and stock Faust on the same broker.

The last line is one JSON object. Stock Faust keeps count, sum, min and max, but no quantile.
"""

from __future__ import annotations

import json
import sys

from tests.benchmarks.brokers import embedded
from tests.benchmarks.end_to_end import Medians, loaded, measure, run_stock
from tests.benchmarks.workload import Workload

EVENTS = 2_000_000
STOCK_EVENTS = 60_000
RUNS = 3


def main() -> None:
    """Run, and print a line for each figure."""
    found: dict[int, Medians] = {}
    stock = 0.0
    for keys in (100, 10_000):
        with embedded() as bootstrap:
            workload = Workload.make(EVENTS, keys)
            loaded(bootstrap, workload)
            found[keys] = Medians.of(measure(bootstrap, workload, RUNS))
            if keys == 100:
                loaded(bootstrap, workload.first(STOCK_EVENTS), "bench.first")
                stock = run_stock(bootstrap, STOCK_EVENTS, "bench.first").rate
        rate, cpu = found[keys].rate, found[keys].cpu_per_million
        _say(f"{keys:>7} keys: {rate:>12,.0f} events/s, {cpu:.2f} CPU s per million events")
    _say(f"stock Faust: {stock:>12,.0f} events/s (100 keys, no quantile)")
    verified = not any(each.wrong for each in found.values())
    summary = {
        "events_per_second_100": round(found[100].rate),
        "events_per_second_10k": round(found[10_000].rate),
        "ratio_to_stock_faust_100": round(found[100].rate / stock, 1),
        "cpu_seconds_per_million": round(found[100].cpu_per_million, 3),
        "verified": verified,
    }
    _say(json.dumps(summary))
    sys.exit(not verified)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
