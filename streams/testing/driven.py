"""One partition of a table in a Harness: its engine, and the store that the engine reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tables.records import NEVER
from tables.store import MemoryStore

if TYPE_CHECKING:
    from streams.effects import Event, Write
    from streams.table_engine import TableEngine


@dataclass(frozen=True, slots=True)
class LaneTable:
    """One partition of one table: its engine, and the store that the engine reads."""

    engine: TableEngine
    store: MemoryStore

    @classmethod
    def opened(cls, engine: TableEngine) -> LaneTable:
        """Return an engine with an empty store."""
        store = MemoryStore()
        engine.load(store)
        return cls(engine, store)

    def drive(self, writes: Iterable[Write]) -> Iterator[Event]:
        """Carry out writes as a driver does, and yield their events in order."""
        for write in writes:
            yield from write.letters
            yield from write.events
            self.store.write(write.records, None)

    def close(self, time: int) -> Iterator[Event]:
        """Close the windows that end at `time` (ms) or before, and yield what is produced."""
        window = self.engine.plan.table.window
        grace = window.grace if window else 0
        if any(origin.watermark > NEVER for origin in self.engine.progress.origins.values()):
            yield from self.drive(self.engine.tick(time + grace))
