"""Batches that wait together at a partition, made one: what a batch costs by itself is paid once for all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np

from streams.effects import Records
from streams.packed import Packed, joined


def together(waiting: Sequence[Records], most: int) -> Iterator[Records]:
    """Yield the same records in fewer batches; large ones stay as they are.

    Args:
        waiting: each goes on where the one before ended.
        most: records of a joined batch.
    """
    group: list[Records] = []
    count = 0
    for records in waiting:
        if group and count + len(records) > most:
            yield one(group)
            group, count = [], 0
        group.append(records)
        count += len(records)
    if group:
        yield one(group)


def one(parts: Sequence[Records]) -> Records:
    """Return batches that follow one another as one."""
    if len(parts) == 1:
        return parts[0]
    first, last = parts[0], parts[-1]
    offsets, stamps = (np.concatenate([getattr(each, name) for each in parts]) for name in ("offsets", "timestamps"))
    lost = [each for part in parts for each in part.lost]
    return Records(first.lo, last.hi, offsets, stamps, _values(parts), None, _keys(parts), lost)


def _values(parts: Sequence[Records]) -> Sequence[bytes | None]:
    packed = [each.values for each in parts if isinstance(each.values, Packed)]
    if len(packed) == len(parts):
        return joined(packed)
    return [value for each in parts for value in each.values]


def _keys(parts: Sequence[Records]) -> Callable[[int], bytes | None]:
    """Return what finds the key of a record of all parts."""
    edges = [0, *accumulate(map(len, parts))]

    def key(index: int) -> bytes | None:
        at = bisect_right(edges, index) - 1
        return parts[at].key(index - edges[at])

    return key
