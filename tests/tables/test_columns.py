"""Columns that are made when they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from tables.columns import Column, Lazy


def test_a_lazy_column_is_made_once_and_only_if_it_is_asked_for() -> None:
    """Looking at the names makes nothing; all that a mapping can do gives the columns."""
    made: list[str] = []

    def make(name: str) -> Column:
        made.append(name)
        return Column("int", np.array([len(name)]))

    columns = Lazy(["a", "bb"], make, pytest.fail)
    assert (list(columns), len(columns), "a" in columns, "c" in columns) == (["a", "bb"], 2, True, False)
    assert made == []
    assert columns["bb"] is columns["bb"]
    assert made == ["bb"]
    assert {name: column.tolist() for name, column in columns.items()} == {"a": [1], "bb": [2]}
    assert made == ["bb", "a"]
    with pytest.raises(KeyError):
        columns["c"]


def test_some_rows_of_a_lazy_column_are_made_alone() -> None:
    """What is taken of columns that were not made is made of those rows only."""
    asked: list[list[int]] = []

    def lazy(values: np.ndarray) -> Lazy:
        def make(name: str) -> Column:
            asked.append(values.tolist())
            return Column("int", values * len(name))

        return Lazy(["a", "bb"], make, lambda rows: lazy(values[rows]))

    some = lazy(np.arange(10)).take(np.array([3, 5]))
    assert asked == []
    assert some["bb"].tolist() == [6, 10]
    assert asked == [[3, 5]]
