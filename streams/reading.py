"""What tables read: streams and other tables, in what order they are planned, and the types that sources agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.needs import SAID, narrower
from streams.scope import Scope

if TYPE_CHECKING:
    from streams.codecs.base import FieldType
    from streams.notes import Notes
    from streams.planned import TablePlan
    from streams.problems import Path
    from streams.spec import Declaration, Stream
    from tables.spec import Table

WINDOW_START, WINDOW_END = "window.start", "window.end"
"""The fields that the rows of a table have besides its key and columns: the bounds of their window, ms."""


@dataclass
class Source:
    """A stream or a table that tables read.

    Args:
        name: of it.
        of: the declared stream, or the plan of the table.
        scope: the fields that it has, and what its tables use of them.
        streams: names of the streams that it is made of: itself, or what the table reads.
    """

    name: str
    of: Stream | TablePlan
    scope: Scope
    streams: tuple[str, ...]
    inner: list[Scope] = field(default_factory=list)

    def open(self) -> Scope:
        """Return the scope of a table that reads it."""
        self.inner.append(self.scope.inner())
        return self.inner[-1]


def is_table(declaration: Declaration, name: str) -> bool:
    """Return whether `from: name` means a table; a stream of that name goes before it."""
    return name in declaration.tables and name not in declaration.streams


def upstream(declaration: Declaration, table: Table) -> list[str]:
    """Return the names of the tables that a table reads."""
    return [name for name in table.sources if is_table(declaration, name)]


def ordered(declaration: Declaration) -> list[str]:
    """Return the names of the tables, those that a table reads before it; those that read each other are left out."""
    done: dict[str, None] = {}
    waiting = list(declaration.tables)
    while ready := [name for name in waiting if done.keys() >= set(upstream(declaration, declaration.tables[name]))]:
        done.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in done]
    return list(done)


def circle(declaration: Declaration, name: str) -> list[str]:
    """Return the tables by which a table reads itself, itself first and last; empty if it does not."""
    paths = [[name]]
    seen = set()
    while paths:
        path = paths.pop(0)
        for each in upstream(declaration, declaration.tables[path[-1]]):
            if each == name:
                return [*path, name]
            if each not in seen:
                seen.add(each)
                paths.append([*path, each])
    return []


@dataclass(frozen=True)
class Part:
    """One source of a table, and what the table uses of it.

    Args:
        plan: of the table over this source.
        scope: in which it was compiled.
        outer: what the source derives.
    """

    plan: TablePlan
    scope: Scope
    outer: frozenset[str]

    def type(self, name: str) -> FieldType:
        """Return the type of a field of the source."""
        return self.scope.type_of(name)


def agree(tables: Mapping[str, Sequence[Part]], notes: Notes) -> None:
    """Give each field that a table reads of several sources one type in all of them; note where there is none."""
    changed = True
    while changed:
        changed = False
        for name, parts in tables.items():
            for field_, type_ in _types(name, parts, notes):
                for part in parts:
                    changed |= _narrow(part, field_, type_, ("tables", name, "from"))


def _types(table: str, parts: Sequence[Part], notes: Notes) -> Iterator[tuple[str, FieldType]]:
    if len(parts) < 2:  # noqa: PLR2004 - a single one agrees with itself
        return
    for name in sorted(set().union(*(part.plan.needs for part in parts))):
        first, merged = parts[0], parts[0].type(name)
        for part in parts[1:]:
            both = narrower(merged, part.type(name))
            if both is None:
                message = f"field `{name}` is {SAID[merged]} in {first.plan.source!r}"
                other = f"{SAID[part.type(name)]} in {part.plan.source!r}"
                fix = "make them one type, by `derive` in one of the streams"
                notes.wrong(("tables", table, "from"), f"{message} and {other}; {fix}")
                break
            merged = both
        else:
            yield name, merged


def _narrow(part: Part, name: str, type_: FieldType, path: Path) -> bool:
    """Ask a source for a field of this type; return whether that is news."""
    if name in part.outer or part.type(name) == type_:
        return False
    part.scope.ask(name, type_, path)
    return part.type(name) == type_
