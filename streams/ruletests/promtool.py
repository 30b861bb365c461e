"""promtool's layout of unit tests for rules, for the parts that mean the same here.

A series is a stream: `<stream>_<field>` or `<stream>`, which is its field `value`; its labels are further fields.
Series of one stream with equal labels are one record for each time. What is looked at is the state in event time at
`eval_time`, with all windows judged that end by then: promtool's evaluation with the data up to that time.

Source: Prometheus documentation, "Unit testing for rules".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.kinds import Duration, Text
from streams.nodes import Scalar
from streams.plan import plan
from streams.problems import Finding, Path, Place, suggest
from streams.ruletests.kinds import Refusal, Series, typed
from streams.ruletests.spec import Expect, ExpectedAlert, Feed, Moment, Number, RuleTest
from streams.shapes import ByName, Key, ListOf, Section
from tables.durations import render

if TYPE_CHECKING:
    from streams.planned import StreamPlan
    from streams.spec import Declaration

TEXT = Text()
_SERIES = re.compile(r'\s*(?P<name>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s*')
_LABEL = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_NO_PROMQL = "there is no PromQL here; look at a table with `expect: [{rows: [...]}]` in the declaration's own tests"
_NO_SERVER = "alerts here have no external labels or URLs; leave it out"


@dataclass(frozen=True, kw_only=True)
class InputSeries:
    """One series: its name with labels, and its numbers."""

    series: str
    values: tuple[Number | None, ...]


@dataclass(frozen=True, kw_only=True)
class Alerting:
    """The firing alerts of one name at one time."""

    eval_time: int
    alertname: str
    exp_alerts: tuple[ExpectedAlert, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """One test group."""

    interval: int = 60_000
    name: str = ""
    input_series: tuple[InputSeries, ...] = ()
    alert_rule_test: tuple[Alerting, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One file."""

    rule_files: tuple[str, ...]
    tests: tuple[Group, ...]
    evaluation_interval: int | None = None

    def __post_init__(self) -> None:
        """Refuse more than one declaration."""
        if len(self.rule_files) != 1:
            raise ValueError("`rule_files` must name one declaration, from where this file is")


def _expected(exp_labels: Mapping[str, str] | None = None, exp_annotations: Any = None) -> ExpectedAlert:
    return ExpectedAlert(alert="", labels=exp_labels or {}, annotations=exp_annotations or {}, exact=True)


_TEXTS = ByName(TEXT, TEXT, "a mapping of names to texts")
_EXPECTED = Section(
    "an expected alert",
    (
        Key("exp_labels", _TEXTS, "All labels but `alertname`.", "none"),
        Key("exp_annotations", _TEXTS, "All annotations.", "none"),
    ),
    _expected,
)
_ALERTING = Section(
    "a test of alerts",
    (
        Key("eval_time", Duration(), "The time, since the start."),
        Key("alertname", TEXT, "The alert."),
        Key("exp_alerts", ListOf(_EXPECTED, "a list of expected alerts"), "All firing alerts.", "none"),
    ),
    Alerting,
)
_INPUT = Section(
    "a series",
    (
        Key("series", TEXT, "Stream, field and labels."),
        Key("values", Series(), "The numbers."),
    ),
    InputSeries,
)
_GROUP = Section(
    "a test group",
    (
        Key("name", TEXT, "What it shows.", "its number"),
        Key("interval", Duration(least=1), "Time between two numbers.", "1m"),
        Key("input_series", ListOf(_INPUT, "a list of series"), "The input.", "none"),
        Key("alert_rule_test", ListOf(_ALERTING, "a list of tests of alerts"), "What must fire.", "none"),
        Key("promql_expr_test", Refusal(_NO_PROMQL), "", "none"),
        Key("external_labels", Refusal(_NO_SERVER), "", "none"),
        Key("external_url", Refusal(_NO_SERVER), "", "none"),
        Key("start_timestamp", Refusal("these tests begin at 2004-07-01T00:00:00Z; leave it out"), "", "none"),
    ),
    Group,
)
PROMTOOL = Section(
    "a rule unit test file",
    (
        Key("rule_files", ListOf(TEXT, "a list with the file of one declaration"), "The declaration."),
        Key("evaluation_interval", Duration(least=1), "The step of the tables whose alerts are tested.", "any"),
        Key("tests", ListOf(_GROUP, "a list of test groups"), "The test groups."),
        Key("group_eval_order", Refusal("rules here are not in groups; leave it out"), "", "none"),
        Key("fuzzy_compare", Refusal("numbers are not compared in this layout; leave it out"), "", "none"),
    ),
    Layout,
)


