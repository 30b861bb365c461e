"""Playing a test: what comes in when, what is seen when, and what is told where it is not as expected."""

from __future__ import annotations

from typing import Any

import pytest

from streams.load import loads
from streams.ruletests import play as playing
from streams.ruletests.compare import equal
from streams.ruletests.play import play
from tests.streams.ruletests.apps import APP, failures

BURST = "- {stream: s, at: 1s, every: 10s, for: 5m, value: {host: a, x: 1}}"
LIFE = f"""
- name: life
  input:
    {BURST}
  advance: 10m
  expect:
    - {{at: 1m, alerts: []}}
    - {{at: 1m11s, alerts: [{{alert: Many, state: pending, active_at: 1m, labels: {{host: a}}}}]}}
    - at: 2m11s
      alerts: [{{alert: Many, active_at: 1m, fired_at: 2m, labels: {{severity: page}}, annotations: {{text: 6 of a}}}}]
      rows:
        - {{table: c, key: a, window: 1m, values: {{n: 6, top: 1}}, closed: true}}
        - {{table: c, key: a, window: 2m, values: {{n: 2}}, closed: false}}
        - {{table: c, key: b, window: 1m, absent: true}}
    - alerts:
        - {{alert: Many, state: inactive}}
        - {{alert: Many, state: resolved, fired_at: 2m, resolved_at: 6m}}
      rows: [{{table: c, key: a, window: 4m, closed: true}}]
"""


def test_the_life_of_an_alert_is_seen() -> None:
    """Nothing, pending, firing, resolved: each at its time, with its rows; grace and idle are waited for."""
    assert failures(LIFE) == []


@pytest.mark.parametrize(
    ("before", "after", "expected", "came"),
    [
        ("at: 1m, alerts: []", "at: 1m11s, alerts: []", "no other alert", "pending, active_at 1m"),
        ("fired_at: 2m, labels", "fired_at: 3m, labels", "fired_at 3m", "fired_at 2m"),
        ("state: pending", "state: firing", "firing, active_at 1m", "pending, active_at 1m"),
        ("labels: {host: a}", "labels: {host: b}", "pending, active_at 1m", 'host="a"'),
        ("6 of a", "7 of a", "text: 7 of a", "text: 6 of a"),
        ("values: {n: 6", "values: {n: 5", "n: 5", "n: 6"),
        ("closed: false", "closed: true", "closed", "open"),
        ("key: b, window: 1m", "key: a, window: 1m", "no such row", "n: 6"),
        ("window: 4m, closed", "window: 9m, closed", "a row", "window 4m: n: 6"),
        ("resolved_at: 6m", "resolved_at: 7m", "resolved_at 7m", "resolved_at 6m"),
        ("state: inactive}", "state: pending}", "pending", "resolved"),
        (
            "at: 2m11s\n      alerts",
            "at: 2m11s\n      dead_letters: {wrong_type: 1}\n      alerts",
            "wrong_type: 1",
            ": 0",
        ),
        ("at: 2m11s\n      alerts", "at: 2m11s\n      late: {c: 2}\n      alerts", "c: 2", "c: 0"),
    ],
)
def test_what_is_not_so_is_told(before: str, after: str, expected: str, came: str) -> None:
    """A changed expectation fails, with what was expected and what came."""
    assert before in LIFE
    found = failures(LIFE.replace(before, after, 1))
    assert found
    assert expected in "\n".join(line for each in found for line in each.expected)
    assert came in "\n".join(line for each in found for line in each.came)


def test_failures_say_where_and_when() -> None:
    """A failure names its part of the test and the time it was looked at."""
    (found,) = failures(LIFE.replace("values: {n: 6", "values: {n: 5"))
    assert (found.path, found.what) == (("expect", 2, "rows", 0, "values"), "row a of table c, window 1m")
    assert found.at - loads(APP + "tests:" + LIFE).tests[0].start == 131_000


def test_expectations_may_stand_in_any_order() -> None:
    """They are looked at in the order of their times, and told in the order of the test."""
    tests = """
- name: order
  input: [{stream: s, every: 10s, for: 5m, value: {host: a}}]
  expect:
    - rows: [{table: c, key: a, window: 4m, values: {n: 7}}]
    - {at: 30s, rows: [{table: c, key: a, window: 0s, values: {n: 9}}]}
"""
    first, second = failures(tests)
    assert (first.path[1], second.path[1]) == (0, 1)
    assert (list(first.came), list(second.came)) == (["n: 6"], ["n: 4"])


