"""The compiled loops over aggregate state do what their twins in NumPy do, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tables
from tables import fast, mean, quantile
from tables.aggregates import sketch
from tables.aggregates.base import Fold
from tables.aggregates.sums import float_sums
from tables.columns import Column
from tables.state import State
from tests.tables.ways import compiled_loops

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tables.aggregates.base import Aggregate, Rows

CELLS = 5
REAL = st.floats(allow_nan=False, allow_infinity=False) | st.floats(0.1, 100) | st.sampled_from([0.0, -0.0])
BATCH = st.lists(st.tuples(st.integers(0, CELLS - 1), st.none() | REAL), min_size=1, max_size=40)
AGGREGATE = quantile(0.5, "x")


@pytest.fixture(scope="module")
def loops() -> ModuleType:
    """Return the compiled loops."""
    return compiled_loops()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave what was loaded as it was."""
    before = fast.kernels()
    yield
    fast.use(before)


def fold_of(rows: Rows, index: Rows, values: list[float | None]) -> Fold:
    """Return what values, None for null, bring to rows."""
    null, zeros = np.array([value is None for value in values]), np.zeros(len(values), np.int64)
    column = Column(
        "float", np.array([0.0 if value is None else value for value in values]), null if null.any() else None
    )
    return Fold(rows, index.astype(np.intp), column, zeros, zeros)


def folded(batches: list[list[tuple[int, Any]]], loops: ModuleType | None) -> list[list[int]]:
    """Return the entries of every cell after all batches, by the loops or by NumPy."""
    fast.use(loops)
    state = State({"q": AGGREGATE.columns()})
    rows = state.allocate(CELLS)
    for batch in batches:
        touched, index = np.unique(np.array([cell for cell, _ in batch]), return_inverse=True)
        AGGREGATE.fold(state.of("q"), fold_of(rows[touched], index, [value for _, value in batch]))
    return [state.of("q")["buckets"].gather(rows[cell : cell + 1])[0].tolist() for cell in range(CELLS)]


@given(batches=st.lists(BATCH, min_size=1, max_size=6))
def test_buckets_are_counted_alike(loops: ModuleType, batches: list[list[tuple[int, Any]]]) -> None:
    """The same entries in the same order, whether a bucket is new or known, its row touched or not."""
    assert folded(batches, loops) == folded(batches, None)


@given(batches=st.lists(BATCH, min_size=1, max_size=6))
def test_the_lowest_buckets_are_put_together_alike(loops: ModuleType, batches: list[list[tuple[int, Any]]]) -> None:
    """A cell that has too many buckets keeps the same ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketch, "MAX_BUCKETS", 4)
        got = folded(batches, loops)
        assert got == folded(batches, None)
    assert max(map(len, got)) <= 4


@given(batches=st.lists(BATCH, min_size=1, max_size=6))
def test_each_value_is_counted_once(loops: ModuleType, batches: list[list[tuple[int, Any]]]) -> None:
    """By a plain count: as many as there are values, in every cell."""
    counts = [sum(entry & sketch.COUNT for entry in entries) for entries in folded(batches, loops)]
    values = [cell for batch in batches for cell, value in batch if value is not None]
    assert counts == [values.count(cell) for cell in range(CELLS)]


@given(batch=st.lists(st.tuples(st.integers(0, CELLS - 1), REAL), max_size=60))
def test_float_sums_are_alike(loops: ModuleType, batch: list[tuple[int, float]]) -> None:
    """Real part and error of every group are the same bits; where a sum overflows, neither is a number."""
    index = np.array([group for group, _ in batch], np.intp)
    values = np.array([value for _, value in batch], np.float64)
    with np.errstate(all="ignore"):
        other = float_sums(index, values, CELLS)
    for one, twin in zip(loops.float_sums(index, values, CELLS), other, strict=True):
        np.testing.assert_array_equal(one, twin)


def kept(aggregate: Aggregate, batches: list[list[tuple[int, Any]]], loops: ModuleType | None) -> dict[str, Any]:
    """Return the state columns of all cells after all batches, by the loops or by NumPy."""
    fast.use(loops)
    state = State({"a": aggregate.columns()})
    rows = state.allocate(CELLS)[::-1]
    for batch in batches:
        touched, index = np.unique(np.array([cell for cell, _ in batch]), return_inverse=True)
        aggregate.fold(state.of("a"), fold_of(rows[touched], index, [value for _, value in batch]))
    return {name: column[rows] for name, column in state.of("a").items()}


@pytest.mark.parametrize("aggregate", [tables.sum("x"), tables.min("x"), tables.max("x"), mean("x")])
@given(batches=st.lists(BATCH, min_size=1, max_size=6))
def test_sums_and_extremes_are_alike(
    loops: ModuleType, aggregate: Aggregate, batches: list[list[tuple[int, Any]]]
) -> None:
    """The state of every cell is the same, after any batches; also where a sum overflows, and of 0.0 and -0.0."""
    with np.errstate(all="ignore"):
        found = [kept(aggregate, batches, way) for way in (loops, None)]
    assert found[0].keys() == found[1].keys()
    for name, column in found[0].items():
        np.testing.assert_array_equal(column, found[1][name])
        if not name.startswith(("real", "error")) or np.isfinite(column).all():
            assert column.tobytes() == found[1][name].tobytes()


def test_a_known_bucket_is_counted_in_place(loops: ModuleType) -> None:
    """What a batch of known buckets costs is a matter of its values: no entry moves."""
    fast.use(loops)
    state = State({"q": AGGREGATE.columns()})
    rows = state.allocate(1)
    zeros, column = np.zeros(3, np.int64), state.of("q")["buckets"]
    fold = Fold(rows, np.zeros(3, np.intp), Column("float", np.array([1.0, 1.0, 2.0])), zeros, zeros)
    AGGREGATE.fold(state.of("q"), fold)
    before = column.gather(rows)[0]
    AGGREGATE.fold(state.of("q"), fold)
    assert np.shares_memory(before, column.gather(rows)[0])
    assert (before & sketch.COUNT).tolist() == [4, 2]
