"""`make bench`: us per record to decode flat, nested and wide JSON, and access logs, the plain way and the compiled."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streams import fast
from streams.codecs import registry
from streams.codecs.base import Decoder, FieldType
from streams.packed import Packed
from tests.benchmarks.report import Part, contribute

Case = tuple[str, Mapping[str, FieldType], Callable[[int], bytes]]
_VALUES = np.random.default_rng(1).lognormal(3, 0.5, 1 << 16).round(3).tolist()


def _flat(n: int) -> dict[str, Any]:
    return {
        "service": f"checkout-{n % 997:06}", "host": f"web-{n % 97}", "metric": "latency_ms",
        "value": _VALUES[n % len(_VALUES)], "ts": 1_732_275_600 + n / 1000,
    }  # fmt: skip


def _nested(n: int) -> dict[str, Any]:
    row = _flat(n)
    where = {"service": row["service"], "pod": {"host": row["host"], "zone": "b"}}
    return {"meta": where, "metric": {"name": "latency_ms", "value": row["value"]}, "ts": row["ts"]}


def _wide(n: int) -> dict[str, Any]:
    return {**{f"label_{at}": f"some-value-{at}-{n % 13}" for at in range(15)}, **_flat(n)}


def _line(n: int) -> bytes:
    return (
        b'10.0.%d.%d - - [17/May/2015:10:%02d:%02d +0000] "GET /images/%d.png HTTP/1.1" 200 %d "http://example.org/" '
        b'"Mozilla/5.0 (X11; Linux x86_64)"' % (n % 7, n % 250, n // 60_000 % 60, n // 1000 % 60, n % 1000, n % 9999)
    )


_USED: Mapping[str, FieldType] = {"service": "key", "value": "number", "ts": "time"}
_DEEP: Mapping[str, FieldType] = {"meta.service": "key", "metric.value": "number", "ts": "time"}
_LOG: Mapping[str, FieldType] = {"client": "key", "bytes": "number", "time": "time"}
CASES: Mapping[str, Case] = {
    "flat JSON, 5 fields": ("json", _USED, lambda n: json.dumps(_flat(n), separators=(",", ":")).encode()),
    "nested JSON": ("json", _DEEP, lambda n: json.dumps(_nested(n), separators=(",", ":")).encode()),
    "JSON, 20 fields": ("json", _USED, lambda n: json.dumps(_wide(n), separators=(",", ":")).encode()),
    "access log, 3 fields": ("nginx", _LOG, _line),
}


def measure(decoder: Decoder, values: Any, runs: int) -> float:
    """Return the median of CPU us per record."""
    spent = []
    for _ in range(runs):
        began = time.process_time()
        decoder.decode(values)
        spent.append(time.process_time() - began)
    return statistics.median(spent) / len(values) * 1e6


def _cost(name: str, records: int, runs: int, *, packed: bool) -> float:
    """Return us per record of a case, as objects or in one buffer."""
    codec, fields, make = CASES[name]
    values = [make(n) for n in range(records)]
    length = np.array(list(map(len, values)), np.int64)
    given = Packed(b"".join(values), np.cumsum(length) - length, length) if packed else values
    return measure(registry()[codec].compile(fields), given, runs)


def main() -> None:
    """Print a row per format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    plain = {name: _cost(name, options.records, options.runs, packed=False) for name in CASES}
    fast.load()
    rows: list[dict[str, Any]] = []
    for name in CASES:
        compiled = _cost(name, options.records, options.runs, packed=True)
        sys.stdout.write(f"{name:24} plain {plain[name]:6.3f}, compiled {compiled:6.3f} us per record\n")
        rows.append({"format": name, "plain, us": plain[name], "compiled, us": compiled})
    about = f"CPU us per record, median of {options.runs} runs over {options.records:,} records."
    contribute(Part("codecs", "Decoding alone", about, rows))


if __name__ == "__main__":
    main()
