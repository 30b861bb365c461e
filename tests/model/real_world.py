"""The product's own engines, senders and receivers under the protocol model's schedules: logs in memory, no broker.

As in `protocol_model.py` one seed is one schedule: owners of partitions take batches of any size, are killed at any
step, are overtaken while they go on (zombies); what they produce lands late, fails, or lands while the acknowledgement
is lost; changelogs are compacted at any time, local stores survive, are lost or are old, commits lag, a table is absent
in some lives. At the end everything is restored once more from the compacted changelogs alone, and compared with plain
Python.

    python -m tests.model.real_world 5000 [FIRST_SEED]
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from streams.effects import Batch, Event, Limits, Records, Write
from streams.engine import StreamEngine
from streams.load import loads
from streams.plan import Plan, TablePlan, plan
from streams.rekey.receiver import BlockReceiver
from streams.rekey.sender import Sender
from streams.runtime.partition import InputPartition
from streams.table_engine import TableEngine
from tables.records import CLAIM, Origin, Record
from tables.store import MemoryStore

PARTS = (0, 1)
BASE = 1_700_000_000_000
SECOND = 1_000
LARGEST = 1 << 20
Task = tuple[str, int]
INPUT, BLOCKS = "in", "re"
DECLARATION = """
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host, idle: never}}
tables:
  a:
    from: access
    key: host
    window: {{hopping: {size}s, every: 10s, grace: {grace}s}}
    keep: {keep}
    emit: close
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
  b:
    from: access
    key: user
    window: {{hopping: {size}s, every: 10s, grace: {grace}s}}
    keep: {keep}
    emit: close
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v")}}
{more}
alerts:
  - {{alert: Many, table: a, expr: n >= 2, for: {hold}s}}
  - {{alert: ManyUsers, table: b, expr: n >= 2, for: {hold}s}}
"""
MORE = """
  c: {from: access, key: host, emit: update, aggregates: {n: count(), total: sum("v")}}
