"""Checks that tests speak of what their declaration has: streams, tables, columns, alerts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from streams.codecs import registry
from streams.problems import Finding, Path, suggest
from streams.reasons import REASONS
from tables.durations import render
from tables.windows import panes

if TYPE_CHECKING:
    from streams.codecs.base import Codec
    from streams.ruletests.spec import Expect, ExpectedRow, Feed, RuleTest
    from streams.spec import Declaration
    from tables.spec import Table


def check_tests(tests: Sequence[RuleTest], declaration: Declaration) -> list[Finding]:
    """Return every mistake in tests that their declaration tells."""
    return [
        finding for index, test in enumerate(tests) for finding in _Checker(declaration, test, ("tests", index)).all()
    ]


class _Checker:
    """Looks at one test."""

    def __init__(self, declaration: Declaration, test: RuleTest, path: Path) -> None:
        self._declaration, self._test, self._path = declaration, test, path

    def all(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        for index, feed in enumerate(self._test.input):
            yield from self._feed(feed, (*self._path, "input", index))
        for index, expect in enumerate(self._test.expect):
            yield from self._expect(expect, (*self._path, "expect", index))

    def _feed(self, feed: Feed, path: Path) -> Iterator[Finding]:
        yield from _known(feed.stream, self._declaration.streams, "stream", (*path, "stream"))
        if feed.partition >= self._test.partitions:
            most = self._test.partitions - 1
            message = f"the test has partitions 0 to {most}; give it `partitions: {feed.partition + 1}`"
            yield Finding((*path, "partition"), message)
        if not isinstance(feed.value, str | Mapping | None):
            message = f"`value` must be a mapping of fields, or text, not {feed.value!r}"
            yield Finding((*path, "value"), message)
        stream = self._declaration.streams.get(feed.stream)
        codec = registry().get(stream.codec) if stream else None
        if codec is not None and codec.fields is not None:
            yield from self._fields(feed, codec.fields, path)
        if codec is not None:
            yield from _writable(codec, feed, path)

    def _fields(self, feed: Feed, fields: Collection[str], path: Path) -> Iterator[Finding]:
        """Yield the fields that the stream's format does not have."""
        for part, names in (("value", feed.value if isinstance(feed.value, Mapping) else ()), ("series", feed.series)):
            for name in names:
                yield from _known(name, fields, f"field of stream {feed.stream}", (*path, part, name))

    def _expect(self, expect: Expect, path: Path) -> Iterator[Finding]:
        if expect.at is not None and expect.at.at(self._test.start) < self._test.start:
            yield Finding((*path, "at"), "this is before the start of the test; move `start`, or look later")
        names = [alert.alert for alert in self._declaration.alerts]
        for index, alert in enumerate(expect.alerts or ()):
            yield from _known(alert.alert, names, "alert", (*path, "alerts", index, "alert"))
        for index, row in enumerate(expect.rows):
            yield from self._row(row, (*path, "rows", index))
        for reason in expect.dead_letters or ():
            yield from _known(reason, REASONS, "reason of dead letters", (*path, "dead_letters", reason))
        for table in expect.late:
            yield from _known(table, self._declaration.tables, "table", (*path, "late", table))

    def _row(self, row: ExpectedRow, path: Path) -> Iterator[Finding]:
        yield from _known(row.table, self._declaration.tables, "table", (*path, "table"))
        table = self._declaration.tables.get(row.table)
        if table is None:
            return
        if len(row.key) != len(table.key):
            keys = ", ".join(table.key)
            yield Finding((*path, "key"), f"the key of table {row.table} is {keys}; give {len(table.key)} of it")
        for column in row.values:
            yield from _known(column, table.aggregates, f"column of table {row.table}", (*path, "values", column))
        yield from self._window(row, table, path)

    def _window(self, row: ExpectedRow, table: Table, path: Path) -> Iterator[Finding]:
        if (row.window is None) != (table.window is None):
            message = "has no window; leave `window` out" if row.window else "has windows; give `window`, its start"
            yield Finding((*path, "window") if row.window else path, f"table {row.table} {message}")
        start = row.window.at(self._test.start) if row.window else 0
        if row.window and table.window and table.window.unaligned:
            return  # each row may begin one
        if row.window and table.window and not (found := panes(table.window)).windows_at(start, start + 1):
            after = render(found.start(found.starting_from(start)) - self._test.start)
            message = f"no window of table {row.table} starts here; it has {table.window.words()}, the next at {after}"
            yield Finding((*path, "window"), message)


def _writable(codec: Codec, feed: Feed, path: Path) -> Iterator[Finding]:
    """Yield that a codec cannot write a record, which a stranger could not have written either."""
    _, value = next(feed.values(), (0, None))
    if not isinstance(value, Mapping):
        return
    try:
        codec.encode(value)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        message = f"codec {codec.name} cannot write such a record ({error!r}); give its fields, or the record as text"
        yield Finding((*path, "value"), message)


def _known(name: str, known: Iterable[str], what: str, path: Path) -> Iterator[Finding]:
    names = list(known)
    if name not in names:
        yield Finding(path, f"there is no {what} {name!r}{suggest(name, names)}")
