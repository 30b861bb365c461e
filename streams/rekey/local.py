"""Whether a table can be folded where the records of its stream lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.spec import Stream
    from tables.spec import Table


def is_local(stream: Stream, table: Table) -> bool:
    """Return whether rows of one table key always lie in one partition of the stream's topic.

    They do if the fields of the stream's key are all among those of the table's key: rows that agree in these agree in
    the record key too. A field that the table derives anew is not the one that the producers used.
    """
    placed = set(stream.key)
    return bool(placed) and placed <= set(table.key) and not placed & set(table.derive)
