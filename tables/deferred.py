"""A store whose small writes wait for one another: what is written again and again reaches the store below once."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from tables.records import as_record
from tables.store import CHUNK, StoreError, in_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tables.records import Record
    from tables.store import Group, Item, Store

SMALL = 5_000
"""Records of a write that is worth waiting: what a larger one spares below, it takes here."""
MOST_BYTES = 4 << 20
"""Bytes that may wait."""
MOST_RECORDS = 20_000
"""Records that may wait: while the store below takes them, nothing else goes on."""
MOST_SECONDS = 1.0
"""Age at which the next write lets all that waits go down."""


class DeferredStore:
    """Keeps small writes in memory until they are many, old or asked for; whoever reads sees them all.

    It promises what the store below does without a write-ahead log: a killed process loses an end of whole writes,
    which the changelog gives back, since the offset goes down with them. What the store below refuses goes on waiting,
    and is refused again, until the store is closed.

    Args:
        store: below; nobody else uses it.
        clock: returns seconds that only rise.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """Let nothing wait."""
        self._store = store
        self._clock = clock
        self._lock = RLock()
        self._clear()

    def _clear(self) -> None:
        self._waiting: dict[bytes, bytes | None] = {}
        self._offset: int | None = None
        self._bytes, self._since = 0, 0.0

    def write(self, records: Sequence[Record], offset: int | None = None) -> None:
        """Apply records and offset, here or below."""
        with self._lock:
            if len(records) > SMALL:
                self._below().write(records, offset)
                return
            now = self._clock()
            self._since = self._since if self._waits else now
            if records:
                self._hold(records)
            self._offset = self._offset if offset is None else offset
            many = self._bytes > MOST_BYTES or len(self._waiting) > MOST_RECORDS
            if many or now - self._since > MOST_SECONDS:
                self._below()

    def _hold(self, records: Sequence[Record]) -> None:
        """Let records wait, in place of those with the same keys."""
        keys, values = zip(*records, strict=True)
        new = dict(zip(keys, values, strict=True))
        replaced = filter(None, map(self._waiting.get, new))
        self._bytes += sum(map(len, filter(None, new.values()))) - sum(map(len, replaced))
        before = len(self._waiting)
        self._waiting.update(new)
        self._bytes += (len(self._waiting) - before) * sum(map(len, new)) // len(new)

    @property
    def _waits(self) -> bool:
        return bool(self._waiting) or self._offset is not None

    def _below(self) -> Store:
        """Return the store below, which has everything."""
        with self._lock:
            if self._waits:
                self._store.write(list(map(as_record, self._waiting.items())), self._offset)
                self._clear()
        return self._store

    def fill(self, records: Sequence[Record], offset: int) -> None:
        """Apply many records and the offset."""
        self._below().fill(records, offset)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each record key, None where there is none."""
        return self._below().get_many(keys)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[Item]:
        """Yield the items with this prefix from `start` on, in byte order; each chunk as the store is then."""
        return in_chunks(lambda first: list(islice(self._below().scan(prefix, first), CHUNK)), start)

    def groups(self) -> set[Group]:
        """Return all (pane, first) that have cells."""
        return self._below().groups()

    def offset(self) -> int | None:
        """Return the changelog offset of the last write."""
        return self._below().offset()

    def begin(self, offset: int) -> None:
        """Note where the changelog began."""
        self._below().begin(offset)

    def begun(self) -> int:
        """Return where it began."""
        return self._below().begun()

    def age(self) -> float:
        """Return the seconds since the last write."""
        return self._below().age()

    def estimated_records(self) -> int:
        """Return about how many records there are."""
        return self._below().estimated_records()

    def put_aside(self) -> Path | None:
        """Begin anew without anything; what waits is dropped, as what is put aside is damaged."""
        with self._lock:
            self._clear()
            return self._store.put_aside()

    def close(self) -> None:
        """Close the store below; what it refuses to take is in the changelog."""
        with self._lock:
            with suppress(StoreError):
                self._below()
            self._clear()
            self._store.close()

    def destroy(self) -> None:
        """Close the store below and delete its files."""
        with self._lock:
            self._clear()
            self._store.destroy()
