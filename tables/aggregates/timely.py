"""What first and last have in common: they go by event time, or by order of arrival."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tables.aggregates.edges import Edge

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate


@dataclass(frozen=True)
class Timely(Edge):
    """The value at one end of an order of time.

    Args:
        of: expression whose values are taken.
        where: expression that a row must hold to count.
        by: `time`, event time and then offset; or `offset`, which is the order of arrival, and then event time.
    """

    by: Literal["time", "offset"] = field(default="time", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse another order.

        Raises:
            ValueError: `by` is neither time nor offset.
        """
        super().__post_init__()
        if self.by not in {"time", "offset"}:
            raise ValueError(f'`by` of {self.kind} is "time" or "offset", not {self.by!r}')

    @classmethod
    def examples(cls) -> tuple[Aggregate, ...]:
        """Return one for each order, and one with a condition."""
        return cls("x"), cls("x", where="x > 0"), cls("x", by="offset")

    @property
    def names(self) -> tuple[str, ...]:
        """The state columns that events are ordered by."""
        return ("time", "offset") if self.by == "time" else ("offset", "time")
