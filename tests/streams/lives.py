"""A table partition that lives and dies: the engine with a changelog, a store, and crashes wherever one can happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import numpy as np

from streams.effects import Event, Limits, Records, Write
from streams.engine import StreamEngine
from streams.plan import Plan
from streams.table_engine import TableEngine
from streams.testing.results import TableView
from tables.budget import Budget
from tables.reading import reader
from tables.records import Record
from tables.store import MemoryStore

BASE = 1_700_000_000_000


class Crash(Exception):  # noqa: N818 - that is what it is
    """The worker is gone."""


@dataclass
class Partition:
    """One table partition over all its lives.

    Args:
        plan: of the app; it has one stream and one table.
        values: the input log.
        random: decides batches, crashes and which store survives.
        limits: of a write.
        crashes: how often a life may end early.
        memory: bytes that its open cells may take; None sets no bound.
        holds: how often what is folded may wait for the next write.
        largest: records of the largest write, and
        widest: bytes of keys and values of the widest, over all lives.
    """

    plan: Plan
    values: list[bytes]
    random: Random
    limits: Limits = field(default_factory=Limits)
    crashes: int = 0
    memory: int | None = None
    holds: float = 0.5
    changelog: list[Record] = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)
    sent: list[Event] = field(default_factory=list)
    letters: list[Event] = field(default_factory=list)
    largest: int = 0
    widest: int = 0

    def run(self) -> Partition:
        """Read the whole log, however many lives it takes."""
        while True:
            try:
                self.live()
            except Crash:
                self.crashes -= 1
            else:
                return self

    def live(self) -> None:
        """Restore, resume, and read to the end of the log."""
        (stream,) = self.plan.streams.values()
        share = None if self.memory is None else Budget(self.memory).share()
        decoder, self.engine = StreamEngine(stream, 0), TableEngine(stream.tables[0], 0, self.limits, share=share)
        self.restore()
        self.engine.load(self.store)
        if decoder.origin not in self.engine.progress.origins:
            self.drive(self.engine.start(decoder.origin, -1))
        self.drive(self.engine.resume())
        position = self.engine.progress.origins[decoder.origin].z + 1
        if self.random.random() < 0.3:
            position = max(0, position - self.random.randrange(4))
        while position < len(self.values):
            end = min(len(self.values), position + self.random.choice((1, 1, 2, 3, 5, 8, 40)))
            batch, dead = decoder.decode(self.records(position, end))
            self.letters += dead
            self.drive(self.engine.fold_all([batch], hold=self.random.random() < self.holds))
            position = end
        self.drive(self.engine.flush())

    def records(self, lo: int, hi: int) -> Records:
        """Return part of the log as it would be fetched."""
        stamps = np.full(hi - lo, BASE * 2)
        return Records(lo, hi, np.arange(lo, hi), stamps, list(self.values[lo:hi]), [None] * (hi - lo))

    def restore(self) -> None:
        """Bring the store up to the end of the changelog; half of the time it has been lost."""
        if self.random.random() < 0.5:
            self.store = MemoryStore()
        done = self.store.offset() or 0
        self.store.write(self.changelog[done:], len(self.changelog))

    def drive(self, writes: Iterator[Write]) -> None:
        """Carry out writes as the runtime does; at each step the worker may die."""
        for write in writes:
            self.letters += write.letters
            self.die()
            self.largest = max(self.largest, len(write.records))
            self.widest = max(self.widest, sum(len(key) + len(value or b"") for key, value in write.records))
            self.changelog += write.records
            self.die()
            self.send(write.events)
            self.die()
            self.store.write(write.records, len(self.changelog))
            self.die()

    def send(self, events: list[Event]) -> None:
        """Send events; a worker that dies here may have sent some of them."""
        try:
            self.die()
        except Crash:
            self.sent += events[: self.random.randrange(len(events) + 1)]
            raise
        self.sent += events

    def die(self) -> None:
        """Die, now and then."""
        if self.crashes > 0 and self.random.random() < 0.08:
            raise Crash

    # what is left in the end

    def table(self) -> dict[tuple[int, str], dict[str, Any]]:
        """Return all rows as a store shows them that was restored from the changelog alone."""
        store = MemoryStore()
        store.write(self.changelog, len(self.changelog))
        view = TableView(self.engine.plan.table, [reader(self.engine.plan.table, store)])
        return {(row.start or 0, str(row.key)): row.values for row in view.rows()}

    def rows(self) -> dict[tuple[int, str], dict[str, Any]]:
        """Return the emitted rows, without repeats, which must be equal byte for byte."""
        once: dict[tuple[int, str], bytes] = {}
        for event in self.sent:
            if event.topic == self.engine.plan.emit_topic and event.value and event.key is not None:
                at = (int(dict(event.headers)["start"]), event.key.decode())
                assert once.setdefault(at, event.value) == event.value
        bodies = {at: json.loads(value) for at, value in once.items()}
        return {at: {name: body[name] for name in self.engine.plan.table.aggregates} for at, body in bodies.items()}

    def alerts(self, label: str = "host") -> list[tuple[str, str, int, int | None]]:
        """Return (`label`, status, startsAt, endsAt) of the alert events, without repeats, which must be equal."""
        once: dict[bytes, bytes] = {}
        for event in self.sent:
            if event.topic.endswith("-alerts") and event.value:
                assert once.setdefault(dict(event.headers)["id"], event.value) == event.value
        bodies = [json.loads(value) for value in once.values()]
        return [
            (b["labels"].get(label, ""), b["status"], ms(b["startsAt"]), b["endsAt"] and ms(b["endsAt"]))
            for b in bodies
        ]


def ms(text: str) -> int:
    """Return RFC 3339 text as ms since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
