"""Folding a batch into state rows that are known already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Aggregate, Rows
    from tables.growth import Input
    from tables.state import State

Ints = NDArray[np.int64]


def fold_all(  # noqa: PLR0913, PLR0917 - a batch is several columns
    aggregates: Mapping[str, Aggregate],
    state: State,
    rows: Rows,
    index: Rows,
    inputs: Mapping[str, Input],
    time: Ints,
    offset: Ints,
) -> None:
    """Fold n events into their state rows.

    Args:
        aggregates: by name.
        state: that has the rows.
        rows: shape (m,), distinct state rows.
        index: shape (n,), for each event its position in `rows`; each is there at least once.
        inputs: by aggregate name, as `Cells.fold` takes them.
        time: shape (n,), event times in ms.
        offset: shape (n,), offsets in the input partition.
    """
    whole = Fold(rows, index, None, time, offset)
    parts: dict[int, Fold] = {}
    for name, aggregate in aggregates.items():
        mask, *columns = inputs[name]
        if mask is not None and id(mask) not in parts:
            parts[id(mask)] = _part(rows, index, np.flatnonzero(mask), time, offset)
        part = whole if mask is None else parts[id(mask)]
        if len(part.rows):
            values, by = [each if each is None or mask is None else each.take(mask) for each in (*columns, None)][:2]
            aggregate.fold(state.of(name), Fold(part.rows, part.index, values, part.time, part.offset, by))


def _part(rows: Rows, index: Rows, events: Rows, time: Ints, offset: Ints) -> Fold:
    """Return what some of the events bring."""
    used = np.zeros(len(rows), bool)
    used[index[events]] = True
    at = np.cumsum(used) - 1
    return Fold(rows[used], at[index[events]], None, time[events], offset[events])
