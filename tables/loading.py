"""A changelog, chunk by chunk, straight into the cells of a table partition: later records win. Pure.

Cells of windows that are judged do not become state: only their groups are noted, for they are in the store alone.
What is no cell (progress, alerts, outbox, shapes, claims) is kept aside as it is, in memory.
"""

from __future__ import annotations

from itertools import chain, groupby, islice
from typing import TYPE_CHECKING

import numpy as np

from tables.chunk import Chunk, Spans, pieces, view_at
from tables.groups import pairs
from tables.records import (
    CELL,
    GROUP_BYTES,
    NEVER,
    PROGRESS,
    Progress,
    Record,
    group_prefix,
    split_cell_key,
)
from tables.seenkeys import SeenKeys
from tables.store import MemoryStore, cells_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tables.cells import Cells
    from tables.groups import Codes
    from tables.store import Group, Store

    Ints = NDArray[np.int64]

SEED_CELLS = 20_000
"""Cells that are taken out of a store at once."""
_SIGN = np.uint64(1 << 63)
_PAIR = f"V{GROUP_BYTES - 1}"


class Kept(MemoryStore):
    """What a changelog holds besides cells, as a store: enough to begin a partition's engine from.

    Args:
        groups: of all cells, those that are not in memory among them.
    """

    def __init__(self, groups: set[Group]) -> None:
        """Hold nothing."""
        super().__init__()
        self._all = groups

    def groups(self) -> set[Group]:
        """Return all (pane, first) of which there are cells."""
        return set(self._all)

    def progress(self) -> Progress | None:
        """Return the progress of the last write, None if there was none."""
        (value,) = self.get_many([PROGRESS])
        return None if value is None else Progress.decode(value)


