"""Files of tests: the three layouts, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.load import load, loads
from streams.problems import DeclarationError
from streams.ruletests.load import load_tests
from streams.ruletests.spec import START, Moment
from streams.spec import Declaration
from tests.streams.ruletests.apps import APP

ONE = """tests:
  - name: one
    input: [{stream: s, every: 1s, for: 3s, value: {host: a, deep: {er: [1, 1.5, "1", true, null, x]}}}]
    expect: [{at: 2m, alerts: []}]
"""
LINES = APP.count("\n")


def mistakes(text: str) -> list[str]:
    """Return what is wrong with a declaration."""
    with pytest.raises(DeclarationError) as error:
        loads(text, "f")
    return [str(problem).removeprefix("f:") for problem in error.value.problems]


def test_tests_in_a_declaration(tmp_path: Path) -> None:
    """They are read with the declaration, which is equal without them."""
    (tmp_path / "ops.yaml").write_text(APP + ONE)
    suite = load_tests(tmp_path / "ops.yaml")
    assert suite.declaration == loads(APP)
    (test,) = suite.tests
    assert (test.name, test.start, test.expect[0].at) == ("one", START, Moment(120_000))
    value = {"host": "a", "deep": {"er": [1, 1.5, "1", True, None, "x"]}}
    assert list(test.input[0].values()) == [(at, value) for at in (0, 1000, 2000)]
    assert suite.place(("tests", 0, "expect", 0, "alerts")).line == LINES + 4


def test_tests_beside_a_declaration(tmp_path: Path) -> None:
    """A file names its declaration by the path from where it is."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "apps" / "ops.yaml").write_text(APP)
    (tmp_path / "tests" / "ops.yaml").write_text("declaration: ../apps/ops.yaml\n" + ONE)
    suite = load_tests(tmp_path / "tests" / "ops.yaml")
    assert [test.name for test in suite.tests] == ["one"]
    assert suite.declaration == load(tmp_path / "apps" / "ops.yaml")


def test_mistakes_beside_a_declaration(tmp_path: Path) -> None:
    """A declaration that is missing or wrong, and tests that do not fit it, are told where they are."""
    file = tmp_path / "t.yaml"
    file.write_text("declaration: no.yaml\n" + ONE)
    with pytest.raises(DeclarationError, match=r"t.yaml:1:14: there is no file '.*no.yaml'; the path goes from here"):
        load_tests(file)
    (tmp_path / "no.yaml").write_text("app: 7 up")
    with pytest.raises(DeclarationError, match=r"no.yaml:1:6: '7 up' is not a name"):
        load_tests(file)
    (tmp_path / "no.yaml").write_text(APP.replace("  s: {", "  z: {").replace("from: s,", "from: z,"))
    with pytest.raises(DeclarationError, match=r"t.yaml:4:22: there is no stream 's'"):
        load_tests(file)
    file.write_text("declaration: no.yaml\ntest: []\n")
    with pytest.raises(DeclarationError) as error:
        load_tests(file)
    assert "has no key 'test'; did you mean 'tests'?" in str(error.value)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("{}", "5: a test needs `name`: text"),
        ("{name: x, expect: [], inputs: []}", "27: a test has no key 'inputs'; did you mean 'input'?"),
        ("{name: x, expect: [], input: [{stream: ss}]}", "44: there is no stream 'ss'; did you mean 's'?"),
        ("{name: x, expect: [], input: [{stream: s, for: 1m}]}", "35: `for` needs `every`"),
        ("{name: x, expect: [], input: [{stream: s, every: 1m}]}", "35: `every` needs `for`"),
        ("{name: x, expect: [], input: [{stream: s, series: {x: 1x2}}]}", "35: `series` needs `every`"),
        ("{name: x, expect: [], input: [{stream: s, every: 1m, series: {x: 1+x}}]}", "70: '1+x' is not a series such"),
        ("{name: x, expect: [], input: [{stream: s, every: 1ms, for: 1h}]}", "35: these are more than 1,000,000"),
        ("{name: x, expect: [], input: [{stream: s, value: [1]}]}", "54: `value` must be a mapping of fields, or text"),
        ("{name: x, expect: [], input: [{stream: s, partition: 1}]}", "58: the test has partitions 0 to 0"),
        ("{name: x, expect: [], input: [{stream: logs, value: {clent: 1}}]}", "65: there is no field of stream logs"),
        ("{name: x, expect: [], input: [{stream: free, value: {key: a}}]}", "57: codec raw cannot write such a record"),
        ("{name: x, expect: [], input: [{stream: logs, value: {time: [1]}}]}", "57: codec nginx cannot write such"),
        ("{name: x, expect: [], start: yesterday}", "34: `start` must be a time such as"),
        ("{name: x, expect: [{at: soon}]}", "29: `at` must be a duration since the start of the test"),
        ("{name: x, expect: [{at: 2000-01-01T00:00:00Z}]}", "29: this is before the start of the test"),
        ("{name: x, expect: [{alerts: [{alert: Man}]}]}", "42: there is no alert 'Man'; did you mean 'Many'?"),
        (
            "{name: x, expect: [{alerts: [{alert: Many, state: fired}]}]}",
            "55: `state` must be pending, firing",
        ),
        ("{name: x, expect: [{rows: [{table: d, key: 1}]}]}", "40: there is no table 'd'"),
        ("{name: x, expect: [{rows: [{table: c, key: a}]}]}", "32: table c has windows; give `window`, its start"),
        ("{name: x, expect: [{rows: [{table: c, key: a, window: 10s}]}]}", "59: no window of table c starts here"),
        ("{name: x, expect: [{rows: [{table: pairs, key: [a, 1], window: 0s}]}]}", "68: table pairs has no window"),
        ("{name: x, expect: [{rows: [{table: pairs, key: a}]}]}", "52: the key of table pairs is host, port; give 2"),
        ("{name: x, expect: [{rows: [{table: pairs, key: [[a], b]}]}]}", "52: `key` must be the value of the key"),
        ("{name: x, expect: [{rows: [{table: pairs, key: [a, b], values: {m: 1}}]}]}", "72: there is no column of"),
        (
            "{name: x, expect: [{rows: [{table: pairs, key: [a, b], absent: yes}]}]}",
            "68: `absent` must be true or",
        ),
        ("{name: x, expect: [{rows: [{table: pairs, key: [a, b], absent: true, closed: true}]}]}", "32: a row that is"),
        (
            "{name: x, expect: [{rows: [{table: pairs, key: [a, b], tolerance: 1%}]}]}",
            "71: `tolerance` must be a",
        ),
        ("{name: x, expect: [{dead_letters: {wrong: 1}}]}", "47: there is no reason of dead letters 'wrong'"),
        ("{name: x, expect: [{late: {d: 1}}]}", "35: there is no table 'd'"),
    ],
)
def test_every_mistake_is_told(test: str, message: str) -> None:
    """Each mistake is told with its place, the value, and what to do."""
    found = mistakes(f"{APP}tests:\n  - {test}\n")
    assert any(each.startswith(f"{LINES + 2}:{message}") for each in found), found


def test_equal_with_and_without_tests() -> None:
    """Tests are no part of what is declared."""
    assert loads(APP + ONE) == loads(APP)
    assert Declaration(app="t", tests=loads(APP + ONE).tests) == Declaration(app="t")
