"""What goes down to a store together: cells that wait in columns, other records, and the offset behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tables.records import CELL, Record, as_record
from tables.store import AHEAD
from tables.waiting import WaitingCells
from tables.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Piece(NamedTuple):
    """A part of what goes down to the store.

    Args:
        records: of it.
        offset: the changelog offset before which all that the store has then was written; None if it is not known yet.
    """

    records: Written
    offset: int | None = None


class Generation:
    """What goes down together: cells in columns, other records by key, and the changelog offset behind them.

    Attributes:
        cells: the former.
        others: the latter; None is a tombstone.
        plain: whether cells are among them.
        offset: None if it is not known.
    """

    def __init__(self) -> None:
        """Let nothing wait."""
        self.cells = WaitingCells()
        self.others: dict[bytes, bytes | None] = {}
        self.plain = False
        self.offset: int | None = None
        self._bytes = 0

    def __bool__(self) -> bool:
        """Return whether anything waits."""
        return bool(self.others) or self.offset is not None or len(self.cells) > 0

    @property
    def size(self) -> int:
        """Bytes of keys and values."""
        return self._bytes + self.cells.size

    def add(self, written: Written, offset: int | None) -> bool:
        """Let records wait, in place of those with the same keys; return False where they cannot wait here.

        That is where cells in columns and cells among other records would overtake one another.
        """
        plain = self.plain or CELL in {key[:1] for key, _ in written.others}
        if plain and (written.cells or len(self.cells)):
            return False
        self.plain = plain
        self.cells.add(written.cells)
        if written.others:
            self._add(written.others)
        self.offset = self.offset if offset is None else offset
        return True

    def _add(self, records: Sequence[Record]) -> None:
        keys, values = zip(*records, strict=True)
        new = dict(zip(keys, values, strict=True))
        replaced = filter(None, map(self.others.get, new))
        self._bytes += sum(map(len, filter(None, new.values()))) - sum(map(len, replaced))
        before = len(self.others)
        self.others.update(new)
        self._bytes += (len(self.others) - before) * sum(map(len, new)) // len(new)

    def find(self, key: bytes) -> tuple[bytes | None] | None:
        """Return the value of a record key, None for a tombstone, in a tuple; None if nothing is here of it."""
        if key in self.others:
            return (self.others[key],)
        value = self.cells.get(key) if len(self.cells) else None
        return None if value is None else (value,)

    def pieces(self, size: int) -> Iterator[Piece]:
        """Yield all that waits, about `size` bytes of cells at once; the last piece has the others, and the offset."""
        ahead = [] if self.offset is None else [Record(AHEAD, b"%d" % self.offset)]
        others = list(map(as_record, self.others.items()))
        slices = list(self.cells.slices(size)) or [[]]
        for cells in slices[:-1]:
            yield Piece(Written(cells, ahead))
        yield Piece(Written(slices[-1], others), self.offset)
