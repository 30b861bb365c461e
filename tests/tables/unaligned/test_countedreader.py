"""Reading windows of a number of rows out of a store: one key, a time, the latest and the closed rows, by pages."""

from __future__ import annotations

from random import Random

import pytest

from tables.query import Row
from tables.reading import reader
from tables.unaligned.countedreader import CountedReader
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event
from tests.streams.own_oracle import FAR, Rule
from tests.streams.test_counted import Counted, planned
from tests.streams.test_counted import Row as Known
from tests.streams.traffic import SECOND, encode
from tests.tables.unaligned.test_reader import KEYS, paged

SIZE = 3


def made(seed: int) -> tuple[CountedReader, Counted]:
    """Return a reader of a partition, and the oracle of what it holds."""
    random, time, events = Random(seed), BASE, []  # noqa: S311 - a test's dice
    for offset in range(150):
        time += random.choice((0, 0, 1, 3, 30)) * SECOND
        events.append(Event(offset, random.choice(KEYS), time - random.choice((0, 0, 40)) * SECOND, offset % 9))
    rule = Rule(0, keep=FAR)
    partition = Partition(planned(SIZE, rule), encode(events), random).run()
    found = reader(partition.engine.plan.table, partition.store)
    assert isinstance(found, CountedReader)
    return found, Counted(SIZE, rule).read(events)


def told(rows: list[Row]) -> list[Known]:
    """Return rows as the oracle has them."""
    return [(row.key.decode(), row.start or 0, row.end or 0, row.values) for row in rows]


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_those_of_the_oracle(seed: int) -> None:
    """One key, a time, pages of any length, and what is closed: each once, those of a key in their order."""
    found, expected = made(seed)
    by_key = {key: [row for row in map(row_of, expected.began) if row[0] == key] for key in sorted(KEYS)}
    rows = [row for key in by_key for row in by_key[key]]
    starts = sorted(row[1] for row in rows)
    low, high = starts[len(starts) // 4], starts[len(starts) * 3 // 4]
    for limit in (1, 2, 100):
        assert told(paged(lambda after, n=limit: found.between(None, None, after, n))) == rows  # type: ignore[misc] # a default binds it
        within = paged(lambda after, n=limit: found.between(low, high, after, n))  # type: ignore[misc] # as above
        assert told(within) == [row for row in rows if low <= row[1] < high]
    for key, known in by_key.items():
        assert told(found.get(key.encode())) == known
        assert told(found.get(key.encode(), low, high)) == [row for row in known if low <= row[1] < high]
        assert told(found.get(key.encode(), limit=2)) == known[-2:]
    every = [row for (page,) in [found.between(None, None)] for row in page.rows]
    assert sorted(map(str, told([row for row in every if row.closed]))) == sorted(map(str, expected.closed))


@pytest.mark.parametrize("seed", range(8))
def test_the_latest_rows(seed: int) -> None:
    """The window of each key that began last, in pages, of keys with a prefix, and the one that was full last."""
    found, expected = made(seed)
    latest = {row[0]: row for row in map(row_of, expected.began)}
    for limit in (1, 3, 100):
        pages = paged(lambda after, n=limit: [found.latest(b"", after, n)])  # type: ignore[misc] # a default binds it
        assert told(pages) == [latest[key] for key in sorted(latest)]
    prefixed = {row.key.decode() for row in found.latest(b"a\0").rows}
    assert prefixed == {key for key in latest if key.startswith("a\0")}
    assert found.count_keys() == (len(latest), True)
    full = {row[0]: row for row in expected.closed}
    assert told(found.closed()) == [full[key] for key in sorted(full)]


def row_of(events: list[Event]) -> Known:
    """Return the row of a window."""
    return Counted(SIZE, Rule(0)).read(events).rows[0]
