"""What a table's kept state depends on: its shape, by which a changed declaration is recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from streams.expr import ExpressionError, compile  # noqa: A004 - the language's own word
from streams.rekey.local import is_local
from streams.spec import Stream
from tables.shapes import Kept, Shape, kept
from tables.spec import Table

if TYPE_CHECKING:
    from tables.aggregates.base import Aggregate


def shape(stream: Stream, table: Table) -> Shape:
    """Return what shapes a table's state.

    The base is key, windows, event time, and the conditions and derived fields that they use; the columns are the
    aggregates with the derived fields that they use. What says how long state is kept, or what is done with it, does
    not count: keep, grace, expose, emit, alerts, topics.
    """
    derive = {**stream.derive, **table.derive}
    base = {
        "key": list(table.key),
        "window": table.window.shape() if table.window else None,
        "time": [stream.time.field, stream.time.unit] if stream.time else None,
        "where": [stream.where, table.where],
        "derive": _used(derive, {*table.key, *_fields([stream.where, table.where])}),
        **({} if is_local(stream, table) else {"rekeyed": True}),  # its rows lie in other partitions than they would
    }
    return Shape(base, {name: _column(each, derive) for name, each in table.aggregates.items()})


def _column(aggregate: Aggregate, derive: Mapping[str, str]) -> Kept:
    fields = _fields(getattr(aggregate, part) for part in aggregate.expressions)
    return kept(aggregate, _used(derive, set(fields)))


def _used(derive: Mapping[str, str], used: set[str]) -> dict[str, str]:
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
