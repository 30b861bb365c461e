"""Restoring one table partition from its changelog, in bulk: into its local store, or straight into its cells.

It ends by *position*: when the reader has come to the claim, whatever records lay on the way. A compacted tail, an
empty partition or control records cannot make it wait for a record that is not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from tables.records import CLAIM, PROGRESS, Progress, Record
from tables.store import AHEAD

if TYPE_CHECKING:
    from tables.chunk import Chunk
    from tables.loading import Loader
    from tables.store import Store

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
SLICE = 50_000
"""Keys that are collected before they go to the store together."""
SLICE_BYTES = 16 << 20
"""The same, in bytes of what was read: cells with sketches may be large."""
_THREAD = ThreadPoolExecutor(1, "restore")
"""All restores of a worker fill cells and stores in one thread; what they fill them from is parsed in another."""
LOOK_BACK = (200, 50_000)
"""How far before the claim the last progress is looked for: each write ends with it, but claims may follow."""


class OtherLog(Exception):  # noqa: N818 - the name says what is the matter
    """The log is not the one from which a store was made: its topic was deleted and made anew."""


class OffsetsGone(Exception):  # noqa: N818 - the name says what is the matter
    """The log no longer has, or never had, the offset that a restore wants to begin at."""


Read = Callable[[int | None, int], "AsyncIterator[Chunk]"]
"""`read(start, until)`: the changelog from offset `start` (None: its first) until the position is `until` or more."""


@dataclass(frozen=True, slots=True)
class RestoreProgress:
    """How far a restore has come.

    Args:
        records: read so far.
        size: bytes of keys and values read so far.
        seconds_left: at the speed so far; None where it cannot be told yet.
        rate: records/s so far.
    """

    records: int
    size: int
    seconds_left: float | None
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did.

    Args:
        start: the offset it began at; None for the log's first.
        records: read.
        size: bytes of keys and values read.
        seconds: it took.
        rebuilt: why the local store was put aside; empty if it was used.
        previous: value of the claim before ours; of a log that nobody has written to yet, of its first claim. None
            where there was none.
        producer: the producer id of the last write; -1 where it is not known.
    """

    start: int | None
    records: int
    size: int
    seconds: float
    rebuilt: str
    previous: bytes | None
    producer: int = -1


class Pace:
    """Says how fast a stretch of a log is read, and how long the rest will take.

    Args:
        until: the offset at which it ends.
        tell: is called after every chunk.
    """

    def __init__(self, until: int, tell: Callable[[RestoreProgress], None] | None) -> None:
        """Start the clock."""
        self._until, self._tell = until, tell
        self._began = time.monotonic()
        self._first: int | None = None
        self.records = 0
        self.size = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def chunk(self, chunk: Chunk, start: int | None) -> None:
        """Count a chunk; `start` is the offset at which the reading began, if it is known."""
        first = chunk.lo if start is None else start
        self._first = (chunk.hi if first is None else first) if self._first is None else self._first
        self.records, self.size = self.records + len(chunk), self.size + chunk.size
        if self._tell is not None:
            spent, done = self.seconds, chunk.hi - self._first
            left = spent * max(0, self._until - chunk.hi) / done if done > 0 else None
            self._tell(RestoreProgress(self.records, self.size, left, self.records / spent if spent > 0 else 0.0))


async def last_progress(read: Read, claim_offset: int) -> Progress | None:
    """Return the progress of the last write before a claim, None if it is not near the end or there is none.

    Raises:
        OffsetsGone: the log has lost its end.
    """
    for back in LOOK_BACK:
        found, start = None, max(0, claim_offset - back)
        try:
            async for chunk in read(start, claim_offset + 1):
                few = chunk.take(np.flatnonzero(chunk.keys.size == len(PROGRESS))).items()
                found = next((value for key, value in reversed(few) if key == PROGRESS and value), found)
        except OffsetsGone:
            continue
        if found is not None:
            return Progress.decode(found)
    return None


async def goes_on(loader: Loader, read: Read, claim_offset: int) -> bool:
    """Return whether the log has the last record that a loader took, where it took it: no two owners write equal ones.

    Args:
        loader: of the cells; it stands before the claim, unless the log is another.
        read: the changelog.
        claim_offset: of the owner's acknowledged claim.
    """
    position = loader.position
    if not position or position > claim_offset:
        return False
    proof = [
        (key, value) for key, value in zip((PROGRESS, CLAIM), loader.kept.get_many([PROGRESS, CLAIM]), strict=True)
    ]
    try:
        async for chunk in read(position - 1, position):
            return chunk.lo == position - 1 and chunk.take(slice(0, 1)).items()[0] in proof
    except OffsetsGone:
        pass
    return False


