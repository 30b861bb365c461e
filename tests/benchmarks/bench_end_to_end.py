"""`make bench`: one worker on one core, at several numbers of keys, and stock Faust; table, plot and JSON."""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from streams.embedded import EmbeddedBroker
from tests.benchmarks.end_to_end import measure, run_stock
from tests.benchmarks.report import publish, record
from tests.benchmarks.workload import Workload

STOCK_EVENTS = 60_000


def main() -> None:
    """Print a row per system and workload, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--skew", type=float, nargs="+", default=[0.0, 1.2], help="0 is uniform, else Zipf's exponent")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--compression", choices=["lz4", "zstd", "snappy", "gzip"])
    options = parser.parse_args()
    rows = []
    for keys in options.keys:
        for skew in options.skew:
            workload = Workload.make(options.events, keys, skew=skew)
            with EmbeddedBroker() as broker:
                runs = measure(broker.bootstrap, workload, options.runs, compression=options.compression)
                name = "ops-streams" + (f", Zipf {skew}" if skew else "")
                figures = [(run.rate, run.cpu_per_million, run.peak_mib) for run in runs]
                rows.append(_row(name, keys, figures, sum(run.wrong for run in runs)))
                if keys == options.keys[0] and not skew:
                    rows.append(_stock(broker.bootstrap, keys))
    publish(record("end_to_end", rows))
    sys.exit(any(row["wrong"] for row in rows))


def _stock(bootstrap: str, keys: int) -> dict[str, Any]:
    stock = run_stock(bootstrap, STOCK_EVENTS)
    figures = (STOCK_EVENTS / stock["seconds"], stock["cpu_seconds"] / STOCK_EVENTS * 1e6, stock["peak_mib"])
    return _row("stock Faust, no quantile", keys, [figures], None)


def _row(name: str, keys: int, figures: list[tuple[float, float, float]], wrong: int | None) -> dict[str, Any]:
    """Return one line of the report, and print it."""
    rate, cpu, peak = (statistics.median(column) for column in zip(*figures, strict=True))
    sys.stdout.write(
        f"{name:28} {keys:>7} keys: {rate:>12,.0f} events/s, {cpu:.2f} CPU s per million, {peak:.0f} MiB\n"
    )
    sys.stdout.flush()
    return {
        "system": name,
        "keys": keys,
        "events_per_second": round(rate),
        "cpu_seconds_per_million": round(cpu, 3),
        "peak_mib": round(peak),
        "wrong": wrong,
        "runs": [round(each[0]) for each in figures],
    }


if __name__ == "__main__":
    main()
