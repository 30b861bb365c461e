"""The registry: a file is all that an aggregate needs."""

from __future__ import annotations

from pathlib import Path

import pytest

import tables
from tables import aggregates

FILES = {path.stem for path in Path(aggregates.__file__).parent.glob("*.py")}
HELPERS = {"__init__", "base", "extremes", "numeric", "sums"}


def test_every_file_of_an_aggregate_is_found() -> None:
    """Rule: each file but the shared ones holds one aggregate, of the file's name."""
    assert set(aggregates.registry()) == FILES - HELPERS


@pytest.mark.parametrize("kind", aggregates.registry())
def test_the_word_of_a_declaration_makes_the_aggregate(kind: str) -> None:
    """Rule: `from tables import <kind>` gives the function that makes the registered class, with the same arguments."""
    maker, made = getattr(tables, kind), aggregates.registry()[kind]
    for example in made.examples():
        first = (vars(example)["q"],) if "q" in vars(example) else ()
        assert (
            maker(*first, example.of, where=example.where) == example == made(*first, example.of, where=example.where)
        )


@pytest.mark.parametrize("kind", aggregates.registry())
@pytest.mark.parametrize("wrong", [5, "", "  ", b"x"])
def test_what_is_no_expression_is_refused(kind: str, wrong: object) -> None:
    """Rule: `of` and `where` are text; anything else is refused by the name of the argument."""
    first = (0.5,) if kind == "quantile" else ()
    for of, where, name in ((wrong, None, "of"), ("x", wrong, "where")):
        with pytest.raises(ValueError, match=f"`{name}` of {kind} is an expression as text"):
            getattr(tables, kind)(*first, of, where=where)
