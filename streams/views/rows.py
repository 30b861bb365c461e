"""Rows of tables: read in this worker, put together over workers, written as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from streams.views.errors import QueryError
from streams.views.params import cursor, key_of, prefix_candidates
from tables.keys import key_bytes, key_values
from tables.query import TooManyWindows
from tables.store import StoreError

if TYPE_CHECKING:
    from streams.plan import TablePlan
    from streams.runtime.standing import Behind
    from streams.views.params import Query
    from streams.views.provider import Provider, Reader
    from tables.query import Page, Row

MOST_ROWS = 10_000
"""Rows of one answer; the page ends with the key that reaches it."""
Answer = dict[str, Any]
Shown = dict[str, Any]
"""A row as JSON shows it."""


def shown(plan: TablePlan, row: Row) -> Shown:
    """Return a row as JSON shows it: key fields by name, window in ms, columns by name."""
    key = dict(zip(plan.key, key_values(row.key, len(plan.key)), strict=True))
    return {"key": key, "start": row.start, "end": row.end, "closed": row.closed, "values": row.values}


def name_of(table: str, partition: int) -> str:
    """Return how answers name a table partition."""
    return f"{table}-{partition}"


def missing(provider: Provider, tables: Iterable[str]) -> list[str]:
    """Return the partitions of these tables that this worker does not answer for."""
    names = []
    for table in tables:
        here = {partition for partition, (reader, _) in provider.partitions(table).items() if reader is not None}
        names += [name_of(table, each) for each in range(provider.partition_count(table)) if each not in here]
    return names


def in_all(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return what is missing in every answer: only that is missing in all of them together."""
    return [name for name in lists[0] if all(name in each for each in lists[1:])]


@dataclass(frozen=True)
class Local:
    """What this worker has of a table at one moment, taken in the event loop and read in a thread.

    Args:
        plan: of the table.
        readers: by partition.
        absent: the partitions that this worker does not answer for.
        worker: base URL of this worker.
        behind: of the readers that are a follower's, how far behind they are; None where no follower was asked.
    """

    plan: TablePlan
    readers: dict[int, Reader]
    absent: list[str]
    worker: str
    behind: dict[int, Behind] | None = None

    @classmethod
    def of(cls, provider: Provider, plan: TablePlan, query: Query) -> Local:
        """Return what the worker has now and is asked for: its own partitions, those that it follows, or both."""
        if query.standby is not None:
            return cls.followed(provider, plan, query.standby)
        parts = sorted(provider.partitions(plan.name).items(), key=lambda item: item[0])
        own = cls(
            plan,
            {partition: reader for partition, (reader, _) in parts if reader is not None},
            missing(provider, [plan.name]),
            provider.worker,
        )
        if not (query.local and query.stale):
            return own
        numbers = set(range(provider.partition_count(plan.name))) - own.readers.keys()
        more = cls.followed(provider, plan, numbers)
        absent = [name for name in own.absent if name in more.absent]
        return cls(plan, own.readers | more.readers, absent, provider.worker, more.behind)

    @classmethod
    def followed(cls, provider: Provider, plan: TablePlan, numbers: Collection[int]) -> Local:
        """Return what the worker follows of these partitions."""
        here = {number: each for number, each in provider.followed(plan.name).items() if number in numbers}
        absent = [name_of(plan.name, each) for each in range(provider.partition_count(plan.name)) if each not in here]
        readers = {number: reader for number, (reader, _) in sorted(here.items())}
        return cls(plan, readers, absent, provider.worker, {number: behind for number, (_, behind) in here.items()})

    def standby(self, failed: Collection[int] = ()) -> Answer:
        """Return what an answer says of the followers in it; nothing where none was asked.

        Args:
            failed: partitions that could not be read after all.
        """
        if self.behind is None:
            return {}
        found = [
            {"partition": number, "worker": self.worker, "records": behind.records, "ms": behind.ms}
            for number, behind in sorted(self.behind.items())
            if number not in failed
        ]
        return {"standby": found}


