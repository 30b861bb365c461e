"""Which changelog a table goes on with: a declaration that means another table begins a generation of its own.

The first generation has the changelog's plain name. A worker whose declaration has another base (key, window, event
time, conditions) than the state in it takes `<changelog>-<digits>`, the first digits of its base's hash: the same for
all workers of one declaration, another for each declaration, so that both sides of a rolling upgrade keep their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.transport import topics
from streams.transport.errors import TopicMissing
from streams.transport.tail import last_progress

if TYPE_CHECKING:
    from streams.planned import TablePlan
    from streams.transport.client import Client


def own_generation(table: TablePlan) -> str:
    """Return the name of the table's own generation, which it has where the plain one is another's."""
    return f"{table.changelog}-{table.shape.base_digest}"


async def generation(client: Client, table: TablePlan) -> str:
    """Return the changelog that the table goes on with; it need not exist yet."""
    own = own_generation(table)
    if await exists(client, own):
        return own
    progress = await last_progress(client, table.changelog)
    return table.changelog if progress is None or progress.base == table.shape.base_digest else own


async def exists(client: Client, topic: str) -> bool:
    """Return whether there is such a topic."""
    try:
        await topics.partitions(client, topic)
    except TopicMissing:
        return False
    return True
