"""The state of a table's cells: one row a cell, all aggregates side by side, encoded and decoded a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from tables.aggregates.base import Fixed, Objects, Ragged
from tables.chunk import Chunk, Spans, pieces, view_at
from tables.encoding import Part, entries_of, part_of, sizes_of, together
from tables.ragged import RaggedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tables.aggregates.base import Rows
    from tables.pieces import Pieces

Columns = Mapping[str, Mapping[str, Fixed | Ragged | Objects]]
"""State columns by aggregate name and column name."""

_NUMBER_BITS = 48
_WRITE = np.uint64((1 << _NUMBER_BITS) - 1)
"""The bits of a cell's first field that hold the number of its write; those above hold the number of its shape."""
_FIRST = np.dtype("<u8")
_SMALL = 64


class Layout:
    """Where each state column lies in the fixed part of a cell, and what follows it.

    The fixed part is one packed record, little endian: `n` (u64, with the number of the shape in its upper 16 bits),
    the fixed columns, a u32 per ragged column (entries, and how they are packed) and per object column (bytes of JSON).
    Wide fields come first and the record is padded to 8 bytes, so that all are aligned. Behind it come the ragged and
    object columns in the order they were declared.

    Args:
        columns: by aggregate name and column name.
    """

    def __init__(self, columns: Columns) -> None:
        """Lay the columns out."""
        self.columns = {(name, key): kind for name, parts in columns.items() for key, kind in parts.items()}
        self.variable = {at: kind for at, kind in self.columns.items() if not isinstance(kind, Fixed)}
        dtypes = [(_field(at), kind.dtype if isinstance(kind, Fixed) else "<u4") for at, kind in self.columns.items()]
        dtypes.sort(key=lambda item: -np.dtype(item[1]).itemsize)
        names, formats = ["n", *(name for name, _ in dtypes)], ["<u8", *(dtype for _, dtype in dtypes)]
        offsets = list(accumulate((np.dtype(dtype).itemsize for dtype in formats), initial=0))
        self.size = -(-offsets[-1] // 8) * 8
        self.dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets[:-1], "itemsize": self.size})
        self.zero = self._zero()

    def _zero(self) -> NDArray[Any]:
        """Return the record of a row that saw nothing, shape (1,), as raw bytes."""
        record = np.zeros(self.size, np.uint8).view(self.dtype)
        for at, kind in self.columns.items():
            if isinstance(kind, Fixed):
                record[_field(at)] = kind.zero
        return raw(record)


@dataclass(frozen=True)
class Former:
    """A layout that cells had before their table was changed.

    Args:
        layout: of such cells.
        lived: names of the aggregates that live on; the others are forgotten.
    """

    layout: Layout
    lived: frozenset[str]


class Encoded(NamedTuple):
    """Cells as they were written.

    Args:
        blob: holds them.
        records: their fixed parts, shape (m,).
        edges: where each variable column begins in every cell, and where the last ends; shape (m,) each.
    """

    blob: bytes
    records: NDArray[Any]
    edges: list[NDArray[np.int64]]

    @property
    def written(self) -> NDArray[np.uint64]:
        """By which write each was written."""
        numbers: NDArray[np.uint64] = self.records["n"] & _WRITE
        return numbers


