"""Which event of a batch comes last in each group, by one order after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tables.aggregates.base import Rows, View
    from tables.columns import Mask

NEVER = -(1 << 63)
"""An order that comes before every other."""


def tied_last(events: Rows, index: Rows, m: int, *orders: NDArray[Any]) -> Rows:
    """Return those of the events that are the greatest of their group in the first order, then the second, and so on.

    Args:
        events: shape (k,), positions in the batch.
        index: shape (n,), the group of each event of the batch, below `m`.
        m: number of groups.
        orders: shape (n,) each; without NaN.
    """
    for order in orders:
        known = order[events]
        least = -np.inf if known.dtype.kind == "f" else NEVER
        greatest = np.full(m, least, known.dtype)
        np.maximum.at(greatest, index[events], known)
        events = events[known == greatest[index[events]]]
    return events


def one_each(events: Rows, index: Rows, m: int) -> Rows:
    """Return one of the events for each group that has any, in the order of the groups."""
    at = np.full(m, -1, np.intp)
    at[index[events]] = events
    found: Rows = at[at >= 0]
    return found


def later(state: View, rows: Rows, names: tuple[str, ...], orders: tuple[NDArray[Any], ...]) -> tuple[Mask, Mask]:
    """Return where `orders`, shape (m,) each, come after what the rows have in the columns `names`, and where equal."""
    after, tied = np.zeros(len(rows), bool), np.ones(len(rows), bool)
    for name, order in zip(names, orders, strict=True):
        known = state[name][rows]
        after |= tied & (order > known)
        tied &= order == known
    return after, tied


def json_order(value: Any) -> bytes:
    """Return what a value sorts by where nothing else tells two apart; null sorts before all."""
    return b"" if value is None else msgspec.json.encode(value)
