"""`min("x")`: the least x, an integer if it was written as one; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from tables.aggregates.extremes import Extreme


@dataclass(frozen=True)
class Min(Extreme):
    """The least of the values that are not null."""

    kind: ClassVar[str] = "min"
    choose: ClassVar[np.ufunc] = np.minimum
    whole: ClassVar[int] = int(np.iinfo(np.int64).max)
    real: ClassVar[float] = inf


def min(of: str, *, where: str | None = None) -> Min:  # noqa: A001 - the word that a declaration uses
    """Keep the least of an expression's values: `min("duration")`.

    Args:
        of: expression whose values are compared; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Min(of, where=where)
