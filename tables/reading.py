"""Which reader reads a table: that of its kind of windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.query import Reader
from tables.unaligned.countedreader import CountedReader
from tables.unaligned.reader import SessionReader
from tables.unaligned.slidingreader import SlidingReader
from tables.windows.counted import Counted
from tables.windows.session import Session
from tables.windows.sliding import Sliding

if TYPE_CHECKING:
    from tables.shapes import Shapes
    from tables.spec import Table
    from tables.store import Store

    AnyReader = Reader | SessionReader | SlidingReader


def reader(table: Table, store: Store, shapes: Shapes | None = None) -> AnyReader:
    """Return the reader of one table partition.

    Args:
        table: the declared table.
        store: its partition's store.
        shapes: of the state as its engine writes it; None takes what the store says.
    """
    if isinstance(table.window, Session):
        return SessionReader(table, store, table.window.panes(), shapes)
    if isinstance(table.window, Sliding):
        return SlidingReader(table, store, table.window, shapes)
    if isinstance(table.window, Counted):
        return CountedReader(table, store, table.window.panes(), shapes)
    return Reader(table, store, shapes)
