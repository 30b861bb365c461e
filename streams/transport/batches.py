"""Record batches (message format v2), built by aiokafka's builder, or by a compiled loop where one is loaded."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams import fast
from streams.effects import Event
from streams.transport.wire import HEAD_BYTES, MAGIC, Head, sealed
from tables.records import Record
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


RECORD_BYTES = 23
"""The most that a record needs beside key, value and headers: lengths, deltas, attributes, count of headers."""
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Compression name -> its number in a batch's attributes."""
_NO_HEADERS: list[tuple[str, bytes]] = []
SLICE = 20_000
"""Records appended before the event loop gets a turn (about 5 ms)."""
COMPILED = 40_000
"""The most records that the compiled loop builds, in one turn, which takes as long as a slice without it."""


def size_bound(records: Sequence[Record]) -> int:
    """Return an upper bound in bytes on the uncompressed record batch that changelog records make."""
    return HEAD_BYTES + RECORD_BYTES * len(records) + Written.of(records).size


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
    loops = fast.kernels() if compression == "none" and len(rows) <= COMPILED else None
    if loops is not None and (isinstance(rows, Written) or not isinstance(rows[0], Event)):
        return _compiled(loops, cast("Sequence[Record]", rows), timestamp, producer)
    builder = DefaultRecordBatchBuilder(MAGIC, CODECS[compression], 0, *producer, 2**31 - 1)
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


def _compiled(loops: ModuleType, rows: Sequence[Record], timestamp: int, producer: tuple[int, int, int]) -> bytes:
    """Return the batch of changelog records in one go: the checksum alone takes aiokafka longer."""
    keys, values = Written.of(rows).columns()
    batch = bytearray(HEAD_BYTES + RECORD_BYTES * len(rows) + len(keys.data) + len(values.data))
    columns = [each for pieces in (keys, values) for each in (np.frombuffer(pieces.data, np.uint8), pieces.sizes)]
    end = loops.records(*columns, np.frombuffer(batch, np.uint8), HEAD_BYTES)
    head = Head(0, 0, -1, MAGIC, 0, 0, len(rows) - 1, timestamp, timestamp, *producer, len(rows))
    return sealed(memoryview(batch)[:end], head)
