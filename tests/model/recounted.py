"""What a schedule of the real engines must have left, by plain Python over the input."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tables.query import Reader
from tests.model.real_logs import PARTS, SECOND
from tests.model.real_world import World
from tests.streams import oracle
from tests.streams.lives import ms
from tests.streams.oracle import Event, Oracle, aggregates
from tests.streams.rekey.recount import recount

Alert = tuple[str, str, str, int, int | None]


def compare(world: World) -> None:
    """Compare rows, closed rows, alerts and running totals with a recount.

    Raises:
        AssertionError: they differ.
    """
    keyed = {part: _keyed(world, part) for part in PARTS}
    users = {part: _users(world, part) for part in PARTS}
    for name, oracles in (("a", keyed), ("b", users)):
        if world.shape.keep == "4w":
            for part, each in oracles.items():
                wanted = {at: aggregates(events) for at, events in each.rows.items()}
                assert _rows(world, name, part) == wanted, f"rows of {name}-{part}"
        closed = {at: row for each in oracles.values() for at, row in each.closed.items()}
        assert _emitted(world, name) == closed, f"closed rows of {name}"
    wanted_alerts = {("Many", *each) for one in keyed.values() for each in one.alerts}
    wanted_alerts |= {("ManyUsers", *each) for one in users.values() for each in one.alerts}
    assert _alerts(world) == wanted_alerts
    for part in PARTS:
        assert _rows(world, "c", part) == _totals(world, part), f"totals of c-{part}"


def _shape(world: World) -> oracle.Shape:
    shape = world.shape
    return oracle.Shape(shape.size * SECOND, 10 * SECOND, shape.grace * SECOND, shape.hold * SECOND)


def _events(world: World, part: int, key: str, begin: int = 0) -> list[Event]:
    values = [(at, json.loads(value or b"")) for at, _, value in world.inputs[part] if at >= begin]
    return [Event(at, value[key], value["ts"], value["v"]) for at, value in values]


def _keyed(world: World, part: int) -> Oracle:
    """Return the table that is keyed as its stream; a tick comes behind the offset that was folded last before it."""
    found, ticks = Oracle(_shape(world)), list(world.ticks[part])
    for event in _events(world, part, "host"):
        found.read([event])
        while ticks and ticks[0][0] <= event.offset:
            found.watermark = max(found.watermark, ticks.pop(0)[1])
            found.close()
    return found


def _users(world: World, part: int) -> Oracle:
    logs = [[(event, True) for event in _events(world, origin, "user")] for origin in PARTS]
    return recount(_shape(world), logs, part)


def _totals(world: World, part: int) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the running totals from where the table began."""
    begin = world.began["c", part]
    count: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for event in _events(world, part, "host", begin):
        count[event.key] += 1
        total[event.key] += event.value
    return {(0, key): {"n": n, "total": total[key]} for key, n in count.items()}


def _rows(world: World, name: str, part: int) -> dict[tuple[int, str], dict[str, Any]]:
    table = world.plans[True].tables[name].table
    reader = Reader(table, world.restored(name, part))
    if table.window is None:
        pages = [reader.latest(limit=1 << 30)]
    else:
        pages = [reader.window(k, limit=1 << 30) for k in reader.windows()]
    return {(row.start or 0, row.key.decode()): row.values for page in pages for row in page.rows}


def _emitted(world: World, name: str) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the closed rows without repeats, which must be equal byte for byte."""
    once: dict[tuple[int, str], bytes] = {}
    plan = world.plans[True].tables[name]
    for event in world.sent:
        if event.topic == plan.emit_topic and event.value and event.key is not None:
            at = int(dict(event.headers)["start"]), event.key.decode()
            assert once.setdefault(at, event.value) == event.value, f"two closed rows of {name} {at}"
    bodies = {at: json.loads(value) for at, value in once.items()}
    return {at: {column: body[column] for column in plan.table.aggregates} for at, body in bodies.items()}


def _alerts(world: World) -> set[Alert]:
    """Return (alert, key, status, startsAt, endsAt) of the alert events, without repeats, which must be equal."""
    once: dict[bytes, bytes] = {}
    for event in world.sent:
        if event.topic.endswith("-alerts") and event.value:
            known = once.setdefault(dict(event.headers)["id"], event.value)
            assert known == event.value, "two alert events with one id"
    bodies = [json.loads(value) for value in once.values()]
    return {
        (
            body["labels"]["alertname"],
            body["labels"].get("host") or body["labels"]["user"],
            body["status"],
            ms(body["startsAt"]),
            body["endsAt"] and ms(body["endsAt"]),
        )
        for body in bodies
    }