class Loader:
    """Fills the cells of one table partition from its changelog.

    Args:
        cells: of the table, empty.
        shape: number of the shape in which the table is declared; cells of others wait for `finish`.
        judged_before: the first window that was not judged at the write before the last that will be read, where that
            is known. Without it the progress on the way says what is closed, and a compacted log has none on the way.

    Attributes:
        begun: the first offset that the log had when the loading began.
    """

    def __init__(self, cells: Cells, shape: int = 0, judged_before: int = NEVER) -> None:
        """Expect the first chunk."""
        self.cells = cells
        self.judged_before = judged_before
        self._groups: set[Group] = set()
        self._closed: set[Group] = set()
        self.kept = Kept(self._groups)
        self.position: int | None = None
        self.begun = 0
        self.records = 0
        self.size = 0
        self._former: dict[bytes, bytes] = {}
        self._map = cells.map
        self._seen = SeenKeys(cells.map.keys)
        self.shape = self._map.state.number = shape

    def seed(self, store: Store) -> None:
        """Take what a store holds: cells of open windows, groups of closed ones, and all that is no cell.

        Args:
            store: nobody writes it meanwhile.

        Raises:
            ValueError: a cell is not one of this table.
            StoreError: it cannot be read.
        """
        self._keep(chain.from_iterable(store.scan(bytes([kind])) for kind in range(1, 256) if kind != CELL[0]))
        for pane, first in sorted(store.groups()):
            if self.cells.panes.last_of(pane) < self.judged_before:
                self._groups.add((pane, first))
                self._close((pane, first))
                continue
            cells = cells_of(store, pane, first)
            while items := list(islice(cells, SEED_CELLS)):
                prefix = group_prefix(pane, first)
                self._cells(Chunk.of([prefix + key for key, _ in items], [value for _, value in items], 0))
        self.position, self.begun = store.offset(), store.begun()

    def tidy(self, groups: set[Group]) -> None:
        """Forget what a long reading leaves behind: groups that have expired, and keys without an open cell.

        Args:
            groups: those of which the store, which was written beside, still has cells.
        """
        self._groups &= groups
        self._closed &= groups
        self.cells.closed.only(self._closed)
        self.cells.reclaim(np.empty(0, np.int64))
        self._seen = SeenKeys(self._map.keys)
        last = self.cells.panes.last_of
        gone = [key for key in self._former if last(split_cell_key(key)[0]) < self.judged_before]
        for key in gone:
            del self._former[key]

    def apply(self, chunk: Chunk) -> None:
        """Take the records of a chunk, which follows on the one before.

        Raises:
            ValueError: a cell is not one of this table.
        """
        size, start = chunk.keys.size, chunk.keys.start
        kind = np.zeros(len(size), np.uint8)
        some = size > 0
        kind[some] = np.frombuffer(chunk.blob, np.uint8)[start[some]]
        cell = (kind == CELL[0]) & (size >= GROUP_BYTES)
        others = np.flatnonzero(some & ~cell)
        if len(others):
            self._keep(chunk.take(others).items())
        if len(others) < len(size):
            self._cells(chunk if cell.all() else chunk.take(np.flatnonzero(cell)))
        self.records, self.size, self.position = self.records + len(size), self.size + chunk.size, chunk.hi

    def _keep(self, items: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Keep what is no cell; progress says which windows are closed."""
        records = [Record(key, value) for key, value in items if key is not None]
        self.kept.write(records)
        if any(record.key == PROGRESS for record in records):
            progress = self.kept.progress()
            if progress is not None and progress.before[0] > self.judged_before:
                self._judged(progress.before[0])

    def _judged(self, before: int) -> None:
        """Note which windows are closed; their cells leave the memory."""
        self.judged_before = before
        self._closed.update(self.cells.closing(before))
        self.cells.evict(before)

    def _cells(self, chunk: Chunk) -> None:
        numbers = view_at(chunk.blob, _PAIR)[chunk.keys.start + 1].view(">u8").astype(np.uint64) ^ _SIGN
        pane, first = numbers[::2].view(np.int64), numbers[1::2].view(np.int64)
        names, which = pairs(pane, first)
        self._groups.update(names)
        open_ = np.array([self.cells.panes.last_of(name[0]) >= self.judged_before for name in names])
        for name in (name for name, wanted in zip(names, open_.tolist(), strict=True) if not wanted):
            self._close(name)
        if not open_.any():
            return
        if not open_.all() and which is not None:
            rows = np.flatnonzero(open_[which])
            chunk, pane, first = chunk.take(rows), pane[rows], first[rows]
        self._enter(chunk, pane, first)

    def _close(self, name: Group) -> None:
        if name not in self._closed:
            self._closed.add(name)
            self.cells.closed.note(*name)

    def _enter(self, chunk: Chunk, pane: Ints, first: Ints) -> None:
        """Take cells of open windows: of each only its last record counts."""
        keys = Spans(chunk.keys.start + GROUP_BYTES, chunk.keys.size - GROUP_BYTES)
        codes = self._seen.codes(chunk.blob, keys)
        rows, last = self._map.place(codes, pane, first)
        gone = chunk.values.size < 0
        self._forget(chunk, rows, last & gone)
        wanted = np.flatnonzero(last & ~gone)
        if not len(wanted):
            return
        if len(wanted) < len(last):
            chunk, pane, first, codes = chunk.take(wanted), pane[wanted], first[wanted], codes[wanted]
            rows = rows[wanted]
        foreign = self._map.state.shapes(chunk.blob, chunk.values) != self.shape
        if foreign.any() or self._former:
            chunk, pane, first, codes = self._part(chunk, (pane, first, codes), rows, foreign)
        if len(codes):
            self._put(chunk, pane, first, codes)

    def _forget(self, chunk: Chunk, rows: Ints, gone: NDArray[np.bool_]) -> None:
        """Forget cells that have a tombstone."""
        if not gone.any():
            return
        here = rows[gone]
        self._map.remove(here[here >= 0])
        for key in pieces(chunk.blob, chunk.keys.take(gone)) if self._former else ():
            self._former.pop(key or b"", None)

    def _part(
        self, chunk: Chunk, columns: tuple[Ints, Ints, Codes], rows: Ints, foreign: NDArray[np.bool_]
    ) -> tuple[Chunk, Ints, Ints, Codes]:  # fmt: skip
        """Put aside cells of other shapes, and return the rest."""
        keys, values = pieces(chunk.blob, chunk.keys), pieces(chunk.blob, chunk.values)
        for key, value, other in zip(keys, values, foreign.tolist(), strict=True):
            if other:
                self._former[key or b""] = value or b""
            else:
                self._former.pop(key or b"", None)
        self._map.remove(rows[foreign & (rows >= 0)])
        own = np.flatnonzero(~foreign)
        pane, first, codes = columns
        return chunk.take(own), pane[own], first[own], codes[own]

    def _put(self, chunk: Chunk, pane: Ints, first: Ints, codes: Codes) -> None:
        cells = self._map.state.read(chunk.blob, chunk.values)
        rows = self._map.locate(codes, pane, first, blank=False)
        self._map.state.put(rows, cells)
        self._map.note(rows, cells.written, chunk.values.size)

    def finish(self) -> None:
        """Read the cells of former shapes, when the cells have adopted them; to be called once, at the end.

        Raises:
            ValueError: a cell is of a shape that is not known.
        """
        groups = groupby(sorted(self._former.items()), key=lambda item: item[0][:GROUP_BYTES])
        for prefix, items in groups:
            pane, first, _ = split_cell_key(prefix)
            found = list(items)
            if self.cells.panes.last_of(pane) >= self.judged_before:
                keys = [key[GROUP_BYTES:] for key, _ in found]
                self._map.restore(self._map.open(pane, first), keys, [value for _, value in found])
        self._former.clear()
