"""Packed entries: two numbers in one integer, written in as few bytes as both take."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.aggregates.base import Ragged
from tables.aggregates.quantile import Quantile
from tables.aggregates.sketch import COUNT_BITS, _keys, add_counts
from tables.growth import steady_growth
from tables.packing import sizes
from tables.state import Former, State
from tests.tables.ways import WAYS, going

if TYPE_CHECKING:
    from collections.abc import Iterator

SPLIT = 20
COLUMNS = {"b": {"buckets": Ragged("<i8", SPLIT), "others": Ragged("<i4")}}
EDGES = [0, 1, 254, 255, 256, 65534, 65535, 65536, (1 << SPLIT) - 1]
ABOVE = st.one_of(st.integers(0, 600), st.sampled_from(EDGES), st.integers(0, (1 << 63 - SPLIT) - 1))
BELOW = st.one_of(st.integers(0, 300), st.sampled_from(EDGES))
ROW = st.dictionaries(ABOVE, BELOW, max_size=6).map(
    lambda found: sorted(above << SPLIT | below for above, below in found.items())
)
ROWS = st.lists(ROW, min_size=1, max_size=6)


@pytest.fixture(scope="module", autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pack by NumPy, and by the compiled loops."""
    with going(request.param):
        yield


def state_of(rows: list[list[int]], columns: Any = COLUMNS) -> tuple[State, Any]:
    """Return a state that has these entries, and its rows."""
    state = State(columns)
    at = state.allocate(len(rows))
    flat = np.array([entry for row in rows for entry in row], np.int64)
    state.of("b")["buckets"].replace(at, flat, np.array(list(map(len, rows)), np.int64))
    return state, at


def entries(state: State, at: Any) -> list[list[int]]:
    """Return the entries of rows."""
    flat, lengths = state.of("b")["buckets"].gather(at)
    return [part.tolist() for part in np.split(flat, np.cumsum(lengths)[:-1])]


def written(row: list[int]) -> tuple[int, bytes]:
    """Return, computed with `struct`, what the fixed part says of a row and how it is written."""
    if not row:
        return 0, b""
    pairs = [(entry >> SPLIT, entry & ((1 << SPLIT) - 1)) for entry in row]
    least = min(above for above, _ in pairs)
    most = max(max(above - least, below) for above, below in pairs)
    for code, limit, form in ((1, 256, "<BB"), (2, 65_536, "<HH")):
        if most < limit and least < 1 << 32:
            packed = b"".join(struct.pack(form, above - least, below) for above, below in pairs)
            return len(row) | code << 30, struct.pack("<I", least) + packed
    return len(row), struct.pack(f"<{len(row)}q", *row)


@given(ROWS)
def test_rows_are_written_as_documented(rows: list[list[int]]) -> None:
    """Rule: two bytes an entry where both numbers fit a byte, four where they fit two, else eight."""
    state, at = state_of(rows)
    for row, value in zip(rows, state.encode(at, 5), strict=True):
        said, packed = written(row)
        assert value == struct.pack("<QII", 5, said, 0) + packed
        assert sizes(np.array([said])).tolist() == [len(packed)]


@given(ROWS, st.data())
def test_what_is_packed_is_read_back(rows: list[list[int]], data: Any) -> None:
    """Rule: in whatever order and place cells lie, they hold what was written."""
    state, at = state_of(rows)
    order = data.draw(st.permutations(range(len(rows))))
    other = State(COLUMNS)
    other.allocate(3)
    values = state.encode(at, 1)
    found, _ = other.decode([values[i] for i in order])
    assert entries(other, found) == [rows[i] for i in order]


@given(ROWS)
def test_no_row_takes_more_than_its_entries_in_full(rows: list[list[int]]) -> None:
    """Rule: what `most` says of written cells is at least what they take with all entries in eight bytes."""
    state, at = state_of(rows)
    packed = np.array(list(map(len, state.encode(at, 1))))
    full = state.layout.size + 8 * np.array(list(map(len, rows)))
    assert (packed <= full).all()
    assert (state.most(at, packed) >= full).all()


@given(st.lists(st.tuples(st.integers(0, 1 << 17), st.integers(1, 70_000)), min_size=1, max_size=8))
def test_a_cell_grows_by_no_more_than_is_planned(added: list[tuple[int, int]]) -> None:
    """Rule: `most` of the cell as it was, and the growth of each row since, bound it as it is written next."""
    aggregate = Quantile(0.5, "v")
    state = State({"b": aggregate.columns()})
    at = state.allocate(1)
    grows = steady_growth((aggregate,))
    assert grows is not None
    bound = state.most(at, np.array([state.layout.size]))
    for ordinal, count in added:
        add_counts(state.of("b")["buckets"], at, np.array([ordinal]), np.array([count]))
        (value,) = state.encode(at, 1)
        assert len(value) <= bound[0] + grows
        bound = state.most(at, np.array([len(value)]))


def test_cells_of_before_entries_were_packed_are_read() -> None:
    """Rule: a cell of a former shape with the same entries in full goes on, and is written packed from then on."""
    rows = [[3 << SPLIT | 7, 9 << SPLIT | 1], [], [1 << 40]]
    full = {"b": {"buckets": Ragged("<i8"), "others": Ragged("<i4")}}
    before, at = state_of(rows, full)
    state = State(COLUMNS, 1, {0: Former(before.layout, frozenset({"b"}))})
    found, _ = state.decode(before.encode(at, 4))
    assert entries(state, found) == rows
    values = state.encode(found, 5)
    assert [value[16:] for value in values] == [written(row)[1] for row in rows]
    again, _ = state.decode(values)
    assert entries(state, again) == rows


@pytest.mark.parametrize("said", [3 << 30 | 1, 2 << 30 | 1, 1 << 30 | 5, 1, 0])
def test_a_damaged_cell_is_refused(said: int) -> None:
    """Rule: what says that it is packed otherwise than it is is no cell; nothing is read beyond it."""
    state, at = state_of([[5 << SPLIT | 1]])
    (value,) = state.encode(at, 1)
    assert value[8:12] == struct.pack("<I", 1 << 30 | 1)
    with pytest.raises(ValueError, match="damaged"):
        State(COLUMNS).decode([value[:8] + struct.pack("<I", said) + value[12:]])


def test_the_sketch_keeps_what_packing_asks_for() -> None:
    """Rule: a sketch's entries rise within a row, and its ordinals and counts are the two numbers."""
    state = State({"b": Quantile(0.5, "v").columns()})
    at = state.allocate(2)
    buckets = state.of("b")["buckets"]
    for keys in ([5, 9], [2, 9, (1 << 18) | 7], [(1 << 18) | 3]):
        add_counts(buckets, at, np.array(keys), np.full(len(keys), 2))
    flat, lengths = buckets.gather(at)
    assert _keys(flat, lengths).tolist() == [2, 5, 9, (1 << 18) | 3, (1 << 18) | 7]
    assert (flat & ((1 << COUNT_BITS) - 1)).tolist() == [2, 2, 4, 2, 2]
    assert Quantile(0.5, "v").columns()["buckets"] == Ragged("<i8", COUNT_BITS)
