"""The records of a write, in columns and by themselves, are one sequence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.pieces import Pieces
from tables.records import Record
from tables.written import CellRecords, Written

texts = st.binary(max_size=5)
cells = st.lists(st.lists(st.tuples(texts, texts), max_size=4), max_size=3)
others = st.lists(st.tuples(texts, st.none() | texts), max_size=4)


def written(groups: list[list[tuple[bytes, bytes]]], rest: list[tuple[bytes, bytes | None]]) -> Written:
    """Return a write of these cells and other records."""
    parts = []
    for group in groups:
        keys, values = (Pieces.of([pair[at] for pair in group]) for at in (0, 1))
        parts.append(CellRecords(b"", np.arange(len(group)), keys, values))
    return Written(parts, [Record(*pair) for pair in rest])


@given(cells, others)
def test_it_is_the_list_of_its_records(
    groups: list[list[tuple[bytes, bytes]]], rest: list[tuple[bytes, bytes | None]]
) -> None:
    """Rule: it has their number, order and bytes, and each can be asked for."""
    found = written(groups, rest)
    wanted = [Record(*pair) for pair in [*(pair for group in groups for pair in group), *rest]]
    assert list(found) == wanted
    assert found == wanted
    assert len(found) == len(wanted)
    assert [found[at] for at in range(len(found))] == wanted
    assert found[1:] == wanted[1:]
    assert found.size == sum(len(key) + len(value or b"") for key, value in wanted)
    assert Written.of(found) is found
    assert Written.of(wanted) == found
    assert found != [*wanted, Record(b"more", None)]


@given(cells, others)
def test_columns_are_those_of_all_records(
    groups: list[list[tuple[bytes, bytes]]], rest: list[tuple[bytes, bytes | None]]
) -> None:
    """Rule: keys and values lie one behind the other; a null is of size -1, and an empty text of size 0."""
    found = written(groups, rest)
    keys, values = found.columns()
    assert keys.data == b"".join(key for key, _ in found)
    assert keys.sizes.tolist() == [len(key) for key, _ in found]
    assert values.data == b"".join(value or b"" for _, value in found)
    assert values.sizes.tolist() == [-1 if value is None else len(value) for _, value in found]


@given(st.lists(texts, max_size=8), st.data())
def test_some_of_many_texts(given_: list[bytes], data: st.DataObject) -> None:
    """Rule: each text is what it was before they were put together."""
    pieces = Pieces.of(given_)
    assert pieces.cut() == given_
    at = data.draw(st.lists(st.integers(0, len(given_) - 1), max_size=8)) if given_ else []
    some = pieces.take(np.array(at, np.intp))
    wanted = [given_[place] for place in at]
    assert some.cut() == some.together().cut() == wanted
    assert (some.size, some.together().data) == (len(b"".join(wanted)), b"".join(wanted))
    again = data.draw(st.lists(st.integers(0, len(at) - 1), max_size=4)) if at else []
    assert some.take(np.array(again, np.intp)).cut() == [wanted[place] for place in again]


def test_it_is_no_key() -> None:
    """Rule: what can be added to has no hash."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Written())
