"""The ids that a table partition has counted lately, by which a row that comes again is known.

An id is the first 128 bits of the BLAKE2b hash of table key and id: of n remembered ones, a new row is taken for one of
them by chance with probability n / 2^128 (10^-32 for 4,000,000). An id takes 32 bytes in memory, and 24 in the store
and in the changelog, which has one record for all ids of a write.

In memory they lie in sorted runs, of which each is more than twice as long as the next (a logarithmic structure, as in
O'Neil et al., 1996: The log-structured merge-tree), so that looking up and adding cost the logarithm of their number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.keys import key_bytes
from tables.records import IDS, NEVER, Record

if TYPE_CHECKING:
    from tables.columns import Column
    from tables.store import Store

Marks = NDArray[Any]
"""Shape (n,), of `MARK`: ids with their event times; those of rows without id have the time `NEVER`."""
MARK = np.dtype([("high", "<u8"), ("low", "<u8"), ("time", "<i8")])
ID_BYTES = MARK.itemsize
_NUMBER = struct.Struct(">Q")


def marks(keys: Sequence[bytes], columns: Sequence[Column], time: NDArray[np.int64]) -> Marks:
    """Return the ids of rows.

    Args:
        keys: the table keys of the n rows.
        columns: the fields that are the id, in order; where one is null, or is no text and no number, the row has none.
        time: shape (n,), event times in ms.
    """
    made = np.zeros(len(keys), MARK)
    made["time"] = NEVER
    parts = [column.tolist() for column in columns]
    found = [_digest(key, values) for key, values in zip(keys, zip(*parts, strict=True), strict=True)]
    rows = np.array([row for row, digest in enumerate(found) if digest is not None], np.intp)
    if not len(rows):
        return made
    words = np.frombuffer(b"".join(filter(None, found)), "<u8").reshape(len(rows), 2)
    made["high"][rows], made["low"][rows], made["time"][rows] = words[:, 0], words[:, 1], time[rows]
    return made


def _digest(key: bytes, values: tuple[Any, ...]) -> bytes | None:
    if None in values:
        return None
    try:
        return blake2b(b"%d:%b%b" % (len(key), key, key_bytes(values)), digest_size=16).digest()
    except ValueError:
        return None


class Ids:
    """The ids of one table partition.

    A row was counted before if a row with the same key and id was, whose event time is less than `within` away. Rows
    that are `within` or more behind the greatest time of their own input are not looked up. So an id can be forgotten
    when the watermark is 2 * `within` after its time, without any row being taken otherwise for it.

    Args:
        within: ms.
    """

    def __init__(self, within: int) -> None:
        """Remember nothing."""
        self.within = within
        self._runs: list[Marks] = []
        self._highs: list[NDArray[np.uint64]] = []
        self._writes: list[tuple[int, int, int]] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many ids are remembered that are not forgotten by the watermark."""
        return self._count

    def before(self, rows: Marks, running: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows were counted before, by what is remembered and by the rows before them.

        Args:
            rows: n rows, in the order in which they are read.
            running: shape (n,), for each the greatest event time of its input up to it.
        """
        looked = rows["time"] > np.maximum(running - self.within, NEVER)
        found = looked & self._known(rows)
        for together in _repeated(rows, np.flatnonzero((rows["time"] > NEVER) & ~found)):
            counted: list[int] = []
            for row, time in zip(together.tolist(), rows["time"][together].tolist(), strict=True):
                if looked[row] and any(abs(time - each) < self.within for each in counted):
                    found[row] = True
                else:
                    counted.append(time)
        return found

    def _known(self, rows: Marks) -> NDArray[np.bool_]:
        found = np.zeros(len(rows), bool)
        wanted = np.ascontiguousarray(rows["high"])
        for run, high in zip(self._runs, self._highs, strict=True):
            at, open_ = np.searchsorted(high, wanted), np.arange(len(rows))
            while len(open_):
                open_ = open_[at[open_] < len(run)]
                open_ = open_[high[at[open_]] == wanted[open_]]
                other, own = run[at[open_]], rows[open_]
                same = other["low"] == own["low"]
                found[open_] |= same & (np.abs(other["time"] - own["time"]) < self.within)
                at[open_] += 1
        return found

    def add(self, rows: Marks, watermark: int) -> None:
        """Remember the ids of rows that are counted.

        Args:
            rows: of which those without id are passed over.
            watermark: of the table, ms; by it older ids are forgotten.
        """
        parts, size = [rows[rows["time"] > NEVER]], len(rows)
        while self._runs and len(self._runs[-1]) <= 2 * size:
            run, _ = self._runs.pop(), self._highs.pop()
            parts.append(run[run["time"] + 2 * self.within > watermark])
            size += len(run)
        both = np.concatenate(parts)
        high = np.ascontiguousarray(both["high"])
        order = np.argsort(high, kind="stable")
        if len(order):
            self._runs.append(both[order])
            self._highs.append(high[order])

    def written(self, n: int, rows: Marks) -> Record:
        """Return the record of the ids of write `n`, at least one."""
        self._note(n, rows)
        return Record(ids_key(n), rows.tobytes())

    def _note(self, n: int, rows: Marks) -> None:
        heappush(self._writes, (int(rows["time"].max()), n, len(rows)))
        self._count += len(rows)

    def expired(self, watermark: int, budget: int) -> Iterator[Record]:
        """Yield tombstones for writes all of whose ids are forgotten by the watermark, at most `budget`."""
        while budget > 0 and self._writes and self._writes[0][0] + 2 * self.within <= watermark:
            _, n, count = heappop(self._writes)
            self._count -= count
            budget -= 1
            yield Record(ids_key(n), None)

    def load(self, store: Store, watermark: int) -> None:
        """Take the ids out of a partition's store."""
        for key, value in store.scan(IDS):
            rows = np.frombuffer(value, MARK)
            self._note(_NUMBER.unpack(key[len(IDS) :])[0], rows)
            self.add(rows, watermark)


def ids_key(n: int) -> bytes:
    """Return the changelog key of the ids that write `n` counted."""
    return IDS + _NUMBER.pack(n)


def _repeated(rows: Marks, among: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return, for each id that several of some rows have, these rows in their order."""
    order = among[np.lexsort((rows["low"][among], rows["high"][among]))]
    if len(order) < 2:  # noqa: PLR2004 - one is alone
        return []
    same = (rows["high"][order[1:]] == rows["high"][order[:-1]]) & (rows["low"][order[1:]] == rows["low"][order[:-1]])
    if not same.any():
        return []
    groups = np.split(order, np.flatnonzero(~same) + 1)
    return [group for group in groups if len(group) > 1]
