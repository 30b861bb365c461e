"""Restoring one table partition: its local store is brought up to its owner's claim, from the changelog, in bulk.

It ends by *position*: when the reader has come to the claim, whatever records lay on the way. A compacted tail, an
empty partition or control records cannot make it wait for a record that is not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tables.records import CLAIM, PROGRESS, Record

if TYPE_CHECKING:
    from tables.store import Store

log = logging.getLogger(__name__)
SLICE = 20_000
"""Records written to the store at once: RocksDB holds the interpreter lock for as long (about 20 ms)."""


class OtherLog(Exception):  # noqa: N818 - the name says what is the matter
    """The log is not the one from which a store was made: its topic was deleted and made anew."""


class OffsetsGone(Exception):  # noqa: N818 - the name says what is the matter
    """The log no longer has, or never had, the offset that a restore wants to begin at."""


@dataclass(slots=True)
class Chunk:
    """Records of a changelog as they were read, in order.

    Args:
        keys: record keys; None keys are not ours and are passed over.
        values: record values; None is a tombstone.
        hi: the offset after the chunk. Holes lie in it too.
        lo: the offset of its first record; None if there is none.
    """

    keys: list[bytes | None]
    values: list[bytes | None]
    hi: int
    lo: int | None = None


Read = Callable[[int | None, int], AsyncIterator[Chunk]]
"""`read(start, until)`: the changelog from offset `start` (None: its first) until the position is `until` or more."""


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """How far a restore has come.

    Args:
        records: read so far.
        size: bytes of keys and values read so far.
        seconds_left: at the speed so far; None where it cannot be told yet.
    """

    records: int
    size: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did.

    Args:
        start: the offset it began at; None for the log's first.
        records: read.
        size: bytes of keys and values read.
        seconds: it took.
        rebuilt: why the local store was thrown away; empty if it was used.
        previous: value of the claim before ours; None where there was none.
    """

    start: int | None
    records: int
    size: int
    seconds: float
    rebuilt: str
    previous: bytes | None


async def restore(  # noqa: PLR0913 - independent, half of them with a default
    store: Store,
    read: Read,
    claim_offset: int,
    *,
    name: str = "table",
    max_age: float = 43_200.0,
    progress: Callable[[RestoreProgress], None] | None = None,
) -> RestoreResult:
    """Bring a store to what its changelog says at the claim; the claim itself is the last record it takes.

    Args:
        store: of the partition.
        read: the changelog.
        claim_offset: of the owner's acknowledged claim: nothing behind it can be of an older owner.
        name: of the table partition, for the log.
        max_age: seconds; an older store may have missed tombstones that are compacted away (half of
            delete.retention.ms).
        progress: called after every chunk.

    Raises:
        OffsetsGone: the log loses offsets faster than they are read.
        StoreError: the store cannot be written.
    """
    work = _Restore(store, claim_offset, progress)
    rebuilt = _unusable(store, claim_offset, max_age)
    if rebuilt:
        _throw_away(store, name, rebuilt)
    try:
        await work.run(read)
    except OffsetsGone as error:
        rebuilt = f"the log no longer reaches back to it: {error}"
        _throw_away(store, name, rebuilt)
        await work.run(read)
    except OtherLog as error:
        rebuilt = str(error)
        _throw_away(store, name, rebuilt)
        await work.run(read)
    return work.result(rebuilt)


def _unusable(store: Store, claim_offset: int, max_age: float) -> str:
    """Return why the local store cannot be used, empty if it can."""
    offset = store.offset()
    if offset is None:
        return ""
    if offset > claim_offset:
        return f"it is at offset {offset}, ahead of the changelog's {claim_offset}: the topic was made anew"
    if store.age() > max_age:
        return f"it was last written {store.age():.0f} s ago, more than {max_age:.0f} s: it may have missed deletions"
    return ""


def _throw_away(store: Store, name: str, why: str) -> None:
    log.warning("%s: the local store is thrown away and rebuilt from the changelog: %s", name, why)
    store.clear()


class _Restore:
    """One restore as it goes on."""

    def __init__(self, store: Store, claim_offset: int, progress: Callable[[RestoreProgress], None] | None) -> None:
        self._store = store
        self._claim = claim_offset
        self._progress = progress
        self._began = time.monotonic()
        self._records = 0
        self._size = 0
        self._start: int | None = None
        self._previous: bytes | None = None

    async def run(self, read: Read) -> None:
        """Read from the store's offset to the claim, and write the store."""
        self._start = self._store.offset()
        first = self._start
        proof = self._proof()
        async for chunk in read(self._start - 1 if proof and self._start else self._start, self._claim + 1):
            if proof:
                self._confirm(chunk, proof)
                proof = {}
            first = chunk.hi if first is None else first
            self._records += len(chunk.keys)
            self._size += sum([len(key or b"") for key in chunk.keys]) + sum([len(v or b"") for v in chunk.values])
            await self._write(chunk)
            self._tell(chunk.hi, first)

    def _proof(self) -> dict[bytes, bytes]:
        """Return what the record before the store's offset can be: the owner's last progress, or its claim."""
        if not self._start:
            return {}
        values = zip((PROGRESS, CLAIM), self._store.get_many([PROGRESS, CLAIM]), strict=True)
        return {key: value for key, value in values if value is not None}

    def _confirm(self, chunk: Chunk, proof: dict[bytes, bytes]) -> None:
        """See that the log has the store's last record where it was; no two owners write equal ones."""
        at = (self._start or 0) - 1
        if chunk.lo != at or chunk.keys[0] is None or proof.get(chunk.keys[0]) != chunk.values[0]:
            raise OtherLog(
                f"the changelog does not have its last record at offset {at}: the topic was made anew, or was "
                f"compacted since"
            )
        del chunk.keys[0], chunk.values[0]

    async def _write(self, chunk: Chunk) -> None:
        own = None
        if chunk.hi > self._claim and chunk.keys and chunk.keys[-1] == CLAIM:
            own = chunk.values.pop()
            chunk.keys.pop()
        latest = dict(zip(chunk.keys, chunk.values, strict=True))
        ours = sorted(key for key in latest if key is not None)  # RocksDB takes sorted keys in a third of the time
        items = (Record(key, latest[key]) for key in ours)
        while part := list(islice(items, SLICE)):
            self._store.write(part)
            await asyncio.sleep(0)
        if chunk.hi > self._claim:
            (self._previous,) = self._store.get_many([CLAIM])
        self._store.write([Record(CLAIM, own)] if own else [], chunk.hi)

    def _tell(self, position: int, first: int) -> None:
        if self._progress is None:
            return
        spent, done = time.monotonic() - self._began, position - first
        left = spent * max(0, self._claim + 1 - position) / done if done > 0 else None
        self._progress(RestoreProgress(self._records, self._size, left))

    def result(self, rebuilt: str) -> RestoreResult:
        """Return what was done."""
        seconds = time.monotonic() - self._began
        return RestoreResult(self._start, self._records, self._size, seconds, rebuilt, self._previous)
