"""What a table's kept state depends on, as one hash: state of another hash cannot be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from streams.expr import ExpressionError, compile  # noqa: A004 - the language's own word
from streams.spec import Stream
from tables.spec import Table


def fingerprint(stream: Stream, table: Table) -> str:
    """Return the sha256 (hex) of what shapes a table's state.

    That is key, windows, event time, aggregates, and the conditions and derived fields that they use. What says how
    long state is kept, or what is done with it, does not count: keep, grace, expose, emit, alerts, topics.
    """
    texts = [stream.where, table.where]
    texts += [getattr(each, part) for each in table.aggregates.values() for part in each.expressions]
    derive = {**stream.derive, **table.derive}
    used = set(table.key) | set(_fields(texts))
    for name, text in reversed(derive.items()):
        if name in used:
            used.update(_fields([text]))
    said = {
        "key": table.key,
        "window": [table.window.size, table.window.every] if table.window else None,
        "time": [stream.time.field, stream.time.unit] if stream.time else None,
        "where": [stream.where, table.where],
        "derive": {name: text for name, text in derive.items() if name in used},
        "aggregates": {name: each.describe() for name, each in table.aggregates.items()},
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _fields(texts: Iterable[str | None]) -> Iterator[str]:
    """Yield the fields that expressions read; a text that is none reads nothing, and is reported elsewhere."""
    for text in filter(None, texts):
        try:
            yield from compile(text).fields
        except ExpressionError:
            continue
