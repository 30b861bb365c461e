"""What goes into the engine and what comes out of it: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.packed import Packed
from tables.columns import Column
from tables.records import Record


@dataclass(frozen=True, slots=True)
class Lost:
    """A record batch whose records were left out, for they take too much memory.

    Args:
        lo: its first offset.
        hi: the offset after it.
        count: of its records, as it says itself.
        size: of the batch as it was fetched, bytes.
        message: why, as a sentence that begins with "they".
    """

    lo: int
    hi: int
    count: int
    size: int
    message: str


@dataclass(slots=True)
class Records:
    """Raw records of one input partition as they were fetched, in offset order.

    Args:
        lo: first offset of the half-open range `[lo, hi)` that is acknowledged when all is done.
        hi: offset after the range; compaction holes and control records lie in it too.
        offsets: shape (n,) int64, rising, all in `[lo, hi)`.
        timestamps: shape (n,) int64, the records' Kafka timestamps in ms.
        values: n record values.
        keys: n record keys; None where `key_of` knows them.
        key_of: returns the key of the record with this index: few records are asked for theirs.
        lost: record batches in `[lo, hi)` whose records were left out.
    """

    lo: int
    hi: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    values: Sequence[bytes | None]
    keys: list[bytes | None] | None = None
    key_of: Callable[[int], bytes | None] | None = None
    lost: list[Lost] = field(default_factory=list)
    _size: int | None = field(default=None, compare=False)

    def size(self) -> int:
        """Return the bytes of all values."""
        if self._size is None:
            self._size = _size(self.values)
        return self._size

    def key(self, index: int) -> bytes | None:
        """Return the key of one record, None if it has none or nobody knows it."""
        if self.keys is not None:
            return self.keys[index]
        return self.key_of(index) if self.key_of is not None else None

    def all_keys(self) -> list[bytes | None]:
        """Return the keys of all records."""
        return [self.key(index) for index in range(len(self))] if self.keys is None else self.keys

    def before(self, hi: int) -> Records:
        """Return the records before an offset."""
        stop = int(np.searchsorted(self.offsets, hi))
        keys = None if self.keys is None else self.keys[:stop]
        lost = [each for each in self.lost if each.lo < hi]
        stamps = self.timestamps[:stop]
        return Records(self.lo, hi, self.offsets[:stop], stamps, self.values[:stop], keys, self.key_of, lost)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)


def _size(values: Sequence[bytes | None]) -> int:
    if isinstance(values, Packed):
        return values.size()
    try:
        return sum(map(len, values))  # type: ignore[arg-type] # as good as never is one None
    except TypeError:
        return sum(map(len, filter(None, values)))


@dataclass(slots=True)
class Seen:
    """All good records of a batch, those that the stream's `where` dropped among them: the watermark counts them too.

    Args:
        offset: shape (m,), rising.
        time: shape (m,), event time in ms.
        at: shape (n,), for each row of the batch its index in `offset` and `time`.
    """

    offset: NDArray[np.int64]
    time: NDArray[np.int64]
    at: NDArray[np.intp]


@dataclass(slots=True)
class Rekeyed:
    """What rows bring along that came through a re-key, n of them.

    Args:
        watermark: the greatest event time that the sender has seen of the origin, ms.
        running: shape (n,), for each row the greatest event time that the sender had seen up to it.
        keys: the distinct key bytes.
        key: shape (n,), for each row the index of its key.
    """

    watermark: int
    running: NDArray[np.int64]
    keys: list[bytes]
    key: NDArray[np.int64]


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
        seen: what else was seen than these rows; None if nothing.
        source: the fetched records, for dead letters and late rows.
        idle: whether the origin says that it is silent (then there are no rows).
        rekeyed: what else is known of rows that came through a re-key; None if they did not.
    """

    origin: str
    lo: int
    hi: int
    rows: NDArray[np.intp]
    columns: dict[str, Column]
    time: NDArray[np.int64]
    offset: NDArray[np.int64]
    seen: Seen | None = None
    source: Records | None = None
    idle: bool = False
    rekeyed: Rekeyed | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)


class Event(msgspec.Struct, frozen=True):
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What one write may hold.

    Args:
        records: most changelog records.
        size: most bytes of keys and values; less than the topic's `max.message.bytes`.
    """

    records: int = 30_000
    size: int = 6 * 1024 * 1024


@dataclass(slots=True)
class Write:
    """One changelog write of a table partition: exactly one Kafka record batch, and what else it brings.

    The driver sends `letters` and waits for their acknowledgements; appends `records` and waits; sends `events` and
    waits; gives `records` to the local store, with the offset behind them; and only then asks the engine for more. Any
    of the three may be empty; after a restore the last write comes again, with `events` only.

    Args:
        n: number of the write.
        records: changelog records, progress last.
        events: alert events and emitted rows. After a crash they are made again from the records.
        letters: dead letters and late rows. Nothing in the records would bring them back, so they go first; after a
            crash they may be sent twice, with the same headers.
        last: whether nothing is left to compute after it: the engine only notes that it is done.
    """

    n: int
    records: Sequence[Record] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    letters: list[Event] = field(default_factory=list)
    last: bool = False
