"""`streams test`: what it prints, writes and ends with."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.streams.ruletests.apps import APP, streams

TESTS = """tests:
  - name: good
    input: [{stream: s, at: 1s, value: {host: a, port: 1}}]
    expect: [{rows: [{table: c, key: a, window: 0s, values: {n: 1}}]}]
  - name: bad & <b>
    input: [{stream: s, at: 1s, value: {host: a, port: 1}}]
    expect: [{at: 5s, rows: [{table: c, key: a, window: 0s, values: {n: 2}}], dead_letters: {}}]
"""
PLACE = APP.count("\n") + 7


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with a declaration and its tests."""
    (tmp_path / "ops.yaml").write_text(APP + TESTS)
    (tmp_path / "none.yaml").write_text(APP)
    (tmp_path / "wrong.yaml").write_text("app: t\ntests: [{name: x, expect: [{late: {d: 1}}]}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_dots_and_failures() -> None:
    """A dot or an F for each test, then each failure with its place, both sides and the time, and a count; exit 1."""
    result = streams("test", "ops.yaml")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "ops.yaml .F"
    assert lines[1].strip("= ") == "FAILURES"
    assert lines[2].strip("_ ") == "ops.yaml::bad & <b>"
    assert lines[3:6] == [
        f"ops.yaml:{PLACE}:69: at 5s: row a of table c, window 0s",
        "E   - expected  n: 2",
        "E   + came      n: 1",
    ]
    assert re.fullmatch(r"=+ 1 failed, 1 passed in \d+\.\d\ds =+", lines[6])


@pytest.mark.usefixtures("folder")
def test_one_line_for_each() -> None:
    """With -v each test has its line, and -k chooses."""
    assert streams("test", "-v", "ops.yaml").output.splitlines()[:2] == [
        "ops.yaml::good PASSED",
        "ops.yaml::bad & <b> FAILED",
    ]
    result = streams("test", "-v", "-k", "GOOD", "ops.yaml", "none.yaml")
    assert result.exit_code == 0
    assert result.output.startswith("ops.yaml::good PASSED\n=")


@pytest.mark.usefixtures("folder")
def test_no_test_is_no_success() -> None:
    """Where nothing ran, nothing is proved: exit 1."""
    for arguments in (["none.yaml"], ["-k", "other", "ops.yaml"]):
        result = streams("test", *arguments)
        assert result.exit_code == 1
        assert "no tests ran" in result.output


@pytest.mark.usefixtures("folder")
def test_mistakes_of_all_files() -> None:
    """Mistakes end with 78, those of all files at once, before any test runs."""
    result = streams("test", "ops.yaml", "wrong.yaml", "gone.yaml")
    assert (result.exit_code, result.stdout) == (78, "")
    assert result.stderr.splitlines() == [
        "gone.yaml:1:1: there is no such file; check the path",
        "wrong.yaml:2:39: there is no table 'd'",
    ]


def test_junit(folder: Path) -> None:
    """The XML has a suite for each file and a case for each test, with what failed."""
    streams("test", "ops.yaml", "--junit", "out.xml")
    (suite,) = ET.parse(folder / "out.xml").getroot()  # noqa: S314 - our own file
    assert {name: suite.get(name) for name in ("name", "tests", "failures")} == {
        "name": "ops.yaml", "tests": "2", "failures": "1",
    }  # fmt: skip
    good, bad = suite
    assert (good.get("name"), len(good)) == ("good", 0)
    assert bad.get("name") == "bad & <b>"
    assert bad[0].get("message") == f"ops.yaml:{PLACE}:69: row a of table c, window 0s"
    assert "E   + came      n: 1" in (bad[0].text or "")


@pytest.mark.usefixtures("folder")
def test_junit_that_cannot_be_written() -> None:
    """A path that cannot be written is told, without a traceback."""
    result = streams("test", "ops.yaml", "--junit", "no/out.xml")
    assert result.exit_code == 1
    assert "no/out.xml cannot be written: No such file or directory" in result.stderr
