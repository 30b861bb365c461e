"""One test, played: its records go through the Harness in the order of their arrival, and it is looked at in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from streams.names import dead_letters_topic
from streams.ruletests.compare import Failure, compare_alerts, compare_counts, compare_row
from streams.testing import Harness

if TYPE_CHECKING:
    from streams.planned import Plan
    from streams.problems import Path
    from streams.ruletests.spec import Expect, Feed, RuleTest
    from streams.spec import Declaration, Stream

_REASON = "__streams.errors.exception"
_PER_MS = {"s": 1 / 1000, "ms": 1, "us": 1000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One record, when it arrives (ms since the epoch)."""

    at: int
    topic: str
    record: Mapping[str, Any]


def play(test: RuleTest, declaration: Declaration) -> list[Failure]:
    """Run a test and return what was not as it was expected, in the order of the test.

    Args:
        test: to run; `check_tests` found no mistake in it.
        declaration: what is tested.
    """
    player = _Player(test, declaration)
    failures = [failure for index in player.order() for failure in player.look(index)]
    return sorted(failures, key=lambda failure: failure.path[:2])


class _Player:
    """The Harness of one test."""

    def __init__(self, test: RuleTest, declaration: Declaration) -> None:
        self._test, self._declaration = test, declaration
        self._harness = Harness(declaration, partitions=test.partitions, start=test.start)
        self._arrivals = sorted(self._all(), key=lambda each: each.at)
        self._next = 0
        self._alone = _alone(test, self._harness.plan)
        looks = [expect.at.at(test.start) for expect in test.expect if expect.at is not None]
        last = max([test.start, *looks, *(each.at for each in self._arrivals[-1:])])
        self._end = last + test.advance

    def order(self) -> Iterator[int]:
        """Yield the expectations in the order of their times; then play what is left."""
        yield from sorted(range(len(self._test.expect)), key=self._time)
        self._until(self._end)

    def look(self, index: int) -> Iterator[Failure]:
        """Move on to the time of an expectation and yield what is not as it is expected."""
        expect, now, path = self._test.expect[index], self._time(index), ("expect", index)
        self._until(now)
        if expect.settled:
            self._harness.close(now)
        yield from self._alerts(expect, (*path, "alerts"), now)
        for at, row in enumerate(expect.rows):
            found = self._harness.table(row.table).rows(row.key if len(row.key) > 1 else row.key[0])
            yield from compare_row(row, found, (*path, "rows", at), self._test.start, now)
        yield from self._counts(expect, path, now)

    def _alerts(self, expect: Expect, path: Path, now: int) -> Iterator[Failure]:
        if expect.alerts is not None:
            came = [alert for alert in self._harness.alerts() if not expect.settled or alert.state == "firing"]
            yield from compare_alerts(expect, came, path, self._test.start, now)

    def _counts(self, expect: Expect, path: Path, now: int) -> Iterator[Failure]:
        if expect.dead_letters is not None:
            letters = self._harness.emitted(dead_letters_topic(self._declaration))
            came = Counter(dict(letter.headers).get(_REASON, b"").decode() for letter in letters)
            yield from compare_counts("dead letters", expect.dead_letters, came, (*path, "dead_letters"), now)
        late = {table: self._harness.late(table) for table in expect.late}
        yield from compare_counts("late rows", expect.late, late, (*path, "late"), now)

    def _time(self, index: int) -> int:
        at = self._test.expect[index].at
        return self._end if at is None else at.at(self._test.start)

    def _until(self, now: int) -> None:
        """Feed what arrives until `now`, then move the clock there."""
        first = self._next
        while self._next < len(self._arrivals) and self._arrivals[self._next].at <= now:
            self._next += 1
        for _, together in groupby(self._arrivals[first : self._next], key=self._batch):
            batch = list(together)
            self._harness.feed_many(batch[0].topic, [each.record for each in batch])
        if now > self._harness.clock:
            self._harness.advance(now - self._harness.clock)

    def _batch(self, arrival: _Arrival) -> tuple[int, str]:
        """Return what the records of one batch have in common."""
        return (0 if self._alone else arrival.at, arrival.topic)

    def _all(self) -> Iterator[_Arrival]:
        for feed in self._test.input:
            stream = self._declaration.streams[feed.stream]
            for offset, value in feed.values():
                yield _arrival(feed, stream, self._test.start + offset, value)


def _alone(test: RuleTest, plan: Plan) -> bool:
    """Return whether how input is cut into batches is not to be seen: one input partition, judged at closing only."""
    tables = plan.tables.values()
    eager = any(rule.judge == "update" for table in tables for rule in table.rules)
    emits = any(table.table.emit.when != "none" for table in tables)
    return len({(feed.stream, feed.partition) for feed in test.input}) < 2 and not eager and not emits  # noqa: PLR2004 - one


def _arrival(feed: Feed, stream: Stream, time: int, value: Any) -> _Arrival:
    """Return a record, with event time filled in where its stream has a field for it and the value does not."""
    if isinstance(value, Mapping) and stream.time is not None:
        value = _with(value, stream.time.field.split("."), _number(time, stream.time.unit))
    stamp = time if stream.time is None else time + feed.delay
    body = value.encode() if isinstance(value, str) else value
    record = {"value": body, "key": feed.key, "timestamp": stamp, "partition": feed.partition}
    return _Arrival(time + feed.delay, stream.topic, record)


def _with(value: Mapping[str, Any], names: list[str], number: float) -> dict[str, Any]:
    """Return a record's fields with one more, unless it is there; names that follow lie inside."""
    first, *rest = names
    inner = value.get(first, {} if rest else number)
    return {**value, first: _with(inner, rest, number) if rest and isinstance(inner, Mapping) else inner}


def _number(time: int, unit: str | None) -> float:
    """Return a time in ms as the number that the unit makes of it, an integer where that is exact."""
    if unit == "s" and time % 1000:
        return time / 1000
    return time // 1000 if unit == "s" else time * int(_PER_MS[unit or "ms"])
