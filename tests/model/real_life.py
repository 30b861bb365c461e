"""One life of a worker in `real_world.py`, as the runtime leads it: claim, restore, fold, write, send, release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streams.effects import Batch, Limits, Records, Write
from streams.engine import StreamEngine
from streams.plan import Plan
from streams.rekey.receiver import BlockReceiver
from streams.rekey.sender import Sender
from streams.runtime.starting import start_offset
from streams.table_engine import TableEngine
from tables.budget import Budget, Share
from tables.records import CLAIM, Origin, Record
from tables.store import MemoryStore
from tests.model.real_logs import BASE, BLOCKS, INPUT, LARGEST, PARTS, SECOND, Flight, Stopped, Table, Task

if TYPE_CHECKING:
    from tests.model.real_world import World


class Life:
    """One life of a worker on one partition: a generator that stops wherever it can be killed."""

    def __init__(self, world: World, task: Task, host: int, chosen: Plan) -> None:
        """Nothing has happened yet."""
        self.world, self.task, self.host, self.random = world, task, host, world.random
        self.kind, self.part = task
        (self.stream,) = chosen.streams.values()
        plans = self.stream.local if self.kind == INPUT else self.stream.rekeyed
        limits = Limits(world.shape.records)
        self.tables = [
            Table(
                each, world.changelog(each.name, self.part), TableEngine(each, self.part, limits, share=self._share())
            )
            for each in plans
        ]
        self.origin = f"access-{self.part}"
        self.outlets = self.kind == INPUT
        self.begun = self.position = 0
        self.at_end = False
        self.steps = self.run()

    def _share(self) -> Share | None:
        return None if self.world.memory is None else Budget(self.world.memory).share()

    def run(self) -> Iterator[None]:
        """Claim, restore, and read on for ever."""
        rules, world = self.world.rules, self.world
        committed = world.commits.get(self.task)
        for first in (self.claim, self.restore) if rules.claim_first else (self.restore, self.claim):
            yield from first()
        if not rules.commit_first:
            committed = world.commits.get(self.task)
        yield from self.enter(committed)
        while True:
            batch = self.read()
            self.at_end = not batch and not self.held
            if batch is None:
                yield
                yield from self.flush()
                yield from self.tick()
                continue
            yield from self.take(batch)
            yield
            if not self.held and self.random.random() < 0.7:
                world.commits[self.task] = self.position

    @property
    def held(self) -> bool:
        """Whether anything is folded that is not written."""
        return any(table.engine.held for table in self.tables)

    def flush(self) -> Iterator[None]:
        """Write what is held."""
        for table in self.tables:
            yield from self.drive(table, table.engine.flush())

    def claim(self) -> Iterator[None]:
        """Get an epoch for each changelog, and have the claim acknowledged under it (rule 2)."""
        for table in self.tables:
            table.log.handed_out += 1
            table.epoch = table.log.handed_out
            yield
            value = str(self.world.number()).encode()
            yield from self.arrive([Flight(self, table.log, [(CLAIM, value)], table.epoch)])
            table.ends = table.log.end

    def restore(self) -> Iterator[None]:
        """Bring each store up to the end of its log, and load the engine."""
        for table in self.tables:
            store = self.world.stores.get((self.host, table.plan.name, self.part))
            offset = None if store is None else store.offset()
            if store is None or offset is None or (self.world.rules.store_age and offset < table.log.dropped):
                store, offset = MemoryStore(), 0
            records = [Record(key, value) for at, key, value in table.log.records if at >= offset and key is not None]
            store.write(records, table.log.end)
            table.ends = table.log.end
            table.store = self.world.stores[self.host, table.plan.name, self.part] = store
            table.engine.load(store)
            yield

    def enter(self, committed: int | None) -> Iterator[None]:
        """Find where reading starts (the runtime's own code), and let the tables begin (rule 6)."""
        self.senders = []
        if self.kind == BLOCKS:
            (table,) = self.tables
            self.receiver = BlockReceiver(table.engine, [f"access-{part}" for part in PARTS], self.part)
            self.position = committed or 0
            yield from self.drive(table, self.receiver.start())
            yield from self.drive(table, table.engine.resume())
            return
        first = self.world.inputs[self.part][0][0]
        self.begun = self.position = self.start(committed, first)
        for table in self.tables:
            if self.origin not in table.engine.progress.origins:
                yield from self.drive(table, table.engine.start(self.origin, self.position - 1))
            yield from self.drive(table, table.engine.resume())
        self.decoder = StreamEngine(self.stream, self.part)
        self.acknowledged = self.position if committed is None else committed
        self.senders = [Sender(each, self.origin, len(PARTS), LARGEST) for each in self.stream.rekeyed]
        if committed is None:
            self.world.commits.setdefault(self.task, self.position)

    def start(self, committed: int | None, first: int) -> int:
        """Return where reading starts."""
        if not self.world.rules.start_min:
            return first if committed is None else committed
        engines = [each.engine for each in self.tables]
        return max(first, start_offset(self.origin, engines, committed, first, rekeyed=True))

    def read(self) -> Records | None:
        """Return the next records, some of those that have arrived; None if there are none."""
        count = self.random.choice((1, 1, 2, 3, 5, 8))
        if self.kind == BLOCKS:
            log = self.world.repartition[self.part].records[self.position : self.position + count]
        else:
            log = [each for each in self.world.arrived(self.part) if each[0] >= self.position][:count]
        if not log:
            return None
        offsets, hi = np.array([at for at, _, _ in log], np.int64), log[-1][0] + 1
        stamps, values = np.full(len(log), BASE * 2), [value for _, _, value in log]
        lo, self.position = self.position, hi
        return Records(lo, hi, offsets, stamps, values, [b"k"] * len(log))

    def take(self, records: Records) -> Iterator[None]:
        """Do all that records ask for, as the runtime does: writes and blocks in any order, then the release."""
        if self.kind == BLOCKS:
            (table,) = self.tables
            blocks, _ = self.receiver.receive(records)
            yield from self.drive(table, self.receiver.fold(blocks))
            return
        batch, _ = self.decoder.decode(records)
        before = self.random.random() < 0.5
        if before:
            yield from self.blocks(batch)
        for table in self.tables:
            if not self.world.rules.skip_z:
                _forget(table.engine, batch)
            yield from self.drive(table, table.engine.fold_all([batch], hold=self.random.random() < 0.5))
        if not before:
            yield from self.blocks(batch)

    def blocks(self, batch: Batch) -> Iterator[None]:
        """Send the blocks of a batch, and wait until all have arrived."""
        whole = replace(batch, lo=min(batch.lo, self.acknowledged))
        self.acknowledged = batch.hi
        sent = [block for sender in self.senders for block in sender.send(whole).blocks]
        flights = [Flight(self, self.world.repartition[each.partition or 0], [(None, each.value)]) for each in sent]
        yield from self.arrive(flights)

    def tick(self) -> Iterator[None]:
        """Now and then move the watermark of a table on by the clock; what that closes is noted for the recount."""
        if self.kind == BLOCKS or not self.world.faults or self.random.random() < 0.7:
            return
        (table,) = [each for each in self.tables if each.plan.name == "a"]
        progress = table.engine.progress
        if progress.watermark < BASE:
            return
        moved = progress.watermark + self.random.choice((5, 15, 25)) * SECOND
        at = progress.origins[self.origin].z, moved
        yield from self.drive(table, table.engine.tick(moved), at)

    def drive(self, table: Table, writes: Iterator[Write], tick: tuple[int, int] | None = None) -> Iterator[None]:
        """Carry out writes: changelog, events, store (rules 3 and 5)."""
        for write in writes:
            if write.records:
                pairs = [(each.key, each.value) for each in write.records]
                flight = Flight(self, table.log, pairs, table.epoch, table.plan.name, tick)
                tick = None
                yield from self.arrive([flight])
            if write.events and (write.records or self.world.rules.outbox):
                yield from self.arrive([Flight(self, None, list(write.events))])
            if write.records:
                table.store.write(write.records, table.ends)
            yield

    def arrive(self, flights: list[Flight]) -> Iterator[None]:
        """Wait until all have arrived.

        Raises:
            Stopped: one was refused, or nobody knows whether it arrived.
        """
        self.world.flights += flights
        while not all(flight.done for flight in flights):
            yield
        if any(flight.failed for flight in flights):
            raise Stopped


def _forget(engine: TableEngine, batch: Batch) -> None:
    """Let an engine fold a batch as if none of it had been folded."""
    known = engine.progress.origins.get(batch.origin)
    if known is not None and known.z >= batch.lo:
        engine.progress.origins[batch.origin] = Origin(batch.lo - 1, known.watermark, known.idle)
