"""The page about tests: its examples run, its tables are complete, what it shows is what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.ruletests.fields import ALERT, EXPECT, INPUT, ROW, TEST
from tests.streams.ruletests.apps import streams

PAGE = (Path(__file__).parents[3] / "deploy" / "docs" / "testing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def timeless(text: str) -> str:
    """Return text without how long it took."""
    return re.sub(r"in \d+\.\d\ds", "in 0.00s", text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with the page's files."""
    for name, block in zip(("ops.yaml", "beside.yaml", "promtool.yaml"), blocks("yaml"), strict=True):
        (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_pass() -> None:
    """All three layouts run, and the first prints what the page shows."""
    assert streams("test", "beside.yaml", "promtool.yaml").exit_code == 0
    command, _, shown = blocks("console")[0].partition("\n")
    assert timeless(streams(*command.split()[2:]).output) == timeless(shown)


def test_the_failure_is_as_shown(folder: Path) -> None:
    """With one time changed, the failure of the page comes."""
    (folder / "ops.yaml").write_text(blocks("yaml")[0].replace("fired_at: 4m\n", "fired_at: 3m\n"))
    assert blocks("text")[0] in streams("test", "ops.yaml").output


@pytest.mark.parametrize("section", [TEST, INPUT, EXPECT, ALERT, ROW], ids=lambda section: section.what)
def test_every_key_is_documented(section: object) -> None:
    """Each key has its row, with the words that editors show."""
    missing = [key.name for key in section.keys if f"| `{key.name}` | {key.doc} |" not in PAGE]  # type: ignore[attr-defined] # a Section
    assert missing == []
