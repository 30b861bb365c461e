"""Groups of cells and the index over them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tables.groups import Group, Index, compact, pairs

numbers = st.integers(-9, 9) | st.integers(-(2**61), 2**61)


@given(st.lists(st.tuples(numbers, st.integers(-3, 3)), min_size=1, max_size=40))
def test_pairs_name_every_distinct_pair_once(rows: list[tuple[int, int]]) -> None:
    """Positions lead back to the values, near or far apart."""
    pane, first = np.array([p for p, _ in rows], np.int64), np.array([f for _, f in rows], np.int64)
    names, which = pairs(pane, first)
    assert len(set(names)) == len(names)
    assert [names[i] for i in (which if which is not None else np.zeros(len(rows), int)).tolist()] == rows
    distinct, index = compact(pane)
    assert distinct.tolist() == sorted(set(pane.tolist()))
    assert distinct[index].tolist() == pane.tolist()


codes = st.lists(st.integers(0, 300), unique=True, max_size=60)


@given(
    st.lists(codes, min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 300)), max_size=30)
)
def test_a_lookup_finds_what_the_group_has(cells: list[list[int]], asked: list[tuple[int, int]]) -> None:
    """Whichever groups have a table just now, a code leads to its row in its own group, or to -1."""
    index, groups, top = Index(limit=0), [], 0
    index.widen(301)
    for serial, members in enumerate(cells):
        group = Group(serial, serial, serial)
        group.extend(np.array(members, np.int64), np.arange(top, top + len(members)))
        groups.append(group)
        top += len(members)
    for number, code in asked:
        group = groups[number % len(groups)]
        expected = dict(zip(group.codes.tolist(), group.rows.tolist(), strict=True)).get(code, -1)
        assert index.lookup(group, np.array([code])).tolist() == [expected]


def test_a_dropped_group_leaves_no_rows_behind() -> None:
    """A slot that is used again holds nothing of the group before."""
    index, old, new = Index(), Group(0, 0, 0), Group(1, 1, 1)
    old.extend(np.array([3]), np.array([7]))
    assert index.lookup(old, np.array([3])).tolist() == [7]
    index.drop(old)
    index.drop(old)
    assert index.lookup(new, np.array([3])).tolist() == [-1]
