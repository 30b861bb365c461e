"""Blocks: rows of one batch of one origin for one destination partition, as the value of one Kafka record (msgpack)."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.rekey.packing import PackedColumn, PackedInts
from tables.columns import Column

VERSION = 1
"""Of the encoding; a block of another version is refused."""


class BlockError(ValueError):
    """The bytes are no block."""


class Block(msgspec.Struct, array_like=True, frozen=True):
    """What one destination gets of the offsets `[lo, hi)` of an origin: n rows, or none.

    Args:
        version: of the encoding.
        base: digest of what shapes all of the table's state; blocks of another base are another table's.
        origin: the input partition, `topic-partition`.
        lo: first offset of the range.
        hi: offset after the range.
        watermark: the greatest event time that the sender has seen of the origin, ms.
        idle: whether the origin was read to its end and is silent.
        count: n.
        offset: n offsets, rising.
        time: n event times, ms.
        running: for each row the greatest event time that the sender had seen up to it, ms.
        keys: the distinct key bytes.
        key: for each row the index of its key.
        columns: what the aggregates need, by their `wires`.
        originals: (keys, values) of the records as they were read, where the table has a topic for late rows.
    """

    version: int
    base: str
    origin: str
    lo: int
    hi: int
    watermark: int
    idle: bool
    count: int
    offset: PackedInts
    time: PackedInts
    running: PackedInts
    keys: list[bytes]
    key: PackedInts
    columns: dict[str, PackedColumn]
    originals: tuple[list[bytes | None], list[bytes | None]] | None = None

    def encode(self) -> bytes:
        """Return the record value."""
        return _encode(self)


class Rows(msgspec.Struct, frozen=True):
    """The rows of a block, n of them.

    Args:
        offset: shape (n,), rising, all in the block's range.
        time: shape (n,), event time in ms.
        running: shape (n,), as in `Block`.
        key: shape (n,), index into the block's `keys`.
        columns: by their `wires`, n rows each.
    """

    offset: NDArray[np.int64]
    time: NDArray[np.int64]
    running: NDArray[np.int64]
    key: NDArray[np.int64]
    columns: dict[str, Column]


def decode(value: bytes | None) -> Block:
    """Return the block that a record value holds.

    Raises:
        BlockError: it holds none, or one of another version.
    """
    try:
        version = _version(value or b"").version
        if version != VERSION:
            raise BlockError(f"a block of version {version}; this worker reads version {VERSION}")
        return _decode(value or b"")
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BlockError(f"no block: {error}") from error


def unpack(block: Block) -> Rows:
    """Return the rows of a block.

    Raises:
        BlockError: it does not agree with itself.
    """
    n = block.count
    try:
        rows = Rows(
            block.offset.unpack(n),
            block.time.unpack(n),
            block.running.unpack(n),
            block.key.unpack(n),
            {name: column.unpack(n) for name, column in block.columns.items()},
        )
    except (ValueError, TypeError, OverflowError, msgspec.DecodeError) as error:
        raise BlockError(f"a block of {n} rows that does not hold them: {error}") from error
    _check(rows.offset, block.lo, block.hi, "offset")
    _check(rows.key, 0, len(block.keys), "key")
    if block.originals and any(len(part) != n for part in block.originals):
        raise BlockError(f"a block of {n} rows without as many original records")
    return rows


def _check(values: NDArray[np.int64], low: int, high: int, what: str) -> None:
    if len(values) and not low <= int(values.min()) <= int(values.max()) < high:
        raise BlockError(f"a block with an {what} outside of [{low}, {high})")


class _Version(msgspec.Struct, array_like=True, frozen=True):
    """The first element of a block of any version."""

    version: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Block).decode
_version = msgspec.msgpack.Decoder(_Version).decode


def empty(base: str, origin: str, span: tuple[int, int], watermark: int, *, idle: bool) -> Block:
    """Return a block without rows.

    Args:
        base: as in `Block`.
        origin: the input partition.
        span: `(lo, hi)`.
        watermark: of the origin.
        idle: whether it is silent.
    """
    none = PackedInts(0, "<u1", b"")
    return Block(VERSION, base, origin, *span, watermark, idle, 0, none, none, none, [], none, {})
