"""Top_k: the most frequent values."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from tables import top_k
from tables.aggregates.hashes import plain
from tests.tables.aggregates.test_last import text
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> list[dict[str, Any]]:
    """Return the values by exact count."""
    values = {text(plain(event.value)): plain(event.value) for event in events if event.value is not None}
    counts = Counter(text(plain(event.value)) for event in events if event.value is not None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"value": values[key], "count": count} for key, count in ranked[: aggregate.k]]


def within(aggregate: Any, got: list[dict[str, Any]], events: list[Any]) -> bool:
    """Return whether no count is too high, or too low by more than n / (c + 1), and what is frequent is listed."""
    counts = Counter(text(plain(event.value)) for event in events if event.value is not None)
    most = counts.total() / (max(100, 10 * aggregate.k) + 1)
    missed = {text(item["value"]): counts[text(item["value"])] - item["count"] for item in got}
    least = min((item["count"] for item in got), default=0)
    unlisted = [count for value, count in counts.items() if value not in missed]
    return all(0 <= miss <= most for miss in missed.values()) and max(unlisted, default=0) <= least + most


@pytest.mark.parametrize("cuts", [(), range(0, 50_000, 1000), range(0, 50_000, 77)])
def test_the_error_is_bounded(cuts: Any) -> None:
    """Rule: of 10,000 different values with a long tail no count is too high, or too low by 1 % of the rows."""
    rng = random.Random(3)  # noqa: S311 - test data
    values = [int(rng.paretovariate(0.7)) % 10_000 for _ in range(50_000)]
    exact = Counter(values)
    rows = [Event(0, value) for value in values]
    whole = Bench(top_k(5, "x"), "int", cells=1).fold(rows, cuts)
    halves = Bench(top_k(5, "x"), "int", cells=1).fold(rows[:20_000], cuts)
    halves.merge(Bench(top_k(5, "x"), "int", cells=1).fold(rows[20_000:], cuts))
    for bench in (whole, halves):
        got = bench.results()[0]
        assert [item["value"] for item in got] == [value for value, _ in exact.most_common(5)]
        assert all(0 <= exact[item["value"]] - item["count"] <= len(values) / 101 for item in got)
        assert len(bench.state.of("a")["counted"][bench.rows[0]]) <= 100


def test_few_values_are_exact() -> None:
    """Rule: with no more values than counters the counts are exact, ties in the order of JSON; it is JSON itself."""
    rows = [Event(0, value) for value in ("b", "a", "c", "c", None)] + [Event(1, None)]
    got = Bench(top_k(2, "x"), "text").fold(rows, (1, 3)).results()
    assert json.loads(json.dumps(got)) == [[{"value": "c", "count": 2}, {"value": "a", "count": 1}], [], [], []]


@pytest.mark.parametrize("k", [0, 1001, 2.0, True, "path"])
def test_k_is_a_number(k: Any) -> None:
    """Rule: anything but a whole number from 1 to 1,000 is refused with an example."""
    with pytest.raises(ValueError, match=r"top_k\(5"):
        top_k(k, "x")
