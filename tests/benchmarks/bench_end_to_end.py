"""`make bench`: one worker on one core by keys and skew, by the form of the events, and by the topic's compression."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tests.benchmarks.brokers import apache
from tests.benchmarks.end_to_end import Medians, loaded, measure
from tests.benchmarks.forms import FORMS
from tests.benchmarks.plots import Bars
from tests.benchmarks.report import Part, contribute
from tests.benchmarks.workload import Workload

COMPRESSIONS = ("none", "lz4", "zstd", "snappy", "gzip")
RATE = "events/s"
WINDOWS = {
    "tumbling 10s": "{tumbling: 10s, grace: 5s}",
    "hopping 60s every 10s": "{hopping: 60s, every: 10s, grace: 5s}",
}
"""All of panes of 10 s, which are what is compared; an event of the second counts in six windows."""


def main() -> None:
    """Run the parts that were asked for, and add each to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all by default")
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--skew", type=float, nargs="+", default=[0.0, 1.2], help="0 is uniform, else Zipf's exponent")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print only, leave the report alone")
    options = parser.parse_args()
    parts = [PARTS[name](options) for name in options.parts or PARTS]
    for part in [] if options.dry else parts:
        contribute(part)
    sys.exit(any(row["wrong cells"] for part in parts for row in part.rows))


def _by_keys(options: argparse.Namespace) -> Part:
    rows = []
    for keys in options.keys:
        for skew in options.skew:
            workload = Workload.make(options.events, keys, skew=skew)
            rows.append(_row({"keys": f"{keys:,}", "spread": f"Zipf {skew}" if skew else "uniform"}, workload, options))
    about = _about(options, "The workload as described above.")
    return Part("end_to_end", "One worker on one core", about, rows, Bars(("keys", "spread"), RATE))


def _by_form(options: argparse.Namespace) -> Part:
    workload = Workload.make(options.events, 10_000)
    rows = [_row({"form": name}, workload.written(name), options) for name in FORMS]
    about = _about(options, "The same events in other forms, 10,000 keys; access log lines carry whole seconds.")
    return Part("formats", "Form of the events", about, rows, Bars(("form",), RATE))


def _by_compression(options: argparse.Namespace) -> Part:
    workload = Workload.make(options.events, 10_000)
    rows = [_row({"compression": name}, workload, options) for name in COMPRESSIONS]
    return Part("compression", "Compressed topics", _about(options, "10,000 keys."), rows, Bars(("compression",), RATE))


def _by_window(options: argparse.Namespace) -> Part:
    workload = Workload.make(options.events, 100_000)
    rows = [_row({"window": name}, workload, options, window=text) for name, text in WINDOWS.items()]
    return Part("windows", "Overlapping windows", _about(options, "100,000 keys."), rows, Bars(("window",), RATE))


def _row(named: dict[str, Any], workload: Workload, options: argparse.Namespace, **declared: Any) -> dict[str, Any]:
    """Run over a broker of its own, print a line, and return it as a row of the report."""
    compression = named.get("compression", "none")
    with apache() as bootstrap:
        loaded(bootstrap, workload, compression=None if compression == "none" else compression)
        medians = Medians.of(measure(bootstrap, workload, options.runs, **declared))
    row = named | {
        RATE: round(medians.rate),
        "CPU s per million events": round(medians.cpu_per_million, 3),
        "peak MiB": round(medians.peak_mib),
        "wrong cells": medians.wrong,
    }
    sys.stdout.write(", ".join(f"{name} {each}" for name, each in row.items()) + "\n")
    sys.stdout.flush()
    return row


def _about(options: argparse.Namespace, text: str) -> str:
    return (
        f"{text} {options.events:,} events on Apache Kafka, loaded beforehand; from the first seek to the last commit. "
        f"Median of {options.runs} runs."
    )


PARTS = {"end_to_end": _by_keys, "formats": _by_form, "compression": _by_compression, "windows": _by_window}

if __name__ == "__main__":
    main()
