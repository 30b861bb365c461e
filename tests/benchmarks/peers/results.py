"""What the other systems say that they counted: read from their topics, for the same check as ours."""

from __future__ import annotations

import json
import struct

from tests.benchmarks.verify import Cells, latest
from tests.benchmarks.workload import LAST


def faust_cells(bootstrap: str, app: str) -> Cells:
    """Return the cells in the changelog of stock Faust: key and value are JSON, the key holds the window."""
    found: Cells = {}
    for raw, value in latest(bootstrap, f"{app}-load-changelog").items():
        key, (start, _) = json.loads(raw)
        found[str(key).encode(), round(start * 1000)] = tuple(json.loads(value))
    return _without_last(found)


def quix_cells(bootstrap: str, topic: str) -> Cells:
    """Return the closed windows that Quix Streams wrote: its key is ours, the value JSON."""
    found: Cells = {}
    for raw, value in latest(bootstrap, topic, keyed=_window_of_quix).items():
        row = json.loads(value)
        found[raw[:-8], row["start"]] = (row["count"], row["total"], row["least"], row["most"])
    return _without_last(found)


def _window_of_quix(key: bytes, value: bytes) -> bytes:
    return key + int(json.loads(value)["start"]).to_bytes(8, "big")


def kafka_streams_cells(bootstrap: str, app: str) -> Cells:
    """Return the cells in the changelog of Kafka Streams: key, window start (8 bytes), sequence (4 bytes)."""
    found: Cells = {}
    for raw, value in latest(bootstrap, f"{app}-load-changelog").items():
        found[raw[:-12], int.from_bytes(raw[-12:-4], "big")] = struct.unpack(">qddd", value)
    return _without_last(found)


def flink_cells(bootstrap: str, topic: str) -> Cells:
    """Return the closed windows that Flink wrote: lines of key, start, count, sum, min, max."""
    found: Cells = {}
    for line in latest(bootstrap, topic, keyed=lambda _, value: value):
        key, start, count, *rest = line.decode().split(",")
        found[key.encode(), int(start)] = (int(count), *map(float, rest))
    return _without_last(found)


def _without_last(cells: Cells) -> Cells:
    return {key: row for key, row in cells.items() if key[0] != LAST}
