"""Record batches (message format v2) built from changelog records, by aiokafka's compiled builder."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from aiokafka.record.default_records import DefaultRecordBatchBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tables.records import Record

HEADER_BYTES = 61
"""Size of a record batch without records."""
RECORD_BYTES = 23
"""The most that a record needs beside its key and value: lengths, deltas, attributes, count of headers."""
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Compression name -> its number in a batch's attributes."""
NO_PRODUCER = (-1, -1, -1)
"""Producer id, epoch and sequence of a batch that nobody fences."""
SLICE = 20_000
"""Records appended before the event loop gets a turn (about 5 ms)."""


def size_bound(records: Sequence[Record]) -> int:
    """Return an upper bound in bytes on the uncompressed record batch that these records make."""
    keys = sum([len(record.key) for record in records])
    values = sum([len(record.value or b"") for record in records])
    return HEADER_BYTES + RECORD_BYTES * len(records) + keys + values


async def build(
    records: Sequence[Record],
    timestamp: int,
    producer: tuple[int, int, int] = NO_PRODUCER,
    compression: str = "none",
) -> bytes:
    """Return one record batch.

    Args:
        records: its records, at least one; a value of None is a tombstone.
        timestamp: Kafka timestamp of all of them, ms.
        producer: (producer id, epoch, base sequence).
        compression: a name in `CODECS`.
    """
    builder = DefaultRecordBatchBuilder(2, CODECS[compression], 0, *producer, 2**31 - 1)
    append, rest, start = builder.append, iter(records), 0
    headers: list[tuple[str, bytes]] = []
    while part := list(islice(rest, SLICE)):
        if start:
            await asyncio.sleep(0)
        for offset, record in enumerate(part, start):
            append(offset, timestamp, record.key, record.value, headers)
        start += len(part)
    return bytes(builder.build())
