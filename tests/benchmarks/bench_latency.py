"""`make bench`: event to alert event on Apache Kafka at several rates, beside a bare aiokafka echo."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from statistics import median
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
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    seen: dict[tuple[str, int], list[Latency]] = {}
    for number in range(options.runs):
        for rate in options.rates:
            for name, latency in _pair(number, rate, options.seconds):
                seen.setdefault((name, rate), []).append(latency)
    rows = [_row(name, rate, runs) for (name, rate), runs in seen.items()]
    for row in rows:
        sys.stdout.write(", ".join(f"{name} {value}" for name, value in row.items()) + "\n")
    if not options.dry:
        contribute(Part("latency", "Latency, event to alert event", _about(options.seconds, options.runs), rows, PLOT))
    sys.exit(any(row["lost"] for row in rows))


SYSTEMS = {"aiokafka echo": echo_latency, "ops-streams": worker_latency}
QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
PLOT = Bars(("system", "events/s"), "p99 ms")


def _pair(number: int, rate: int, seconds: float) -> Iterator[tuple[str, Latency]]:
    """Yield what the echo and then the worker saw, within two minutes, on one broker."""
    with apache() as bootstrap:
        for name, run in SYSTEMS.items():
            latency = run(bootstrap, f"{run.__name__}_{rate}_{number}", rate, seconds)
            told = ", ".join(f"{text} {latency.quantile(q):.1f}" for text, q in QUANTILES.items())
            sys.stdout.write(f"{rate:,}/s, {name}: {told} ms\n")
            sys.stdout.flush()
            yield name, latency


def _row(name: str, rate: int, runs: list[Latency]) -> dict[str, Any]:
    """Return medians of the runs, and of what must not happen the worst."""
    stalls = {what: max(each.stall("main", what) for each in runs) for what in ("late", "busy") if runs[0].stalls}
    return {
        "system": name,
        "events/s": rate,
        "p50 ms": round(median(each.quantile(0.5) for each in runs), 1),
        "p99 ms": round(median(each.quantile(0.99) for each in runs), 1),
        "max ms": round(max(each.quantile(1) for each in runs), 1),
        "p99 of each run": " ".join(f"{each.quantile(0.99):.0f}" for each in runs),
        "triggers": sum(len(each.milliseconds) for each in runs),
        "lost": sum(each.lost for each in runs),
        "longest stall ms": round(stalls["late"], 1) if stalls else None,
        "of it busy ms": round(stalls["busy"], 1) if stalls else None,
    }


def _about(seconds: float, runs: int) -> str:
    return (
        f"Apache Kafka, acks all, {runs} runs of {seconds:.0f} s, after {WARM_UP:.0f} s of the same traffic; medians, "
        "and the maximum of all. From handing a record to the producer until the alert that it makes fire "
        "(`judge: update`) is read from its topic; 100 such records a second among the others, each of a key of its "
        "own, 1,000 other keys. The echo is an aiokafka consumer and producer that keeps nothing. Echo and worker run "
        "one after the other on one core; broker, generator and reader share the other."
    )


if __name__ == "__main__":
    main()
