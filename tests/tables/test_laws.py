"""Laws that every registered aggregate keeps, over every one of its examples and every kind of column it takes.

Each `aggregates/test_<kind>.py` brings an `oracle(aggregate, events)`, the same in plain Python over a list of events
(with the window's start and end as a third argument where the aggregate needs a window),
and may bring an `error(want, events)`, how far a result may be from it, and a `drift(events)`, how far results may be
from each other when the same events are cut, ordered or merged otherwise; both are 0 where they are not given.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates import registry
from tests.tables.bench import WINDOW, Bench, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypothesis.strategies import DataObject, SearchStrategy

CELLS = 4
NUMBERS: dict[str, SearchStrategy[Any]] = {
    "int": st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1)),
    "float": st.one_of(st.floats(-9, 9), st.floats(-1e200, 1e200), st.integers(-30, 30).map(lambda n: n / 10)),
}
NUMBERS["mixed"] = st.one_of(*NUMBERS.values())
ANY = {
    **NUMBERS,
    "text": st.text(max_size=3),
    "bool": st.booleans(),
    "any": st.one_of(st.booleans(), st.text(max_size=2)),
}
KINDS: dict[str, Iterable[str]] = {"number": NUMBERS, "condition": ["bool"]}
BY = st.one_of(st.none(), st.integers(-2, 2), st.just(0.5))
EXAMPLES = [example for aggregate in registry().values() for example in aggregate.examples()]
# The caller applies `where`, so no fold can depend on it.
FOLDED = list(dict.fromkeys(replace(example, where=None) for example in EXAMPLES))
CASES = [
    pytest.param(example, kind, id=f"{example.describe()}-{kind}")
    for example in FOLDED
    for kind in KINDS.get(example.needs, ANY)
]
every = pytest.mark.parametrize(("aggregate", "kind"), CASES)
some = settings(max_examples=10, deadline=None)


PARTS = {kind: import_module(f"tests.tables.aggregates.test_{kind}") for kind in registry()}


def told(aggregate: Any, rows: Sequence[Any], window: tuple[int, int] = WINDOW) -> Any:
    """Return what the oracle of an aggregate says of rows in a window; most need not know which."""
    oracle = PARTS[aggregate.kind].oracle
    return oracle(aggregate, rows, window) if aggregate.needs_window else oracle(aggregate, rows)


def events(kind: str, **sizes: int) -> SearchStrategy[list[Any]]:
    """Return lists of events with a value column of this kind, nulls among them, and few times and offsets."""
    few, value = st.integers(-2, 2), st.one_of(st.none(), ANY[kind])
    return st.lists(st.builds(Event, st.integers(0, CELLS - 1), value, few, few, BY), **({"max_size": 30} | sizes))


def of_cell(cell: int, rows: list[Any]) -> list[Any]:
    """Return the events of one cell."""
    return [row for row in rows if row.cell == cell]


def agree(aggregate: Any, got: list[Any], want: list[Any], rows: list[Any]) -> None:
    """Check that two lists of results are of the same types and, but for the aggregate's drift, equal."""
    drift = getattr(PARTS[aggregate.kind], "drift", lambda _: 0)
    for cell, (one, other) in enumerate(zip(got, want, strict=True)):
        assert type(one) is type(other)
        assert one == other or abs(one - other) <= drift(of_cell(cell, rows))


def near(got: Any, want: Any, error: Any) -> bool:
    """Return whether a result is within its error; of an object each item is."""
    if isinstance(got, dict):
        return got.keys() == want.keys() and all(abs(got[key] - want[key]) <= error[key] for key in got)
    return bool(abs(got - want) <= error)


