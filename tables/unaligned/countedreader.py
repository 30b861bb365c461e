"""Rows of windows of a number of rows read out of a store: acknowledged state only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tables.aggregates.base import Bounds
from tables.unaligned.reader import SessionReader
from tables.unaligned.span import SPAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tables.query import Row
    from tables.unaligned.reader import Cell

    Ints = NDArray[np.int64]


class CountedReader(SessionReader):
    """Reads the rows of one table partition whose windows are so many rows each; those of a key as they began."""

    def _within(self, cells: Iterable[Cell], from_: int | None, to: int | None) -> list[Cell]:
        given = list(cells)
        if not given or (from_ is None and to is None):
            return given
        state = self._empty.like()
        at, _ = state.decode([value for _, _, value in given])
        starts = state.of(SPAN)["first"][at].tolist()
        each = zip(given, starts, strict=True)
        return [cell for cell, start in each if (from_ is None or start >= from_) and (to is None or start < to)]

    def _numbers(self, cells: Sequence[Cell]) -> Ints:
        state = self._empty.like()
        rows, _ = state.decode([value for _, _, value in cells])
        numbers: Ints = state.of(SPAN)["number"][rows]
        return numbers

    def _rows(self, cells: Sequence[Cell]) -> list[Row]:
        if not cells:
            return []
        state = self._empty.like()
        at, _ = state.decode([value for _, _, value in cells])
        span, began = state.of(SPAN), np.array([first for _, first, _ in cells], np.int64)
        bounds = Bounds(span["first"][at], span["last"][at] + 1)
        return self._listed([key for key, _, _ in cells], state, at, bounds, began, span["number"][at])
