"""The names that an expression may use, and expressions compiled among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streams.codecs.base import FieldType
from streams.expr import Expression, ExpressionError, compile  # noqa: A004 - the language's own word
from streams.needs import Needs
from streams.notes import Notes
from streams.problems import Finding, Path

Expect = Literal["number", "text", "bool"]


@dataclass
class Scope:
    """The fields of a stream, and what is derived from them so far.

    Args:
        needs: the fields of the stream; what is compiled here adds to them.
        notes: where mistakes go.
        derived: types of derived fields by name.
        places: where each is derived, by name.
        joined: by the name of a lookup, what is used of its fields.
    """

    needs: Needs
    notes: Notes
    derived: dict[str, FieldType] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    joined: dict[str, Needs] = field(default_factory=dict)

    def inner(self) -> Scope:
        """Return a scope that knows all of this one, and keeps to itself what is derived in it."""
        return Scope(self.needs, self.notes, dict(self.derived), dict(self.places), self.joined)

    def _owner(self, name: str) -> Needs:
        """Return what has a field: a lookup that is joined, or the records."""
        return self.joined.get(name.partition(".")[0], self.needs) if "." in name else self.needs

    def ask(self, name: str, type_: FieldType, path: Path) -> None:
        """Note that the part at `path` needs a field to be of a type."""
        self.notes.add(self._owner(name).add(name, type_, path))

    def type_of(self, name: str) -> FieldType:
        """Return what a field is as far as its uses tell."""
        return self.derived.get(name) or self._owner(name).types.get(name, "any")

    def compile(self, text: str | None, path: Path, expect: Expect | None = None, part: str = "") -> Expression | None:
        """Return the compiled expression; None if there is no text, or a mistake in it, which is noted.

        Args:
            text: the expression.
            path: where it stands in the declaration.
            expect: what its value must be.
            part: the argument of the call at `path` that it is, if it is not all that stands there.
        """
        if text is None:
            return None
        derive: Path = (*path[:2], "derive")
        fixed = self.needs.known
        open_ = fixed is None or self.joined or self.notes.is_broken(derive)
        known = None if open_ else {*(fixed or {}), *self.derived}
        try:
            made = compile(text, {**(fixed or {}), **self.derived}, expect=expect, known=known)
        except ExpressionError as error:
            message = f"in `{part}`, column {error.column}: {error.message}" if part else error.message
            self.notes.add(Finding(path, message, None if part else error.column - 1))
            return None
        for name in sorted(made.fields - self.derived.keys()):
            self.ask(name, made.uses[name], path)
        return made

    def condition(self, text: str | None, path: Path, part: str = "") -> Expression | None:
        """Return the compiled condition; None if there is none."""
        return self.compile(text, path, "bool", part)

    def derive(self, derive: Mapping[str, str], path: Path) -> dict[str, Expression]:
        """Return the compiled derived fields, each of which may use those before it."""
        made = {}
        for name, text in derive.items():
            expression = self.compile(text, (*path, name))
            if name in self.derived:
                message = f"`{name}` is derived twice; rename one of them"
                self.notes.wrong((*path, name), message, other=self.places[name])
            self.derived[name] = expression.type if expression else "any"
            self.places.setdefault(name, (*path, name))
            if expression:
                made[name] = expression
        return made
