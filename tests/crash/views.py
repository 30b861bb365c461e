"""What the views of a worker say of all tables, asked as a client asks them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.crash.check import Rows, Verdict, Wanted
from tests.workers import Worker

WINDOWED = ("traffic", "users")
NEWEST = 10_000
"""Windows of one key that the views look at."""


def compare(verdict: Verdict, worker: Worker, wanted: Wanted) -> None:
    """Compare every row that a worker's views have, asked of the whole app, with what it must be."""
    for table, rows in wanted.tables.items():
        if table in WINDOWED:
            starts = sorted({start for start, _ in rows}, reverse=True)[:NEWEST]
            newest = {at: row for at, row in rows.items() if at[0] >= starts[-1]}
            verdict.table(f"view of {table}", windowed(worker, table), newest)
        else:
            verdict.table(f"view of {table}", running(worker, table), rows)


def keys(worker: Worker, table: str) -> list[dict[str, Any]]:
    """Return the row that the pages show of each key."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        data = worker.get(f"/api/v1/tables/{table}?limit=1000{after}")["data"]
        assert not data["missing_partitions"], f"the views lack {data['missing_partitions']}"
        rows += data["rows"]
        if data["next"] is None:
            return rows
        after = f"&after={quote(data['next'])}"


def running(worker: Worker, table: str) -> Rows:
    """Return the rows of a table without windows."""
    return {_named(row): row["values"] for row in keys(worker, table)}


def windowed(worker: Worker, table: str) -> Rows:
    """Return the rows of a table with windows, by (start, key)."""
    found: Rows = {}
    for each in keys(worker, table):
        key = _named(each)
        data = worker.get(f"/api/v1/tables/{table}/{quote(key, safe='')}")["data"]
        found.update({(row["start"], key): row["values"] for row in data["rows"]})
    return found


def _named(row: dict[str, Any]) -> Any:
    """Return the key of a row as it is written in what is wanted."""
    parts = tuple(row["key"].values())
    return parts if len(parts) > 1 else parts[0]
