"""Quantiles: several of one sketch."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from streams.expr import call
from tables import quantile, quantiles
from tests.tables.bench import Bench, Event


def oracle(aggregate: Any, events: list[Any]) -> dict[str, float] | None:
    """Return the exact quantiles."""
    values = sorted(event.value for event in events if event.value is not None)
    ranks = {f"{q:g}": math.floor(q * (len(values) - 1)) for q in aggregate.qs}
    return {q: float(values[rank]) for q, rank in ranks.items()} if values else None


def error(want: dict[str, float] | None, _: list[Any]) -> dict[str, float]:
    """Return the error that is promised for each; below the least normal float all is 0."""
    return {q: max(0.01 * abs(value), 2.3e-308) for q, value in (want or {}).items()}


@pytest.mark.parametrize("shape", ["lognormal", "uniform"])
def test_each_is_what_quantile_says(shape: str) -> None:
    """Rule: each is exactly what `quantile` gives for it, so within 1 % of the exact one; of nothing it is null."""
    rng = random.Random(shape)  # noqa: S311 - test data
    make = {"lognormal": lambda: rng.lognormvariate(3, 1), "uniform": lambda: rng.uniform(-5, 9)}[shape]
    rows = [Event(0, make()) for _ in range(3000)]
    qs = [0.0, 0.25, 0.5, 0.99, 1.0]
    got = Bench(quantiles(qs, "x"), "float").fold(rows, (100, 2000)).results()
    single = [Bench(quantile(q, "x"), "float").fold(rows).results()[0] for q in qs]
    assert got == [dict(zip(["0", "0.25", "0.5", "0.99", "1"], single, strict=True)), None, None, None]
    exact = sorted(row.value for row in rows)
    for q, value in json.loads(json.dumps(got[0])).items():
        assert value == pytest.approx(exact[math.floor(float(q) * 2999)], rel=0.01)


@pytest.mark.parametrize("qs", [(), 0.5, (95,), ("a",), (0.5, 0.5)])
def test_qs_are_numbers_from_0_to_1(qs: Any) -> None:
    """Rule: anything but different numbers from 0 to 1 is refused."""
    with pytest.raises(ValueError, match="quantiles takes"):
        quantiles(qs, "x")


def test_it_reads_as_it_is_written() -> None:
    """Rule: the list comes first and reads back as the equal aggregate."""
    assert call('quantiles([0.5, 0.95], "x")') == quantiles([0.5, 0.95], "x")
    assert quantiles((0.5,), "x").describe() == 'quantiles([0.5], "x")'