def local_page(local: Local, query: Query) -> Answer:
    """Return one page of this worker's keys; blocking.

    Raises:
        QueryError: `from` and `to` hold too many windows.
    """
    plan, absent = local.plan, list(local.absent)
    prefixes = prefix_candidates(query.prefix, len(plan.key))
    pages: list[Page] = []
    failed: list[int] = []
    for partition, reader in local.readers.items():
        try:
            pages += [page for prefix in prefixes for page in _pages(reader, prefix, query)]
        except StoreError:
            failed.append(partition)
    absent += [name_of(plan.name, partition) for partition in failed]
    found = [(row.key, shown(plan, row)) for page in pages for row in page.rows]
    ends = [page.after for page in pages if page.after is not None]
    complete = all(page.complete for page in pages)
    page = _page(plan, found, ends, query)
    return {**page, "complete": complete, "missing_partitions": absent, **local.standby(failed)}


def _pages(reader: Reader, prefix: bytes, query: Query) -> list[Page]:
    """Return the latest rows of the first keys, or, if a time is asked for, a page of each of its windows."""
    if query.from_ is None and query.to is None:
        return [reader.latest(prefix, query.after, query.limit)]
    try:
        return reader.between(query.from_, query.to, query.after, query.limit, prefix)
    except TooManyWindows as error:
        raise QueryError(400, f"{error}; bring them closer together, or ask for one key") from error


def merged_page(plan: TablePlan, answers: Sequence[Answer], query: Query) -> Answer:
    """Return one page of the whole app, of the pages of its workers."""
    found = [(_key(plan, row), row) for answer in answers for row in answer["rows"]]
    ends = [key_of(answer["next"]) for answer in answers if answer["next"] is not None]
    complete = all(answer["complete"] for answer in answers)
    absent = in_all([answer["missing_partitions"] for answer in answers])
    standby = {"standby": [each for answer in answers for each in answer.get("standby", ())]} if query.stale else {}
    return {**_page(plan, found, ends, query), "complete": complete, "missing_partitions": absent, **standby}


def local_rows(local: Local, keys: Sequence[bytes], guess: int, query: Query) -> Answer:
    """Return the rows of the first of these keys that this worker has, from the likeliest partition; blocking.

    Args:
        local: what this worker has.
        keys: what the URL can mean, the likeliest first.
        guess: the partition to look in first.
        query: `from` and `to`.
    """
    answer: Answer = {"table": local.plan.name, "rows": [], "worker": local.worker, "partition": None}
    failed: list[int] = []
    for partition, reader in sorted(local.readers.items(), key=lambda item: item[0] != guess):
        try:
            rows = next(filter(None, (reader.get(key, query.from_, query.to) for key in keys)), None)
        except StoreError:
            failed.append(partition)
            continue
        if rows:
            answer |= {"rows": [shown(local.plan, row) for row in rows], "partition": partition}
            break
    absent = [*local.absent, *(name_of(local.plan.name, partition) for partition in failed)]
    return {**answer, "missing_partitions": absent, **local.standby(failed)}


def as_csv(plan: TablePlan, rows: Iterable[Shown]) -> str:
    """Return rows as CSV (RFC 4180) with a heading: key fields, `start`, `end`, `closed`, columns.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    columns = [aggregate.name for aggregate in plan.aggregates]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in (*plan.key, "start", "end", "closed", *columns)])
    for row in rows:
        window = (row["start"], row["end"], row["closed"])
        writer.writerow([_cell(each) for each in (*row["key"].values(), *window, *map(row["values"].get, columns))])
    return out.getvalue()


def _key(plan: TablePlan, row: Shown) -> bytes:
    return key_bytes([row["key"][name] for name in plan.key])


def _page(plan: TablePlan, found: list[tuple[bytes, Shown]], ends: list[bytes], query: Query) -> Answer:
    """Return the rows of the first keys. A source that ended early says nothing of the keys behind its end."""
    bound = min(ends, default=None)
    sound = sorted((each for each in found if bound is None or each[0] <= bound), key=lambda each: each[0])
    rows: list[Shown] = []
    last = None
    for count, (key, group) in enumerate(groupby(sound, key=lambda each: each[0])):
        if count == query.limit or len(rows) >= MOST_ROWS:
            bound = last
            break
        last = key
        rows += [row for _, row in group]
    return {"table": plan.name, "rows": rows, "next": None if bound is None else cursor(bound)}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
