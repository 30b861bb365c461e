"""What goes into the engine and what comes out of it: plain data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tables.columns import Column
from tables.records import Record


@dataclass(slots=True)
class Records:
    """Raw records of one input partition as they were fetched, in offset order.

    Args:
        lo: first offset of the half-open range `[lo, hi)` that is acknowledged when all is done.
        hi: offset after the range; compaction holes and control records lie in it too.
        offsets: shape (n,) int64, rising, all in `[lo, hi)`.
        timestamps: shape (n,) int64, the records' Kafka timestamps in ms.
        keys: n record keys; None where nobody asked for them.
        values: n record values.
    """

    lo: int
    hi: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    values: list[bytes | None]
    keys: list[bytes | None] | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)


@dataclass(slots=True)
class Batch:
    """Decoded good rows of one input partition, with event time.

    Args:
        origin: the input partition, `topic-partition`.
        lo: as in `Records`.
        hi: as in `Records`.
        rows: for each row its index in the fetched records (shape (n,)), for dead letters found later.
        columns: the fields and derived fields that tables need.
        time: shape (n,), event time in ms.
        offset: shape (n,).
    """

    origin: str
    lo: int
    hi: int
    rows: NDArray[np.intp]
    columns: dict[str, Column]
    time: NDArray[np.int64]
    offset: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Event:
    """One record to produce to another topic (an alert, an emitted row, a late row, a dead letter).

    Args:
        topic: where to.
        key: record key.
        value: record value; None is a tombstone.
        headers: (name, bytes) pairs.
        partition: destination partition; None leaves it to murmur2 over the key.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


@dataclass(slots=True)
class Write:
    """One changelog write of a table partition: exactly one Kafka record batch, then the events it owes.

    The driver appends `records`, waits for the acknowledgement, sends `events`, waits for theirs, writes `records` to
    the local store in one atomic write, and only then asks the engine for more.
    """

    n: int
    records: list[Record] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
