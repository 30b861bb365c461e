"""What a declaration would do with the state that a cluster keeps; nothing is changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streams.runtime.generations import generation
from streams.transport.tail import last_progress, last_shape
from streams.upgrading import told, words
from tables.shapes import BASE_DIGITS, difference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from streams.planned import Plan, TablePlan
    from streams.transport.client import Client

_GENERATION = re.compile(rf"-[0-9a-f]{{{BASE_DIGITS}}}$")


async def compare(client: Client, plan: Plan) -> AsyncIterator[str]:
    """Yield in words what becomes of the state of each table, and which state no table goes on with.

    Args:
        client: a started client; it only reads.
        plan: of the declaration.

    Raises:
        TransportError: the cluster cannot be read.
    """
    found = sorted(await client.topics())
    yield f"kept state at {client.address}"
    used = set()
    for table in plan.tables.values():
        chosen = await generation(client, table)
        used.add(chosen)
        yield f"  table {table.name}: {await _table(client, table, chosen, found)}"
    for topic in changelogs(found, plan):
        if topic not in used:
            yield f"  {topic}: no table goes on with it (another generation, or a table that was renamed or taken out)"


async def _table(client: Client, table: TablePlan, chosen: str, found: Iterable[str]) -> str:
    progress = await last_progress(client, chosen)
    if progress is None:
        return await _new(client, table, chosen, found)
    if progress.fingerprint == table.fingerprint:
        return f"unchanged, goes on in {chosen}"
    last = await last_shape(client, chosen, progress.shape)
    if last is None:
        return f"goes on in {chosen}, which does not say what it is made of: it will be refused"
    changed = difference(last, table.shape)
    since = ", which are null until the first window that begins after the change" if changed.added else ""
    if changed.added and table.table.window is None:
        since = ", which count from the change on"
    return f"migrates in {chosen}: {told(changed)}{since}{_hop(table)}"


def _hop(table: TablePlan) -> str:
    """Return what is to be said of a re-keyed table whose declaration changed."""
    if table.repartition is None:
        return ""
    return (
        f". Rows that still wait in {table.repartition} do not have what is new: to lose nothing, stop the input, and "
        f"the workers when they have caught up"
    )


async def _new(client: Client, table: TablePlan, chosen: str, found: Iterable[str]) -> str:
    """Return what is to be said of a table without state in its generation."""
    others = [topic for topic in found if topic != chosen and _GENERATION.sub("", topic) == table.changelog]
    for topic in others:
        progress = await last_progress(client, topic)
        if progress is None:
            continue
        last = await last_shape(client, topic, progress.shape)
        why = words(difference(last, table.shape).base) if last else "its declaration"
        return (
            f"starts anew in {chosen}: {why} changed. It counts from the group's committed offsets on; {topic} stays "
            f"as it is until you delete it{_hop(table)}"
        )
    return f"new, in {chosen}; no state is kept yet. A renamed table is a new table"


def changelogs(found: Iterable[str], plan: Plan) -> list[str]:
    """Return those of the topics that are changelogs of the app: by their default names, or of declared tables."""
    default = re.compile(rf"{re.escape(plan.declaration.app)}-[a-z][a-z0-9_]*-changelog(-[0-9a-f]{{{BASE_DIGITS}}})?")
    declared = {table.changelog for table in plan.tables.values()}
    return [topic for topic in found if default.fullmatch(topic) or _GENERATION.sub("", topic) in declared]
