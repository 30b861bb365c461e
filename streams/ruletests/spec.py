"""What a test of rules is, as it is declared: records that come in, and what must be seen at which time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

START = 1_088_640_000_000
"""2004-07-01T00:00:00Z: windows of 1 to 10 days, and of all that divides them or a week, begin then."""
MOST_RECORDS = 1_000_000
"""Most records of one input of a test."""

State = Literal["pending", "firing", "resolved", "inactive"]
Number = int | float


@dataclass(frozen=True)
class Moment:
    """A time in a test, in ms: since the test's start, or since the epoch if it is `absolute`."""

    ms: int
    absolute: bool = False

    def at(self, start: int) -> int:
        """Return ms since the epoch."""
        return self.ms if self.absolute else start + self.ms


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Records that come in.

    Args:
        stream: the stream that reads them.
        at: event time of the first, in ms since the test's start.
        every: ms between two; None is one record.
        for_: they end before this many ms; None leaves it to `series`.
        count: how many equal records come each time.
        value: fields of each record, or the record value as text; None is a tombstone.
        series: by numeric field, its number in each record; None is no record at that time.
        delay: ms from event time to arrival, which is the record's Kafka timestamp.
        key: record key.
        partition: of the topic.
    """

    stream: str
    at: int = 0
    every: int | None = None
    for_: int | None = None
    count: int = 1
    value: Any = field(default_factory=dict)
    series: Mapping[str, tuple[Number | None, ...]] = field(default_factory=dict)
    delay: int = 0
    key: str | None = None
    partition: int = 0

    def __post_init__(self) -> None:
        """Refuse what says nothing or too much."""
        if self.for_ is not None and self.every is None:
            raise ValueError("`for` needs `every`, the time between two records; write {every: 2s, for: 6m}")
        if self.every is not None and self.for_ is None and not self.series:
            raise ValueError("`every` needs `for`, or a `series` that ends by itself; write {every: 2s, for: 6m}")
        if self.series and self.every is None:
            raise ValueError("`series` needs `every`, the time between two of its numbers")
        if self.series and not isinstance(self.value, Mapping):
            raise ValueError("`series` needs a `value` that is a mapping of the other fields, or none")
        if self.instants * self.count > MOST_RECORDS:
            raise ValueError(f"these are more than {MOST_RECORDS:,} records; a test needs fewer")

    @property
    def instants(self) -> int:
        """Return how many times records come."""
        if self.every is None:
            return 1
        longest = max((len(numbers) for numbers in self.series.values()), default=0)
        return longest if self.for_ is None else -(-self.for_ // self.every)

    def values(self) -> Iterator[tuple[int, Any]]:
        """Yield (event time in ms since the test's start, value) of each record."""
        for index in range(self.instants):
            numbers = {name: _nth(series, index) for name, series in self.series.items()}
            given = {name: number for name, number in numbers.items() if number is not None}
            if self.series and not given:
                continue
            value = {**self.value, **given} if self.series else self.value
            for _ in range(self.count):
                yield self.at + index * (self.every or 0), value


def _nth(series: tuple[Number | None, ...], index: int) -> Number | None:
    return series[index] if index < len(series) else None


@dataclass(frozen=True, kw_only=True)
class ExpectedRow:
    """A row that a table must have, or must not have.

    Args:
        table: its name.
        key: values of the key fields, in order.
        window: start of the window; None for a table without window.
        values: some of its columns.
        closed: whether the window must be closed; None does not matter.
        tolerance: how far numbers may be off, in parts of max(1, |expected|).
        absent: there must be no such row.
    """

    table: str
    key: tuple[Any, ...]
    window: Moment | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    closed: bool | None = None
    tolerance: float = 1e-9
    absent: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.absent and (self.values or self.closed is not None):
            raise ValueError("a row that is `absent` has neither `values` nor `closed`; leave them out")


@dataclass(frozen=True, kw_only=True)
class ExpectedAlert:
    """An alert that must be there, or, if `inactive`, must not.

    Args:
        alert: its name.
        state: pending, firing, resolved or inactive.
        labels: some of its labels; all but `alertname` if `exact`.
        annotations: some of its annotations; all if `exact`.
        active_at: since when the condition must hold.
        fired_at: since when it must fire.
        resolved_at: when it must have been resolved.
        exact: whether labels and annotations are all that there may be.
    """

    alert: str
    state: State = "firing"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    active_at: Moment | None = None
    fired_at: Moment | None = None
    resolved_at: Moment | None = None
    exact: bool = False


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What must be seen at one time.

    Args:
        at: the time; None is the end of the test.
        alerts: the live alerts, all of those that are named; an empty list is none at all; None does not matter.
        names: names of alerts of which there must be no others than those in `alerts`.
        rows: rows of tables.
        dead_letters: by reason, how many so far; None does not matter.
        late: by table, how many late rows so far.
        settled: close what ends at `at` before looking, whatever the grace: then the time is that of events.
    """

    at: Moment | None = None
    alerts: tuple[ExpectedAlert, ...] | None = None
    names: tuple[str, ...] = ()
    rows: tuple[ExpectedRow, ...] = ()
    dead_letters: Mapping[str, int] | None = None
    late: Mapping[str, int] = field(default_factory=dict)
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class RuleTest:
    """One test.

    Args:
        name: what it shows.
        start: when it begins, in ms since the epoch.
        partitions: of each topic.
        input: the records.
        advance: ms that the clock goes on after the last record and the last look.
        expect: what must be seen.
    """

    name: str
    start: int = START
    partitions: int = 1
    input: tuple[Feed, ...] = ()
    advance: int = 0
    expect: tuple[Expect, ...] = ()
