"""How much a batch can make cells grow: a bound from above, so that a write is known to fit before it is folded."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Fixed, Objects, Ragged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.aggregates.base import Aggregate
    from tables.columns import Column, Mask

    Input = tuple[Mask | None, Column | None] | tuple[Mask | None, Column | None, Column | None]
    """The rows that count (None: all), the `of` column, and the `by` column where there is one."""

_NUMBER_BYTES = 32
"""JSON of a number, true, false or null."""
_ESCAPE = 6
"""JSON of one character, at most."""


def growth(aggregates: Mapping[str, Aggregate], inputs: Mapping[str, Input], n: int) -> NDArray[np.int64]:
    """Return for each of n rows how many bytes it can add to its cell: one entry a ragged column, a whole object.

    Args:
        aggregates: by name.
        inputs: by aggregate name, as `Cells.fold` takes them.
        n: number of rows.

    Returns:
        Shape (n,), bytes.
    """
    total = np.zeros(n, np.int64)
    for name, aggregate in aggregates.items():
        for kind in _growing(aggregate):
            total += _added(kind, inputs[name][1])
            if isinstance(kind, Objects):
                total += kind.extra
    return total


@lru_cache
def steady_growth(aggregates: tuple[Aggregate, ...]) -> int | None:
    """Return how many bytes any row can add to its cell; None where that depends on the row (`growth` tells)."""
    kinds = [kind for aggregate in aggregates for kind in _growing(aggregate)]
    if any(isinstance(kind, Objects) for kind in kinds):
        return None
    return int(sum(_added(kind, None) for kind in kinds))


@lru_cache
def _growing(aggregate: Aggregate) -> tuple[Ragged | Objects, ...]:
    """Return the columns of an aggregate that can grow."""
    return tuple(kind for kind in aggregate.columns().values() if not isinstance(kind, Fixed))


def _added(kind: Ragged | Objects, column: Column | None) -> Any:
    if isinstance(kind, Ragged):
        return np.dtype(list(kind.dtype) if isinstance(kind.dtype, tuple) else kind.dtype).itemsize
    if column is None or column.kind not in ("text", "any"):
        return _NUMBER_BYTES
    if column.kind == "text":
        return np.fromiter(map(len, column.values.tolist()), np.int64, len(column)) * _ESCAPE + 2
    encode = msgspec.json.Encoder().encode
    return np.fromiter((len(encode(value)) for value in column.values.tolist()), np.int64, len(column))