def read_promtool(layout: Layout, declaration: Declaration) -> tuple[list[RuleTest], list[Finding]]:
    """Return the tests that a file says, and what in it does not fit the declaration."""
    reader = _Reader(layout, declaration)
    tests = [reader.test(group, ("tests", index)) for index, group in enumerate(layout.tests)]
    return tests, reader.findings


@dataclass
class _Reader:
    """Makes tests of groups."""

    layout: Layout
    declaration: Declaration
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._streams = plan(self.declaration).streams

    def test(self, group: Group, path: Path) -> RuleTest:
        expect = [self._look(each, (*path, "alert_rule_test", at)) for at, each in enumerate(group.alert_rule_test)]
        name = group.name or f"test {int(path[-1]) + 1}"
        return RuleTest(name=name, input=tuple(self._feeds(group, path)), expect=tuple(expect))

    def _look(self, each: Alerting, path: Path) -> Expect:
        rules = [rule for rule in self.declaration.alerts if rule.alert == each.alertname]
        if not rules:
            known = (rule.alert for rule in self.declaration.alerts)
            self._wrong((*path, "alertname"), f"there is no alert {each.alertname!r}{suggest(each.alertname, known)}")
        for table in {rule.table for rule in rules}:
            self._step(table, each.alertname)
        alerts = (
            ExpectedAlert(alert=each.alertname, labels=one.labels, annotations=one.annotations, exact=True)
            for one in each.exp_alerts
        )
        return Expect(at=Moment(each.eval_time), alerts=tuple(alerts), names=(each.alertname,), settled=True)

    def _step(self, table: str, name: str) -> None:
        """Refuse an evaluation interval that would move the alert's times."""
        window, given = self.declaration.tables[table].window, self.layout.evaluation_interval
        step = (window.interval or None) if window else None
        if given is not None and step is not None and given != step:
            self._wrong(
                ("evaluation_interval",),
                f"alert {name} is judged when a window of table {table} ends, each {render(step)}, not each "
                f"{render(given)}; write {render(step)}, or leave it out",
            )

    def _feeds(self, group: Group, path: Path) -> Iterator[Feed]:
        """Yield one input for all series of a stream that have equal labels."""
        found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, tuple[Number | None, ...]]] = {}
        for index, each in enumerate(group.input_series):
            at = (*path, "input_series", index, "series")
            named = self._named(each.series, at)
            if named is None:
                continue
            stream, name, labels = named
            fields = found.setdefault((stream, tuple(sorted(labels.items()))), {})
            if name in fields:
                self._wrong(at, f"the series {each.series} is given twice; keep one of them")
            fields[name] = each.values
        for (stream, pairs), series in found.items():
            value = {name: self._typed(stream, name, text) for name, text in pairs}
            yield Feed(stream=stream, every=group.interval, value=value, series=series)

    def _named(self, text: str, path: Path) -> tuple[str, str, dict[str, str]] | None:
        """Return stream, field and labels of a series' name."""
        match = _SERIES.fullmatch(text)
        labels = None if match is None else _labels(match["labels"] or "")
        if match is None or labels is None:
            self._wrong(path, f'{text!r} is not a series; write for example access_bytes{{host="a"}}')
            return None
        name = match["name"]
        streams = [each for each in self._streams if name == each or name.startswith(f"{each}_")]
        if not streams:
            known = ", ".join(f"{each}_<field>" for each in self._streams)
            self._wrong(path, f"the series {name} is of no stream; write {known}")
            return None
        stream = max(streams, key=len)
        return stream, name[len(stream) + 1 :] or "value", labels

    def _typed(self, stream: str, name: str, text: str) -> Any:
        """Return a label's text, or the number that the declaration needs it to be."""
        plan: StreamPlan = self._streams[stream]
        if plan.fields.get(name) in ("number", "bool"):
            return typed(Scalar(text, Place("", 0), plain=True))
        return text

    def _wrong(self, path: Path, message: str) -> None:
        self.findings.append(Finding(path, message))


def _labels(text: str) -> dict[str, str] | None:
    """Return the labels between the braces, None if they are none."""
    found, at = {}, 0
    while at < len(text.rstrip()):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        found[match[1]] = _ESCAPE.sub(lambda each: {"n": "\n", "t": "\t"}.get(each[1], each[1]), match[2])
        at = match.end()
    return found
