"""Tables that read tables, without Kafka: every partition of each has a changelog, and dies and restarts anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from streams.effects import Event, Limits
from streams.engine import StreamEngine
from streams.planned import Plan, TablePlan
from streams.rekey.receiver import BlockReceiver
from streams.rekey.sender import Sender
from streams.table_engine import TableEngine
from tests.streams.lives import Crash, Partition
from tests.streams.rekey.world import records

Logs = list[list[bytes | None]]
LIMIT = 1 << 20


class Feeding(Partition):
    """A table partition whose closed rows go on to other tables.

    Args:
        plan: of the app.
        table: name of the table.
        partition: its number.
        values: what is read: record values, or blocks.
        random: decides cuts, crashes, and what lands late.
        crashes: how often a life may end early.
        partitions: of every topic.
        limits: of a write.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what may differ
        self,
        plan: Plan,
        table: str,
        partition: int,
        values: Sequence[bytes | None],
        random: Random,
        crashes: int,
        partitions: int,
        limits: Limits,
    ) -> None:
        """Begin without state."""
        super().__init__(plan, list(values), random, limits, crashes)  # type: ignore[arg-type] # a log of blocks
        self.table_plan: TablePlan = plan.tables[table]
        self.number, self.partitions = partition, partitions
        self.logs: dict[str, Logs] = defaultdict(lambda: [[] for _ in range(partitions)])
        self.stale: list[Event] = []
        self.commit = 0

    def new_engine(self) -> TableEngine:
        """Return an engine with senders that begin from nothing."""
        origin, feeds = f"{self.table_plan.changelog}-{self.number}", self.plan.feeds[self.table_plan.name]
        senders = [Sender(each, origin, self.partitions, LIMIT) for each in feeds]
        return TableEngine(self.table_plan, self.number, self.limits, senders)

    def send(self, events: list[Event]) -> None:
        """Send events; where a worker dies, some blocks of each destination landed, and others do later or never."""
        blocks = [event for event in events if event.topic.endswith("-repartition")]
        super().send([event for event in events if event not in blocks])
        try:
            self.die()
        except Crash:
            for place in range(self.partitions):
                part = [event for event in blocks if event.partition == place]
                landed = self.random.randrange(len(part) + 1)
                self.append(part[:landed])
                self.stale += part[landed:]
            raise
        self.append(blocks)
        if self.stale and self.random.random() < 0.3:
            self.append(self.stale)
            self.stale.clear()

    def append(self, blocks: list[Event]) -> None:
        """Append blocks to the logs of their destinations."""
        for block in blocks:
            assert block.partition is not None
            self.logs[block.topic][block.partition].append(block.value)

    def idle(self) -> None:
        """Say, at the end, that nothing more comes."""
        self.append(self.engine.idle())


class First(Feeding):
    """A table partition that reads a stream."""

    def live(self) -> None:
        """Restore, resume, and read to the end of the log."""
        stream = self.plan.streams[self.table_plan.source]
        decoder, self.engine = StreamEngine(stream, self.number), self.new_engine()
        self.restore()
        self.engine.load(self.store)
        if decoder.origin not in self.engine.progress.origins:
            self.drive(self.engine.start(decoder.origin, -1))
        self.drive(self.engine.resume())
        position = self.engine.progress.origins[decoder.origin].z + 1
        while position < len(self.values):
            end = min(len(self.values), position + self.random.choice((1, 1, 2, 3, 5, 8, 40)))
            batch, dead = decoder.decode(records(self.values, position, end))
            self.letters += dead
            self.drive(self.engine.fold(batch))
            position = end


class Next(Feeding):
    """A table partition that reads tables."""

    def live(self) -> None:
        """Restore, resume, and read to the end of the log, from the commit or before it."""
        self.engine = self.new_engine()
        self.restore()
        self.engine.load(self.store)
        origins = self.plan.origins(self.table_plan.name, dict.fromkeys(self.plan.streams, self.partitions))
        receiver = BlockReceiver(self.engine, origins, self.number)
        self.drive(receiver.start())
        self.drive(self.engine.resume())
        position = self.commit
        while position < len(self.values):
            stop = min(len(self.values), position + self.random.choice((1, 1, 2, 3, 5, 20)))
            blocks, letters = receiver.receive(records(self.values, position, stop))
            self.letters += letters
            self.drive(receiver.fold(blocks))
            position = stop
            if self.random.random() < 0.5:
                self.commit = position


def merged(logs: Sequence[list[bytes | None]], random: Random) -> list[bytes | None]:
    """Return the logs of several origins as one, each in its order."""
    waiting = [list(log) for log in logs if log]
    found = []
    while waiting:
        chosen = random.choice(waiting)
        found.append(chosen.pop(0))
        waiting = [log for log in waiting if log]
    return found


def run(  # noqa: PLR0913, PLR0917 - what may differ
    plan: Plan,
    inputs: Sequence[Sequence[bytes | None]],
    random: Random,
    crashes: int,
    limits: Limits,
    names: Sequence[str],
) -> list[list[Feeding]]:
    """Run a chain of tables, each to its end, and return their partitions.

    Args:
        plan: of the app: the first table reads a stream, each other the one before.
        inputs: record values of the stream by partition.
        random: decides everything that may differ.
        crashes: how often each partition may die.
        limits: of a write.
        names: of the tables, in order.
    """
    count = len(inputs)
    levels: list[list[Feeding]] = [
        [First(plan, names[0], at, log, random, crashes, count, limits) for at, log in enumerate(inputs)]
    ]
    for name in names:
        for each in levels[-1]:
            each.run()
        if name == names[-1]:
            break
        topic = str(plan.tables[names[names.index(name) + 1]].repartition)
        logs = [merged([each.logs[topic][at] for each in levels[-1]], random) for at in range(count)]
        following = names[names.index(name) + 1]
        levels.append([Next(plan, following, at, log, random, crashes, count, limits) for at, log in enumerate(logs)])
    return levels
