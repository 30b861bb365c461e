"""`collect_set("x", limit=100)`: the different values of x that were seen last, as a list; empty of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tables.aggregates.hashes import known, told_apart
from tables.aggregates.lists import Collected, apart, order, place

if TYPE_CHECKING:
    from tables.aggregates.base import Fold, Rows
    from tables.aggregates.lists import Seen


@dataclass(frozen=True)
class CollectSet(Collected):
    """The different values, each at the place at which it was seen last; 5 and 5.0 are one value, 5."""

    kind: ClassVar[str] = "collect_set"

    def chosen(self, fold: Fold, events: Rows) -> tuple[Rows, list[Any]]:
        """Return the last event of each value in each group."""
        if fold.values is None or not len(events):
            return events, []
        values, codes = told_apart(fold.values, events)
        pairs = fold.index[events] * len(values) + codes
        # Of equal pairs np.unique finds the first: so from behind it is the last.
        last = np.sort(len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1])
        return events[last], [values[code] for code in codes[last].tolist()]

    def union(self, one: list[Seen], other: list[Seen]) -> list[Seen]:
        """Return the newest of both, the later one of equal values."""
        found = {known(seen[2]): seen for seen in one}
        for seen in other:
            key = known(seen[2])
            before = found.get(key)
            if before is None or seen[:2] > before[:2]:
                found[key] = seen
        kept = sorted(found.values(), key=place)
        return (kept if apart(kept) else sorted(kept, key=order))[-self.limit :]


def collect_set(of: str, *, where: str | None = None, limit: int = 100) -> CollectSet:
    """Collect an expression's different values, those that were seen last: `collect_set("version")`.

    Args:
        of: expression whose values are collected, of any type; nulls are left out.
        where: expression that a row must hold to count.
        limit: most values of a cell, up to 10,000; those that were not seen for longest are dropped.
    """
    return CollectSet(of, where=where, limit=limit)