async def load(
    loader: Loader,
    read: Read,
    claim_offset: int,
    *,
    earliest: Callable[[], int] = int,
    progress: Callable[[RestoreProgress], None] | None = None,
) -> RestoreResult:
    """Bring cells to what their changelog says at the claim, from where the loader stands.

    The memory that it takes is that of the open cells and of a chunk: what is read does not pile up.

    Args:
        loader: of the cells.
        read: the changelog.
        claim_offset: of the owner's acknowledged claim.
        earliest: returns the first offset that the log had when reading began.
        progress: called after every chunk.

    Raises:
        OffsetsGone: the log has lost where the loader stands.
        ValueError: a cell is not one of the table.
    """
    start, pace, own, previous = loader.position, Pace(claim_offset + 1, progress), None, None
    async for chunk in read(start, claim_offset + 1):
        if loader.position is None:
            loader.begun = earliest()
        pace.chunk(chunk, start)
        if chunk.hi > claim_offset:
            rest, own = _without_claim(chunk)
            await in_thread(loader.apply, rest)
            (previous,) = loader.kept.get_many([CLAIM])
        else:
            await in_thread(loader.apply, chunk)
    if own is not None:
        loader.kept.write([Record(CLAIM, own)])
    loader.position = max(loader.position or 0, claim_offset + 1)
    return RestoreResult(start, pace.records, pace.size, pace.seconds, "", previous, _producer(loader.kept))


async def restore(  # noqa: PLR0913 - independent, half of them with a default
    store: Store,
    read: Read,
    claim_offset: int,
    *,
    name: str = "table",
    max_age: float = 43_200.0,
    earliest: Callable[[], int] = int,
    progress: Callable[[RestoreProgress], None] | None = None,
) -> RestoreResult:
    """Bring a store to what its changelog says at the claim; the claim itself is the last record it takes.

    Killed anywhere, it leaves a store that is what the log says at the store's offset.

    Args:
        store: of the partition.
        read: the changelog.
        claim_offset: of the owner's acknowledged claim: nothing behind it can be of an older owner.
        name: of the table partition, for the log.
        max_age: seconds; an older store may have missed tombstones that are compacted away (half of
            delete.retention.ms).
        earliest: returns the first offset that the log had when reading began.
        progress: called after every chunk.

    Raises:
        OffsetsGone: the log loses offsets faster than they are read.
        StoreError: the store cannot be written.
    """
    work = _Restore(store, claim_offset, earliest, progress)
    rebuilt = unusable(store, claim_offset, max_age)
    if rebuilt:
        _put_aside(store, name, rebuilt)
    try:
        await work.run(read)
    except OffsetsGone as error:
        rebuilt = f"the log no longer reaches back to it: {error}"
        _put_aside(store, name, rebuilt)
        await work.run(read)
    except OtherLog as error:
        rebuilt = str(error)
        _put_aside(store, name, rebuilt)
        await work.run(read)
    return work.result(rebuilt)


def unusable(store: Store, claim_offset: int, max_age: float) -> str:
    """Return why a local store cannot be used, empty if it can.

    Args:
        store: of the partition.
        claim_offset: of the owner's acknowledged claim.
        max_age: seconds; see `restore`.
    """
    offset, (ahead,) = store.offset(), store.get_many([AHEAD])
    if offset is None:
        return "" if ahead is None else "its first write was not finished"
    if (reach := max(offset, int(ahead or 0))) > claim_offset:
        return f"it is at offset {reach}, ahead of the changelog's {claim_offset}: the topic was made anew"
    if store.age() > max_age:
        return f"it was last written {store.age():.0f} s ago, more than {max_age:.0f} s: it may have missed deletions"
    return ""


def _put_aside(store: Store, name: str, why: str) -> None:
    place = store.put_aside()
    where = "" if place is None else f" as {place}"
    log.warning("%s: the local store is put aside%s and rebuilt from the changelog: %s", name, where, why)


