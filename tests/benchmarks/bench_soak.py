"""`make bench`: the memory of a worker over time, at a steady rate; a minute by default, half an hour by argument."""

from __future__ import annotations

import argparse
import sys
import time

from tests.benchmarks.brokers import BROKER_CORE, apache
from tests.benchmarks.declarations import declaration
from tests.benchmarks.end_to_end import loaded, workers
from tests.benchmarks.measured import Measured, python
from tests.benchmarks.plots import Lines
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import TOPIC, Workload

SAMPLES = 12
ROUND = 20.0
"""Seconds of traffic that are built at a time."""


def main() -> None:
    """Send events for so many minutes, and add what the worker's memory did to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="30 for the long run")
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    rows = []
    with apache(log_segment_bytes=str(64 << 20), log_retention_bytes=str(128 << 20)) as bootstrap:
        loaded(bootstrap, Workload.make(4, 1))
        with workers(bootstrap, declaration("bench")) as (process,):
            process.heard("BEGAN")
            began = time.monotonic()
            while (minutes := (time.monotonic() - began) / 60) < options.minutes:
                command = python("tests.benchmarks.traffic", bootstrap, TOPIC, str(options.rate), str(ROUND))
                with Measured(command, core=BROKER_CORE) as traffic:
                    traffic.heard("SENT")
                process.check()
                rows.append({"minutes": round(minutes + ROUND / 60, 1), "MiB": round(process.rss_mib(), 1)})
                sys.stdout.write(f"{rows[-1]}\n")
    shown = rows[:: max(1, len(rows) // SAMPLES)]
    if not options.dry:
        about = f"One worker at {options.rate:,} events/s for {options.minutes:.0f} minutes, resident memory."
        contribute(Part("soak", "Memory over time", about, shown, Lines("minutes", ("MiB",), "MiB")))


if __name__ == "__main__":
    main()
