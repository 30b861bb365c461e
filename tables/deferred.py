"""A store whose writes wait for one another: what is written again and again reaches the store below once."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from tables.generation import Generation
from tables.records import CELL, GROUP_BYTES, split_cell_key
from tables.store import CHUNK, StoreError, in_chunks
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tables.generation import Piece
    from tables.records import Record
    from tables.store import Group, Item, Store

SMALL = 5_000
"""Records, besides those of cells in columns, of a write that is worth waiting: more take longer here than below."""
MOST_BYTES = 16 << 20
"""Bytes that may wait."""
MOST_RECORDS = 20_000
"""Records, besides those of cells in columns, that may wait: while the store below takes them, nothing else goes on."""
MOST_CELLS = 100_000
"""Records of cells in columns that may wait."""
MOST_SECONDS = 10.0
"""Age at which the next write lets all that waits go down."""
SLICE_BYTES = 1 << 20
"""Bytes of cells that go down with one write: while the store below takes them, nothing else goes on."""
FEW = 1_000
"""Keys that are looked for where they wait; for more, all goes down."""


class DeferredStore:
    """Keeps writes in memory until they are many or old; whoever reads sees them all.

    It promises what the store below does without a write-ahead log: a killed process loses an end of what was written,
    which the changelog gives back. Cells go down in pieces without an offset, which comes with the last piece: the
    store below may have newer cells than its offset says, never older ones. The changelog, read from the offset on,
    writes the same over them, and `AHEAD` tells how much of it there must be. What the store below refuses goes on
    waiting, and is refused again, until the store is closed.

    Args:
        store: below; nobody else uses it.
        clock: returns seconds that only rise.
        share: returns how many bytes may wait here, which are at most `MOST_BYTES`.
    """

    def __init__(self, store: Store, clock: Callable[[], float], share: Callable[[], int] = lambda: MOST_BYTES) -> None:
        """Let nothing wait."""
        self._store = store
        self._clock = clock
        self._share = share
        self._lock = RLock()
        self._clear()

    def _clear(self) -> None:
        self._coming, self._going = Generation(), Generation()
        self._pieces: deque[Piece] = deque()
        self._since = 0.0

    def write(self, records: Sequence[Record], offset: int | None = None) -> None:
        """Apply records and offset, here or below."""
        with self._lock:
            written = Written.of(records)
            since = self._since if self._coming else self._clock()
            if len(written.others) > SMALL or not self._coming.add(written, offset):
                self._below().write(records, offset)
                return
            self._since = since
            if self._full:
                self._start()
            if self._pieces:
                self._sink()

    @property
    def _full(self) -> bool:
        waits = self._coming
        many = len(waits.others) > MOST_RECORDS or len(waits.cells) > MOST_CELLS
        large = waits.size > min(MOST_BYTES, self._share())
        return many or large or self._clock() - self._since > MOST_SECONDS

    def _start(self) -> None:
        """Let all that waits go down, piece by piece, behind what does already."""
        while self._pieces:
            self._sink()
        self._going, self._coming = self._coming, Generation()
        self._pieces.extend(self._going.pieces(SLICE_BYTES))

    def _sink(self) -> None:
        """Let one piece go down."""
        self._store.write(*self._pieces[0])
        self._pieces.popleft()
        if not self._pieces:
            self._going = Generation()

    def _below(self) -> Store:
        """Return the store below, which has everything."""
        with self._lock:
            if self._coming:
                self._start()
            while self._pieces:
                self._sink()
        return self._store

    @property
    def _plain(self) -> bool:
        return self._coming.plain or self._going.plain

    def fill(self, records: Sequence[Record], offset: int) -> None:
        """Apply many records and the offset."""
        self._below().fill(records, offset)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each record key, None where there is none."""
        with self._lock:
            if len(keys) > FEW:
                return self._below().get_many(keys)
            waiting = [self._coming.find(key) or self._going.find(key) for key in keys]
            below = iter(self._store.get_many([key for key, at in zip(keys, waiting, strict=True) if at is None]))
            return [next(below) if at is None else at[0] for at in waiting]

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[Item]:
        """Yield the items with this prefix from `start` on, in byte order; each chunk as the store is then."""
        return in_chunks(lambda first: self._chunk(prefix, first), start)

    def _chunk(self, prefix: bytes, first: bytes) -> list[Item]:
        """Return the first `CHUNK` items from a key on; cells of one group are found where they wait."""
        with self._lock:
            if self._plain or len(prefix) < GROUP_BYTES or not prefix.startswith(CELL):
                return list(islice(self._below().scan(prefix, first), CHUNK))
            found = dict(islice(self._store.scan(prefix, first), CHUNK))
            for generation in (self._going, self._coming):
                found.update(generation.cells.items(prefix, first, CHUNK))
        return sorted(found.items())[:CHUNK]

    def groups(self) -> set[Group]:
        """Return all (pane, first) that have cells."""
        with self._lock:
            if self._plain:
                return self._below().groups()
            waiting = self._going.cells.prefixes() | self._coming.cells.prefixes()
            return self._store.groups() | {split_cell_key(prefix)[:2] for prefix in waiting}

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
        """Return about how many records there are: a cell that waits and was written before counts more than once."""
        with self._lock:
            waiting = sum([len(each.cells) + len(each.others) for each in (self._coming, self._going)])
            return self._store.estimated_records() + waiting

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
