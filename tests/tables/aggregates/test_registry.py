"""The registry: a file is all that an aggregate needs."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tables
from tables import aggregates

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate

FILES = {path.stem for path in Path(aggregates.__file__).parent.glob("*.py")}
HELPERS = {
    "__init__",
    "base",
    "counters",
    "edges",
    "extreme_by",
    "extremes",
    "hashes",
    "lists",
    "moments",
    "numeric",
    "order",
    "sketch",
    "sums",
    "timely",
}


def arguments_of(example: Aggregate) -> dict[str, Any]:
    """Return the arguments that an aggregate was made of."""
    return {name: getattr(example, name) for name in signature(type(example)).parameters}


def test_every_file_of_an_aggregate_is_found() -> None:
    """Rule: each file but the shared ones holds one aggregate, of the file's name."""
    assert set(aggregates.registry()) == FILES - HELPERS


@pytest.mark.parametrize("kind", aggregates.registry())
def test_the_word_of_a_declaration_makes_the_aggregate(kind: str) -> None:
    """Rule: `from tables import <kind>` gives the function that makes the registered class, with the same arguments."""
    maker, made = getattr(tables, kind), aggregates.registry()[kind]
    for example in made.examples():
        arguments = arguments_of(example)
        assert maker(**arguments) == example == made(**arguments)


@pytest.mark.parametrize("kind", aggregates.registry())
@pytest.mark.parametrize("wrong", [5, "", "  ", b"x"])
def test_what_is_no_expression_is_refused(kind: str, wrong: object) -> None:
    """Rule: `of` and `where` are text; anything else is refused by the name of the argument."""
    made = aggregates.registry()[kind]
    for name in made.expressions:
        with pytest.raises(ValueError, match=f"`{name}` of {kind} is an expression as text"):
            getattr(tables, kind)(**{**arguments_of(made.examples()[0]), name: wrong})
