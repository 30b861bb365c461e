"""Mistakes in a declaration: what is wrong, where, and what was probably meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any

import click

Path = tuple[str | int, ...]
"""Where something stands in a declaration: `("tables", "traffic", "aggregates", "p95")`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: its file, line and column, both from 1; column 0 is the whole line."""

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, or `file:line` for a whole line."""
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: a sentence, and where it was made."""

    line: int
    column: int
    message: str
    file: str = ""

    @classmethod
    def at(cls, place: Place, message: str) -> Problem:
        """Return the problem `message` at `place`."""
        return cls(place.line, place.column, message, place.file)

    def __str__(self) -> str:
        """Return `file:line:column: message`."""
        return f"{Place(self.file, self.line, self.column)}: {self.message}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a declaration, before it is known where in a file that is.

    Args:
        path: the part of the declaration that is wrong.
        message: what is wrong, with the value, and a suggestion.
        offset: how many characters into the text at `path` the mistake lies; None is the text as a whole.
        other: the part that it disagrees with.
    """

    path: Path
    message: str
    offset: int | None = None
    other: Path | None = None


class DeclarationError(click.ClickException):
    """A declaration with mistakes; its text is one line for each, in the order of the file.

    Where it is not caught, a command line (`streams`, or `faust -A module` while it imports the module) shows that text
    and no traceback, and ends with exit code 78. It is no ValueError: Faust would wrap that into another one.
    """

    exit_code = getattr(os, "EX_CONFIG", 78)

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems, sorted by where they are."""
        self.problems = sorted(set(problems), key=lambda each: (each.file, each.line, each.column, each.message))
        super().__init__("\n".join(str(each) for each in self.problems))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the mistakes to standard error, or to `file`."""
        click.echo(self.message, file=file, err=file is None)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the name in `known` that `word` was probably meant to be; None if none is near."""
    near = difflib.get_close_matches(word, sorted(set(known)), n=1, cutoff=0.6)
    return near[0] if near else None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'quantile'?`, or all that is known if nothing is near, or nothing if that is too much."""
    names = sorted(set(known))
    if near := nearest(word, names):
        return f"; did you mean {near!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 20 else ""  # noqa: PLR2004 - more is no help on a line
