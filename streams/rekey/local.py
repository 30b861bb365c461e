"""Whether a table can be folded where the records of its stream lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.spec import Stream

if TYPE_CHECKING:
    from tables.spec import Table


def is_local(sources: Sequence[object], table: Table) -> bool:
    """Return whether rows of one table key always lie in one partition of what the table reads.

    They do if it reads one stream, and the fields of the stream's key are all among those of the table's key: rows that
    agree in these agree in the record key too. A field that the table derives anew is not the one that the producers
    used. The rows of several streams, or of a table, come together through a topic of the table's own.

    Args:
        sources: what the table reads.
        table: as it is declared.
    """
    if len(sources) != 1 or not isinstance(sources[0], Stream):
        return False
    placed = set(sources[0].key)
    return bool(placed) and placed <= set(table.key) and not placed & set(table.derive)
