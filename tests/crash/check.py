"""What the app left behind, read again by an independent client, against a plain recount of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.load import load
from streams.plan import plan
from tables.query import Reader
from tests.crash.app import HOSTS_BUSY, USERS_BUSY, Tortured
from tests.crash.inputs import all_spans, local_spans
from tests.integration.app_run import at, letters, traffic
from tests.integration.scenario import PARTITIONS, POISON, Expected, expected
from tests.outside import compacted, read
from tests.streams.lives import ms
from tests.streams.oracle import Event, Oracle, aggregates
from tests.streams.rekey.recount import recount

SHOWN = 20
Rows = dict[Any, dict[str, Any]]


@dataclass
class Verdict:
    """How what was found differs from what was wanted.

    Args:
        events: records of the input.
        lost: events, alerts and letters that are missing.
        duplicated: events, alerts and letters too many.
        wrong: rows that count right and differ all the same.
        rows: how many rows of tables were compared.
        alerts: how many alert events were compared.
        letters: how many dead letters were compared.
        repeated: alert events that came more than once, as they may.
        differences: the first of each kind, in words.
    """

    events: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    rows: int = 0
    alerts: int = 0
    letters: int = 0
    repeated: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is equal."""
        return not (self.lost or self.duplicated or self.wrong)

    def table(self, table: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
        """Compare the rows of a table, each a mapping with its count under `n`."""
        shown = 0
        self.rows += len(wanted)
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


@dataclass
class Wanted:
    """What all must be, by plain Python and by what the keys tell.

    Args:
        log: the input as it lies in its topic.
        keyed: tables and alerts that are keyed as their stream.
        users: the partitions of the table of users.
        steps: of each host and span.
        spans: of each span.
    """

    log: list[Any]
    keyed: Expected
    users: list[Oracle]
    steps: Rows
    spans: Rows

    @classmethod
    def of(cls, app: Tortured) -> Wanted:
        """Count the input again; the input must have ended."""
        log, spans = read(app.bootstrap, app.topic), max(app.input.spans)
        return cls(log, expected(log, HOSTS_BUSY), recounted(log), local_spans(spans), all_spans(spans))

    @property
    def tables(self) -> dict[str, Rows]:
        """Table -> its rows; those of windows by (start, key)."""
        users = {where: aggregates(events) for each in self.users for where, events in each.rows.items()}
        traffic = {(start, host): row for (_, start, host), row in self.keyed.traffic.items()}
        tables = {"traffic": traffic, "users": users, "steps": self.steps, "spans": self.spans}
        return tables | {"finals": finals(self.keyed)}

    @property
    def alerts(self) -> set[tuple[str, str, str, int, int | None]]:
        """(alert, host or user, status, startsAt, endsAt)."""
        wanted = {("Busy", *each) for each in self.keyed.alerts}
        return wanted | {("BusyUser", *each) for oracle in self.users for each in oracle.alerts}


def check(app: Tortured, wanted: Wanted) -> Verdict:
    """Compare tables, alerts, late records and dead letters with what they must be."""
    verdict = Verdict(len(wanted.log), alerts=len(wanted.alerts), letters=len(wanted.keyed.letters))
    for table, rows in logged(app).items():
        verdict.table(table, rows, wanted.tables[table])
    verdict.members("alert", alerts(app, verdict), wanted.alerts)
    verdict.members("letter", set(letters(app).items()), set(wanted.keyed.letters.items()))
    verdict.members("late", late(app, "late") - wanted.keyed.letters.keys(), wanted.keyed.late)
    behind = {(offset % PARTITIONS, offset // PARTITIONS) for each in wanted.users for offset in each.late}
    verdict.members("late user", late(app, "late-users") - wanted.keyed.letters.keys(), behind)
    return verdict


def logged(app: Tortured) -> dict[str, Rows]:
    """Return the rows of all tables as their changelogs say."""
    planned = plan(load(app.declaration))
    found: dict[str, Rows] = {}
    for table in ("traffic", "users"):
        found[table] = {(start, key): row for (_, start, key), row in traffic(app, planned, table).items()}
    for table in ("steps", "spans", "finals"):
        stores = compacted(app.bootstrap, planned.tables[table].changelog).values()
        pages = [Reader(planned.tables[table].table, store).latest(limit=1 << 30) for store in stores]
        rows = [row for page in pages for row in page.rows]
        keys = [tuple(json.loads(row.key)) if table == "steps" else row.key.decode() for row in rows]
        assert len(set(keys)) == len(keys), f"a key of table {table} is in two partitions"
        found[table] = {key: row.values for key, row in zip(keys, rows, strict=True)}
    return found


def finals(keyed: Expected) -> Rows:
    """Return what the table must be that counts the closed rows of another, and what they count."""
    rows: Rows = {}
    for (_, host), row in keyed.closed.items():
        found = rows.setdefault(host, {"n": 0, "total": 0})
        found["n"], found["total"] = found["n"] + 1, found["total"] + row["n"]
    return rows


def recounted(log: list[Any]) -> list[Oracle]:
    """Return what each partition of the table of users must be."""
    logs: list[list[tuple[Event, bool]]] = [[] for _ in range(PARTITIONS)]
    for record in log:
        if record.value not in POISON:
            value = json.loads(record.value)
            logs[record.partition].append((Event(record.offset, value["user"], value["ts"], value["bytes"]), True))
    return [recount(USERS_BUSY, logs, partition) for partition in range(PARTITIONS)]


def late(app: Tortured, name: str) -> set[tuple[int, int]]:
    """Return where the records of a topic of late ones came from."""
    return {at(record) for record in read(app.bootstrap, f"{app.app}.{name}")}


def alerts(app: Tortured, verdict: Verdict) -> set[tuple[str, str, str, int, int | None]]:
    """Return the alert events without repeats; repeats must be equal, and a fingerprint stands for one alert."""
    once: dict[tuple[str, str, str], Any] = {}
    known: dict[str, tuple[str, str]] = {}
    for record in read(app.bootstrap, f"{app.app}-alerts"):
        body = json.loads(record.value)
        labels, verdict.repeated = body["labels"], verdict.repeated + 1
        key = labels["alertname"], labels.get("host") or labels["user"]
        first = once.setdefault((body["fingerprint"], body["startsAt"], body["status"]), body)
        if first != body or known.setdefault(body["fingerprint"], key) != key:
            verdict.wrong += 1
            verdict.differences.append(f"alert event with the id of another: {body} and {first}")
    verdict.repeated -= len(once)
    return {
        (*known[body["fingerprint"]], body["status"], ms(body["startsAt"]), body["endsAt"] and ms(body["endsAt"]))
        for body in once.values()
    }