@every
@some
@given(data=st.data())
def test_fold_is_the_oracle(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: a fold gives what plain Python gives over the same events, of the same type."""
    rows = data.draw(events(kind))
    part = PARTS[aggregate.kind]
    error = getattr(part, "error", lambda *_: 0)
    for cell, got in enumerate(Bench(aggregate, kind).fold(rows).results()):
        seen = of_cell(cell, rows)
        want = told(aggregate, seen)
        assert type(got) is type(want)
        assert got == want or near(got, want, error(want, seen))


@every
@some
@given(data=st.data())
def test_fold_does_not_depend_on_batches(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: however the input is cut into batches, the results are the same."""
    rows, cuts = data.draw(events(kind)), data.draw(st.lists(st.integers(0, 30), max_size=6))
    agree(
        aggregate, Bench(aggregate, kind).fold(rows, cuts).results(), Bench(aggregate, kind).fold(rows).results(), rows
    )


@every
@some
@given(data=st.data())
def test_fold_of_halves_merged_is_fold_of_whole(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: folding two halves and merging them is folding the whole."""
    left, right = data.draw(events(kind)), data.draw(events(kind))
    merged = Bench(aggregate, kind).fold(left).merge(Bench(aggregate, kind).fold(right))
    agree(aggregate, merged.results(), Bench(aggregate, kind).fold(left + right).results(), left + right)


@every
@some
@given(data=st.data())
def test_merge_is_commutative(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: a + b = b + a."""
    left, right = data.draw(events(kind)), data.draw(events(kind))
    one = Bench(aggregate, kind).fold(left).merge(Bench(aggregate, kind).fold(right))
    other = Bench(aggregate, kind).fold(right).merge(Bench(aggregate, kind).fold(left))
    agree(aggregate, one.results(), other.results(), left + right)


@every
@some
@given(data=st.data())
def test_merge_is_associative(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: (a + b) + c = a + (b + c)."""
    a, b, c = (data.draw(events(kind, max_size=12)) for _ in range(3))
    one = Bench(aggregate, kind).fold(a).merge(Bench(aggregate, kind).fold(b)).merge(Bench(aggregate, kind).fold(c))
    tail = Bench(aggregate, kind).fold(b).merge(Bench(aggregate, kind).fold(c))
    agree(aggregate, one.results(), Bench(aggregate, kind).fold(a).merge(tail).results(), a + b + c)


@every
@some
@given(data=st.data())
def test_zero_is_the_identity(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: merging with a cell that saw nothing, from either side, changes no bit of the result."""
    rows = data.draw(events(kind))
    want = Bench(aggregate, kind).fold(rows).results()
    assert Bench(aggregate, kind).fold(rows).merge(Bench(aggregate, kind)).results() == want
    assert Bench(aggregate, kind).merge(Bench(aggregate, kind).fold(rows)).results() == want


@every
@some
@given(data=st.data())
def test_state_survives_encoding(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: a decoded cell gives the same result, encodes to the same bytes, and goes on as if nothing had been."""
    left, right = data.draw(events(kind)), data.draw(events(kind))
    bench = Bench(aggregate, kind).fold(left)
    want, values = bench.results(), bench.state.encode(bench.rows, 7)
    again = Bench(aggregate, kind, cells=0)
    again.rows, _ = again.state.decode(values)
    assert again.results() == want
    assert again.state.encode(again.rows, 7) == values
    assert again.fold(right).results() == bench.fold(right).results()


@every
@some
@given(data=st.data())
def test_nulls_leave_no_trace(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: null values change no byte of the state, except where rows are counted and not values."""
    rows = data.draw(events(kind, min_size=1))
    nulls = [Event(row.cell, None, row.time + 9, row.offset + 9, 9) for row in rows]
    bench = Bench(aggregate, kind).fold(rows)
    before = bench.state.encode(bench.rows, 0)
    unchanged = bench.fold(nulls).state.encode(bench.rows, 0) == before
    assert unchanged == (aggregate.of is not None)


@every
@some
@given(data=st.data())
def test_fold_touches_only_its_rows(aggregate: Any, kind: str, data: DataObject) -> None:
    """Law: a fold changes no byte of a cell that has no event in the batch."""
    before, batch = data.draw(events(kind)), data.draw(events(kind))
    bench = Bench(aggregate, kind).fold(before)
    touched = {row.cell for row in batch}
    rest = bench.rows[[cell for cell in range(CELLS) if cell not in touched]]
    want = bench.state.encode(rest, 0)
    assert bench.fold(batch).state.encode(rest, 0) == want


@pytest.mark.parametrize("aggregate", EXAMPLES, ids=lambda example: example.describe())
def test_declarations_are_equal_when_they_say_the_same(aggregate: Any) -> None:
    """Law: an aggregate equals the one that is made of its own arguments, and none with another condition."""
    assert replace(aggregate) == aggregate
    assert replace(aggregate, where="other") != aggregate
    assert replace(aggregate).describe() == aggregate.describe()