def test_dead_letters_and_late_rows() -> None:
    """They are counted by reason and by table; a late record is one whose arrival is delayed."""
    tests = """
- name: letters
  partitions: 2
  input:
    - {stream: s, at: 1s, value: {host: a, port: 1}}
    - {stream: s, at: 2s, value: {host: [a], port: 1}}
    - {stream: s, at: 3s, value: "{"}
    - {stream: s, at: 4s, value: null}
    - {stream: s, at: 10m, value: {host: a, port: 1}}
    - {stream: s, at: 5s, delay: 11m, value: {host: a, port: 1}}
    - {stream: s, at: 5s, delay: 11m, value: {host: a, port: 1}, partition: 1}
  expect:
    - {at: 4s, dead_letters: {wrong_type: 1, invalid_json: 1, empty_value: 1}, late: {c: 0}}
    - {late: {c: 1, pairs: 0}, dead_letters: {wrong_type: 1, invalid_json: 1, empty_value: 1}}
    - rows: [{table: c, key: a, window: 0s, values: {n: 1}}]
"""
    assert failures(tests) == []


def test_series_are_fields() -> None:
    """Each number is a record, a gap is none; the mean needs its tolerance."""
    tests = """
- name: series
  input: [{stream: s, every: 10s, series: {x: "1+1x3 _ 9"}, value: {host: a}, count: 2}]
  expect:
    - rows:
        - {table: c, key: a, window: 0s, values: {n: 10, top: 9, mid: 3.8}}
        - {table: c, key: a, window: 0s, values: {mid: 3.5}, tolerance: 0.1}
"""
    assert failures(tests) == []


def test_keys_of_several_fields_and_of_numbers() -> None:
    """A key is a list of values as in JSON; text in quotes is another key than a number."""
    tests = """
- name: keys
  input:
    - {stream: s, at: 1s, value: {host: a, port: 80}}
    - {stream: s, at: 1s, value: {host: a, port: "80"}, count: 2}
  expect:
    - rows:
        - {table: pairs, key: [a, 80], values: {n: 1}}
        - {table: pairs, key: [a, "80"], values: {n: 2}}
"""
    assert failures(tests) == []


def test_other_codecs() -> None:
    """Values are encoded by the stream's codec, and text is the record itself; without `time` arrival is event time."""
    tests = """
- name: codecs
  start: 2015-05-17T10:00:00Z
  input:
    - {stream: logs, at: 1m, value: {client: 10.0.0.1, bytes: 100, status: 200}}
    - {stream: logs, value: '10.0.0.1 - - [17/May/2015:10:02:00 +0000] "GET / HTTP/1.1" 200 23 "-" "-"'}
    - {stream: free, at: 30s, every: 1s, for: 3s, value: hello}
  expect:
    - rows:
        - {table: clients, key: 10.0.0.1, window: 2015-05-17T10:00:00Z, values: {n: 2, sent: 123}}
        - {table: words, key: hello, window: 0s, values: {n: 3}}
"""
    assert failures(tests) == []


def test_batches_are_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether records are folded together or one instant after the other, the same is seen at each look."""
    declaration = loads(f"{APP}tests:\n{LIFE}")
    together: list[bool] = []

    def record_by_record(*_: Any) -> bool:
        together.append(True)
        return False

    assert play(declaration.tests[0], declaration) == []
    monkeypatch.setattr(playing, "_alone", record_by_record)
    assert play(declaration.tests[0], declaration) == []
    assert together


@pytest.mark.parametrize(
    ("expected", "came", "same"),
    [
        (1, 1.0, True), (1000, 1001, True), (1000, 1002, False), (0, 0.0009, True), (None, None, True),
        (None, 0, False), (True, 1, False), ("a", "a", True), ([1, "b"], (1.0005, "b"), True), ([1], [1, 2], False),
        ({"a": 1}, {"a": 1.0005}, True), ({"a": 1}, {"b": 1}, False), ("1", 1, False),
    ],
)  # fmt: skip
def test_values_are_compared_with_tolerance(*, expected: Any, came: Any, same: bool) -> None:
    """Numbers may be off by 0.001 of max(1, expected), also inside lists and mappings; all else is equal or not."""
    assert equal(expected, came, 0.001) is same
