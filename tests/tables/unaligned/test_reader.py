"""Reading sessions out of a store: one key, a time, the latest and the closed rows, page by page."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from streams.plan import plan
from tables.query import Row
from tables.reading import reader
from tables.unaligned.reader import SessionReader
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event
from tests.streams.own_oracle import FAR, Rule
from tests.streams.test_sessions import oracle, planned
from tests.streams.traffic import SECOND, encode

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = ("a", "a\0", "a\0b", "ab", "b", "c", "\0")
Rows = dict[tuple[bytes, int], dict[str, Any]]


def made(seed: int) -> tuple[SessionReader, Rows, set[tuple[bytes, int]]]:
    """Return a reader of a partition, the rows that it holds by key and start, and which of them are closed."""
    random, time, events = Random(seed), BASE, []  # noqa: S311 - a test's dice
    for offset in range(150):
        time += random.choice((0, 0, 1, 3, 30)) * SECOND
        events.append(Event(offset, random.choice(KEYS), time, random.randrange(9)))
    rule = Rule(random.choice((0, 5)), keep=FAR)
    partition = Partition(planned(rule), encode(events), random).run()
    expected = oracle(rule, events)
    rows = {(key.encode(), start): row for (start, key), row in expected.rows.items()}
    found = reader(plan(partition.plan.declaration).tables["traffic"].table, partition.store)
    assert isinstance(found, SessionReader)
    return found, rows, {(key.encode(), start) for start, key in expected.closed}


def as_dict(rows: list[Row]) -> Rows:
    """Return rows by key and start, each of them once, in order."""
    found = {(row.key, row.start or 0): row.values for row in rows}
    assert list(found) == sorted(found)
    assert len(found) == len(rows)
    return found


def paged(ask: Callable[[bytes | None], list[Any]]) -> list[Row]:
    """Return the rows of all pages."""
    rows, after = [], None
    while True:
        (page,) = ask(after)
        assert page.complete
        rows += page.rows
        if page.after is None:
            return rows
        assert after is None or page.after > after
        after = page.after


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_those_of_the_oracle(seed: int) -> None:
    """One key, a time, pages of any length, and what is closed: nothing is missing and nothing comes twice."""
    found, rows, closed = made(seed)
    starts = sorted(start for _, start in rows)
    low, high = starts[len(starts) // 4], starts[len(starts) * 3 // 4]
    within = {at: row for at, row in rows.items() if low <= at[1] < high}
    for limit in (1, 2, 100):
        assert as_dict(paged(lambda after, n=limit: found.between(None, None, after, n))) == rows  # type: ignore[misc] # a default binds it
        assert as_dict(paged(lambda after, n=limit: found.between(low, high, after, n))) == within  # type: ignore[misc] # as above
    for key in {key for key, _ in rows}:
        assert as_dict(found.get(key)) == {at: row for at, row in rows.items() if at[0] == key}
        assert as_dict(found.get(key, low, high)) == {at: row for at, row in within.items() if at[0] == key}
    every = [row for (page,) in [found.between(None, None)] for row in page.rows]
    assert {(row.key, row.start) for row in every if row.closed} == closed


@pytest.mark.parametrize("seed", range(8))
def test_the_latest_rows(seed: int) -> None:
    """The latest row of each key, in pages, of keys with a prefix, and the latest closed one."""
    found, rows, closed = made(seed)
    latest = dict(sorted(rows))
    for limit in (1, 3, 100):
        pages = paged(lambda after, n=limit: [found.latest(b"", after, n)])  # type: ignore[misc] # a default binds it
        assert {row.key: row.start for row in pages} == latest
    prefixed = {row.key for row in found.latest(b"a\0").rows}
    assert prefixed == {key for key in latest if key.startswith(b"a\0")}
    assert found.count_keys() == (len(latest), True)
    assert {row.key: row.start for row in found.closed()} == dict(sorted(closed))
