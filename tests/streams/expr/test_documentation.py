"""The examples of the expressions page are true."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np

from streams.expr import ExpressionError
from streams.expr import compile as compile_expression
from tables.columns import Column

PAGE = Path(__file__).parents[3] / "deploy" / "docs" / "expressions.md"


class Null:
    """How the page shows null."""

    def __repr__(self) -> str:
        """Return `null`."""
        return "null"


def ask(text: str, **fields: Any) -> object:
    """Return an expression's value for one row."""
    columns = {name: Column("any", np.fromiter([value], object, 1)) for name, value in fields.items()}
    found = compile_expression(text).evaluate(columns, 1).tolist()[0]
    return Null() if found is None else found


def told(text: str) -> None:
    """Print the mistake that an expression is refused for."""
    try:
        compile_expression(text)
    except ExpressionError as error:
        print(error)  # noqa: T201 - a doctest compares what is printed


def test_examples() -> None:
    """Every example on the page gives what the page says."""
    page = PAGE.read_text(encoding="utf-8").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(page, {"ask": ask, "told": told}, PAGE.name, str(PAGE), 0)
    results = doctest.DocTestRunner().run(examples)
    assert (results.failed, results.attempted) == (0, page.count(">>>"))
    assert results.attempted >= 20
