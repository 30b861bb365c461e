"""Lookups from compacted topics: each record is the row of its key now, one without value deletes it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from streams import reasons
from streams.codecs.extract import column
from streams.lookup import Lookup, fitting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.codecs.base import FieldType
    from streams.planned import LookupPlan
    from tables.columns import Column

_Row = tuple[Any, ...]


class Refused(NamedTuple):
    """A record that changed nothing: its place among those applied, a reason code and a sentence for people."""

    at: int
    reason: str
    message: str


class TopicLookup(Lookup):
    """The rows of a lookup that change while they are used.

    Only the used fields are kept, as the codec gives them; their types are looked at when they are joined.

    Args:
        plan: of the lookup.

    Attributes:
        errors: records that changed nothing, by reason; they are counted over the whole life.
    """

    def __init__(self, plan: LookupPlan) -> None:
        """Start without rows."""
        super().__init__()
        self.plan = plan
        self.errors: Counter[str] = Counter()
        self._at = {name: at for at, name in enumerate(plan.fields)}
        self._decoder = plan.codec.compile(dict.fromkeys(plan.fields, "any"))
        self._kept: list[_Row] = []
        self._free: list[int] = []
        self._moved = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._index)

    def apply(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[Refused]:
        """Let records count, in order, and return those that changed nothing: the row that was there stays.

        Args:
            keys: n record keys.
            values: n record values; None deletes the row.
        """
        rows, refused = self._decoded(keys, values)
        self._moved = False
        for index, key in enumerate(keys):
            if key is None:
                refused[index] = Refused(index, reasons.NULL_KEY, "the record has no key")
            elif values[index] is None:
                self._remove(key)
            elif index in rows and not self._put(key, rows[index]):
                message = f"there are {self.plan.lookup.max_rows} rows, and its key is new; raise `max_rows`"
                refused[index] = Refused(index, reasons.TOO_MANY_KEYS, message)
        if self._moved:
            self._forget()
        self.errors.update(each.reason for each in refused.values())
        return [refused[at] for at in sorted(refused)]

    def _decoded(
        self, keys: Sequence[bytes | None], values: Sequence[bytes | None]
    ) -> tuple[dict[int, _Row], dict[int, Refused]]:
        """Return rows and bad records by their index; records without value are neither."""
        present = [index for index, value in enumerate(values) if value is not None]
        taken = [keys[index] for index in present] if self._decoder.wants_keys else None
        decoded = self._decoder.decode([values[index] for index in present], taken)
        good = range(len(present)) if decoded.good is None else decoded.good.tolist()
        parts = [decoded.columns[name].tolist() for name in self.plan.fields]
        rows: Iterable[_Row] = zip(*parts, strict=True) if parts else [()] * len(good)
        refused = {present[each.index]: Refused(present[each.index], each.reason, each.message) for each in decoded.bad}
        return {present[at]: row for at, row in zip(good, rows, strict=True)}, refused

    def _put(self, key: bytes, row: _Row) -> bool:
        """Set the row of a key, and return whether there was room."""
        at = self._index.get(key)
        if at is not None:
            self._kept[at] = row
            return True
        if len(self._index) >= self.plan.lookup.max_rows:
            return False
        self._moved = True
        if self._free:
            self._index[key] = at = self._free.pop()
            self._kept[at] = row
        else:
            self._index[key] = len(self._kept)
            self._kept.append(row)
        return True

    def _remove(self, key: bytes) -> None:
        at = self._index.pop(key, None)
        if at is not None:
            self._moved = True
            self._kept[at] = ()
            self._free.append(at)

    def take_over(self, other: TopicLookup) -> None:
        """Have the rows of another, which is not used any more; what was counted is added up."""
        self._index, self._kept, self._free = other._index, other._kept, other._free
        self.errors.update(other.errors)
        self._forget()

    def join(self, on: Column, fields: Mapping[str, FieldType]) -> dict[str, Column]:
        """Return fields of the rows whose keys a column holds, as `Lookup.join`; each row is looked at once."""
        distinct, where = np.unique(self._found(on), return_inverse=True)
        rows = [self._kept[at] if at >= 0 else None for at in distinct.tolist()]
        return {name: self._column_of(rows, name, type_).take(where) for name, type_ in fields.items()}

    def _column_of(self, rows: Sequence[_Row | None], name: str, type_: FieldType) -> Column:
        at = self._at[name]
        return column([None if row is None else fitting(row[at], type_) for row in rows], type_)
