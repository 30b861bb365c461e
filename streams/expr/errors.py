"""What is told to the user about a mistake in an expression or a template."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 20
"""Up to so many names are listed."""


class ExpressionError(ValueError):
    """A mistake in an expression, an aggregate call or a template.

    Args:
        message: what is wrong, with the value and the likely fix.
        column: where, in characters from 1.
    """

    def __init__(self, message: str, column: int) -> None:
        """Keep both apart, so that a file position can be made of the column."""
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the nearest of `names`, else the list of them, else nothing."""
    known = sorted(names)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; there are {', '.join(known)}" if 0 < len(known) <= _FEW else ""
