"""A re-key without Kafka: senders, logs of blocks, receivers with changelogs; restarts and crashes anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from streams.effects import Event, Limits, Records
from streams.engine import StreamEngine
from streams.load import loads
from streams.notes import Notes
from streams.planned import Plan, TablePlan
from streams.planner import make_plan
from streams.rekey.receiver import BlockReceiver
from streams.rekey.sender import Sender
from streams.table_engine import TableEngine
from tests.streams.lives import Partition

BASE = 1_700_000_000_000


def planned(text: str) -> Plan:
    """Return the plan of a declaration whose streams have no key, so that every table is re-keyed."""
    declaration = loads(text)
    streams = {name: replace(stream, key=()) for name, stream in declaration.streams.items()}
    notes = Notes()
    made = make_plan(replace(declaration, streams=streams), notes)
    assert notes.findings == []
    return made


@dataclass
class World:
    """Every partition of a stream, its one table, and the logs between them.

    Args:
        plan: of the app.
        inputs: record values by partition.
        random: decides cuts, order, restarts and crashes.
        crashes: how often each receiver may end early.
        restarts: how often senders may begin anew.
        limit: `max.message.bytes` of the repartition topic.
        limits: of a changelog write.
    """

    plan: Plan
    inputs: Sequence[list[bytes | None]]
    random: Random
    crashes: int = 0
    restarts: int = 0
    limit: int = 1 << 20
    limits: Limits = field(default_factory=Limits)
    logs: list[list[bytes | None]] = field(init=False)
    letters: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with empty logs."""
        self.logs = [[] for _ in self.inputs]

    @property
    def stream(self) -> Any:
        """The plan of the one stream."""
        (stream,) = self.plan.streams.values()
        return stream

    @property
    def table(self) -> TablePlan:
        """The plan of the one table."""
        (table,) = self.stream.tables
        return table

    @property
    def origins(self) -> list[str]:
        """The names of the input partitions."""
        return [f"{self.stream.stream.topic}-{partition}" for partition in range(len(self.inputs))]

    def run(self) -> list[Receiver]:
        """Send all input, in any order between the origins, and receive it."""
        lives = [self.sending(partition) for partition in range(len(self.inputs))]
        while lives:
            life = self.random.choice(lives)
            if next(life, None) is None:
                lives.remove(life)
        return [Receiver(self, partition).run() for partition in range(len(self.inputs))]

    def sending(self, partition: int) -> Iterator[bool]:
        """Send one partition batch by batch; a new life begins at or before what is committed.

        What was on its way when a life ended lands then, or later, or never.
        """
        stale: list[Event] = []
        commit, position, sender = 0, 0, self.sender(partition)
        values = self.inputs[partition]
        decoder = StreamEngine(self.stream, partition)
        while position < len(values):
            stop = min(len(values), position + self.random.choice((1, 2, 3, 5, 8, 40)))
            batch, dead = decoder.decode(records(values, position, stop))
            sent = sender.send(batch)
            self.letters += dead + sent.letters
            position = stop
            if self.restarts and self.random.random() < 0.15:
                self.restarts -= 1
                landed = self.random.randrange(len(sent.blocks) + 1)
                self.append(sent.blocks[:landed])
                stale += sent.blocks[landed:]
                position, sender = commit, self.sender(partition)
                continue
            self.append(sent.blocks)
            if stale and self.random.random() < 0.5:
                self.append(stale)
                stale.clear()
            if self.random.random() < 0.7:
                commit = position
            yield True

    def sender(self, partition: int) -> Sender:
        """Return a fresh sender."""
        return Sender(self.table, self.origins[partition], len(self.inputs), self.limit)

    def append(self, blocks: list[Event]) -> None:
        """Append blocks to the logs of their destinations."""
        for block in blocks:
            assert block.partition is not None
            assert len(block.value or b"") < self.limit
            self.logs[block.partition].append(block.value)


class Receiver(Partition):
    """A partition of the re-keyed table over all its lives."""

    def __init__(self, world: World, partition: int) -> None:
        """Begin without state."""
        super().__init__(world.plan, [], world.random, world.limits, world.crashes)
        self.world, self.partition = world, partition

    def live(self) -> None:
        """Restore, resume, and read to the end of the log, from the commit or before it."""
        self.engine = TableEngine(self.world.table, self.partition, self.limits)
        self.restore()
        self.engine.load(self.store)
        receiver = BlockReceiver(self.engine, self.world.origins, self.partition)
        self.drive(receiver.start())
        self.drive(self.engine.resume())
        log, position = self.world.logs[self.partition], getattr(self, "commit", 0)
        while position < len(log):
            stop = min(len(log), position + self.random.choice((1, 1, 2, 3, 5, 20)))
            blocks, letters = receiver.receive(records(log, position, stop))
            self.letters += letters
            self.drive(receiver.fold(blocks))
            position = stop
            if self.random.random() < 0.5:
                self.commit = position


def records(values: Sequence[bytes | None], lo: int, hi: int) -> Records:
    """Return part of a log as it would be fetched."""
    count = hi - lo
    stamps = np.full(count, BASE * 2)
    keys: list[bytes | None] = [b"k%d" % at for at in range(lo, hi)]
    return Records(lo, hi, np.arange(lo, hi), stamps, list(values[lo:hi]), keys)


def encode(events: Sequence[dict[str, Any]]) -> list[bytes | None]:
    """Return record values of events."""
    return [json.dumps(event).encode() for event in events]
