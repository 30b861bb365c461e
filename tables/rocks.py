"""A store on RocksDB (rocksdict in raw mode), with limits that allow many partitions in one worker."""

from __future__ import annotations

import shutil
import time
from collections import deque
from contextlib import contextmanager, suppress
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    IngestExternalFileOptions,
    Options,
    Rdict,
    ReadOptions,
    SstFileWriter,
    WriteBatch,
    WriteOptions,
)

from tables.records import CELL, GROUP_BYTES, split_cell_key
from tables.store import CHUNK, StoreClosed, StoreCorrupt, StoreError, StoreFull, StoreLocked, after_prefix, in_chunks
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tables.records import Record
    from tables.store import Group, Item

CACHE_BYTES = 32 << 20
WRITE_BUFFER_BYTES = 8 << 20
OPEN_FILES = 256
COMPRESSED_LEVEL = 2
"""Files above it are soon written again: they are left as they are, which saves a sixth of what a write costs."""
FLUSH_SECONDS = 300.0
"""Age of the oldest write that is in memory only; a full buffer is flushed earlier."""
FILE_RECORDS = 5_000
"""Records from which on a file of their own is cheaper than a write."""
_OFFSET = b"\0offset"
_WRITTEN = b"\0written"
_BEGUN = b"\0begun"
"""Keys that only the local store has; no changelog key begins with NUL."""


