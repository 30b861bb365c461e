"""What a table's kept state depends on: its shape, by which a changed declaration is recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from streams.expr import ExpressionError, compile  # noqa: A004 - the language's own word
from streams.rekey.local import is_local
from streams.spec import Stream
from tables.shapes import Kept, Shape, kept, kept_columns
from tables.spec import Table
from tables.unaligned.span import span_columns

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate


def shape(sources: Sequence[Stream | Shape], table: Table) -> Shape:
    """Return what shapes a table's state.

    Args:
        sources: the streams that it reads; of a table that it reads the shape.
        table: as it is declared.

    The base is key, windows, event time, and the conditions and derived fields that they use; the columns are the
    aggregates with the derived fields that they use. What says how long state is kept, or what is done with it, does
    not count: keep, grace, expose, emit, alerts, topics.
    """
    streams = [each for each in sources if isinstance(each, Stream)]
    derived = [{**each.derive, **table.derive} for each in streams] or [dict(table.derive)]
    times = [[each.time.field, each.time.unit] if each.time else None for each in streams]
    wheres = [each.where for each in streams]
    read = [each.base_digest for each in sources if isinstance(each, Shape)]
    plain = len(sources) == len(streams) == 1
    base = {
        "key": list(table.key),
        "window": table.window.shape() if table.window else None,
        "time": times[0] if plain else times,
        "where": [*wheres, table.where],
        "derive": _used(derived, {*table.key, *table.unique, *_fields([*wheres, table.where])}),
        **({} if is_local(sources, table) else {"rekeyed": True}),  # its rows lie in other partitions than they would
        **({"tables": read} if read else {}),
        **({"join": [dict(each.join) for each in streams]} if any(each.join for each in streams) else {}),
        **({"unique": list(table.unique)} if table.unique else {}),
    }
    columns = {name: _column(each, derived) for name, each in table.aggregates.items()}
    spans = {name: kept_columns(name, {}, each) for name, each in span_columns(table).items()}
    return Shape(base, {**spans, **columns})


def _column(aggregate: Aggregate, derived: Sequence[Mapping[str, str]]) -> Kept:
    fields = _fields(getattr(aggregate, part) for part in aggregate.expressions)
    return kept(aggregate, _used(derived, set(fields)))


def _used(derived: Sequence[Mapping[str, str]], used: set[str]) -> dict[str, str]:
    """Return the derived fields that are used, by name; of several sources what each derives (or `-`), in order."""
    found = [_used_of(derive, set(used)) for derive in derived]
    names = dict.fromkeys(name for each in found for name in each)
    return {name: " | ".join(each.get(name, "-") for each in found) for name in names}


def _used_of(derive: Mapping[str, str], used: set[str]) -> dict[str, str]:
    """Return the derived fields that are used, directly or by others that are."""
    for name, text in reversed(list(derive.items())):
        if name in used:
            used.update(_fields([text]))
    return {name: text for name, text in derive.items() if name in used}


def _fields(texts: Iterable[str | None]) -> Iterator[str]:
    """Yield the fields that expressions read; a text that is none reads nothing, and is reported elsewhere."""
    for text in filter(None, texts):
        try:
            yield from compile(text).fields
        except ExpressionError:
            continue
