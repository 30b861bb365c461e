"""The five examples run as they are delivered, on sample input, and say what a plain recount says."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streams.load import load
from streams.testing import Harness
from tests.examples.recount import Counted, Record, Rule, Transition, Windows, count, transitions

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "deploy" / "examples"
SAMPLES = ROOT / "tests" / "examples"
MINUTE = 60_000
LINE = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "[^"]*" (\d+) (\d+|-)')


def epoch_ms(text: str) -> int:
    """Return RFC 3339 text as ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def sample(name: str, time: str) -> list[Record]:
    """Return a sample's records, with the ms of the field `time` added as `time`."""
    lines = (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [{**record, "time": at if isinstance(at := record[time], int) else epoch_ms(at)} for record in records]


def run(name: str, key: str, *, at_once: bool = False) -> Harness:
    """Return a harness of an example that has read its sample, record by record or all at once."""
    declaration = load(EXAMPLES / f"{name}.yaml")
    (stream,) = declaration.streams.values()
    lines = (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()
    records = [(json.loads(line)[key].encode(), line) for line in lines]
    harness = Harness(EXAMPLES / f"{name}.yaml")
    if at_once:
        harness.feed_many(stream.topic, [{"value": value, "key": each} for each, value in records])
    else:
        for each, value in records:
            harness.feed(stream.topic, value, key=each)
    return harness


def fired(harness: Harness, topic: str, label: str) -> list[Transition]:
    """Return the alert events of a topic as the recount writes them."""
    made = [event.value for event in harness.emitted(topic)]
    return sorted(
        (
            (
                event["labels"]["alertname"],
                event["labels"][label],
                event["status"],
                epoch_ms(event["startsAt"]),
                event["endsAt"] and epoch_ms(event["endsAt"]),
            )
            for event in made
        ),
        key=str,
    )


def rows(harness: Harness, table: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Return a table's rows by key and window start."""
    return {(row.key, row.start): row.values for row in harness.table(table).rows()}


def closed(harness: Harness, table: str) -> set[tuple[str, int]]:
    """Return key and start of the closed rows."""
    return {(row.key, row.start) for row in harness.table(table).rows() if row.closed}


def closed_by(counted: Counted, windows: Windows) -> set[tuple[str, int]]:
    """Return key and start of the rows that the watermark has closed."""
    return {at for at in counted.rows if at[1] + windows.size + windows.grace <= counted.watermark}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_have_no_mistake(path: Path) -> None:
    """Every example loads, and is called what its file is called."""
    assert load(path).app == path.stem


def access_log() -> list[tuple[bytes, Record]]:
    """Return the access log: each line, and its fields read by a pattern of this test's own."""
    found = []
    for line in gzip.decompress((SAMPLES / "logs.log.gz").read_bytes()).splitlines():
        match = LINE.match(line.decode())
        assert match
        client, at, status, sent = match.groups()
        time = round(datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z").timestamp() * 1000)
        record = {"client": client, "time": time, "status": int(status), "sent": 0 if sent == "-" else int(sent)}
        found.append((line, record))
    return found


def test_logs_count_every_line_per_client_and_hour() -> None:
    """Requests, failures and bytes of each client and hour are those of the file, and the clients that failed alert."""
    log = access_log()
    harness = Harness(EXAMPLES / "logs.yaml")
    harness.feed_many("web.access", [{"value": line, "key": record["client"].encode()} for line, record in log])
    windows = Windows(60 * MINUTE, 60 * MINUTE, 2 * MINUTE)
    counted = count([record for _, record in log], windows, key="client", counts=lambda _: True)
    assert not counted.late
    assert rows(harness, "clients") == {
        at: {
            "requests": len(records),
            "failed": sum(record["status"] >= 400 for record in records),
            "server_errors": sum(record["status"] >= 500 for record in records),
            "sent": sum(record["sent"] for record in records),
            "largest": max((record["sent"] for record in records if record["sent"]), default=None),
        }
        for at, records in counted.rows.items()
    }
    assert closed(harness, "clients") == closed_by(counted, windows)
    failing = Rule("ClientMostlyFails", lambda r: len(r) >= 3 and 2 * sum(x["status"] >= 400 for x in r) >= len(r))
    broken = Rule("ServerErrors", lambda r: any(x["status"] >= 500 for x in r), keep=60 * MINUTE)
    expected = transitions(counted, windows, failing) + transitions(counted, windows, broken)
    assert {name for name, *_ in expected} == {"ClientMostlyFails", "ServerErrors"}
    assert fired(harness, "logs-alerts", "client") == sorted(expected, key=str)


def test_messaging_totals_and_credit_alerts() -> None:
    """Totals per customer are sums over their orders; the alert fires with the order that passes the limit."""
    harness = run("messaging", "customer")
    orders: dict[str, list[Record]] = defaultdict(list)
    crossed = {}
    for record in sample("messaging", "placed_at"):
        if record["amount"] > 0:
            orders[record["customer"]].append(record)
            if math.fsum(order["amount"] for order in orders[record["customer"]]) > 5000:
                crossed.setdefault(record["customer"], record["order"])
    made = {row.key: row.values for row in harness.table("totals").rows()}
    assert made.keys() == orders.keys()
    for customer, theirs in orders.items():
        assert made[customer]["orders"] == len(theirs)
        assert made[customer]["amount"] == pytest.approx(math.fsum(order["amount"] for order in theirs), rel=1e-12)
        assert made[customer]["largest"] == max(order["amount"] for order in theirs)
        assert made[customer]["last_order"] == theirs[-1]["order"]
    events = [event.value for event in harness.emitted("shop.credit-alerts")]
    assert crossed
    assert {event["labels"]["customer"]: event["values"]["last_order"] for event in events} == crossed
    assert {event["status"] for event in events} == {"firing"}


def test_activity_slides_over_people_and_leaves_robots_out() -> None:
    """Every sliding view of ten minutes counts what each person did; searches in vain alert after two."""
    harness = run("activity", "user")
    windows = Windows(10 * MINUTE, MINUTE, 30_000)
    kinds = {"view", "search", "buy"}
    counted = count(
        sample("activity", "at"),
        windows,
        key="user",
        counts=lambda record: record["kind"] in kinds and "bot" not in record["agent"].lower(),
    )
    assert rows(harness, "sessions") == {
        at: {
            "events": len(records),
            "views": sum(record["kind"] == "view" for record in records),
            "searches": sum(record["kind"] == "search" for record in records),
            "bought": sum(record["price"] for record in records if record["kind"] == "buy"),
            "last_page": max(enumerate(records), key=lambda each: (each[1]["time"], each[0]))[1]["page"],
        }
        for at, records in counted.rows.items()
    }
    assert closed(harness, "sessions") == closed_by(counted, windows)
    in_vain = Rule(
        "SearchesAndFindsNothing",
        lambda r: sum(x["kind"] == "search" for x in r) >= 5 and not any(x["kind"] == "buy" for x in r),
        wait=2 * MINUTE,
    )
    expected = transitions(counted, windows, in_vain)
    assert expected
    assert fired(harness, "activity-alerts", "user") == expected


def test_metrics_summarise_hosts_and_alert() -> None:
    """Mean, peak, 95th percentile and memory of each host and window are right; alerts come in time."""
    harness = run("metrics", "host", at_once=True)
    windows = Windows(5 * MINUTE, 30_000, 10_000)
    counted = count(sample("metrics", "ts"), windows, key="host", counts=lambda _: True)
    made = rows(harness, "hosts")
    assert made.keys() == counted.rows.keys()
    for at, records in counted.rows.items():
        cpu = sorted(record["cpu"] for record in records if "cpu" in record)
        assert made[at]["samples"] == len(records)
        assert made[at]["memory"] == max(memory(record) for record in records)
        assert made[at]["cpu_peak"] == (cpu[-1] if cpu else None)
        assert made[at]["cpu"] == (pytest.approx(math.fsum(cpu) / len(cpu), rel=1e-12) if cpu else None)
        if cpu:
            rank = 0.95 * (len(cpu) - 1)
            assert cpu[math.floor(rank)] * 0.99 <= made[at]["cpu_p95"] <= cpu[math.ceil(rank)] * 1.01
    cpu_high = Rule("CpuHigh", lambda r: len(r) >= 10 and mean_cpu(r) > 0.8, wait=MINUTE, keep=MINUTE)
    memory_short = Rule("MemoryShort", lambda r: max(map(memory, r)) > 0.9)
    expected = transitions(counted, windows, cpu_high) + transitions(counted, windows, memory_short)
    assert {(name, status) for name, _, status, *_ in expected} >= {("CpuHigh", "resolved"), ("MemoryShort", "firing")}
    assert fired(harness, "metrics-alerts", "host") == sorted(expected, key=str)


def memory(record: Record) -> float:
    """Return the part of a host's memory that is used."""
    return float(record["memory"]["used"] / record["memory"]["total"])


def mean_cpu(records: list[Record]) -> float:
    """Return the mean of the records that have a value."""
    cpu = [record["cpu"] for record in records if "cpu" in record]
    return math.fsum(cpu) / len(cpu)


def test_processing_passes_minutes_on_and_late_records_aside() -> None:
    """Each closed minute is produced once with its sums, late payments go to their topic, declined accounts alert."""
    harness = run("processing", "account")
    windows = Windows(MINUTE, MINUTE, 15_000)
    payments = sample("processing", "booked")
    counted = count(payments, windows, key="account", counts=lambda record: record["kind"] != "test")
    assert counted.late
    assert len(harness.emitted("bank.payments.late")) == len(counted.late)
    expected_rows = {at: minute(records) for at, records in counted.rows.items()}
    assert rows(harness, "minutes") == {at: pytest.approx(values) for at, values in expected_rows.items()}
    passed_on = [record.key.decode() for record in harness.emitted("bank.payments.minutes")]
    assert sorted(passed_on) == sorted(account for account, _ in closed_by(counted, windows))
    declined = Rule(
        "ManyDeclined",
        lambda r: len(r) >= 4 and sum(x["state"] == "declined" for x in r) / len(r) > 0.5,
        wait=MINUTE,
    )
    expected = transitions(counted, windows, declined)
    assert {status for _, _, status, *_ in expected} == {"firing", "resolved"}
    assert fired(harness, "processing-alerts", "account") == expected


def minute(payments: list[Record]) -> dict[str, float | None]:
    """Return one account's minute."""
    euros = [payment["cents"] / 100 for payment in payments if payment["state"] == "paid"]
    return {
        "payments": len(payments),
        "declined": sum(payment["state"] == "declined" for payment in payments),
        "euros": math.fsum(euros),
        "largest": max(euros, default=None),
        "smallest": min(euros, default=None),
    }
