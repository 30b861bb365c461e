"""The records of one write: those of cells in columns, so that there is no object for each, and then all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from tables.pieces import Pieces
from tables.records import Record, as_record

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CellRecords(NamedTuple):
    """The records of cells of one write.

    Args:
        prefix: what all keys begin with (`tables.records.group_prefix`).
        cells: shape (n,) int64, numbers of the cells: two records of one cell have one number, those of two never.
        keys: the record keys.
        values: the record values.
    """

    prefix: bytes
    cells: NDArray[np.int64]
    keys: Pieces
    values: Pieces

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        return self.keys.size + self.values.size

    def take(self, at: NDArray[np.intp]) -> CellRecords:
        """Return those at these positions, where they lie."""
        return CellRecords(self.prefix, self.cells[at], self.keys.take(at), self.values.take(at))

    def records(self) -> Iterator[Record]:
        """Yield each by itself."""
        return map(as_record, zip(self.keys.cut(), self.values.cut(), strict=True))


class Written(Sequence[Record]):
    """All records of one write, in their order: those of cells, then the others.

    It is read like a list of records, which are made anew each time: the hot path takes the columns.

    Args:
        cells: by group.
        others: which may be added to.
    """

    def __init__(self, cells: Sequence[CellRecords] = (), others: Sequence[Record] = ()) -> None:
        """Take what is given."""
        self.cells, self.others = list(cells), list(others)

    @classmethod
    def of(cls, records: Sequence[Record]) -> Written:
        """Return the records of a write in this form."""
        return records if isinstance(records, Written) else cls((), records)

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        others = sum([len(key) + (0 if value is None else len(value)) for key, value in self.others])
        return sum([each.size for each in self.cells], others)

    def columns(self) -> tuple[Pieces, Pieces]:
        """Return all keys and all values; the size of a null value is -1."""
        keys = [*(each.keys for each in self.cells), Pieces.of([key for key, _ in self.others])]
        values = [*(each.values for each in self.cells), _nullable([value for _, value in self.others])]
        return Pieces.joined(keys), Pieces.joined(values)

    def __len__(self) -> int:
        """Return how many there are."""
        return sum([len(each.cells) for each in self.cells], len(self.others))

    def __iter__(self) -> Iterator[Record]:
        """Yield all."""
        return chain(*(each.records() for each in self.cells), self.others)

    @overload
    def __getitem__(self, at: int) -> Record: ...

    @overload
    def __getitem__(self, at: slice) -> list[Record]: ...

    def __getitem__(self, at: int | slice) -> Record | list[Record]:
        """Return one, or some."""
        return list(self)[at]

    def __eq__(self, other: object) -> bool:
        """Return whether these are the same records in the same order."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # others are added


def _nullable(values: Sequence[bytes | None]) -> Pieces:
    sizes = [-1 if value is None else len(value) for value in values]
    return Pieces(b"".join(filter(None, values)), np.array(sizes, np.int64))
