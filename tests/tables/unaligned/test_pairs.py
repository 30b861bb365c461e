"""Numbers of pairs are in the order of the pairs, however far apart the times are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.unaligned.pairs import pairs

near = st.tuples(st.integers(0, 5), st.integers(-20, 20))
far = st.tuples(st.integers(0, 1_000_000), st.integers(-(1 << 60), 1 << 60))
lists = st.one_of(st.lists(near), st.lists(far))


@given(one=lists, other=lists)
def test_numbers_sort_as_pairs(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Within a part and over parts two numbers compare as their pairs do."""
    made = pairs(*((np.array([c for c, _ in each], np.int64), np.array([t for _, t in each])) for each in (one, other)))
    numbers = [number for part in made for number in part.tolist()]
    both = [*one, *other]
    for left, pair in zip(numbers, both, strict=True):
        assert [left < right for right in numbers] == [pair < other_pair for other_pair in both]
