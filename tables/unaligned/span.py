"""What cells hold besides aggregates where their windows cannot be told from their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.aggregates.base import Fixed, Objects, Ragged
from tables.windows.counted import Counted
from tables.windows.filled import OPEN
from tables.windows.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.spec import Table

    Columns = dict[str, Mapping[str, Fixed | Ragged | Objects]]

SPAN = "(span)"
"""What stands for an aggregate in cells of sessions: the time of the last row, and the spans of rows that the write
that wrote it may take back (first and last row, ms), for those who were shown them. In cells of windows of a number of
rows: how many they are, the least and the greatest of their times, and the number of the window when it was full."""
_COUNTED: Mapping[str, Fixed | Ragged | Objects] = {
    "rows": Fixed("<i8"),
    "first": Fixed("<i8"),
    "last": Fixed("<i8"),
    "number": Fixed("<i8", OPEN),
}
_SESSION: Mapping[str, Fixed | Ragged | Objects] = {
    "last": Fixed("<i8"),
    "gone": Ragged((("first", "<i8"), ("last", "<i8"))),
}


def span_columns(table: Table) -> Columns:
    """Return the state columns of a table's cells besides those of its aggregates: none where names tell."""
    if isinstance(table.window, Counted):
        return {SPAN: _COUNTED}
    return {SPAN: _SESSION} if isinstance(table.window, Session) else {}


def columns_of(table: Table) -> Columns:
    """Return all state columns of a table with unaligned windows."""
    return {**span_columns(table), **{name: aggregate.columns() for name, aggregate in table.aggregates.items()}}
