"""`make bench-quick`: one worker on one core at 100 and 10,000 keys, and stock Faust on the same topic and broker.

The last line is one JSON object. Stock Faust keeps count, sum, min and max, but no quantile.
"""

from __future__ import annotations

import json
import statistics
import sys

from streams.embedded import EmbeddedBroker
from tests.benchmarks.end_to_end import Figures, measure, run_stock
from tests.benchmarks.workload import Workload

EVENTS = 2_000_000
STOCK_EVENTS = 60_000
RUNS = 3


def main() -> None:
    """Run, and print a line for each figure."""
    found: dict[int, list[Figures]] = {}
    for keys in (100, 10_000):
        with EmbeddedBroker() as broker:
            found[keys] = measure(broker.bootstrap, Workload.make(EVENTS, keys), RUNS)
            stock = run_stock(broker.bootstrap, STOCK_EVENTS) if keys == 100 else None
        rate, cpu = _median(found[keys])
        _say(f"{keys:>7} keys: {rate:>12,.0f} events/s, {cpu:.2f} CPU s per million events")
        if stock is not None:
            stock_rate = STOCK_EVENTS / stock["seconds"]
            _say(f"stock Faust: {stock_rate:>12,.0f} events/s (100 keys, no quantile)")
    rate, cpu = _median(found[100])
    verified = not any(run.wrong for runs in found.values() for run in runs)
    summary = {
        "events_per_second_100": round(rate),
        "events_per_second_10k": round(_median(found[10_000])[0]),
        "ratio_to_stock_faust_100": round(rate / stock_rate, 1),
        "cpu_seconds_per_million": round(cpu, 3),
        "verified": verified,
    }
    _say(json.dumps(summary))
    sys.exit(not verified)


def _median(runs: list[Figures]) -> tuple[float, float]:
    """Return the median rate, and CPU seconds per million events."""
    return statistics.median(run.rate for run in runs), statistics.median(run.cpu_per_million for run in runs)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
