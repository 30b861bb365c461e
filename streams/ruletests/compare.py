"""What was expected against what came: no failure, or one that shows both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.rules.events import rfc3339
from tables.durations import render

if TYPE_CHECKING:
    from streams.problems import Path
    from streams.ruletests.spec import Expect, ExpectedAlert, ExpectedRow, Moment
    from streams.testing import AlertState, TableRow

_TIMES = ("active_at", "fired_at", "resolved_at")
_LIVE = ("pending", "firing")
_SHOWN = 5


@dataclass(frozen=True)
class Failure:
    """Something that was not as it was expected.

    Args:
        path: what of the test.
        at: when it was looked at, in ms since the epoch.
        what: what it is about.
        expected: lines that say what was expected.
        came: lines that say what came.
    """

    path: Path
    at: int
    what: str
    expected: Sequence[str]
    came: Sequence[str]


def instant(ms: int | None, start: int) -> str:
    """Return a time as it stands in a test: since the start where it is not before."""
    if ms is None:
        return "never"
    return render(ms - start) if ms >= start else rfc3339(ms)


def named(name: str, labels: Mapping[str, str]) -> str:
    """Return an alert as Prometheus writes a series."""
    inner = ", ".join(f'{label}="{text}"' for label, text in sorted(labels.items()) if label != "alertname")
    return f"{name}{{{inner}}}"


# alerts


def compare_alerts(
    expect: Expect, came: Sequence[AlertState], path: Path, start: int, now: int
) -> Iterator[Failure]:  # fmt: skip
    """Yield what is wrong with the alerts at one time: one that is not so, one that is missing, one too many."""
    expected = expect.alerts or ()
    names = {each.alert for each in expected} | set(expect.names)
    live = [alert for alert in came if alert.state in _LIVE and (alert.name in names or not names)]
    look = _Look(start, now, came, live, [alert for alert in came if alert.state == "resolved"])
    for index, each in sorted(enumerate(expected), key=lambda item: -_detail(item[1])):
        yield from (look.absent if each.state == "inactive" else look.present)(each, (*path, index))
    inactive = [each for each in expected if each.state == "inactive"]
    more = [alert for alert in look.live if not any(_fits(each, alert) for each in inactive)]
    if more:
        yield Failure(path, now, "alerts that were not expected", ["no other alert"], _alerts(more, start))


@dataclass
class _Look:
    """The alerts at one time; each that was expected is taken away."""

    start: int
    now: int
    came: Sequence[AlertState]
    live: list[AlertState]
    resolved: list[AlertState]

    def present(self, each: ExpectedAlert, path: Path) -> Iterator[Failure]:
        """Take the alert that is expected, or yield why there is none."""
        pool = self.resolved if each.state == "resolved" else self.live
        fitting = [alert for alert in pool if _fits(each, alert)]
        exact = [alert for alert in fitting if not _differences(each, alert, self.start)]
        for alert in (exact or fitting)[:1]:
            pool.remove(alert)
        if exact:
            return
        shown = fitting[:1] or [alert for alert in self.came if alert.name == each.alert]
        came = _alerts(shown, self.start, each) or ["no such alert"]
        what = f"alert {named(each.alert, each.labels)}"
        yield Failure(path, self.now, what, _asked(each, self.start), came)

    def absent(self, each: ExpectedAlert, path: Path) -> Iterator[Failure]:
        """Yield that an alert is there that must not."""
        found = [alert for alert in self.live if _fits(each, alert)]
        if found:
            what = f"alert {named(each.alert, each.labels)}"
            expected = ["inactive: neither pending nor firing"]
            yield Failure(path, self.now, what, expected, _alerts(found, self.start))


def _detail(expected: ExpectedAlert) -> int:
    """Return how much an expectation says: what says most chooses first."""
    times = [getattr(expected, name) for name in _TIMES]
    return len(expected.labels) + len(expected.annotations) + len([time for time in times if time is not None])


def _fits(each: ExpectedAlert, alert: AlertState) -> bool:
    if each.alert != alert.name:
        return False
    if each.exact:
        return {**each.labels, "alertname": each.alert} == alert.labels
    return each.labels.items() <= alert.labels.items()


def _differences(each: ExpectedAlert, alert: AlertState, start: int) -> list[str]:
    times = [name for name in _TIMES if not _same_time(getattr(each, name), getattr(alert, name), start)]
    if each.exact:
        texts = each.annotations == alert.annotations
    else:
        texts = each.annotations.items() <= alert.annotations.items()
    return times + ["annotations"] * (not texts) + ["state"] * (each.state != alert.state)


def _same_time(expected: Moment | None, came: int | None, start: int) -> bool:
    return expected is None or expected.at(start) == came


def _asked(each: ExpectedAlert, start: int) -> list[str]:
    times = {name: getattr(each, name) for name in _TIMES}
    parts = [each.state, *(f"{name} {instant(time.at(start), start)}" for name, time in times.items() if time)]
    return [", ".join(parts), *_texts(each.annotations)]


def _alerts(alerts: Iterable[AlertState], start: int, each: ExpectedAlert | None = None) -> list[str]:
    """Return lines that say alerts; with their annotations where some are expected."""
    lines: list[str] = []
    for alert in alerts:
        times = {name: getattr(alert, name) for name in _TIMES}
        parts = [alert.state, *(f"{name} {instant(time, start)}" for name, time in times.items() if time is not None)]
        lines.append(f"{named(alert.name, alert.labels)}: {', '.join(parts)}")
        if each is not None and (each.annotations or each.exact):
            lines += _texts(alert.annotations)
    return [*lines[:_SHOWN], "..."] if len(lines) > _SHOWN else lines


def _texts(annotations: Mapping[str, str]) -> list[str]:
    return [f"  {name}: {text}" for name, text in annotations.items()]


# rows and counts


def compare_row(
    row: ExpectedRow, came: Sequence[TableRow], path: Path, start: int, now: int
) -> Iterator[Failure]:  # fmt: skip
    """Yield what is wrong with a row; `came` are all rows of its key."""
    wanted = None if row.window is None else row.window.at(start)
    found = next((each for each in came if each.start == wanted), None)
    key = ", ".join(map(str, row.key))
    what = f"row {key} of table {row.table}" + ("" if wanted is None else f", window {instant(wanted, start)}")
    if found is None and not row.absent:
        there = [f"window {instant(each.start, start)}: {_values(each.values)}" for each in came[-_SHOWN:]]
        yield Failure(path, now, what, [_values(row.values) or "a row"], there or ["no row of this key"])
    elif found is not None and row.absent:
        yield Failure(path, now, what, ["no such row"], [_values(found.values)])
    elif found is not None:
        yield from _row(row, found, path, what, now)


def _row(row: ExpectedRow, found: TableRow, path: Path, what: str, now: int) -> Iterator[Failure]:
    wrong = {
        name: value for name, value in row.values.items() if not equal(value, found.values.get(name), row.tolerance)
    }
    if wrong:
        came = {name: found.values.get(name) for name in wrong}
        yield Failure((*path, "values"), now, what, [_values(wrong)], [_values(came)])
    if row.closed is not None and row.closed != found.closed:
        expected, came_so = ("closed", "open") if row.closed else ("open", "closed")
        yield Failure((*path, "closed"), now, what, [expected], [came_so])


def equal(expected: Any, came: Any, tolerance: float) -> bool:
    """Return whether a value is as expected; numbers within `tolerance` times max(1, |expected|)."""
    if isinstance(expected, bool) or isinstance(came, bool):
        return expected is came
    if isinstance(expected, int | float) and isinstance(came, int | float):
        return abs(came - expected) <= tolerance * max(1.0, abs(expected))
    if isinstance(expected, list | tuple) and isinstance(came, list | tuple):
        return len(expected) == len(came) and all(map(equal, expected, came, [tolerance] * len(came)))
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        return expected.keys() == came.keys() and all(equal(expected[name], came[name], tolerance) for name in expected)
    return bool(expected == came)


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {'null' if value is None else value}" for name, value in values.items())


def compare_counts(
    what: str, expected: Mapping[str, int], came: Mapping[str, int], path: Path, now: int
) -> Iterator[Failure]:  # fmt: skip
    """Yield what is wrong with counts by name; what is not named is 0."""
    names = [name for name in sorted({*expected, *came}) if expected.get(name, 0) != came.get(name, 0)]
    if names:
        asked = [_values({name: expected.get(name, 0) for name in names})]
        yield Failure(path, now, what, asked, [_values({name: came.get(name, 0) for name in names})])
