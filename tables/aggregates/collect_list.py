"""`collect_list("x", limit=100)`: the newest values of x as a list, by event time; empty of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tables.aggregates.lists import Collected, apart, order

if TYPE_CHECKING:
    from tables.aggregates.base import Fold, Rows
    from tables.aggregates.lists import Seen


@dataclass(frozen=True)
class CollectList(Collected):
    """The newest values as they are, repeated ones among them."""

    kind: ClassVar[str] = "collect_list"

    def chosen(self, fold: Fold, events: Rows) -> tuple[Rows, list[Any]]:
        """Return all of them."""
        return events, [] if fold.values is None else fold.values.take(events).tolist()

    def union(self, one: list[Seen], other: list[Seen]) -> list[Seen]:
        """Return the newest of both."""
        if one and other:
            rising = one[-1][:2] < other[0][:2] and apart(other)
            one = one + other if rising else sorted(one + other, key=order)
            return one[-self.limit :]
        return one or (other if apart(other) else sorted(other, key=order)[-self.limit :])


def collect_list(of: str, *, where: str | None = None, limit: int = 100) -> CollectList:
    """Collect an expression's newest values: `collect_list("path", limit=20)`.

    Args:
        of: expression whose values are collected, of any type; nulls are left out.
        where: expression that a row must hold to count.
        limit: most values of a cell, up to 10,000; older ones are dropped.
    """
    return CollectList(of, where=where, limit=limit)
