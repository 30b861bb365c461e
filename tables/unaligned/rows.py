"""The open cells of unaligned windows: what is known of each besides its aggregates, and which ones a key has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.keys import KeyCodes
from tables.records import NEVER
from tables.state import State
from tables.unaligned.pairs import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fixed, Objects, Ragged, Rows
    from tables.shapes import Shapes

Ints = NDArray[np.int64]
_NONE = -1


class OpenRows:
    """Keys, state rows, and numbers of each row, as arrays indexed by row. A row is one cell.

    Args:
        columns: state columns by aggregate and column name.
        max_keys: most keys.

    Attributes:
        alive: whether there is such a row.
        dirty: whether it changed since it was written.
        code: key code.
        first: event time of its first row, ms.
        last: event time of its last row, ms; of a cell of sliding windows, the least end of one that it counts in.
        kept_first: `first` as it was written last, `NEVER` if it was not.
        kept_last: `last` as it was written last.
        written: number of the write that wrote it last.
        size: bytes of the value written last, 0 if none.
    """

    def __init__(self, columns: Mapping[str, Mapping[str, Fixed | Ragged | Objects]], max_keys: int) -> None:
        """Begin without rows."""
        self.keys = KeyCodes(max_keys)
        self.state = State(columns)
        self.alive: NDArray[np.bool_] = np.empty(0, bool)
        self.dirty: NDArray[np.bool_] = np.empty(0, bool)
        self.code: Ints = np.empty(0, np.int64)
        self.first: Ints = np.empty(0, np.int64)
        self.last: Ints = np.empty(0, np.int64)
        self.kept_first: Ints = np.empty(0, np.int64)
        self.kept_last: Ints = np.empty(0, np.int64)
        self.written: Ints = np.empty(0, np.int64)
        self.size: Ints = np.empty(0, np.int64)
        self._next: Rows = np.empty(0, np.intp)
        self._head: Rows = np.empty(0, np.intp)

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.state)

    def adopt(self, shapes: Shapes) -> None:
        """Write cells in the present shape from now on, and read those of former ones; there are no cells yet."""
        self.state = State(self.state.layout, shapes.number, shapes.former)

    def all(self) -> Rows:
        """Return all rows, in no order."""
        return np.flatnonzero(self.alive)

    def of(self, codes: Ints) -> Rows:
        """Return the rows of these distinct keys, by key code and first time."""
        rows = self._chained(codes)
        return rows[np.argsort(pairs((self.code[rows], self.first[rows]))[0], kind="stable")]

    def _chained(self, codes: Ints) -> Rows:
        """Return the rows of these distinct keys, in no order."""
        found, at = [], self._heads(codes)
        while len(at):
            found.append(at)
            at = self._next[at]
            at = at[at != _NONE]
        return np.concatenate(found) if found else np.empty(0, np.intp)

    def _heads(self, codes: Ints) -> Rows:
        known: Rows = self._head[codes[codes < len(self._head)]]
        heads: Rows = known[known != _NONE]
        return heads

    def add(self, codes: Ints) -> Rows:
        """Return a new row for each key code; their times are to be set, and then `link` is to be called."""
        return self._entered(self.state.allocate(len(codes)), codes)

    def restore(self, keys: list[bytes], values: list[bytes], first: Ints) -> Rows:
        """Return new rows of cells that were written once; `last` is to be set, and then `link` is to be called.

        Args:
            keys: key bytes.
            values: cell values.
            first: shape (n,), event time of each cell's first row.

        Raises:
            ValueError: a value is no cell of this table.
        """
        rows, written = self.state.decode(values)
        distinct = list(dict.fromkeys(keys))
        codes = dict(zip(distinct, self.keys.restore(distinct).tolist(), strict=True))
        self._entered(rows, np.array([codes[key] for key in keys], np.int64))
        self.first[rows] = self.kept_first[rows] = first
        self.written[rows] = written.astype(np.int64)
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        self.size[rows] = self.state.most(rows, sizes + (self.state.layout.size if self.state.former else 0))
        return rows

    def _entered(self, rows: Rows, codes: Ints) -> Rows:
        if len(rows):
            self._grow(int(rows.max()) + 1)
        self.alive[rows], self.dirty[rows] = True, False
        self.code[rows] = codes
        self.kept_first[rows] = self.kept_last[rows] = self.written[rows] = NEVER
        self.size[rows] = 0
        return rows

    def _grow(self, size: int) -> None:
        have = len(self.code)
        if size <= have:
            return
        more = max(size, 2 * have, 1024) - have
        for name in ("alive", "dirty", "code", "first", "last", "kept_first", "kept_last", "written", "size", "_next"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate((old, np.zeros(more, old.dtype))))

    def drop(self, rows: Rows) -> None:
        """Forget rows (unique)."""
        self.alive[rows] = self.dirty[rows] = False
        codes = np.unique(self.code[rows])
        known = self._chained(codes)
        self._know()
        self._head[codes] = _NONE
        self.link(known[self.alive[known]])
        self.state.release(rows)

    def link(self, fresh: Rows) -> None:
        """Let `of` know rows, in front of those that it knows of their keys."""
        self._know()
        rows = fresh[np.argsort(self.code[fresh], kind="stable")]
        code = self.code[rows]
        first = np.ones(len(rows), bool)
        first[1:] = code[1:] != code[:-1]
        last = np.ones(len(rows), bool)
        last[:-1] = first[1:]
        self._next[rows[~last]] = rows[1:][~first[1:]]
        self._next[rows[last]] = self._head[code[last]]
        self._head[code[first]] = rows[first]

    def _know(self) -> None:
        """Have room for every key."""
        if self.keys.size > len(self._head):
            more = max(self.keys.size, 2 * len(self._head), 1024) - len(self._head)
            self._head = np.concatenate((self._head, np.full(more, _NONE, np.intp)))
