"""Reading sliding windows out of a store: one key, a time, the latest and the closed rows, page by page."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tables.query import Row
from tables.reading import reader
from tables.unaligned.slidingreader import SlidingReader
from tests.streams.lives import BASE, Partition
from tests.streams.oracle import Event
from tests.streams.own_oracle import Rule
from tests.streams.test_sliding import SIZE, Sliding, planned
from tests.streams.traffic import SECOND, encode

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = ("a", "a\0", "a\0b", "ab", "b", "c", "\0")
Rows = dict[tuple[bytes, int], dict[str, Any]]


def made(seed: int) -> tuple[SlidingReader, Rows, set[tuple[bytes, int]]]:
    """Return a reader of a partition, the rows that it holds by key and start, and which of them are closed."""
    random, time, events = Random(seed), BASE, []  # noqa: S311 - a test's dice
    for offset in range(120):
        time += random.choice((0, 0, 1, 3, 30)) * SECOND
        events.append(Event(offset, random.choice(KEYS), time - random.choice((0, 0, 7)) * SECOND, random.randrange(9)))
    rule = Rule(random.choice((0, 5)))
    partition = Partition(planned(rule), encode(events), random).run()
    expected = Sliding(rule).read(events)
    rows = {(key.encode(), start): row for (start, key), row in expected.windows().items()}
    found = reader(partition.engine.plan.table, partition.store)
    assert isinstance(found, SlidingReader)
    return found, rows, {(key.encode(), start) for start, key in expected.closed}


def as_dict(rows: list[Row]) -> Rows:
    """Return rows by key and start, each of them once, in order."""
    found = {(row.key, row.start or 0): row.values for row in rows}
    assert list(found) == sorted(found)
    assert len(found) == len(rows)
    assert all((row.end or 0) - (row.start or 0) == SIZE * SECOND + 1 for row in rows)
    return found


def paged(ask: Callable[[bytes | None], tuple[list[Row], bytes | None]]) -> list[Row]:
    """Return all pages that a reader answers one after the other."""
    rows, after = ask(None)
    while after is not None:
        more, after = ask(after)
        rows = rows + more
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_one_key(seed: int) -> None:
    """All, those that start in a time, or the newest few."""
    found, rows, closed = made(seed)
    for key in (key.encode() for key in KEYS):
        mine = {at: row for at, row in rows.items() if at[0] == key}
        assert as_dict(found.get(key)) == mine
        assert {(row.key, row.start) for row in found.get(key) if row.closed} == {at for at in mine if at in closed}
        starts = sorted(start for _, start in mine)
        from_, to = starts[len(starts) // 3], starts[-1]
        assert as_dict(found.get(key, from_, to)) == {at: row for at, row in mine.items() if from_ <= at[1] < to}
        assert as_dict(found.get(key, limit=3)) == {at: mine[at] for at in sorted(mine)[-3:]}


@pytest.mark.parametrize("seed", range(4))
def test_pages(seed: int) -> None:
    """Pages of any length are together all rows of a time, and the latest row of each key."""
    found, rows, closed = made(seed)
    starts = sorted(start for _, start in rows)
    from_, to = starts[len(starts) // 4], starts[-len(starts) // 4]

    def between(after: bytes | None) -> tuple[list[Row], bytes | None]:
        (page,) = found.between(from_, to, after, limit=2)
        return page.rows, page.after

    def latest(after: bytes | None) -> tuple[list[Row], bytes | None]:
        page = found.latest(after=after, limit=2)
        return page.rows, page.after

    assert as_dict(paged(between)) == {at: row for at, row in rows.items() if from_ <= at[1] < to}
    newest = dict(sorted(rows))
    assert as_dict(paged(latest)) == {(key, start): rows[key, start] for key, start in newest.items()}
    over = dict(sorted(closed))
    assert as_dict(found.closed()) == {(key, start): rows[key, start] for key, start in over.items()}
    assert found.count_keys() == (len(newest), True)


@pytest.mark.parametrize("seed", range(4))
def test_a_search_that_is_cut_off_shows_whole_windows_only(seed: int) -> None:
    """With a small budget the newest windows are looked at, each of them as it is, and the page says so."""
    found, rows, _ = made(seed)
    (page,) = found.between(None, None, budget=70)
    assert not page.complete
    assert page.rows
    part = as_dict(page.rows)
    assert part == {at: rows[at] for at in part}
