"""State: rows, ragged segments, and cells as bytes."""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates.base import Fixed, Objects, Ragged
from tables.ragged import RaggedColumn, segments
from tables.state import State
from tests.tables.ways import WAYS, going

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {
    "a": {"n": Fixed("<i8"), "least": Fixed("<f8", float("inf")), "seen": Fixed("?", zero=False)},
    "b": {"buckets": Ragged("<i8"), "pairs": Ragged((("key", "<i4"), ("count", "<u2")))},
    "c": {"value": Objects()},
}
ENTRIES = st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), max_size=6)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.fixture(scope="module", autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Encode by NumPy, and by the compiled loops."""
    with going(request.param):
        yield


def test_rows_start_from_zero_also_when_used_again() -> None:
    """Rule: an allocated row is as declared, whatever the row held before it was released."""
    state = State(COLUMNS)
    rows = state.allocate(3)
    fill(state, rows)
    state.release(rows[1:])
    again = state.allocate(100)
    assert len(np.unique(np.concatenate((rows[:1], again)))) == len(state) == 101
    assert state.of("a")["n"][again].tolist() == [0] * 100
    assert state.of("a")["least"][again].tolist() == [float("inf")] * 100
    assert state.of("b")["buckets"].lengths(again).sum() == 0
    assert state.of("c")["value"][again].tolist() == [None] * 100
    assert (state.of("a")["n"][rows[0]], state.of("c")["value"][rows[0]]) == (0, "0")


def fill(state: State, rows: Any) -> None:
    """Give each row values that follow from its position."""
    m = len(rows)
    state.of("a")["n"][rows] = np.arange(m)
    state.of("a")["seen"][rows] = np.arange(m) % 2
    state.of("b")["buckets"].replace(rows, np.arange(m * 2), np.full(m, 2))
    pairs = state.of("b")["pairs"]
    pairs.replace(rows, np.array([(at, at + 1) for at in range(m)], pairs.dtype), np.ones(m, np.int64))
    state.of("c")["value"][rows] = [str(at) for at in range(m)]


def test_a_cell_is_laid_out_as_documented() -> None:
    """Rule: a value is n, the fixed columns with wide ones first, the counts, padding to 8 bytes, then what varies."""
    state = State(COLUMNS)
    rows = state.allocate(2)
    fill(state, rows)
    fixed = struct.pack("<QqdIII?xxx", 9, 1, float("inf"), 2, 1, 3, True)  # noqa: FBT003 - a flag of the format
    want = fixed + struct.pack("<qq", 2, 3) + struct.pack("<iH", 1, 2) + b'"1"'
    assert state.encode(rows, 9)[1] == want


@settings(deadline=None)
@given(ENTRIES, st.data())
def test_cells_survive_encoding(lists: list[list[int]], data: Any) -> None:
    """Rule: decoded cells hold what was encoded, in their order, next to rows that are there already."""
    state, m = State(COLUMNS), len(lists)
    rows = state.allocate(m)[::-1].copy()
    objects = data.draw(st.lists(VALUES, min_size=m, max_size=m))
    fill(state, rows)
    state.of("b")["buckets"].replace(
        rows, np.array(list(chain(*lists)), np.int64), np.array([len(x) for x in lists], np.int64)
    )
    for row, value in zip(rows.tolist(), objects, strict=True):
        state.of("c")["value"][row] = value
    other = state.like()
    fill(other, other.allocate(70))
    found, n = other.decode(state.encode(rows, 5))
    assert other.encode(found, 5) == state.encode(rows, 5)
    assert n.tolist() == [5] * m
    assert other.of("a")["n"][found].tolist() == list(range(m))
    assert other.of("c")["value"][found].tolist() == objects
    assert [other.of("b")["buckets"].gather(found[at : at + 1])[0].tolist() for at in range(m)] == lists


def test_write_numbers_are_each_cells_own() -> None:
    """Rule: decode returns the number of the write that each cell was last part of."""
    state = State({"a": COLUMNS["a"]})
    rows = state.allocate(2)
    values = state.encode(rows[:1], 3) + state.encode(rows[1:], 2**48 - 1)
    assert state.decode(values)[1].tolist() == [3, 2**48 - 1]


def test_what_is_no_cell_is_refused() -> None:
    """Rule: a value that is too short, cut, too long, or another table's is refused, and nothing is allocated."""
    state = State(COLUMNS)
    rows = state.allocate(1)
    fill(state, rows)
    value = state.encode(rows, 1)[0]
    for wrong, message in ((value[:20], "too short"), (value[:-1], "says that it takes"), (value + b"x", "damaged")):
        with pytest.raises(ValueError, match=message):
            state.decode([value, wrong])
    small = State({"a": {"n": Fixed("<i8")}})
    with pytest.raises(ValueError, match="24 bytes says that it takes 16"):
        small.decode([bytes(24)])
    assert (len(state), len(small)) == (1, 0)


def test_no_cells_are_no_bytes() -> None:
    """Rule: encoding and decoding nothing is nothing."""
    state = State(COLUMNS)
    assert state.encode(state.allocate(0), 1) == []
    rows, n = state.decode([])
    assert (len(rows), len(n), len(state)) == (0, 0, 0)


def test_a_table_without_columns_of_an_aggregate_still_has_cells() -> None:
    """Rule: a state without columns encodes to the write number alone."""
    state = State({})
    assert state.encode(state.allocate(1), 6) == [struct.pack("<Q", 6)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 9), st.integers(0, 40), max_size=8), max_size=40), st.randoms())
def test_ragged_rows_are_what_was_put_there(steps: list[dict[int, int]], rng: Any) -> None:
    """Rule: after any replacements and clearings each row has its latest entries, though the pool moved meanwhile."""
    column, model, serial = RaggedColumn("<i8"), {row: [] for row in range(10)}, 0
    column.grow(10)
    for step in steps:
        for row, length in step.items():
            model[row] = list(range(serial, serial + 10 * length))
            serial += 10 * length
        rows = np.array(list(step), np.int64)
        entries = [entry for row in step for entry in model[row]]
        column.replace(rows, np.array(entries, np.int64), np.array([len(model[row]) for row in step], np.int64))
        cleared = rng.randrange(10)
        column.clear(np.array([cleared]))
        model[cleared] = []
        asked = [rng.randrange(10) for _ in range(5)]
        found, lengths = column.gather(np.array(asked))
        assert found.tolist() == [entry for row in asked for entry in model[row]]
        assert lengths.tolist() == [len(model[row]) for row in asked]


def test_a_pool_does_not_grow_with_its_garbage() -> None:
    """Rule: rows that are replaced for ever take room in proportion to what lives, not to what was written."""
    column = RaggedColumn("<i8")
    column.grow(10)
    rows = np.arange(10)
    for step in range(2000):
        column.replace(rows, np.full(50, step), np.full(10, 5))
    assert column.gather(rows)[0].tolist() == [1999] * 50
    assert column.room <= 2048


def test_segments_are_positions_one_after_the_other() -> None:
    """Rule: segments lists the positions of each segment in turn, empty ones giving none."""
    assert segments(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
