"""Windows that follow the data: each key has its own, and they are not aligned with those of other keys.

An unaligned window is known by its key and its number, which is its end in ms or says when it was full: windows close
in the order of their numbers, as those that are made of panes do. Open ones are in memory; closed ones are in the store
only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables.unaligned.counted import CountedCells
from tables.unaligned.sessions import SessionCells
from tables.unaligned.sliding import SlidingCells
from tables.windows.counted import Counted
from tables.windows.session import Session
from tables.windows.sliding import Sliding

if TYPE_CHECKING:
    from tables.spec import Table
    from tables.unaligned.cells import UnalignedCells


def unaligned_cells(table: Table) -> UnalignedCells | None:
    """Return the cells of a table partition, empty; None if all keys share the table's windows."""
    if isinstance(table.window, Session):
        return SessionCells(table, table.window)
    if isinstance(table.window, Sliding):
        return SlidingCells(table, table.window)
    if isinstance(table.window, Counted):
        return CountedCells(table, table.window)
    return None
