"""The rows of one window, in the order of their keys, or of unaligned ones: what rules judge and what is emitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.codecs.extract import column
from tables.columns import Column, Lazy
from tables.keys import key_values

if TYPE_CHECKING:
    from streams.codecs.base import FieldType


class Span(NamedTuple):
    """An unaligned window of one key: its number, and `[start, end)` in ms.

    `began` is the number with which it began where it is that which tells two windows of a key apart.
    """

    number: int
    start: int
    end: int
    began: int | None = None

    @property
    def window(self) -> dict[str, int]:
        """The window as events say it."""
        return {"start": self.start, "end": self.end, **({} if self.began is None else {"number": self.began})}


@dataclass(frozen=True)
class Rows:
    """The rows of one window.

    Args:
        window: its number; nothing where each row has its own.
        keys: n key bytes, rising; in any order where open rows are judged.
        results: the aggregates by name, n rows each.
        fields: names of the key fields, in order.
        spans: for unaligned windows that of each row, n of them; the rows are by number and then by key.
    """

    window: int
    keys: Sequence[bytes]
    results: Mapping[str, Column]
    fields: Sequence[str] = field(default=())
    spans: Sequence[Span] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.keys)

    def columns(self, uses: Mapping[str, FieldType]) -> dict[str, Column]:
        """Return the aggregates and the key fields by name, as far as an expression uses them.

        Key bytes do not tell the number 404 from the text "404"; a key field is what the expression needs it to be.
        """
        used = [(at, name) for at, name in enumerate(self.fields) if name in uses and name not in self.results]
        results = {name: self.results[name] for name in self.results if name in uses}
        if not used:
            return results
        values = [key_values(key, len(self.fields)) for key in self.keys]
        parts = {name: _column([each[at] for each in values], uses[name]) for at, name in used}
        return {**parts, **results}

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows; columns that were not asked for yet are made of these alone."""
        all_ = self.results
        results = all_.take(rows) if isinstance(all_, Lazy) else {name: all_[name].take(rows) for name in all_}
        spans = None if self.spans is None else [self.spans[row] for row in rows.tolist()]
        return Rows(self.window, [self.keys[row] for row in rows.tolist()], results, self.fields, spans)

    def values(self) -> Iterator[dict[str, Any]]:
        """Yield the aggregates of each row by name, as plain Python values."""
        names = tuple(self.results)
        for row in zip(*[self.results[name].tolist() for name in names], strict=True):
            yield dict(zip(names, row, strict=True))


def _column(values: Sequence[Any], use: FieldType) -> Column:
    """Return a column of key values: numbers where they are needed (null where there is none), else as they are."""
    if use == "number":
        return column([_number(value) for value in values], "number")
    objects = np.empty(len(values), object)
    objects[:] = values
    return Column("text" if all(isinstance(value, str) for value in values) else "any", objects)


def _number(value: Any) -> float | None:
    """Return the number that a key part says, None if it says none."""
    try:
        number = msgspec.json.decode(str(value), type=float | int)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return float(number) if isinstance(number, int) and abs(number) >= 1 << 63 else number
