"""`make bench`: event to alert event on Apache Kafka at several rates, beside a bare aiokafka echo."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tests.benchmarks.brokers import apache
from tests.benchmarks.latency import WARM_UP, Latency, echo_latency, worker_latency
from tests.benchmarks.plots import Bars
from tests.benchmarks.report import Part, contribute


def main() -> None:
    """Print a row per rate and system, and add the part to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    rows = []
    for rate in options.rates:
        with apache() as bootstrap:
            rows.append(_row("aiokafka echo", rate, echo_latency(bootstrap, f"echo{rate}", rate, options.seconds)))
            rows.append(_row("ops-streams", rate, worker_latency(bootstrap, f"load{rate}", rate, options.seconds)))
    if not options.dry:
        contribute(Part("latency", "Latency, event to alert event", _about(options.seconds), rows, PLOT))
    sys.exit(any(row["lost"] for row in rows))


PLOT = Bars(("system", "events/s"), "p99 ms")


def _row(name: str, rate: int, latency: Latency) -> dict[str, Any]:
    row: dict[str, Any] = {
        "system": name,
        "events/s": rate,
        "p50 ms": round(latency.quantile(0.5), 1),
        "p99 ms": round(latency.quantile(0.99), 1),
        "max ms": round(latency.quantile(1), 1),
        "triggers": len(latency.milliseconds),
        "lost": latency.lost,
        "longest stall ms": round(latency.stall("main"), 1) if latency.stalls else None,
        "of it busy ms": round(latency.stall("main", "busy"), 1) if latency.stalls else None,
    }
    sys.stdout.write(", ".join(f"{name} {value}" for name, value in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _about(seconds: float) -> str:
    return (
        f"Apache Kafka, acks all, {seconds:.0f} s per run, after {WARM_UP:.0f} s of the same traffic. From handing a "
        "record to the producer until the alert that it makes fire (`judge: update`) is read from its topic; 100 such "
        "records a second among the others, each of a key of its own, 1,000 other keys. The echo is an aiokafka "
        "consumer and producer that keeps nothing. Worker and echo run one after the other on one core; broker, "
        "generator and reader share the other."
    )


if __name__ == "__main__":
    main()
