"""`count()`: the number of rows; `count("x")`: the number of rows in which x is not null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tables.aggregates.base import Aggregate, Fixed
from tables.aggregates.numeric import present
from tables.columns import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fold, Needs, Rows, View


@dataclass(frozen=True)
class Count(Aggregate):
    """The number of rows, or of rows in which `of` is not null."""

    kind: ClassVar[str] = "count"
    needs: ClassVar[Needs] = "maybe"

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one that counts rows and one that counts values."""
        return cls(), cls("x", where="x > 0")

    def columns(self) -> Mapping[str, Fixed]:
        """Return one counter."""
        return {"n": Fixed("<i8")}

    def fold(self, state: View, fold: Fold) -> None:
        """Count the batch's rows."""
        mask = None if fold.values is None else present(fold.values)
        index = fold.index if mask is None else fold.index[mask]
        state["n"][fold.rows] += np.bincount(index, minlength=len(fold.rows))

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the counts."""
        into["n"][rows] += other["n"][others]

    def result(self, state: View, rows: Rows) -> Column:
        """Return the counts, integers."""
        return Column("int", state["n"][rows])


def count(of: str | None = None, *, where: str | None = None) -> Count:
    """Count rows, or the rows in which an expression is not null: `count()`, `count("user", where="status >= 500")`.

    Args:
        of: expression whose non-null values are counted; None counts rows.
        where: expression that a row must hold to count.
    """
    return Count(of, where=where)