def _producer(kept: Store) -> int:
    """Return the producer id of the last write, -1 where there was none or it does not say."""
    (value,) = kept.get_many([PROGRESS])
    return -1 if value is None else Progress.decode(value).producer


async def in_thread(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do `work` in the restoring thread; if the caller is cancelled, even twice, it is awaited all the same."""
    task = asyncio.get_running_loop().run_in_executor(_THREAD, partial(work, *args, **options))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        task.exception()
        raise


def _without_claim(chunk: Chunk) -> tuple[Chunk, bytes | None]:
    """Return the last chunk without the claim that ends it, and the claim's value (None: it is not there)."""
    ends = chunk.take(slice(-1, None)).items()
    if not ends or ends[0][0] != CLAIM:
        return chunk, None
    return chunk.take(slice(0, -1)), ends[0][1]


class _Restore:
    """One restore of a store as it goes on."""

    def __init__(
        self,
        store: Store,
        claim_offset: int,
        earliest: Callable[[], int],
        progress: Callable[[RestoreProgress], None] | None,
    ) -> None:
        self._store = store
        self._claim = claim_offset
        self._earliest = earliest
        self._pace = Pace(claim_offset + 1, progress)
        self._start: int | None = None
        self._previous: bytes | None = None
        self._first: bytes | None = None
        self._latest: dict[bytes | None, bytes | None] = {}
        self._size = 0

    async def run(self, read: Read) -> None:
        """Read from the store's offset to the claim, and write the store."""
        bare = not self._written and not self._store.groups()
        self._start = None if bare else self._store.offset()  # who claimed first is read again, until somebody writes
        self._first = None
        self._latest.clear()
        proof, begun = self._proof(), self._start is not None
        async for each in read(self._start - 1 if proof and self._start else self._start, self._claim + 1):
            if not begun:
                await in_thread(self._store.begin, self._earliest())
                begun = True
            chunk = self._confirmed(each, proof) if proof else each
            proof = {}
            self._pace.chunk(chunk, self._start)
            await in_thread(self._take, chunk)

    def _proof(self) -> dict[bytes, bytes]:
        """Return what the record before the store's offset can be: the owner's last progress, or its claim."""
        if not self._start:
            return {}
        values = zip((PROGRESS, CLAIM), self._store.get_many([PROGRESS, CLAIM]), strict=True)
        return {key: value for key, value in values if value is not None}

    def _confirmed(self, chunk: Chunk, proof: dict[bytes, bytes]) -> Chunk:
        """See that the log has the store's last record where it was; no two owners write equal ones."""
        offset = (self._start or 0) - 1
        first = chunk.take(slice(0, 1)).items()
        if chunk.lo != offset or first[0][0] is None or proof.get(first[0][0]) != first[0][1]:
            raise OtherLog(
                f"the changelog does not have its last record at offset {offset}: the topic was made anew, or was "
                f"compacted since"
            )
        return chunk.take(slice(1, None))

    def _take(self, chunk: Chunk) -> None:
        """Collect a chunk; write what is collected when it is much, or the last; blocking."""
        last = chunk.hi > self._claim
        chunk, own = _without_claim(chunk) if last else (chunk, None)
        items = chunk.items()
        if self._first is None:
            self._first = next((value for key, value in items if key == CLAIM), None)
        self._latest.update(items)
        self._size += chunk.size
        if last:
            known = self._latest.get(CLAIM, self._store.get_many([CLAIM])[0])
            self._previous = known
            self._latest |= {} if own is None else {CLAIM: own}
        if last or len(self._latest) >= SLICE or self._size >= SLICE_BYTES:
            fill(self._store, self._latest, chunk.hi)
            self._latest, self._size = {}, 0

    def result(self, rebuilt: str) -> RestoreResult:
        """Return what was done."""
        pace, previous = self._pace, self._previous if self._written else self._first
        producer = _producer(self._store)
        return RestoreResult(self._start, pace.records, pace.size, pace.seconds, rebuilt, previous, producer)

    @property
    def _written(self) -> bool:
        """Whether an owner has written something, and not only claimed."""
        return self._store.get_many([PROGRESS]) != [None]


def fill(store: Store, latest: dict[bytes | None, bytes | None], offset: int) -> None:
    """Write the last value of each key, by key."""
    ours = sorted(key for key in latest if key is not None)
    store.fill([Record(key, latest[key]) for key in ours], offset)
