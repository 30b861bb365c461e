"""`make bench`: ours and other systems at the same work, on one broker, one process each on one core."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tests.benchmarks.brokers import apache
from tests.benchmarks.end_to_end import Figures, Medians, loaded
from tests.benchmarks.measured import RunFailed
from tests.benchmarks.peers.systems import SYSTEMS, System
from tests.benchmarks.plots import Bars
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.verify import wrong_cells
from tests.benchmarks.workload import Workload
from tests.brokers import BrokerUnavailable


def main() -> None:
    """Print a row per system and number of keys, and add the part to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of events")
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    rows = []
    for keys in options.keys:
        with apache() as bootstrap:
            workload = Workload.make(round(2_000_000 * options.scale), keys)
            found = [_one(bootstrap, SYSTEMS[name], workload, options) for name in options.systems]
        rows += _with_ratios([row for row in found if row])
    if not options.dry:
        contribute(Part("peers", "Side by side", ABOUT, rows, Bars(("system", "keys"), "events/s", logarithmic=True)))
    sys.exit(any(row["wrong cells"] for row in rows))


def _one(bootstrap: str, system: System, workload: Workload, options: argparse.Namespace) -> dict[str, Any] | None:
    """Run one system, and return its row; None where it cannot be had here."""
    part = workload.first(round(system.events * options.scale))
    topic = f"bench.{len(part)}{'.last' if system.last else ''}"
    records = len(part) + (part.partitions if system.last else 0)
    loaded_topics = options.__dict__.setdefault("loaded", set())
    if (bootstrap, topic) not in loaded_topics:
        loaded(bootstrap, part, topic, last=system.last)
        loaded_topics.add((bootstrap, topic))
    figures = []
    try:
        for number in range(options.runs):
            app = f"{system.name.lower().translate(str.maketrans(' .,-', '____'))}_{number}"
            spent, found = system.run(bootstrap, topic, app, records)
            figures.append(Figures(len(part), spent, wrong_cells(found, part.expected)))
    except (BrokerUnavailable, RunFailed) as error:
        sys.stdout.write(f"{system.name}: {error}\n")
        if not figures:
            return None
    return _row(system, workload.keys, len(part), Medians.of(figures))


def _row(system: System, keys: int, events: int, medians: Medians) -> dict[str, Any]:
    row = {
        "system": system.name,
        "keys": f"{keys:,}",
        "events": events,
        "events/s": round(medians.rate),
        "CPU s per million events": round(medians.cpu_per_million, 3),
        "peak MiB": round(medians.peak_mib),
        "wrong cells": medians.wrong,
        "runs": medians.runs,
    }
    sys.stdout.write(", ".join(f"{name} {each}" for name, each in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add how many times faster we are than each, in the same run."""
    ours = next((row["events/s"] for row in rows if row["system"] == SYSTEMS["ours"].name), None)
    return [row | {"ops-streams is faster by": None if ours is None else ours / row["events/s"]} for row in rows]


ABOUT = """\
One Apache Kafka broker on one core, one process of each system on the other; all read the same topic (slow ones
the first events of it), loaded beforehand, from their first record (ours: the first seek) to their last commit.
Kafka Streams and Flink warm up in that time. All keep count, sum, min and max per key and 10 s window in
RocksDB; ours and Kafka Streams, Faust and Quix write a changelog, Flink checkpoints. Ours alone keeps
`quantile(0.95)` and judges a rule beside: the others have no quantile of their own. Every result is compared
with what NumPy makes of the same events: from the changelog (ours, Faust, Kafka Streams) or from the closed
windows (Quix, Flink). Tuned: commits, or checkpoints, once a second (ours and Faust every 100 ms); Kafka
Streams with 64 MiB of cache, 10,000 records a poll, fetches of 4 MiB, batches of 256 KiB; Flink with object
reuse, 512 MiB of managed memory, the same fetches, incremental checkpoints; Quix with `fetch.queue.backoff.ms`
1 and a linger of 50 ms; one stream thread, parallelism 1, serial collector, since there is one core. Medians of
so many runs as stated."""


if __name__ == "__main__":
    main()
