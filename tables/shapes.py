"""The shape of a table's kept state: what its cells mean and how they are laid out, over changes of its declaration.

Every shape that a partition's state ever had is kept in its changelog, under its number; a cell says by which it was
written. So a changed table need not write its cells again: what another shape wrote is read by that, and what the
present one still has of it goes on.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tables.aggregates.base import Fixed, Objects, Ragged
from tables.records import NEVER, SHAPE
from tables.state import Former, Layout

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate
    from tables.columns import Column
    from tables.store import Store

BASE_DIGITS = 8
_NUMBER = struct.Struct(">H")


class Kept(msgspec.Struct, frozen=True):
    """One column as it is kept.

    Args:
        call: the aggregate as it describes itself.
        derive: the derived fields that it uses, name to expression.
        state: its state columns by name: `["fixed", dtype]`, `["ragged", dtype]`, `["ragged", dtype, split]` or
            `["objects"]`.
        born: number of the shape in which this column was new; an equal one of another birth is another column.
        since: the first pane that it saw from its beginning; windows with an earlier pane would show a part.
    """

    call: str
    derive: dict[str, str]
    state: dict[str, list[Any]]
    born: int = 0
    since: int = NEVER

    def same(self, other: Kept) -> bool:
        """Return whether both count the same in the same way, and write it in the same way."""
        return (self.call, self.derive, self.state) == (other.call, other.derive, other.state)

    def lives_as(self, other: Kept) -> bool:
        """Return whether both count the same in the same way: one goes on from what the other has kept."""
        return (self.call, self.derive, self._columns) == (other.call, other.derive, other._columns)

    @property
    def _columns(self) -> dict[str, list[Any]]:
        """What is kept, in memory: how entries are packed when they are written is not in it."""
        return {name: said[:2] for name, said in self.state.items()}


class Shape(msgspec.Struct, frozen=True):
    """What a table's cells mean.

    Args:
        base: by name, what all columns stand on (key, windows, event time, conditions): another base is another table.
        columns: by name, in the order of their layout.
    """

    base: dict[str, Any]
    columns: dict[str, Kept]

    @property
    def base_digest(self) -> str:
        """The first digits of the base's sha256 (hex): the name of a generation."""
        text = json.dumps(self.base, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:BASE_DIGITS]

    @property
    def fingerprint(self) -> str:
        """The sha256 (hex) of the whole shape as it is declared, in whatever order."""
        said = [
            self.base_digest,
            [[name, each.call, each.derive, each.state] for name, each in sorted(self.columns.items())],
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def same(self, other: Shape) -> bool:
        """Return whether cells of both are read in the same way: the order of the columns counts."""
        columns = zip(self.columns.values(), other.columns.values(), strict=False)
        return (
            self.base == other.base
            and list(self.columns) == list(other.columns)
            and all(one.same(another) for one, another in columns)
        )

    def encode(self) -> bytes:
        """Return the record value."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Shape:
        """Return the shape that a record value says."""
        return msgspec.json.decode(value, type=cls)

    def layout(self) -> Layout:
        """Return where the state lies in a cell of this shape."""
        return Layout(
            {name: {key: _kind(kind) for key, kind in each.state.items()} for name, each in self.columns.items()}
        )


def kept(aggregate: Aggregate, derive: Mapping[str, str]) -> Kept:
    """Return a declared column as it is kept.

    Args:
        aggregate: of the column.
        derive: the derived fields that it uses.
    """
    return kept_columns(aggregate.describe(), derive, aggregate.columns())


def kept_columns(call: str, derive: Mapping[str, str], columns: Mapping[str, Fixed | Ragged | Objects]) -> Kept:
    """Return state columns as they are kept, under what makes them."""
    return Kept(call, dict(derive), {key: _said(kind) for key, kind in columns.items()})


def _said(kind: Fixed | Ragged | Objects) -> list[Any]:
    if isinstance(kind, Objects):
        return ["objects"]
    dtype = kind.dtype if isinstance(kind.dtype, str) else [list(each) for each in kind.dtype]
    if isinstance(kind, Fixed):
        return ["fixed", dtype]
    return ["ragged", dtype] if kind.split is None else ["ragged", dtype, kind.split]


def _kind(said: list[Any]) -> Fixed | Ragged | Objects:
    name, *dtype = said
    if name == "objects":
        return Objects()
    if name == "fixed":
        return Fixed(dtype[0])
    entry = dtype[0] if isinstance(dtype[0], str) else tuple((each, kind) for each, kind in dtype[0])
    return Ragged(entry, *dtype[1:])


@dataclass(frozen=True)
class Shapes:
    """The present shape of one partition's state, and the former ones that its cells may still have.

    Args:
        number: of the present shape.
        present: the shape itself; None for a table that never changed, whose shape nobody asks for.
        former: other shapes by number, as a state reads them.
    """

    number: int = 0
    present: Shape | None = None
    former: Mapping[int, Former] = field(default_factory=lambda: MappingProxyType({}))

    def partial(self, pane: int) -> list[str]:
        """Return the columns that did not see a pane from its beginning."""
        return [name for name, since in self._begun if since > pane]

    def cleared(self, found: Mapping[str, Column], panes: NDArray[np.int64]) -> dict[str, Column]:
        """Return columns by name; null in the rows of which a column did not see all, whose first panes are given."""
        clear = dict(found)
        for name, since in self._begun:
            part, null = since > panes, found[name].null
            clear[name] = replace(found[name], null=part if null is None else null | part)
        return clear

    @cached_property
    def _begun(self) -> tuple[tuple[str, int], ...]:
        """The columns that were added to a table at work, and their first pane."""
        columns = self.present.columns if self.present else {}
        return tuple((name, each.since) for name, each in columns.items() if each.since > NEVER)

    @classmethod
    def of(cls, all_shapes: Mapping[int, Shape], number: int) -> Shapes:
        """Return the shapes as seen from one of them."""
        present = all_shapes.get(number)
        if present is None:
            return cls(number)
        others = {each: former(shape, present) for each, shape in all_shapes.items() if each != number}
        return cls(number, present, others)


def former(shape: Shape, present: Shape) -> Former:
    """Return how cells of a former shape are read: only columns that have lived on since then are taken over."""
    here = present.columns
    lived = {name for name, each in shape.columns.items() if name in here and here[name].born == each.born}
    return Former(shape.layout(), frozenset(lived))


def shape_key(number: int) -> bytes:
    """Return the changelog key of a shape."""
    return SHAPE + _NUMBER.pack(number)


def kept_shapes(store: Store) -> dict[int, Shape]:
    """Return all shapes of a partition by number."""
    return {_NUMBER.unpack(key[len(SHAPE) :])[0]: Shape.decode(value) for key, value in store.scan(SHAPE)}


def evolved(last: Shape, declared: Shape, number: int, boundary: int) -> Shape:
    """Return the declared shape as it follows on the last one.

    Args:
        last: the shape so far.
        declared: has the same base.
        number: of the new shape.
        boundary: the first pane of which nothing was seen yet: new columns begin there.
    """
    columns = {}
    for name, each in declared.columns.items():
        before = last.columns.get(name)
        lives = before is not None and before.lives_as(each)
        born, since = (before.born, before.since) if before is not None and lives else (number, boundary)
        columns[name] = msgspec.structs.replace(each, born=born, since=since)
    return Shape(declared.base, columns)


@dataclass(frozen=True)
class Difference:
    """What lies between a kept shape and a declared one.

    Args:
        base: names of what differs and makes it another table.
        added: columns that begin anew, those that mean something else now among them.
        removed: columns that are forgotten.
    """

    base: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.base or self.added or self.removed)


def difference(last: Shape, declared: Shape) -> Difference:
    """Return what a declaration changes of a kept shape."""
    names = [name for name in {**last.base, **declared.base} if last.base.get(name) != declared.base.get(name)]
    before, after = last.columns, declared.columns
    return Difference(
        tuple(names),
        tuple(name for name, each in after.items() if name not in before or not before[name].lives_as(each)),
        tuple(name for name in before if name not in after),
    )