class State:
    """Rows of aggregate state. A row is an int; what it means (which key, which pane) is the caller's affair.

    Args:
        columns: by aggregate name and column name; or the `layout` of another state.
        number: of the shape in which cells are written.
        former: other shapes in which cells may still be, by number.
    """

    def __init__(self, columns: Columns | Layout, number: int = 0, former: Mapping[int, Former] | None = None) -> None:
        """Make a state without rows."""
        self.number, self.former = number, dict(former or {})
        self.layout = columns if isinstance(columns, Layout) else Layout(columns)
        self._records = np.empty(0, self.layout.dtype)
        self._free: NDArray[np.intp] = np.empty(0, np.intp)
        self._top = 0
        self._views: dict[str, dict[str, Any]] = {name: {} for name, _ in self.layout.columns}
        for (name, key), kind in self.layout.columns.items():
            if isinstance(kind, Ragged):
                self._views[name][key] = RaggedColumn(list(kind.dtype) if isinstance(kind.dtype, tuple) else kind.dtype)
            elif isinstance(kind, Objects):
                self._views[name][key] = np.empty(0, object)
        self._point()

    def __len__(self) -> int:
        """Return the number of rows in use."""
        return self._top - len(self._free)

    @property
    def has_objects(self) -> bool:
        """Whether a row holds Python objects."""
        return any(not isinstance(column, RaggedColumn) for column in self._variable())

    @property
    def ragged_bytes(self) -> int:
        """Bytes of the entries of ragged columns, those among them that no row has any more."""
        columns = [column for column in self._variable() if isinstance(column, RaggedColumn)]
        return sum(column.room * column.dtype.itemsize for column in columns)

    def like(self) -> State:
        """Return an empty state of the same layout; cheap, for merging panes into."""
        return State(self.layout, self.number, self.former)

    def of(self, name: str) -> Mapping[str, Any]:
        """Return one aggregate's columns by name: an array indexed by row, or a `RaggedColumn`.

        The arrays are replaced when the state grows: ask the mapping again after `allocate`.
        """
        return self._views.get(name, {})

    def allocate(self, n: int, *, blank: bool = True) -> Rows:
        """Return `n` rows that saw nothing, shape (n,): released ones first.

        Args:
            n: how many.
            blank: False leaves their fixed part as it is in memory: `put` is called next.
        """
        reused, fresh = self._free[:n], max(0, n - len(self._free))
        self._free = self._free[n:]
        rows = np.concatenate((reused, np.arange(self._top, self._top + fresh)))
        self._top += fresh
        if self._top > len(self._records):
            self._grow(max(_SMALL, self._top, 2 * len(self._records)))
        if blank:
            raw(self._records)[rows] = self.layout.zero
        return rows

    def reserve(self, rows: int) -> None:
        """Have room for so many rows; memory is taken where it is written first."""
        if rows > len(self._records):
            self._grow(rows)
        for column in self._variable():
            if isinstance(column, RaggedColumn):
                column.plan(rows)

    def release(self, rows: Rows) -> None:
        """Give rows back (unique, in use); they are forgotten."""
        for column in self._variable():
            if isinstance(column, RaggedColumn):
                column.clear(rows)
            else:
                column[rows] = None
        self._free = np.concatenate((self._free, rows))

    def most(self, rows: Rows, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what rows that were written in so many bytes take at most if every entry has to be written in full.

        One more event may make all entries of a cell wider, so that what a cell may grow by holds from here only.
        """
        for kind, column in zip(self.layout.variable.values(), self._variable(), strict=True):
            if isinstance(kind, Ragged) and kind.split is not None:
                sizes = sizes + column.lengths(rows) * column.dtype.itemsize
        return sizes

    def encode(self, rows: Rows, n: int) -> list[bytes]:
        """Return the cells' values as written to the changelog by write number `n`."""
        return self.block(rows, n).cut()

    def block(self, rows: Rows, n: int) -> Pieces:
        """Return the same in one block."""
        records = raw(self._records).take(rows).view(self.layout.dtype)
        records["n"] = n | self.number << _NUMBER_BITS
        parts: list[Part] = []
        for (at, kind), column in zip(self.layout.variable.items(), self._variable(), strict=True):
            part = part_of(kind, column, rows)
            records[_field(at)] = part.said
            parts.append(part)
        return together(records, parts)

    def shapes(self, blob: bytes, values: Spans) -> NDArray[np.uint64]:
        """Return for each cell the number of the shape in which it was written, shape (m,).

        Raises:
            ValueError: a value is too short to be a cell.
        """
        if (values.size < _FIRST.itemsize).any():
            raise ValueError(f"a cell of {values.size.min()} bytes is too short for any table")
        numbers: NDArray[np.uint64] = view_at(blob, f"V{_FIRST.itemsize}")[values.start].view(_FIRST)
        return numbers >> np.uint64(_NUMBER_BITS)

    def decode(self, values: Sequence[bytes]) -> tuple[Rows, NDArray[np.uint64]]:
        """Return new rows that hold the cells of these values, and the write number of each, both shape (m,).

        Raises:
            ValueError: a value is no cell of this layout, or of a former one.
        """
        if not self.former:
            return self._decode(values)
        numbers = np.frombuffer(b"".join([value[6:8] for value in values]), "<u2")
        rows, written = np.empty(len(values), np.intp), np.empty(len(values), np.uint64)
        for number in np.unique(numbers).tolist():
            at = np.flatnonzero(numbers == number)
            part = [values[i] for i in at.tolist()]
            rows[at], written[at] = self._decode(part) if number == self.number else self._adopt(part, number)
        return rows, written

    def _adopt(self, values: Sequence[bytes], number: int) -> tuple[Rows, NDArray[np.uint64]]:
        """Return the same for cells of one former shape: what lives on is taken over, the rest saw nothing yet."""
        former = self.former.get(number)
        if former is None:
            raise ValueError(f"a cell is of shape {number}, and that is not kept: it is another table's, or damaged")
        other = State(former.layout, number)
        theirs, written = other._decode(values)
        rows = self.allocate(len(values))
        for name, key in self.layout.columns:
            if name not in former.lived:
                continue
            mine, old = self._views[name][key], other._views[name][key]
            if isinstance(mine, RaggedColumn):
                mine.replace(rows, *old.gather(theirs))
            else:
                mine[rows] = old[theirs]
        return rows, written

    def _decode(self, values: Sequence[bytes]) -> tuple[Rows, NDArray[np.uint64]]:
        """Return the same for cells of the present shape."""
        chunk = Chunk.of([], values, 0)
        cells = self.read(chunk.blob, chunk.values)
        rows = self.allocate(len(values), blank=False)
        self.put(rows, cells)
        return rows, cells.written

    def read(self, blob: bytes, values: Spans) -> Encoded:
        """Return cells of the present shape, as they lie in a block of bytes.

        Raises:
            ValueError: a value is no cell of this layout.
        """
        size = self.layout.size
        if (values.size < size).any():
            raise ValueError(
                f"a cell of {values.size.min()} bytes is too short for this table: its fixed part takes {size}"
            )
        records = view_at(blob, f"V{size}")[values.start].view(self.layout.dtype)
        if (records["n"] >> _NUMBER_BITS != self.number).any():
            raise ValueError("a cell is of a shape that is not kept: it is another table's, or damaged")
        return Encoded(blob, records, self._edges(records, values))

    def put(self, rows: Rows, cells: Encoded) -> None:
        """Overwrite rows (unique), shape (m,), with m cells that were read."""
        raw(self._records)[rows] = raw(cells.records)
        for (name, kind), (start, end) in zip(self.layout.variable.items(), pairwise(cells.edges), strict=True):
            column = self._views[name[0]][name[1]]
            if isinstance(kind, Ragged):
                column.replace(rows, *entries_of(kind, column.dtype, cells.blob, start, cells.records[_field(name)]))
            else:
                found = pieces(cells.blob, Spans(start, end - start))
                column[rows] = boxed([msgspec.json.decode(piece or b"") for piece in found])

    def _edges(self, records: NDArray[Any], values: Spans) -> list[NDArray[np.int64]]:
        """Return where the variable columns begin in each value, and where the last ends."""
        edges: list[NDArray[np.int64]] = [values.start + self.layout.size]
        for (name, kind), column in zip(self.layout.variable.items(), self._variable(), strict=True):
            edges.append(edges[-1] + sizes_of(kind, column, records[_field(name)]))
        wrong = np.flatnonzero(edges[-1] != values.start + values.size)
        if len(wrong):
            found, said = values.size[wrong[0]], (edges[-1] - values.start)[wrong[0]]
            raise ValueError(f"a cell of {found} bytes says that it takes {said}: it is another table's, or damaged")
        return edges

    def _variable(self) -> list[Any]:
        """Return the ragged and object columns in the order of their layout."""
        return [self._views[name][key] for name, key in self.layout.variable]

    def _grow(self, capacity: int) -> None:
        """Have room for `capacity` rows."""
        records = np.empty(capacity, self.layout.dtype)
        raw(records)[: len(self._records)] = raw(self._records)
        self._records = records
        for name, key in self.layout.variable:
            column = self._views[name][key]
            if isinstance(column, RaggedColumn):
                column.grow(capacity)
            else:
                self._views[name][key] = np.concatenate((column, np.full(capacity - len(column), None, object)))
        self._point()

    def _point(self) -> None:
        """Let the views look at the present records."""
        for at, kind in self.layout.columns.items():
            if isinstance(kind, Fixed):
                self._views[at[0]][at[1]] = self._records[_field(at)]


def raw(records: NDArray[Any]) -> NDArray[Any]:
    """Return structured records as opaque bytes, which are copied whole instead of field by field."""
    return records.view(f"V{records.dtype.itemsize}")


def _field(at: tuple[str, str]) -> str:
    """Return the field name of a column."""
    return ".".join(at)


def boxed(values: list[Any]) -> NDArray[Any]:
    """Return the values as an object array, lists among them included."""
    boxed = np.empty(len(values), object)
    boxed[:] = values
    return boxed
