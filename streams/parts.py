"""What of a table partition's engine hangs on the kind of its windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.closing import Closer
from streams.rules.judge import PaneJudge
from streams.rules.own import OwnJudge
from streams.unaligned import UnalignedCloser
from tables.bounded import BoundedCells
from tables.cells import Cells
from tables.unaligned import unaligned_cells

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.rules.judge import Judge
    from streams.table_engine import TableEngine
    from tables.budget import Share
    from tables.unaligned.cells import UnalignedCells

    AnyCells = Cells | UnalignedCells


def parts(
    engine: TableEngine, plan: TablePlan, loaded: Cells | None = None, share: Share | None = None
) -> tuple[Closer | UnalignedCloser, AnyCells, Judge]:
    """Return who closes a table's windows, its open cells, and its rules.

    Args:
        engine: that is being made.
        plan: of the table.
        loaded: cells that were filled from the changelog; None makes empty ones.
        share: how much memory they may take; None sets no bound. Unaligned windows are in memory whatever it says.
    """
    unaligned = unaligned_cells(plan.table)
    if unaligned is not None:
        own = OwnJudge(plan, unaligned.panes)
        return UnalignedCloser(engine, unaligned, own), unaligned, own
    empty = Cells(plan.table) if share is None else BoundedCells(plan.table, share)
    cells = empty if loaded is None else loaded
    judge = PaneJudge(plan, cells.panes)
    return Closer(engine, cells, judge), cells, judge
