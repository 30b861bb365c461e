"""`max("x")`: the greatest x, an integer if it was written as one; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from tables.aggregates.extremes import Extreme


@dataclass(frozen=True)
class Max(Extreme):
    """The greatest of the values that are not null."""

    kind: ClassVar[str] = "max"
    choose: ClassVar[np.ufunc] = np.maximum
    whole: ClassVar[int] = int(np.iinfo(np.int64).min)
    real: ClassVar[float] = -inf


def max(of: str, *, where: str | None = None) -> Max:  # noqa: A001 - the word that a declaration uses
    """Keep the greatest of an expression's values: `max("duration")`.

    Args:
        of: expression whose values are compared; nulls are left out.
        where: expression that a row must hold to count.
    """
    return Max(of, where=where)
