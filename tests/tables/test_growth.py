"""What a batch can make cells grow by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.aggregates import registry
from tables.aggregates.count import Count
from tables.aggregates.last import Last
from tables.aggregates.quantile import Quantile
from tables.cells import Cells
from tables.columns import Column
from tables.growth import growth
from tables.spec import Table
from tests.tables.bench import Bench, Event, column

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate

ZERO = np.zeros(1, np.int64)
CALLS = [kind.examples()[0] for kind in registry().values()]
json = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=5)


def boxed(value: object) -> Column:
    """Return an `any` column of one value."""
    values = np.empty(1, object)
    values[0] = value
    return Column("any", values, np.array([value is None]))


@given(st.text() | json, st.floats(allow_nan=False, allow_infinity=False))
def test_no_row_makes_its_cell_grow_by_more(value: object, number: float) -> None:
    """The encoded cell is never longer than the empty one and the bound together."""
    declared = Table(
        name="t", from_="s", key=("k",), aggregates={"n": Count(), "l": Last("x"), "q": Quantile(0.5, "y")}
    )
    column = Column("text", np.array([value], object)) if isinstance(value, str) else boxed(value)
    inputs = {"n": (None, None), "l": (None, column), "q": (None, Column("float", np.array([number])))}
    cells = Cells(declared)
    code = cells.keys.encode([Column("text", np.array(["k"], object))])
    cells.fold(code, ZERO, ZERO, inputs, ZERO, ZERO)
    (record,) = cells.flush(1)
    empty = len(cells._map.state.encode(cells._map.state.allocate(1), 1)[0])  # noqa: SLF001 - the size of nothing
    assert len(record.value or b"") <= empty + growth(declared.aggregates, inputs, 1)[0]


def test_what_grows_is_counted_before_it_is_folded() -> None:
    """A long text in `last` and new buckets of a quantile are counted with the row that brings them."""
    declared = Table(name="t", from_="s", key=("k",), aggregates={"l": Last("x"), "q": Quantile(0.5, "y")})
    texts = ["x" * 1000, "\x01" * 1000, "é" * 1000] * 5
    cells = Cells(declared)
    codes = cells.keys.encode([Column("text", np.array(["a", "b", "c"] * 5, object))])
    zeros = np.zeros(15, np.int64)
    inputs = {"l": (None, Column("text", np.array(texts, object))), "q": (None, Column("float", np.arange(15.0)))}
    n = cells.plan_cut(codes, zeros, zeros, inputs, 100, 20_000)
    assert 2 <= n < 15
    taken = {name: (None, column.take(slice(0, n))) for name, (_, column) in inputs.items()}
    cells.fold(codes[:n], zeros[:n], zeros[:n], taken, zeros[:n], zeros[:n])
    assert sum(len(r.value or b"") for r in cells.flush(1)) <= 20_000


@pytest.mark.parametrize("aggregate", CALLS, ids=lambda aggregate: aggregate.describe())
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_aggregate_grows_by_more(aggregate: Aggregate, data: st.DataObject) -> None:
    """Whatever is folded, one batch after the other, the cell is never longer than the bounds of all rows say."""
    values = {"number": st.floats(allow_nan=False), "condition": st.booleans()}.get(
        aggregate.needs, st.text(max_size=9)
    )
    kind = {"number": "float", "condition": "bool"}.get(aggregate.needs, "text")
    wide = st.integers(-(2**63) + 1, 2**63 - 1)
    events = data.draw(st.lists(st.builds(Event, st.just(0), values, wide, wide, st.integers(-3, 3)), max_size=25))
    bench = Bench(aggregate, kind, cells=1)
    bound = len(bench.state.encode(bench.rows, 1)[0])
    for event in events:
        columns = (column(kind, [event.value]), column("mixed", [event.by])) if aggregate.of else (None, None)
        bound += int(growth({"a": aggregate}, {"a": (None, *columns)}, 1)[0])
        bench.fold([event])
        assert len(bench.state.encode(bench.rows, 1)[0]) <= bound
