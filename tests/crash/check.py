"""What the app left behind, read again by an independent client, against a plain recount of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.load import load
from streams.plan import plan
from tests.crash.app import Tortured
from tests.integration.app_run import at, letters, totals, traffic
from tests.integration.scenario import PARTITIONS, POISON, SHAPE, expected
from tests.outside import read
from tests.streams.lives import ms
from tests.streams.oracle import Event, Oracle, aggregates
from tests.streams.rekey.recount import recount

SHOWN = 20


@dataclass
class Verdict:
    """How what was found differs from what was wanted.

    Args:
        events: records of the input.
        lost: events, alerts and letters that are missing.
        duplicated: events, alerts and letters too many.
        wrong: rows that count right and differ all the same.
        differences: the first of each kind, in words.
    """

    events: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is equal."""
        return not (self.lost or self.duplicated or self.wrong)

    def rows(self, table: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
        """Compare the rows of a table, each a mapping with its count under `n`."""
        shown = 0
        for key in sorted(found.keys() | wanted.keys()):
            got, want = found.get(key), wanted.get(key)
            if got == want:
                continue
            more = (got["n"] if got else 0) - (want["n"] if want else 0)
            self.lost, self.duplicated = self.lost + max(0, -more), self.duplicated + max(0, more)
            self.wrong += not more
            shown += 1
            if shown <= SHOWN:
                self.differences.append(f"{table} {key}: {got}, wanted {want}")

    def members(self, what: str, found: set[Any], wanted: set[Any]) -> None:
        """Compare sets."""
        self.lost, self.duplicated = self.lost + len(wanted - found), self.duplicated + len(found - wanted)
        self.differences += [f"{what} missing: {each}" for each in sorted(wanted - found, key=str)[:SHOWN]]
        self.differences += [f"{what} not wanted: {each}" for each in sorted(found - wanted, key=str)[:SHOWN]]


def check(app: Tortured) -> Verdict:
    """Compare tables, alerts, late records and dead letters with a recount of the input as it lies in its topic."""
    log, planned = read(app.bootstrap, app.topic), plan(load(app.declaration))
    keyed, users = expected(log), recounted(log)
    verdict = Verdict(len(log))
    verdict.rows("traffic", traffic(app, planned), keyed.traffic)
    named = [
        {host: {"n": n, "total": total} for host, (n, total) in each.items()}
        for each in (totals(app, planned), keyed.totals)
    ]
    verdict.rows("totals", *named)
    rows = {(p, *where): aggregates(events) for p, each in enumerate(users) for where, events in each.rows.items()}
    verdict.rows("users", traffic(app, planned, "users"), rows)
    wanted = {("Busy", *each) for each in keyed.alerts}
    wanted |= {("BusyUser", *each) for oracle in users for each in oracle.alerts}
    verdict.members("alert", alerts(app), wanted)
    verdict.members("letter", set(letters(app).items()), set(keyed.letters.items()))
    verdict.members("late", late(app, "late") - keyed.letters.keys(), keyed.late)
    behind = {(offset % PARTITIONS, offset // PARTITIONS) for each in users for offset in each.late}
    verdict.members("late user", late(app, "late-users") - keyed.letters.keys(), behind)
    return verdict


def recounted(log: list[Any]) -> list[Oracle]:
    """Return what each partition of the table of users must be."""
    logs: list[list[tuple[Event, bool]]] = [[] for _ in range(PARTITIONS)]
    for record in log:
        if record.value not in POISON:
            value = json.loads(record.value)
            logs[record.partition].append((Event(record.offset, value["user"], value["ts"], value["bytes"]), True))
    return [recount(SHAPE, logs, partition) for partition in range(PARTITIONS)]


def late(app: Tortured, name: str) -> set[tuple[int, int]]:
    """Return where the records of a topic of late ones came from."""
    return {at(record) for record in read(app.bootstrap, f"{app.app}.{name}")}


def alerts(app: Tortured) -> set[tuple[str, str, str, int, int | None]]:
    """Return the alert events without repeats; repeats must be equal, and a fingerprint stands for one alert."""
    once: dict[tuple[str, str, str], Any] = {}
    known: dict[str, tuple[str, str]] = {}
    for record in read(app.bootstrap, f"{app.app}-alerts"):
        body = json.loads(record.value)
        labels = body["labels"]
        key = labels["alertname"], labels.get("host") or labels["user"]
        assert known.setdefault(body["fingerprint"], key) == key, "two alerts share a fingerprint"
        assert once.setdefault((body["fingerprint"], body["startsAt"], body["status"]), body) == body
    return {
        (*known[body["fingerprint"]], body["status"], ms(body["startsAt"]), body["endsAt"] and ms(body["endsAt"]))
        for body in once.values()
    }
