"""The command: what it prints, its exit codes, and that a user's mistake is never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main
from streams.schema import schema

GOLDEN = Path(__file__).parent.parent / "declarations"
OPS = str(GOLDEN / "ops.good.yaml")
BAD_DECLARATION = 78


def test_check_of_a_good_file() -> None:
    """A good file is told to be one, with what is in it."""
    result = CliRunner().invoke(main, ["check", OPS])
    assert (result.exit_code, result.output) == (0, f"{OPS}: ok, 1 stream, 1 table, 1 alert\n")


@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bad.yaml")), ids=lambda path: path.stem)
def test_bad_files_end_with_their_mistakes(command: str, path: Path) -> None:
    """A bad file ends with exit code 78 and every mistake on standard error, none on standard output."""
    result = CliRunner().invoke(main, [command, str(path)])
    assert result.exit_code == BAD_DECLARATION
    assert result.stdout == ""
    expected = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    assert result.stderr.splitlines() == [f"{path}:{line}" for line in expected]


@pytest.mark.parametrize("name", [".", "no/such.yaml", "a\0b"])
def test_files_that_cannot_be_read(name: str) -> None:
    """A directory or a missing file is a mistake at the file's first character."""
    result = CliRunner().invoke(main, ["check", name])
    assert result.exit_code == BAD_DECLARATION
    assert result.stderr.startswith(f"{name}:1:1: ")


def test_plan() -> None:
    """The plan names topics, state and rules."""
    result = CliRunner().invoke(main, ["plan", OPS])
    assert result.exit_code == 0
    for part in ("ops-traffic-changelog, as many partitions as web.access", "ops-alerts", "HighErrorRate"):
        assert part in result.output


def test_schema() -> None:
    """The schema is printed as JSON."""
    assert json.loads(CliRunner().invoke(main, ["schema"]).output) == schema()


def test_version() -> None:
    """The version names the program."""
    assert CliRunner().invoke(main, ["--version"]).output.startswith("streams ")


def test_process() -> None:
    """As a process, too: exit code 78 and a place, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "check", str(GOLDEN / "of_table.bad.yaml")],
        capture_output=True, text=True, check=False, cwd=GOLDEN.parent.parent,
    )  # fmt: skip
    assert done.returncode == BAD_DECLARATION
    assert "Traceback" not in done.stderr
    assert "of_table.bad.yaml:7:20: table 'by_host' has no window" in done.stderr