class RocksStore:
    """One RocksDB database in a directory of its own.

    There is no write-ahead log: the changelog is one. What a killed process loses is an end of whole writes, at most
    those of `FLUSH_SECONDS`, and the changelog gives them back, since each write carries its offset. One thread at a
    time writes; any may read.

    Args:
        directory: made if missing.
        cache: block cache to share with other stores; None makes one of 32 MiB.
        clock: returns the wall clock in seconds.

    Raises:
        StoreLocked: another process has the directory open.
        StoreCorrupt: the files are damaged.
    """

    def __init__(self, directory: Path, cache: Cache | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the database and find its groups."""
        self.directory = directory
        self._clock = clock
        self._cache = cache or Cache(CACHE_BYTES)
        self._noting = Lock()
        self._open()

    def _open(self) -> None:
        with self._errors():
            self.directory.mkdir(parents=True, exist_ok=True)
            self._options = _options(self._cache)
            self._db = Rdict(str(self.directory), self._options)
            shutil.rmtree(self._filling, ignore_errors=True)
            self._db.set_write_options(_write_options())
        self._flushed = self._clock()
        self._thinned: set[bytes] = set()
        try:
            self._groups = {prefix: split_cell_key(prefix)[:2] for prefix in self._find_groups()}
        except StoreError:
            self.close()
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise translate(self.directory, error) from error

    def write(self, records: Sequence[Record], offset: int | None = None) -> None:
        """Apply records and offset in one atomic write."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        written = Written.of(records)
        grown, thinned, last = {part.prefix for part in written.cells}, set(), b"\0"
        for part in written.cells:
            deque(map(put, part.keys.cut(), part.values.cut()), maxlen=0)
        for key, value in written.others:
            if value is None:
                delete(key)
                thinned.add(key[:GROUP_BYTES])
                continue
            put(key, value)
            if not key.startswith(last):
                last = key[:GROUP_BYTES]
                grown.add(last)
        if offset is not None:
            put(_OFFSET, b"%d" % offset)
        now = self._clock()
        put(_WRITTEN, b"%d" % int(now * 1000))
        with self._errors():
            self._db.write(batch)
            if not self._flushed <= now < self._flushed + FLUSH_SECONDS:
                self._db.flush(wait=False)
                self._flushed = now
        self._note(grown, thinned)

    def _note(self, grown: Iterable[bytes], thinned: Iterable[bytes]) -> None:
        """Note the groups that got cells, and those that lost some, by what their record keys begin with."""
        with self._noting:
            self._groups.update((prefix, split_cell_key(prefix)[:2]) for prefix in grown if prefix.startswith(CELL))
            self._thinned.update(prefix for prefix in thinned if prefix.startswith(CELL))

    def fill(self, records: Sequence[Record], offset: int) -> None:
        """Apply many records and the offset: as a file that RocksDB takes over whole, in one step.

        Before that, what is in memory only is flushed: else a killed process could keep the file, whose offset says
        that it has everything, and lose what was written before it.
        """
        if len(records) < FILE_RECORDS:
            self.write(records, offset)
            return
        grown, thinned = set(), set()
        now = b"%d" % int(self._clock() * 1000)
        with self._errors():
            self._filling.mkdir(exist_ok=True)
            path = str(self._filling / f"{offset}.sst")
            writer = SstFileWriter(self._options)
            writer.open(path)
            for key, value in ((_OFFSET, b"%d" % offset), (_WRITTEN, now), *records):
                prefix = key[:GROUP_BYTES]
                if value is None:
                    del writer[key]
                    thinned.add(prefix)
                else:
                    writer[key] = value
                    grown.add(prefix)
            writer.finish()
            self._db.flush(wait=True)
            moving = IngestExternalFileOptions()
            moving.set_move_files(True)
            self._db.ingest_external_file([path], moving)
        self._flushed = self._clock()
        self._note(grown, thinned)

    @property
    def _filling(self) -> Path:
        """Where files are made before they are taken over."""
        return self.directory.with_name(f"{self.directory.name}.filling")

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each record key, None where there is none."""
        if not keys:
            return []
        with self._errors():
            values: Any = self._db.get(list(keys))
        return list(values)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[Item]:
        """Yield the items with this prefix from `start` on, in byte order, copied in chunks."""
        end = after_prefix(prefix)
        items = in_chunks(lambda first: self._chunk(first, end, CHUNK), max(prefix, start))
        return items if prefix else (item for item in items if not item[0].startswith(b"\0"))

    def _chunk(self, start: bytes, end: bytes, limit: int) -> list[Item]:
        options = ReadOptions()
        if end:
            options.set_iterate_upper_bound(end)
        with self._errors():
            chunk: list[Any] = list(islice(self._db.items(from_key=start, read_opt=options), limit))
            if len(chunk) < limit:
                self._confirm_end(chunk[-1][0] + b"\0" if chunk else start, options)
        return chunk

    def _confirm_end(self, start: bytes, options: ReadOptions) -> None:
        """Raise if the items ended for damage and not for want of more: `items` ends silently at a damaged block."""
        rest = self._db.iter(options)
        try:
            rest.seek(start)
            rest.status()
        finally:
            del rest  # an error's traceback would keep the iterator, and so the LOCK

    def _find_groups(self) -> Iterator[bytes]:
        """Seek from group to group: the cost goes by groups, not by cells."""
        start, end = CELL, after_prefix(CELL)
        while found := self._chunk(start, end, 1):
            prefix = found[0][0][:GROUP_BYTES]
            yield prefix
            start = after_prefix(prefix)

    def groups(self) -> set[Group]:
        """Return all (pane, first) that have cells."""
        with self._noting:
            for prefix in self._thinned:
                if not self._chunk(prefix, after_prefix(prefix), 1):
                    self._groups.pop(prefix, None)
            self._thinned.clear()
            return set(self._groups.values())

    def offset(self) -> int | None:
        """Return the changelog offset after the last write, None if there was none."""
        return self._number(_OFFSET)

    def begin(self, offset: int) -> None:
        """Note where the changelog began; `fill` flushes it before anything that depends on it."""
        with self._errors():
            self._db[_BEGUN] = b"%d" % offset

    def begun(self) -> int:
        """Return where the changelog began when the store was begun, 0 if it was not noted."""
        return self._number(_BEGUN) or 0

    def age(self) -> float:
        """Return the seconds since the last write by the wall clock, 0 if there was none."""
        written = self._number(_WRITTEN)
        return 0.0 if written is None else max(0.0, self._clock() - written / 1000)

    def _number(self, key: bytes) -> int | None:
        (value,) = self.get_many([key])
        return None if value is None else int(value)

    def estimated_records(self) -> int:
        """Return RocksDB's own estimate."""
        with self._errors():
            return int(self._db.property_int_value("rocksdb.estimate-num-keys") or 0)

    def put_aside(self) -> Path | None:
        """Keep the files as `<directory>.aside`, unless there is nothing in them, and begin anew."""
        empty = self.offset() is None
        self.close()
        place = None if empty else _aside(self.directory)
        self.destroy()
        self._open()
        return place

    def close(self) -> None:
        """Close the database, which frees its LOCK; closing twice does nothing."""
        with suppress(DbClosedError):
            self._db.close()

    def destroy(self) -> None:
        """Close the database and delete its directory."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._filling, ignore_errors=True)


def block_cache(size: int) -> Cache:
    """Return a block cache of so many bytes, for several stores."""
    return Cache(size)


def open_or_rebuild(directory: Path, cache: Cache | None = None) -> tuple[RocksStore, StoreCorrupt | None]:
    """Open a store; if its files are damaged, put them aside as `<directory>.aside` and begin an empty one.

    Args:
        directory: as `RocksStore`.
        cache: as `RocksStore`.

    Returns:
        The store, and what was wrong with the one that was put aside (None: nothing).

    Raises:
        StoreLocked: another process has the directory open.
    """
    try:
        return RocksStore(directory, cache), None
    except StoreCorrupt as damage:
        _aside(directory)
        return RocksStore(directory, cache), damage


def _aside(directory: Path) -> Path:
    """Move a directory aside, in place of what was there before, and return where it lies: one copy is kept."""
    place = directory.with_name(f"{directory.name}.aside")
    shutil.rmtree(place, ignore_errors=True)
    directory.rename(place)
    return place


def _options(cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_bloom_filter(10, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)  # noqa: FBT003 - rocksdict takes no keyword
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_min_level_to_compress(COMPRESSED_LEVEL)
    options.set_max_open_files(OPEN_FILES)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    return options


def _write_options() -> WriteOptions:
    options = WriteOptions()
    options.disable_wal = True  # type: ignore[method-assign,assignment] # the stub calls the property a method
    options.memtable_insert_hint_per_batch = True  # half the time where a write's keys come sorted
    return options


_KINDS: tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...] = (
    (
        ("lock hold by", "While lock file"),
        StoreLocked,
        "another process has it open",
        "stop that process, or give this worker a data directory of its own",
    ),
    (
        ("No space left", "File too large", "Disk quota exceeded"),
        StoreFull,
        "there is no space left",
        "free some, or move the data directory; the worker continues from the changelog",
    ),
    (
        ("already closed", "Already mutably borrowed"),
        StoreClosed,
        "it was closed",
        "ask the worker that has the partition now",
    ),
    (
        ("Permission denied", "Read-only file system", "Not a directory", "File exists"),
        StoreError,
        "it cannot be written",
        "give the worker a data directory that it owns",
    ),
)


def translate(directory: Path, error: Exception) -> StoreError:
    """Return the named error for what RocksDB or the file system said; whatever is unknown counts as damage."""
    if isinstance(error, StoreError):
        return error
    said: Any = str(error)
    for marks, kind, problem, fix in _KINDS:
        if any(mark in said for mark in marks):
            return kind(directory, f"{problem} ({said})", fix)
    return StoreCorrupt(directory, f"its files are damaged ({said})", "delete it: it is rebuilt from the changelog")
