"""promtool's layout: what maps runs and means the same, what does not is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.problems import DeclarationError
from streams.ruletests.load import Suite, load_tests
from streams.ruletests.play import play
from tests.streams.ruletests.apps import APP

HEAD = "rule_files: [ops.yaml]\n"
GROUP = r"""tests:
  - interval: 10s
    input_series:
      - {series: 's_x{host="a"}', values: 1x30 stale}
      - {series: 's_y{host="a"}', values: 1x5 _x5 1}
      - {series: 's{ host="b\n", port = "1" }', values: "0+50x10"}
    alert_rule_test:
      - {eval_time: 1m, alertname: Many}
      - eval_time: 2m
        alertname: Many
        exp_alerts:
          - {exp_labels: {severity: page, host: a}, exp_annotations: {text: 6 of a}}
          - {exp_labels: {severity: page, host: "b\n"}, exp_annotations: {text: "5 of b\n"}}
      - {eval_time: 5m, alertname: Any}
      - {eval_time: 6m, alertname: Many}
"""


def suite(folder: Path, text: str) -> Suite:
    """Return the suite of a file in the folder of `ops.yaml`, which is `APP`."""
    (folder / "ops.yaml").write_text(APP)
    (folder / "rules_test.yaml").write_text(text)
    return load_tests(folder / "rules_test.yaml")


def test_what_maps_runs(tmp_path: Path) -> None:
    """Series are records; alerts fire at the step where the window ends, whatever its grace; all are compared."""
    found = suite(tmp_path, HEAD + GROUP)
    (test,) = found.tests
    assert (test.name, len(test.input)) == ("test 1", 2)
    (values,) = [list(feed.values()) for feed in test.input if feed.value["host"] == "a"]
    assert values[:1] == [(0, {"host": "a", "x": 1, "y": 1})]
    assert values[8] == (80_000, {"host": "a", "x": 1})
    assert len(values) == 31
    assert play(test, found.declaration) == []


@pytest.mark.parametrize(
    ("before", "after", "failing"),
    [
        ("eval_time: 1m", "eval_time: 1m10s", 0),
        ("eval_time: 2m", "eval_time: 1m59s", 2),
        ("text: 6 of a", "text: 7 of a", 1),
        ("{severity: page, host: a}", "{host: a}", 2),
        ("exp_annotations: {text: 6 of a}", "exp_annotations: {}", 1),
        ("eval_time: 6m", "eval_time: 5m", 1),
    ],
)
def test_differences_are_failures(tmp_path: Path, before: str, after: str, failing: int) -> None:
    """Another time, another label or annotation, a missing one, an alert too many: each fails."""
    assert before in GROUP
    found = suite(tmp_path, HEAD + GROUP.replace(before, after, 1))
    assert len(play(found.tests[0], found.declaration)) == failing


def test_failures_are_told_where_they_stand(tmp_path: Path) -> None:
    """The place is that of the tested alert in the file."""
    found = suite(tmp_path, HEAD + GROUP)
    assert found.place(("tests", 0, "expect", 1)).line == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule_files: [ops.yaml, b.yaml]\ntests: []\n", "1:1: `rule_files` must name one declaration"),
        ("rule_files: [b.yaml]\ntests: []\n", "1:14: there is no file"),
        (HEAD + "group_eval_order: [a]\ntests: []\n", "2:19: rules here are not in groups; leave it out"),
        (HEAD + "tests: [{promql_expr_test: []}]\n", "2:28: there is no PromQL here; look at a table with"),
        (HEAD + "tests: [{external_url: x}]\n", "2:24: alerts here have no external labels or URLs"),
        (HEAD + "tests: [{input_series: [{series: up, values: 1x2}]}]\n", "2:34: the series up is of no stream; write"),
        (HEAD + "tests: [{input_series: [{series: 's{a=1}', values: 1x2}]}]\n", "2:34: 's{a=1}' is not a series"),
        (HEAD + "tests: [{input_series: [{series: s, values: '{{x}}'}]}]\n", "2:45: '{{x}}' is not a series such as"),
        (HEAD + "tests: [{input_series: [{series: s, values: 1}, {series: s, values: 1}]}]\n", "2:58: the series s is"),
        (HEAD + "tests: [{alert_rule_test: [{eval_time: 1m, alertname: X}]}]\n", "2:55: there is no alert 'X'"),
        (
            HEAD + "evaluation_interval: 30s\ntests: [{alert_rule_test: [{eval_time: 1m, alertname: Many}]}]\n",
            "2:22: alert Many is judged when a window of table c ends, each 1m, not each 30s; write 1m",
        ),
    ],
)
def test_what_means_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """What is not here, or would mean something else, is refused at its place."""
    with pytest.raises(DeclarationError) as error:
        suite(tmp_path, text)
    assert f"rules_test.yaml:{message}" in str(error.value)
