"""Two workers of one app over a topic with odd keys, and what their views must say of it by a plain count."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.outside import Sent, create_topic, produce, until
from tests.workers import Worker

BASE = 1_699_999_980_000
MINUTE = 60_000
PARTITIONS = 4
SCRIPT = "<script>alert(1)</script>"
KEYS = (
    "plain", "a/b/c", "/", "//", "a//b", "trailing/", "..", ".", "../../etc/passwd", "snow\u2603man", "\U0001f600",
    "a,b", "100%", "%41", "%2F", "%", "a b+c", "?x=1&y=2#z", "'\"`", SCRIPT, "tab\tand\nline", "=1+1", "healthy",
    "x" * 1500,
)  # fmt: skip
ROUTES = (("a,b", 200), ("a", "b,c"), ("50%", 404), ("/x/y", 200), ("%2C", 1), ("\u00fc", "200"))
DECLARATION = """
app: {app}
streams:
  pages: {{topic: {app}.pages, codec: json, time: {{field: ts, unit: ms}}, key: page, idle: never}}
  routed: {{topic: {app}.routed, codec: json, time: {{field: ts, unit: ms}}, key: [page, code], idle: never}}
tables:
  pages:
    from: pages
    key: page
    window: {{tumbling: 1m, grace: 0s}}
    keep: 30d
    expose: [requests]
    aggregates: {{requests: count(), bytes: sum("bytes"), agent: last("agent")}}
  routes:
    from: routed
    key: [page, code]
    aggregates: {{requests: count()}}
alerts:
  - alert: Popular
    table: pages
    expr: requests >= 9
    labels: {{severity: page}}
    annotations: {{summary: "{{{{ $labels.page }}}} was asked for {{{{ requests }}}} times"}}
"""
QUICK = {
    "STREAMS_KAFKA_SESSION_TIMEOUT_MS": "6000",
    "STREAMS_KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
    "STREAMS_KAFKA_REBALANCE_TIMEOUT_MS": "3000",
    "STREAMS_KAFKA_FETCH_WAIT_MAX_MS": "50",
}
SESSION = 6.0


class Answer(NamedTuple):
    """What a worker answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The data of a successful answer."""
        decoded = json.loads(self.body)
        assert (self.status, decoded["status"]) == (200, "success"), decoded
        return decoded["data"]

    @property
    def error(self) -> tuple[str, str]:
        """Type and text of an error."""
        decoded = json.loads(self.body)
        assert decoded["status"] == "error"
        return decoded["errorType"], decoded["error"]


def ask(worker: Worker, path: str, method: str = "GET", host: str = "127.0.0.1", **headers: str) -> Answer:
    """Ask a worker for a path exactly as it is written."""
    connection = http.client.HTTPConnection(host, worker.port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return Answer(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def key_path(table: str, *parts: Any) -> str:
    """Return the path of a key, written as the page about HTTP says."""
    text = str(parts[0]) if len(parts) == 1 else ",".join(quote(str(part), safe="") for part in parts)
    return f"/api/v1/tables/{table}/{quote(text, safe='')}"


def hits() -> list[tuple[str, int]]:
    """Return (page, minute) of each record: the script is asked for most, and every partition ends in minute 3."""
    found = [
        (page, minute) for at, page in enumerate(KEYS) for minute in range(3) for _ in range(1 + (at + minute) % 4)
    ]
    return [*sorted(found, key=lambda hit: hit[1]), *[(SCRIPT, 2)] * 9]


def expected_rows() -> dict[tuple[str, int], dict[str, Any]]:
    """Return the values of each closed row by page and start."""
    counts = Counter((page, BASE + minute * MINUTE) for page, minute in hits())
    return {row: {"requests": count, "bytes": 10 * count, "agent": "=cmd"} for row, count in counts.items()}


class Pair:
    """Two workers that have read everything.

    Args:
        app: its name.
        bootstrap: address of the broker.
        folder: for declaration, state and output.
        settings: more environment variables of both.
    """

    def __init__(self, app: str, bootstrap: str, folder: Path, **settings: str) -> None:
        """Make topics and input; nothing runs yet."""
        self.app, self.bootstrap = app, bootstrap
        self.declaration = folder / "app.yaml"
        self.declaration.write_text(DECLARATION.format(app=app), encoding="utf-8")
        for topic in ("pages", "routed"):
            create_topic(bootstrap, f"{app}.{topic}", PARTITIONS)
        self.workers = [
            Worker(self.declaration, bootstrap, folder / f"worker-{number}", **QUICK, **settings) for number in (1, 2)
        ]

    def produce(self) -> None:
        """Produce the input; where a key lies is murmur2's matter, but the last records are put where it would not."""
        from kafka.partitioner.default import murmur2  # noqa: PLC0415 - an independent implementation

        def place(key: str) -> int:
            return (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS

        def record(partition: int, page: str, minute: int) -> Sent:
            value = {"page": page, "ts": BASE + minute * MINUTE + 5, "bytes": 10, "agent": "=cmd"}
            return Sent(partition, page.encode(), json.dumps(value).encode())

        sent = [record(place(page), page, minute) for page, minute in hits()]
        ends = [(f"end-{number}", (place(f"end-{number}") + 1) % PARTITIONS) for number in range(40)]
        sent += [record(partition, page, 3) for page, partition in ends]
        produce(self.bootstrap, f"{self.app}.pages", sent)
        routed = [{"page": page, "code": code, "ts": BASE} for page, code in ROUTES]
        keys = [json.dumps(list(route), separators=(",", ":"), ensure_ascii=False) for route in ROUTES]
        values = [json.dumps(each).encode() for each in routed]
        produce(
            self.bootstrap, f"{self.app}.routed",
            [Sent(place(key), key.encode(), value) for key, value in zip(keys, values, strict=True)],
        )  # fmt: skip

    def start(self) -> Pair:
        """Start both and wait until they share the partitions and have read all."""
        for worker in self.workers:
            worker.start()
        self.produce()
        for worker in self.workers:
            worker.wait_ready()
        return self

    def settled(self, headers: dict[str, str]) -> bool:
        """Return whether both have partitions, and all partitions have read everything."""
        answers = [ask(worker, "/api/v1/status", **headers).data for worker in self.workers]
        lags = [each["lag"] for each in answers[0]["workers"]]
        known = [lag for each in lags for lag in each.values()]
        return len(known) == 2 * PARTITIONS and set(known) == {0} and all(lags) and answers[0] == answers[1]

    def wait_settled(self, **headers: str) -> Pair:
        """Return when it is settled."""
        until(lambda: self.settled(headers), lambda: "".join(worker.output[-2000:] for worker in self.workers))
        return self

    def stop(self) -> None:
        """End both."""
        for worker in self.workers:
            worker.kill()
