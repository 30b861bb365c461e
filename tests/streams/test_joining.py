"""Batches that wait together are made one, and say what they said apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.effects import Lost, Records
from streams.joining import one, together
from streams.packed import NULL, Packed

VALUES = st.lists(st.none() | st.binary(max_size=5), max_size=6)


def records(lo: int, values: Sequence[bytes | None], *, packed: bool = False) -> Records:
    """Return records of every other offset from `lo` on; their keys are the offsets."""
    n = len(values)
    offsets = lo + 2 * np.arange(n)
    keys = [str(offset).encode() for offset in offsets.tolist()]
    lost = [Lost(lo, lo + 1, 1, 10, "they are large")] if lo % 3 == 0 else []
    held = pack(values) if packed else values
    return Records(lo, lo + 2 * n + 1, offsets, offsets * 10, held, None, keys.__getitem__, lost)


def pack(values: Sequence[bytes | None]) -> Packed:
    """Return the values in a buffer that holds other bytes too."""
    start, length, buffer = [], [], b"before"
    for value in values:
        start.append(len(buffer))
        length.append(NULL if value is None else len(value))
        buffer += (value or b"") + b"|"
    return Packed(buffer + b"behind", np.array(start, np.int64), np.array(length, np.int64))


@given(st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=5))
def test_a_joined_batch_says_what_its_parts_say(parts: list[tuple[list[bytes | None], bool]]) -> None:
    """Range, offsets, timestamps, values, keys and what was left out are those of the parts, one after the other."""
    made: list[Records] = []
    for values, packed in parts:
        made.append(records(made[-1].hi if made else 7, values, packed=packed))
    joined = one(made)
    assert (joined.lo, joined.hi, len(joined)) == (made[0].lo, made[-1].hi, sum(map(len, made)))
    assert joined.offsets.tolist() == [offset for each in made for offset in each.offsets.tolist()]
    assert joined.timestamps.tolist() == [stamp for each in made for stamp in each.timestamps.tolist()]
    assert list(joined.values) == [value for each in made for value in each.values]
    assert joined.all_keys() == [key for each in made for key in each.all_keys()]
    assert joined.lost == [lost for each in made for lost in each.lost]
    assert joined.size() == sum(each.size() for each in made)


def test_large_batches_stay_apart() -> None:
    """A batch that is large already is not copied; small ones before and after it are joined."""
    sizes = [1, 2, 11, 3, 4]
    waiting = [records(0, [b"x"] * size) for size in sizes]
    assert [len(each) for each in together(waiting, 10)] == [3, 11, 7]
    assert list(together(waiting, 10))[1] is waiting[2]
    assert [len(each) for each in together(waiting, 14)] == [14, 7]
    assert list(together([], 10)) == []
