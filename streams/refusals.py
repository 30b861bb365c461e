"""Rows that a table does not fold: late ones, and those that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from streams import reasons
from streams.letters import LATE, letter
from tables.keys import FULL

if TYPE_CHECKING:
    from streams.arrivals import Arrivals
    from streams.effects import Batch, Event
    from streams.planned import TablePlan
    from streams.stats import TableStats

LARGE = -3
"""Stands for the code of a row that is too large, beside `BAD` and `FULL`."""

CROWDED = -4
"""Stands for the code of a row whose id has no room."""


class Refuser(Protocol):
    """Who refuses rows: a table engine, or the sender of a re-key."""

    plan: TablePlan
    stats: TableStats


class Refusals:
    """Counts the rows that a table partition does not fold, and carries them on.

    Args:
        engine: whose plan and counters it uses.
    """

    def __init__(self, engine: Refuser) -> None:
        """Keep the engine."""
        self._engine, self._plan = engine, engine.plan

    def late(self, batch: Batch, rows: Arrivals) -> list[Event]:
        """Return letters to the late topic, if there is one, for rows whose windows were all closed."""
        self._engine.stats.late += len(rows)
        topic = self._plan.late_topic
        if topic is None:
            return []
        message = f"all windows of table {self._plan.name} that it belongs to were closed"
        return [self._letter(batch, row, topic, LATE, message) for row in rows.where.tolist()]

    def refused(self, batch: Batch, rows: Arrivals) -> list[Event]:
        """Return dead letters for rows whose key code says why they cannot be folded."""
        letters = []
        for row, code in enumerate(rows.codes.tolist()):
            reason, message = self._why(rows, row, code)
            self._engine.stats.dead[reason] += 1
            letters.append(self._letter(batch, int(rows.where[row]), self._plan.dead_letters, reason, message))
        return letters

    def _why(self, rows: Arrivals, row: int, code: int) -> tuple[str, str]:
        name = self._plan.name
        if code == FULL:
            most = self._plan.table.max_keys
            return reasons.TOO_MANY_KEYS, f"table {name} has {most} keys in this partition; raise `max_keys`"
        if code == CROWDED:
            most = self._plan.table.max_ids
            return reasons.TOO_MANY_IDS, f"table {name} remembers {most} ids in this partition; raise `max_ids`"
        if code == LARGE:
            return reasons.TOO_LARGE, f"a row of table {name} with this key and text fits in no changelog record"
        values = {part: rows.columns[part].take(np.array([row])).tolist()[0] for part in self._plan.key}
        for part, value in values.items():
            if value is None:
                return reasons.NULL_KEY, f"key field {part} of table {name} is null"
        shown = ", ".join(f"{part}={value!r:.100}" for part, value in values.items())
        return reasons.WRONG_TYPE, f"{shown} cannot be a key of table {name}: it is made of texts and finite numbers"

    def _letter(self, batch: Batch, row: int, to: str, reason: str, message: str) -> Event:
        if batch.source is None:
            raise ValueError(f"a batch of {batch.origin} came without the records that it was decoded from")
        topic, _, partition = batch.origin.rpartition("-")
        index = int(batch.rows[row])
        return letter(batch.source, index, to=to, topic=topic, partition=int(partition), reason=reason, message=message)
