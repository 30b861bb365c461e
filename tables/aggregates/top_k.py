"""`top_k(5, "path")`: the most frequent values with their counts, as a list of objects; empty of nothing.

Each cell keeps a Misra-Gries summary of c counters (Misra, Gries: Finding repeated elements, 1982), merged as in
Agarwal, Cormode, Huang, Phillips, Wei, Yi: Mergeable summaries (2012): counters of equal values are added, and of more
than c the (c+1)-th greatest count is taken from all. A count is never too high, and too low by at most n / (c + 1) of n
rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
import numpy as np

from tables.aggregates.base import Aggregate, Objects
from tables.aggregates.hashes import known, told_apart
from tables.aggregates.numeric import present
from tables.columns import Column
from tables.state import boxed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Fold, Needs, Rows, View

    Counted = list[Any]

MAX_K = 1000
_LEAST_COUNTERS = 100
_COUNTERS_PER_K = 10
_COUNTED_BYTES = 24
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, init=False)
class TopK(Aggregate):
    """The `k` most frequent values that are not null: `[{"value": "/", "count": 17}, ...]`, the most frequent first.

    Of equal counts the value whose JSON sorts first is first. 5 and 5.0 are one value, 5. Counts are exact while a cell
    has seen no more different values than it has counters, which is 10 k, and at least 100; so that later they are too
    low by at most 1 % of the rows, and any value that is more frequent by that than the k-th is in the list.

    Args:
        k: how many.
        of: expression whose values are counted.
        where: expression that a row must hold to count.
    """

    kind: ClassVar[str] = "top_k"
    needs: ClassVar[Needs] = "any"
    gives: ClassVar[Literal["number", "of", "any"]] = "any"

    k: int = field(kw_only=True)

    def __init__(self, k: int, of: str, *, where: str | None = None) -> None:
        """Check what is declared.

        Raises:
            ValueError: `k` is no whole number from 1 to 1,000, or `of` no expression.
        """
        if type(k) is not int or not 1 <= k <= MAX_K:
            raise ValueError(f'top_k takes a whole number from 1 to {MAX_K} first, not {k!r}; write top_k(5, "path")')
        for name, value in (("k", k), ("of", of), ("where", where)):
            object.__setattr__(self, name, value)
        self.__post_init__()

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one with one value, and one with several and a condition."""
        return cls(1, "x"), cls(5, "x", where="x > 0")

    @property
    def counters(self) -> int:
        """How many counters a cell has."""
        return max(_LEAST_COUNTERS, _COUNTERS_PER_K * self.k)

    def columns(self) -> Mapping[str, Objects]:
        """Return the list of [value, count], in any order."""
        return {"counted": Objects(_COUNTED_BYTES)}

    def fold(self, state: View, fold: Fold) -> None:
        """Count the batch's values.

        Raises:
            TypeError: there are no values.
        """
        if fold.values is None:
            raise TypeError("top_k needs a column of values")
        mask = present(fold.values)
        events = np.arange(len(fold.index)) if mask is None else np.flatnonzero(mask)
        if not len(events):
            return
        values, codes = told_apart(fold.values, events)
        pairs, counts = np.unique(fold.index[events] * len(values) + codes, return_counts=True)
        found = [
            [values[code], count] for code, count in zip((pairs % len(values)).tolist(), counts.tolist(), strict=True)
        ]
        index = pairs // len(values)
        starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
        rows, ends = fold.rows[index[starts]].tolist(), [*starts[1:].tolist(), len(found)]
        for row, start, end in zip(rows, starts.tolist(), ends, strict=True):
            state["counted"][row] = self._sum(state["counted"][row], found[start:end])

    def merge(self, into: View, rows: Rows, other: View, others: Rows) -> None:
        """Add the counts."""
        for row, counted in zip(rows.tolist(), other["counted"][others].tolist(), strict=True):
            if counted:
                into["counted"][row] = self._sum(into["counted"][row], counted)

    def result(self, state: View, rows: Rows) -> Column:
        """Return the lists of objects."""
        lists = state["counted"][rows].tolist()
        best = [nsmallest(self.k, counted or (), key=_rank) for counted in lists]
        shown = [[{"value": value, "count": n} for value, n in counted] for counted in best]
        return Column("any", boxed(shown))

    def _sum(self, one: list[Counted] | None, other: list[Counted]) -> list[Counted]:
        """Return the summary of both."""
        found = {known(value): [value, count] for value, count in one or ()}
        for value, count in other:
            key = known(value)
            if key in found:
                found[key][1] += count
            else:
                found[key] = [value, count]
        if len(found) <= self.counters:
            return list(found.values())
        excess = sorted([count for _, count in found.values()], reverse=True)[self.counters]
        return [[value, count - excess] for value, count in found.values() if count > excess]


def _rank(counted: Counted) -> tuple[int, bytes]:
    """Return what values are sorted by in the result."""
    return -counted[1], _json(counted[0])


def top_k(k: int, of: str, *, where: str | None = None) -> TopK:
    """Tell an expression's most frequent values with their counts: `top_k(5, "path")`.

    Args:
        k: how many, up to 1,000.
        of: expression whose values are counted, of any type; nulls are left out.
        where: expression that a row must hold to count.
    """
    return TopK(k, of, where=where)
