"""`last("x")`: x of the row with the greatest event time, any value that JSON has; null of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tables.aggregates.timely import Timely


@dataclass(frozen=True)
class Last(Timely):
    """The value, other than null, with the greatest event time; among those of one time, with the greatest offset.

    Offsets are those of one input partition. Where several meet with equal time and offset, the value whose JSON sorts
    last wins, so that the order in which the inputs are read does not show.
    """

    kind: ClassVar[str] = "last"
    sign: ClassVar[int] = 1


def last(of: str, *, where: str | None = None, by: Literal["time", "offset"] = "time") -> Last:
    """Keep an expression's latest value by event time: `last("version")`.

    Args:
        of: expression whose values are taken, of any type; nulls are left out.
        where: expression that a row must hold to count.
        by: "time" for event time and then offset; "offset" for the order of arrival in one input partition.
    """
    return Last(of, where=where, by=by)
