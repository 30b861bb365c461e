"""Record batches (message format v2) built by whole arrays: the generator outruns the worker.

The layout is that of Kafka's protocol guide, "Record Batch". aiokafka computes the checksum, and packs the records
where they are compressed; the broker checks what comes of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.util import calc_crc32c

from tests.benchmarks.pieces import Piece, joined, varint

PACKED: Mapping[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}
"""By name: the number of a compression, and what does it."""
_OUTER = struct.Struct(">qiibI")
_INNER = struct.Struct(">hiqqqhii")
_BEHIND_LENGTH = 9
"""Bytes of the outer head that the length counts: leader epoch, format, checksum."""
_NO_PRODUCER = (-1, -1, -1)


def record_batch(keys: Piece, values: Piece, timestamp: int, compression: str | None = None, base: int = 0) -> bytes:
    """Return one record batch.

    Args:
        keys: of the records.
        values: of the records.
        timestamp: Kafka timestamp of all, ms.
        compression: a name in `PACKED`; None for none.
        base: offset of the first record; a broker puts its own there, and Apache Kafka wants 0.
    """
    count = len(keys.data)
    codec, pack = PACKED[compression] if compression else (0, bytes)
    inner = _INNER.pack(codec, count - 1, timestamp, timestamp, *_NO_PRODUCER, count) + pack(_records(keys, values))
    return _OUTER.pack(base, _BEHIND_LENGTH + len(inner), -1, 2, calc_crc32c(inner)) + inner


def _records(keys: Piece, values: Piece) -> bytes:
    """Return records: length, attributes, time since the first, offset since the first, key, value, no headers."""
    count = len(keys.data)
    key_sizes, value_sizes = keys.sizes, values.sizes
    offset, key_size, value_size = varint(np.arange(count)), varint(key_sizes), varint(value_sizes)
    length = 3 + offset.sizes + key_size.sizes + key_sizes + value_size.sizes + value_sizes
    parts = [varint(length), b"\0\0", offset, key_size, keys, value_size, values, b"\0"]
    return joined(parts, count).packed()
