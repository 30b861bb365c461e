"""What a write owes to others besides its records: what it tells them, and what a restored state tells them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.draft import outbox

if TYPE_CHECKING:
    from streams.effects import Event
    from streams.table_engine import TableEngine
    from tables.store import Store


def told(engine: TableEngine) -> tuple[list[Event], list[Event]]:
    """Return what tables that read this one are told with a write: blocks, and dead letters of rows they refuse.

    Args:
        engine: of which a write is being made.
    """
    progress, awake = engine.progress, engine.held and engine.feeds.said_idle
    if progress.judged == progress.before and not awake:
        return [], []
    progress.blocks = progress.blocks[1], progress.n
    if not engine.feeds:
        return [], []
    return engine.feeds.send(progress, engine.closer.closed_between(progress.before, progress.judged))


def owed(engine: TableEngine, store: Store, kept: Store) -> list[Event]:
    """Return the events of the last write, from the restored state alone.

    Args:
        engine: that was just loaded.
        store: of its partition.
        kept: holds the outbox: the store, or what was loaded in its place.
    """
    progress, emit = engine.progress, engine.plan.table.emit
    events = outbox(kept, progress.n)
    shows, feeds = emit.when == "close", engine.feeds and progress.blocks[1] == progress.n
    closed = engine.closer.closed_between(progress.before, progress.judged) if shows or feeds else []
    if shows:
        events += [event for rows in closed for _, event in engine.emitter.rows(rows)]
    events += engine.updates.owed() + engine.withdrawals.owed(store)
    if feeds:
        events += engine.feeds.send(progress, closed)[0]
    return events
