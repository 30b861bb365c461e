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
from random import Random
from typing import Any

from streams.effects import Event
from tables.records import Record
from tables.store import MemoryStore
from tests.model.real_life import Life
from tests.model.real_logs import BASE, BLOCKS, INPUT, PARTS, SECOND, Flight, Log, Rules, Shape, Stopped, Task


class World:
    """Everything that outlives a worker, and what happens next.

    Args:
        seed: of the schedule.
        rules: some may be left out.
        memory: bytes that the open cells of a table partition may take; None sets no bound.
    """

    def __init__(self, seed: int, rules: Rules, memory: int | None = None) -> None:
        """Draw the input."""
        self.memory = memory
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

    def drawn(self, part: int) -> list[tuple[int, bytes | None, bytes | None]]:
        """Return an input partition: out of order, late, with holes between its offsets."""
        random = self.random
        found: list[tuple[int, bytes | None, bytes | None]] = []
        at, moment = random.choice((0, 0, 3)), BASE + part * 777
        for _ in range(random.randrange(3, 14)):
            moment += random.choice((0, 2, 4, 8, 14, 30) if random.random() < 0.9 else (50,)) * SECOND
            stamp = moment - random.choice((0, 0, 0, 5, 12, 25)) * SECOND
            value = {"host": f"{part}{random.choice('abc')}", "user": f"u{random.randrange(4)}", "ts": stamp}
            found.append((at, None, json.dumps({**value, "v": random.randrange(9)}).encode()))
            at += random.choice((1, 1, 1, 2))
        return found

    def arrived(self, part: int) -> list[tuple[int, bytes | None, bytes | None]]:
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
