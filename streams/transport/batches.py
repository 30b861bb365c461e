"""Record batches (message format v2), built by aiokafka's compiled builder."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, cast

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.effects import Event
from tables.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER_BYTES = 61
"""Size of a record batch without records."""
RECORD_BYTES = 23
"""The most that a record needs beside key, value and headers: lengths, deltas, attributes, count of headers."""
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Compression name -> its number in a batch's attributes."""
_NO_HEADERS: list[tuple[str, bytes]] = []
SLICE = 20_000
"""Records appended before the event loop gets a turn (about 5 ms)."""


def size_bound(records: Sequence[Record]) -> int:
    """Return an upper bound in bytes on the uncompressed record batch that changelog records make."""
    keys = sum([len(record.key) for record in records])
    values = sum([len(record.value or b"") for record in records])
    return HEADER_BYTES + RECORD_BYTES * len(records) + keys + values


def event_bound(event: Event) -> int:
    """Return an upper bound in bytes on what an event adds to a record batch."""
    size = RECORD_BYTES + len(event.key or b"") + len(event.value or b"") + 4
    for name, value in event.headers:
        size += 10 + len(name.encode()) + len(value)
    return size


async def build(
    rows: Sequence[Event | Record],
    timestamp: int,
    producer: tuple[int, int, int] = (-1, -1, -1),
    compression: str = "none",
) -> bytes:
    """Return one record batch.

    Args:
        rows: its records, at least one; a value of None is a tombstone.
        timestamp: Kafka timestamp of all of them, ms.
        producer: (producer id, epoch, base sequence); -1 for none.
        compression: a name in `CODECS`.
    """
    builder = DefaultRecordBatchBuilder(2, CODECS[compression], 0, *producer, 2**31 - 1)
    append, rest, start = builder.append, iter(rows), 0
    while part := list(islice(rest, SLICE)):
        if start:
            await asyncio.sleep(0)
        if isinstance(part[0], Event):
            for offset, event in enumerate(cast("list[Event]", part), start):
                append(offset, timestamp, event.key, event.value, list(event.headers))
        else:
            for offset, (key, value) in enumerate(cast("list[Record]", part), start):
                append(offset, timestamp, key, value, _NO_HEADERS)
        start += len(part)
    return bytes(builder.build())
