"""Every aggregate, declared in a file and driven through the engine: its row is the oracle's, and JSON."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from streams.expr import ExpressionError, call
from streams.load import loads
from streams.problems import DeclarationError
from streams.testing import Harness
from tables.aggregates import registry
from tests.tables.bench import Event
from tests.tables.test_laws import PARTS, near, told

BASE = 1_700_000_000_000
APP = """
app: t
streams:
  s: {topic: s, time: {field: ts, unit: ms}, key: host}
tables:
  c:
    from: s
    key: host
    window: {hopping: 40s, every: 10s, grace: 0s}
    aggregates:
"""
CALLS = [example for kind in registry().values() for example in kind.examples() if example.where is None]


def events(needs: str) -> list[Event]:
    """Return events out of order, of one key, within 40 s."""
    rng = random.Random(needs)  # noqa: S311 - test data
    values: Any = {"condition": (True, False, None), "any": ("a", "b", None)}.get(needs, (1, 2.5, 7, None))
    rows = [Event(0, rng.choice(values), BASE + rng.randrange(40_000), by=rng.randrange(9)) for _ in range(200)]
    return [row._replace(offset=offset) for offset, row in enumerate(rows)]


@pytest.mark.parametrize("aggregate", CALLS, ids=lambda aggregate: aggregate.describe())
def test_a_declared_aggregate_is_its_oracle(aggregate: Any) -> None:
    """Rule: from YAML through decoding, folding, merging panes and reading, the result is what plain Python says."""
    harness = Harness(loads(f"{APP}      r: {aggregate.describe()}\n"))
    rows = events(aggregate.needs)
    # The window's start is a multiple of 10 s, so that all rows lie in one window.
    harness.feed_many("s", [{"host": "a", "ts": row.time, "x": row.value, "y": row.by} for row in rows])
    (found,) = [row for row in harness.table("c").rows("a") if row.start == BASE]
    got, want = found.values["r"], told(aggregate, rows, (BASE, BASE + 40_000))
    error = getattr(PARTS[aggregate.kind], "error", lambda *_: 0)
    assert got == want or near(got, want, error(want, rows))
    assert json.loads(json.dumps(got)) == got


def test_a_mistake_in_the_second_expression_is_told_at_its_place() -> None:
    """Rule: `by` is an expression of a number, checked as `of` is; where it is a plain word it is none."""
    assert call('last("x", by="offset")').describe() == 'last("x", by="offset")'
    for text, message in (
        ('max_by("x", "y +")', "in `by`"),
        ('max_by("x", "y = 1")', "in `by`"),
        ('max_by("x")', "max_by needs `by`"),
    ):
        with pytest.raises(ExpressionError, match=message):
            call(text)


def test_columns_have_the_type_of_their_values() -> None:
    """Rule: a condition may compare texts that `max_by` took."""
    tables = f'{APP}      r: max_by("lower(x)", "y")\nalerts:\n  - {{alert: A, table: c, expr: r == "a"}}\n'
    harness = Harness(loads(tables))
    harness.feed("s", {"host": "a", "ts": BASE, "x": "A", "y": 3})
    harness.close(BASE + 10_000)
    assert [alert.state for alert in harness.alerts()] == ["firing"]


def test_lists_are_not_exposed() -> None:
    """Rule: Prometheus takes numbers: a column of lists or objects is refused where it is exposed."""
    with pytest.raises(DeclarationError, match="'r' holds lists or objects"):
        loads(f'{APP}      r: top_k(5, "x")\n    expose: [r]\n')
