"""Tables of traffic with an alert, and records of it, for tests that run whole lives of a partition."""

from __future__ import annotations

import json
from random import Random

from hypothesis import strategies as st

from streams.effects import Limits
from streams.load import loads
from streams.plan import Plan, plan
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event
from tests.streams.own_oracle import FAR, Rule

SECOND = 1000
updates = st.tuples(
    st.sampled_from(["update", "update", "{update: 1s}", "{update: 15s}", "{update: 1h}"]), st.sampled_from([6, 20_000])
)
"""Rows that are emitted with each change, or gathered; and how many records a write holds."""
rules = st.builds(
    Rule,
    grace=st.sampled_from([0, 0, 5, 12]),
    hold=st.sampled_from([0, 5, 25, 60]),
    firing=st.sampled_from([0, 10, 25]),
    keep=st.sampled_from([40, 500, FAR]),
)


def planned_with(  # noqa: PLR0913, PLR0917 - what a table and its alert are made of
    window: str, rule: Rule, emit: str, judge: str, extra: str = "", expr: str = "n >= 2"
) -> Plan:
    """Return the plan of one table and its alert, whose times are seconds.

    Args:
        window: its kind and size, as in a declaration.
        rule: of grace, alert and `keep`.
        emit: of the table.
        judge: of the alert.
        extra: further aggregates, after a comma.
        expr: of the alert.
    """
    keep = "4w" if rule.keep == FAR else f"{rule.keep}s"
    grace = "" if window.startswith("count") else f", grace: {rule.grace}s"
    return plan(
        loads(f"""
app: t
streams:
  access: {{topic: access, time: {{field: ts, unit: ms}}, key: host}}
tables:
  traffic:
    from: access
    key: host
    window: {{{window}{grace}}}
    keep: {keep}
    emit: {emit}
    aggregates: {{n: count(), total: sum("v"), low: min("v"), high: max("v"), final: last("v"){extra}}}
alerts:
  - alert: Many
    table: traffic
    expr: {expr}
    for: {rule.hold}s
    keep_firing_for: {rule.firing}s
    judge: {judge}
""")
    )


def events_of(moved: list[tuple[str, int, int]]) -> list[Event]:
    """Return events whose time moves from one to the next by seconds, now and then backwards."""
    time, events = BASE, []
    for offset, (key, move, value) in enumerate(moved):
        time = max(BASE - 100 * SECOND, time + move * SECOND)
        events.append(Event(offset, key, time, value))
    return events


def events_of_many_keys(random: Random, count: int) -> list[Event]:
    """Return events of eight keys, many at the same time, some behind it, now and then far ahead."""
    time, events = BASE, []
    for offset in range(count):
        time += random.choice((0, 0, 0, 0, 1, 1, 2, 40)) * SECOND
        at = time - random.choice((0, 0, 0, 5, 12)) * SECOND
        events.append(Event(offset, random.choice("abcdefgh"), at, random.randrange(9)))
    return events


def encode(events: list[Event]) -> list[bytes]:
    """Return the record values of events."""
    return [json.dumps({"host": e.key, "ts": e.time, "v": e.value}).encode() for e in events]


def settled(partition: Partition) -> Partition:
    """Let so much time pass that whatever is gathered goes out."""
    partition.crashes = 0
    partition.drive(partition.engine.tick(partition.engine.progress.watermark + 3_600_000))
    return partition


def produced(made: Plan, values: list[bytes], random: Random) -> list[set[tuple[object, ...]]]:
    """Return all that is produced in several lives, with other batches, other limits of a write, and crashes."""
    runs = [
        Partition(made, values, random, Limits(records), crashes=crashes).run()
        for records, crashes in ((20_000, 0), (20_000, 0), (5, 0), (6, 5))
    ]
    return [{(event.topic, event.key, event.value, event.headers) for event in each.sent} for each in runs]