"""


@dataclass(frozen=True)
class Rules:
    """Parts of the protocol that live outside of the engines; each can be left out, to see that it is missed."""

    fence: bool = True
    claim_first: bool = True
    commit_first: bool = True
    start_min: bool = True
    skip_z: bool = True
    outbox: bool = True
    store_age: bool = True


@dataclass(frozen=True)
class Shape:
    """Windows and alert of a schedule, in seconds; what one write may hold, in records."""

    size: int
    grace: int
    hold: int
    keep: str
    records: int

    @classmethod
    def drawn(cls, random: Random) -> Shape:
        """Draw one."""
        return cls(
            random.choice((10, 20, 30)),
            random.choice((0, 5)),
            random.choice((0, 10)),
            random.choice(("4w", "4w", "20s")),
            random.choice((4, 5, 7, 20_000)),
        )

    def plan(self, *, more: bool) -> Plan:
        """Return the plan, with or without the table that is absent in some lives."""
        named = {"size": self.size, "grace": self.grace, "hold": self.hold, "keep": self.keep}
        return plan(loads(DECLARATION.format(**named, more=MORE if more else "")))


class Stopped(Exception):  # noqa: N818 - that is what happened
    """A life is over: a write was refused, or its outcome is unknown."""


@dataclass
class Log:
    """A topic partition; compaction keeps the last record of each key."""

    records: list[tuple[int, bytes | None, bytes | None]] = field(default_factory=list)
    end: int = 0
    epoch: int = 0
    handed_out: int = 0
    dropped: int = 0

    def append(self, records: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        """Append records."""
        for key, value in records:
            self.records.append((self.end, key, value))
            self.end += 1

    def compact(self, upto: int, *, tombstones: bool) -> None:
        """Keep the last record of each key below an offset; drop those of tombstones too, if told so."""
        last = {key: at for at, key, _ in self.records if at < upto}
        gone = {at for at, key, value in self.records if at < upto and value is None and last[key] == at}
        gone = gone if tombstones else set()
        self.dropped = max([self.dropped, *(at + 1 for at in gone)])
        self.records = [each for each in self.records if each[0] >= upto or last[each[1]] == each[0]]
        self.records = [each for each in self.records if each[0] not in gone]


@dataclass
class Flight:
    """Something that was sent and has not arrived.

    Args:
        owner: who sent it.
        log: where to; None for events.
        records: what.
        epoch: of the sender; None where nothing is fenced.
        table: whose changelog it is; empty for others.
        tick: the offset and the watermark of a tick that it makes known.
    """

    owner: Life
    log: Log | None
    records: list[Any]
    epoch: int | None = None
    table: str = ""
    tick: tuple[int, int] | None = None
    done: bool = False
    failed: bool = False


@dataclass
class Table:
    """One table partition in one life: what `streams.runtime.table.TablePartition` is at work."""

    plan: TablePlan
    log: Log
    engine: TableEngine
    store: MemoryStore = field(default_factory=MemoryStore)
    epoch: int = 0
    ends: int = 0


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
            Table(each, world.changelog(each.name, self.part), TableEngine(each, self.part, limits)) for each in plans
        ]
        self.origin = f"access-{self.part}"
        self.outlets = self.kind == INPUT
        self.begun = self.position = 0
        self.at_end = False
        self.steps = self.run()

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
            self.at_end = not batch
            if batch is None:
                yield
                yield from self.tick()
                continue
            yield from self.take(batch)
            yield
            if self.random.random() < 0.7:
                world.commits[self.task] = self.position

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
        tables = [SimpleNamespace(engine=each.engine, plan=each.plan) for each in self.tables]
        stub: Any = SimpleNamespace(origin=self.origin, tables=tables, outlets=True, _say_deleted=_ignore)
        return InputPartition._start(stub, committed, first, first)  # noqa: SLF001 - the rule is in there

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
            yield from self.drive(table, table.engine.fold(batch))
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


def _ignore(*_: object) -> None:
    """Say nothing."""


def _forget(engine: TableEngine, batch: Batch) -> None:
    """Let an engine fold a batch as if none of it had been folded."""
    known = engine.progress.origins.get(batch.origin)
    if known is not None and known.z >= batch.lo:
        engine.progress.origins[batch.origin] = Origin(batch.lo - 1, known.watermark, known.idle)


class World:
    """Everything that outlives a worker, and what happens next.

    Args:
        seed: of the schedule.
        rules: some may be left out.
    """

    def __init__(self, seed: int, rules: Rules) -> None:
        """Draw the input."""
        self.random = random = Random(seed)  # noqa: S311 - a schedule, no secret
        self.rules, self.shape = rules, Shape.drawn(random)
        self.plans = {more: self.shape.plan(more=more) for more in (True, False)}
        self.inputs = {part: self.drawn(part) for part in PARTS}
        self._here = dict.fromkeys(PARTS, 0)
        self.repartition = {part: Log() for part in PARTS}
        self.logs: dict[tuple[str, int], Log] = {}
        self.stores: dict[tuple[int, str, int], MemoryStore] = {}
        self.commits: dict[Task, int] = {}
        self.sent: list[Event] = []
        self.ticks: dict[int, list[tuple[int, int]]] = {part: [] for part in PARTS}
        self.began: dict[tuple[str, int], int] = {}
        self.flights: list[Flight] = []
        self.owners: dict[Task, Life] = {}
        self.zombies: list[Life] = []
        self.tasks: list[Task] = [(kind, part) for kind in (INPUT, BLOCKS) for part in PARTS]
        self.hosts, self.faults, self.fault_count, self._number = 0, True, 0, 0

    def drawn(self, part: int) -> list[tuple[int, None, bytes]]:
        """Return an input partition: out of order, late, with holes between its offsets."""
        random, found = self.random, []
        at, moment = random.choice((0, 0, 3)), BASE + part * 777
        for _ in range(random.randrange(3, 14)):
            moment += random.choice((0, 2, 4, 8, 14, 30) if random.random() < 0.9 else (50,)) * SECOND
            stamp = moment - random.choice((0, 0, 0, 5, 12, 25)) * SECOND
            value = {"host": f"{part}{random.choice('abc')}", "user": f"u{random.randrange(4)}", "ts": stamp}
            found.append((at, None, json.dumps({**value, "v": random.randrange(9)}).encode()))
            at += random.choice((1, 1, 1, 2))
        return found

    def arrived(self, part: int) -> list[tuple[int, None, bytes]]:
        """Return what the input has so far."""
        return self.inputs[part][: self._here[part]]

    def changelog(self, table: str, part: int) -> Log:
        """Return a changelog partition."""
        return self.logs.setdefault((table, part), Log())

    def number(self) -> int:
        """Return another number each time."""
        self._number += 1
        return self._number

    # what can happen

    def run(self) -> World:
        """Let things happen, then heal everything and read to the end."""
        for _ in range(self.random.randrange(100, 900)):
            self.happen()
        self.faults = False
        self._here = {part: len(log) for part, log in self.inputs.items()}
        for life in [*self.owners.values(), *self.zombies]:
            self.end(life)
        self.flights.clear()
        while not self.finished():
            for task in self.tasks:
                if task not in self.owners:
                    self.begin(task)
                self.advance(self.owners[task])
            for flight in list(self.flights):
                self.land(flight)
        return self

    def finished(self) -> bool:
        """Return whether everybody has read to the end, and nothing is on its way."""
        if len(self.owners) < len(self.tasks) or self.flights:
            return False
        ends = {(INPUT, part): self.inputs[part][-1][0] + 1 for part in PARTS}
        ends |= {(BLOCKS, part): self.repartition[part].end for part in PARTS}
        return all(life.at_end and life.position == ends[task] for task, life in self.owners.items())

    def happen(self) -> None:
        """Let one thing happen."""
        random, live, dice = self.random, [*self.owners.values(), *self.zombies], self.random.random()
        if dice < 0.06:
            part = random.choice(PARTS)
            self._here[part] += random.choice((1, 2, 4))
        elif dice < 0.16:
            missing = [task for task in self.tasks if task not in self.owners]
            if missing:
                self.begin(random.choice(missing))
        elif dice < 0.60:
            if live:
                self.advance(random.choice(live))
        elif dice < 0.97:
            if self.flights:  # in order for each producer and log, in any order otherwise
                first = random.choice(self.flights)
                self.land(next(each for each in self.flights if each.owner is first.owner and each.log is first.log))
        else:
            self.hurt(live)

    def hurt(self, live: list[Life]) -> None:
        """Kill somebody, have him overtaken, or compact a log."""
        random, dice = self.random, self.random.random()
        self.fault_count += 1
        if dice < 0.3 and live:
            self.end(random.choice(live))
        elif dice < 0.6 and self.owners:
            self.overtake(random.choice(list(self.owners)))
        elif self.logs:
            log = random.choice(list(self.logs.values()))
            log.compact(random.randrange(log.end + 1), tombstones=random.random() < 0.5)

    def overtake(self, task: Task) -> None:
        """Let another begin while the owner goes on as a zombie."""
        self.zombies.append(self.owners.pop(task))
        self.begin(task)

    def begin(self, task: Task) -> None:
        """Start a life, on a new host or on one that has a store of former days."""
        alive = {life.host for life in [*self.owners.values(), *self.zombies]}
        free = [host for host in range(self.hosts) if host not in alive]
        if not free or self.random.random() < 0.3:
            self.hosts += 1
            free = [self.hosts - 1]
        more = not self.faults or self.random.random() < 0.75
        self.owners[task] = Life(self, task, self.random.choice(free), self.plans[more])

    def end(self, life: Life) -> None:
        """Kill a process; what it had sent may still arrive."""
        self.owners = {task: each for task, each in self.owners.items() if each is not life}
        self.zombies = [each for each in self.zombies if each is not life]
        self.flights = [each for each in self.flights if each.owner is not life or self.random.random() < 0.5]

    def advance(self, life: Life) -> None:
        """Let a process take one step."""
        try:
            next(life.steps)
        except Stopped:
            self.end(life)

    def land(self, flight: Flight) -> None:
        """Let something arrive: as a whole, or, where it is no record batch, in part; or the sender never knows."""
        flight.done = True
        self.flights.remove(flight)
        log, records = flight.log, flight.records
        if log is not None and flight.epoch is not None and self.rules.fence and flight.epoch < log.epoch:
            flight.failed = True
            return
        dice = self.random.random() if self.faults else 1.0
        if dice < 0.02:
            flight.failed = True
            self.fault_count += 1
            part = 0 if flight.epoch is not None else self.random.randrange(len(records) + 1)
            records = records if dice < 0.01 else records[:part]
        elif dice < 0.04 and flight.epoch is None:
            records = records * 2
        if log is None:
            self.sent += records
        elif records:
            self.append(flight, log, records)

    def append(self, flight: Flight, log: Log, records: list[Any]) -> None:
        """Append to a log, and note what the recount must know."""
        log.append(records)
        if flight.epoch is None:
            return
        log.epoch = max(log.epoch, flight.epoch)
        for table in flight.owner.tables:
            if table.log is log:
                table.ends = log.end
        if flight.table:
            self.began.setdefault((flight.table, flight.owner.part), flight.owner.begun)
        if flight.tick is not None:
            self.ticks[flight.owner.part].append(flight.tick)

    def restored(self, table: str, part: int) -> MemoryStore:
        """Return what the changelog of a table partition says after compaction."""
        log = copy.deepcopy(self.changelog(table, part))
        log.compact(log.end, tombstones=True)
        store = MemoryStore()
        store.write([Record(key, value) for _, key, value in log.records if key is not None], log.end)
        return store


def main() -> int:
    """Run schedules; print the seeds that fail."""
    from tests.model.recounted import compare  # noqa: PLC0415 - it imports this module

    logging.disable()
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began, failed, faults = time.monotonic(), [], 0
    for seed in range(first, first + count):
        try:
            world = World(seed, Rules()).run()
            compare(world)
            faults += world.fault_count
        except AssertionError as error:
            failed.append(seed)
            sys.stdout.write(f"seed {seed}: {str(error)[:500]}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"{count} schedules, {faults} faults, {len(failed)} failed {failed[:20]}, {seconds:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
