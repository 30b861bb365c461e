"""What outlives the lives of `real_world.py`, and what is on its way: logs, flights, the declaration under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from streams.load import loads
from streams.plan import Plan, TablePlan, plan
from streams.table_engine import TableEngine
from tables.store import MemoryStore

if TYPE_CHECKING:
    from tests.model.real_life import Life

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
