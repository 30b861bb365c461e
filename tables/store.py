"""The store of one table partition: what its changelog says after compaction, kept near the worker.

It is written only after the changelog write was acknowledged, so it is never ahead of the changelog; what is read from
it is acknowledged state.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol

from tables.records import CELL, GROUP_BYTES, group_prefix, split_cell_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tables.records import Record

Group = tuple[int, int]
"""(pane, first window that its rows count for)."""
Item = tuple[bytes, bytes]
AHEAD = b"\0ahead"
"""Key under which a store keeps the changelog offset before which its newest cells were written, unless it is `offset`.

It is not in the changelog, no key of which begins with NUL.
"""
CHUNK = 1000
"""Items that a scan copies at once: a live iterator would keep the store's LOCK after the store was closed."""


class StoreError(Exception):
    """A local store cannot be used.

    Args:
        directory: where it lies.
        problem: what is wrong, as a clause.
        fix: what to do about it.
    """

    def __init__(self, directory: Path, problem: str, fix: str) -> None:
        """Join place, problem and fix to one sentence."""
        super().__init__(f"store {directory}: {problem}; {fix}")
        self.directory = directory


class StoreLocked(StoreError):  # noqa: N818 - the name says what is the matter
    """Another process, or another part of this one, has the store open."""


class StoreCorrupt(StoreError):  # noqa: N818 - the name says what is the matter
    """The files of the store are damaged; it is rebuilt from the changelog."""


class StoreFull(StoreError):  # noqa: N818 - the name says what is the matter
    """There is no space left for the store."""


class StoreClosed(StoreError):  # noqa: N818 - the name says what is the matter
    """The store was closed, for its partition went to another worker."""


class Store(Protocol):
    """What a table partition asks of its store."""

    def write(self, records: Sequence[Record], offset: int | None = None) -> None:
        """Apply records, and the changelog offset after them, in one atomic write.

        Args:
            records: in order; a later one of the same key wins, and None deletes.
            offset: the changelog offset to restore from next time; None leaves it as it is.

        Raises:
            StoreFull: the disk is full; nothing was written.
        """

    def fill(self, records: Sequence[Record], offset: int) -> None:
        """Do the same for many records of distinct keys, sorted by key; while it goes on nobody else may write.

        Args:
            records: sorted by key; None deletes.
            offset: as `write`.

        Raises:
            StoreFull: the disk is full; nothing was written.
        """

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each record key, None where there is none."""

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[Item]:
        """Yield (record key, value) of all keys with this prefix that are not before `start`, in byte order.

        Between two chunks the store may be written; each chunk is read as it is then.
        """

    def groups(self) -> set[Group]:
        """Return all (pane, first) of which the store has cells."""

    def offset(self) -> int | None:
        """Return the changelog offset up to which the store has everything; None if it was never written."""

    def begin(self, offset: int) -> None:
        """Note, before anything is filled in, the first offset of the changelog that it is filled from."""

    def begun(self) -> int:
        """Return what `begin` noted, 0 if nothing: what the changelog lost before that, the store never had."""

    def age(self) -> float:
        """Return the seconds since the store was last written, 0 if never."""

    def estimated_records(self) -> int:
        """Return about how many records the store holds."""

    def put_aside(self) -> Path | None:
        """Begin anew without anything; the store stays open.

        Returns:
            Where what it held lies now, in place of what was put aside before; None if it had no files.
        """

    def close(self) -> None:
        """Close the store; it can be opened again elsewhere."""

    def destroy(self) -> None:
        """Close the store and delete its files."""


class MemoryStore:
    """A store in plain dictionaries, for the Harness, backtests and tests."""

    def __init__(self) -> None:
        """Start empty."""
        self._cells: dict[bytes, dict[bytes, bytes]] = {}
        self._offset: int | None = None
        self._begun = 0

    def write(self, records: Iterable[Record], offset: int | None = None) -> None:
        """Apply records and offset."""
        for record in records:
            place = _place(record.key)
            cells = self._cells.setdefault(place, {})
            if record.value is None:
                cells.pop(record.key, None)
            else:
                cells[record.key] = record.value
            if not cells:
                del self._cells[place]
        self._offset = self._offset if offset is None else offset

    def fill(self, records: Sequence[Record], offset: int) -> None:
        """Apply records and offset."""
        self.write(records, offset)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each record key, None where there is none."""
        return [self._cells.get(_place(key), {}).get(key) for key in keys]

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[Item]:
        """Yield the items with this prefix from `start` on, in byte order."""
        if len(prefix) >= GROUP_BYTES or not CELL.startswith(prefix[:1]):
            places = [p for p in (_place(prefix),) if p in self._cells]
        else:
            places = [p for p in self._cells if p.startswith(prefix) or prefix.startswith(p)]
        keys = chain.from_iterable(self._cells[p] for p in places)
        for key in sorted(key for key in keys if key.startswith(prefix) and key >= start):
            value = self._cells.get(_place(key), {}).get(key)
            if value is not None:
                yield key, value

    def groups(self) -> set[Group]:
        """Return all (pane, first) that have cells."""
        return {split_cell_key(place)[:2] for place in self._cells if place}

    def offset(self) -> int | None:
        """Return the changelog offset that was written last."""
        return self._offset

    def begin(self, offset: int) -> None:
        """Note where the changelog began."""
        self._begun = offset

    def begun(self) -> int:
        """Return where it began."""
        return self._begun

    def age(self) -> float:
        """Return 0: it is as old as its process."""
        return 0.0

    def estimated_records(self) -> int:
        """Return how many records there are."""
        return sum(map(len, self._cells.values()))

    def put_aside(self) -> None:
        """Forget everything: there is no file."""
        self._cells = {}
        self._offset = None
        self._begun = 0

    def close(self) -> None:
        """Do nothing: there is no file."""

    def destroy(self) -> None:
        """Forget everything."""
        self.put_aside()


def _place(key: bytes) -> bytes:
    """Return the dictionary a record key lies in: cells by their group, the rest together."""
    return key[:GROUP_BYTES] if key.startswith(CELL) else b""


def in_chunks(read: Callable[[bytes], list[Item]], start: bytes) -> Iterator[Item]:
    """Yield the items from `start` on, read `CHUNK` at once: each chunk as the store is when it is come to.

    Args:
        read: returns the first `CHUNK` items from a key on; fewer are the last.
        start: the first key.
    """
    while chunk := read(start):
        yield from chunk
        if len(chunk) < CHUNK:
            return
        start = chunk[-1][0] + b"\0"


def after_prefix(prefix: bytes) -> bytes:
    """Return the smallest bytes after all that begin with `prefix`; empty if there are none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else b""


def cells_of(
    store: Store, pane: int, first: int, after: bytes | None = None, prefix: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key bytes, cell value) of one group in byte order.

    Args:
        store: where.
        pane: the group's pane.
        first: the group's first window.
        after: only keys after this one.
        prefix: only keys that begin with it.
    """
    group = group_prefix(pane, first)
    start = b"" if after is None else group + after + b"\0"
    for record_key, value in store.scan(group + prefix, start):
        yield record_key[GROUP_BYTES:], value
